"""Which torch, and how it reaches the build.

May not read the front end's words.
"""

from __future__ import annotations
