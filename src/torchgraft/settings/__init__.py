"""What was asked for, and by whom.

May not know what comes of it.
"""

from __future__ import annotations
