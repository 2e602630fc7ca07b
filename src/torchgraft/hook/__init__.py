"""One hook call, in four files: `snapshot`, `plan`, `run`, `finish`.

May not know a topic's inside.
"""

from __future__ import annotations
