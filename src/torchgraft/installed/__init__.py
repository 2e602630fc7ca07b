"""What an environment has, read from its files.

May not run or import any of it.
"""

from __future__ import annotations
