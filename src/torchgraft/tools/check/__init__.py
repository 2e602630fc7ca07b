"""`torchgraft check`: whether installed packages, wheels and libraries link with the torch that is there.

May not import or run any of them.
"""
