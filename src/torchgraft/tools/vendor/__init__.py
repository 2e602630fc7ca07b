"""`torchgraft vendor`: a copy of the backend in a project.

May not run the copy.
"""
