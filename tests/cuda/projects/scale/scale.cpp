// A module that needs no header of torch: it compiles in seconds, and shows which programs compile it.
#include <Python.h>

extern "C" int launches();

static PyObject* compiled_by(PyObject*, PyObject*) { return Py_BuildValue("si", __VERSION__, launches()); }

static PyMethodDef methods[] = {{"compiled_by", compiled_by, METH_NOARGS, ""}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "scale_ext", nullptr, -1, methods};
PyMODINIT_FUNC PyInit_scale_ext() { return PyModule_Create(&module); }
