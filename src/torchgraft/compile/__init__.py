"""What compiles CUDA, ROCm, SYCL and C++ here, and how much at once.

May not look for torch. For others: `hardware` (what the machine has), `plan_compiling` (what is compiled with it),
`plan_needs` (whether anything is needed at all), `plan_facts` (what is known, for rules, templates and the vocabulary),
`cuda_home` (put a toolkit together), and for rules about gcc `plan_toolkit` and `plan_compilers`.
"""
