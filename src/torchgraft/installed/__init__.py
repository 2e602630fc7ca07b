"""What an environment has, read from its files.

May not run or import any of it. Others use `distributions` (which there are, and what has to be linked to import one),
`editable`, `torch`, `dist_info` (metadata, lists of files) and `markers` (what markers and tags mean for a Python).
"""
