#include <Python.h>

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_scatter_cpu", nullptr, -1, nullptr};

PyMODINIT_FUNC PyInit__scatter_cpu() { return PyModule_Create(&definition); }
