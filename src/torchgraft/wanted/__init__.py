"""Which torch the front end is about to install: arguments, requirement files, locks.

May not weigh one against the other, nor take a command line apart: it is given one. For others: `read_wanted`.
"""
