"""The values that travel between rooms.

May not import a room, or ask anything of the interpreter that runs it.
"""

from __future__ import annotations
