"""Apply a plan: link, set variables, run the delegate, finish the wheel. The only writers.

May not decide anything, nor look for anything that the plan does not name.
"""

from __future__ import annotations
