"""`torchgraft adopt`: what a project, an sdist or a package of an index has to change, and the change itself.

May not run anything of the project. Others use `adoption`, `plan_adoption`, `adoptable` and `sdist`.
"""
