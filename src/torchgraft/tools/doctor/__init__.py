"""`torchgraft doctor`: whether this machine can build for its torch, and what to mend.

May not mend it.
"""
