"""What only a person runs: the command line, and what its commands look at and say.

`commands` runs the one that is named; each has a file or a room of its own, and what they share is in `shared_options`
and `terminal`. No build imports any of it, and vendored copies do not have it.
"""
