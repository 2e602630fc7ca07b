"""`torchgraft adopt`: what a project, an sdist or a package of an index has to change, and the change itself.

May not run anything of the project.
"""

from __future__ import annotations
