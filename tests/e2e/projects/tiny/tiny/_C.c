#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <torch/version.h>

static PyObject *scaled_add(PyObject *self, PyObject *args) {
  unsigned long long total, x, y;
  Py_ssize_t size;
  double alpha;
  if (!PyArg_ParseTuple(args, "KKKnd", &total, &x, &y, &size, &alpha)) return NULL;
  for (Py_ssize_t i = 0; i < size; ++i)
    ((double *)(size_t)total)[i] = ((const double *)(size_t)x)[i] + alpha * ((const double *)(size_t)y)[i];
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"scaled_add", scaled_add, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C", NULL, -1, methods};

PyMODINIT_FUNC PyInit__C(void) {
  PyObject *module = PyModule_Create(&definition);
  if (module == NULL) return NULL;
  PyModule_AddStringConstant(module, "BUILT_FOR_TORCH", BUILT_FOR_TORCH);
  PyModule_AddStringConstant(module, "HEADERS_OF_TORCH", TORCH_VERSION);
  return module;
}
