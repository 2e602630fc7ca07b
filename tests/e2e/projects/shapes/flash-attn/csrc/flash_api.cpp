// the kernels would be launched from here
