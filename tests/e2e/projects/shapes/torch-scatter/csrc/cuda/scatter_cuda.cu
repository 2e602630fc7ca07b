// the kernels would be here
