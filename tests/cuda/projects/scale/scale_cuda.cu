__global__ void scale(float* x, float factor, long n) {
  long i = blockIdx.x * long(blockDim.x) + threadIdx.x;
  if (i < n) x[i] *= factor;
}

extern "C" int launches() {
  scale<<<1, 1>>>(nullptr, 1.0f, 0);
  return __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__;
}
