#include <Python.h>

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C", NULL, -1, NULL};

PyMODINIT_FUNC PyInit__C(void) {
  PyObject *module = PyModule_Create(&definition);
  if (module != NULL) PyModule_AddStringConstant(module, "BUILT_FOR", BUILT_FOR);
  return module;
}
