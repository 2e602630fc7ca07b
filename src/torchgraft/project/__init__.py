"""What the source tree says, without running it.

May not run any of it, nor know how the wheel is made. For others: `read_project` (the whole tree), `setup_script` (a
setup.py's syntax tree), `extension_options` (what it tells compilers), `cmake` (who looks for torch).
"""
