#include <Python.h>

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "cpu_adam_op", NULL, -1, NULL};

PyMODINIT_FUNC PyInit_cpu_adam_op(void) { return PyModule_Create(&definition); }
