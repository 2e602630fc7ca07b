"""Build torch and CUDA extensions against the very PyTorch that they will run with.

Read the folders in order: `look` observes the machine, `decide` turns what was seen into a plan, `act` applies it.
`build_meta` is the door that front ends use, `cli` the one for people.
"""

from __future__ import annotations

__version__ = "0.1.0"
