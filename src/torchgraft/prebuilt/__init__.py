"""Wheels that are built already, and whether they fit.

May not compile.
"""

from __future__ import annotations
