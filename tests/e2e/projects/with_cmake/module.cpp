#include <Python.h>

// The heavy headers of torch cost 20 seconds; this one calls into libc10 and costs none.
#include <c10/core/DeviceType.h>
#include <torch/version.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOINED_(x, y) x##y
#define JOINED(x, y) JOINED_(x, y)

static PyObject *device_name(PyObject *, PyObject *) {
  return PyUnicode_FromString(c10::DeviceTypeName(c10::DeviceType::CPU, true).c_str());
}

static PyMethodDef methods[] = {{"device_name", device_name, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, TEXT(MODULE), nullptr, -1, methods};

PyMODINIT_FUNC JOINED(PyInit_, MODULE)() {
  PyObject *module = PyModule_Create(&definition);
  if (module != nullptr) PyModule_AddStringConstant(module, "BUILT_FOR_TORCH", TORCH_VERSION);
  return module;
}
