"""Whether libraries link with a torch.

May not load one.
"""

from __future__ import annotations
