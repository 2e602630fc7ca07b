#include <Python.h>

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

namespace {

at::Tensor scaled_add(const at::Tensor& x, const at::Tensor& y, double alpha) {
  TORCH_CHECK(x.sizes() == y.sizes(), "x is ", x.sizes(), ", y is ", y.sizes());
  TORCH_CHECK(x.scalar_type() == y.scalar_type(), "x is ", x.scalar_type(), ", y is ", y.scalar_type());
  const at::Tensor from_x = x.contiguous();
  const at::Tensor from_y = y.contiguous();
  at::Tensor sum = at::empty_like(from_x);
  AT_DISPATCH_FLOATING_TYPES(sum.scalar_type(), "scaled_add", [&] {
    const scalar_t* a = from_x.const_data_ptr<scalar_t>();
    const scalar_t* b = from_y.const_data_ptr<scalar_t>();
    scalar_t* out = sum.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, sum.numel(), 32768, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = a[i] + static_cast<scalar_t>(alpha) * b[i];
    });
  });
  return sum;
}

}  // namespace

TORCH_LIBRARY(scaled_add, library) {
  library.def("scaled_add(Tensor x, Tensor y, float alpha) -> Tensor");
}

TORCH_LIBRARY_IMPL(scaled_add, CPU, library) {
  library.impl("scaled_add", &scaled_add);
}

// The operator registers itself when the module is loaded; to Python the module only says what it was built for.
PyMODINIT_FUNC PyInit__C() {
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, nullptr};
  PyObject* module = PyModule_Create(&definition);
  if (module) PyModule_AddStringConstant(module, "BUILT_FOR_TORCH", BUILT_FOR_TORCH);
  return module;
}
