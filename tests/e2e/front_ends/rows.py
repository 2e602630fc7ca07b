"""The matrix: every front end, the commands in which it calls hooks, and what there is before.

May not do anything: the page of results and the tests read it.
"""

from __future__ import annotations

from .model import Row
from .rows_others import other_rows
from .rows_pip import pip_rows
from .rows_uv import uv_rows

ROWS: tuple[Row, ...] = (*pip_rows(), *uv_rows(), *other_rows())
