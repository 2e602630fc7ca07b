"""`torchgraft matrix`: the wheels of a project for every Python, torch and CUDA, listed or built here.

`matrix_command` is the command. A build imports nothing of it.
"""
