"""Which torch the front end is about to install: arguments, requirement files, locks.

May not weigh one against the other.
"""

from __future__ import annotations
