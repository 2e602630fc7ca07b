"""Which environment the wheel is for: processes, front ends, rules.

May not look into it.
"""

from __future__ import annotations
