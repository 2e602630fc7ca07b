"""What a finished wheel is given: archive, record, metadata, run paths, guard.

May not judge whether it links.
"""

from __future__ import annotations
