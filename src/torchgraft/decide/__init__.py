"""Turn settings and a snapshot into a plan, with a reason for every line of it.

May not touch the world: every function here is a function of its arguments.
"""

from __future__ import annotations
