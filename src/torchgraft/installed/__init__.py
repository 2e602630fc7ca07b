"""What an environment has, read from its files.

May not run or import any of it. Others use `distributions` (which there are, and what has to be linked to import one),
`torch`, `dist_info` (metadata and lists of files) and `markers` (what markers and names of wheels mean for a Python).
"""
