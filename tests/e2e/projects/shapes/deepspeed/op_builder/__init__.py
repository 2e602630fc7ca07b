from setuptools import Extension


class CPUAdamBuilder:
    BUILD_VAR = "DS_BUILD_CPU_ADAM"
    NAME = "cpu_adam"

    def builder(self):
        from torch.utils.cpp_extension import include_paths

        return Extension("deepspeed.cpu_adam_op", ["csrc/cpu_adam.c"], include_dirs=include_paths())


ALL_OPS = [CPUAdamBuilder]
