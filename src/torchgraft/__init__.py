"""Build torch and CUDA extensions against the very PyTorch that they will run with.

Read `hook` first: a snapshot is taken, a plan made of it, run, and the wheel finished. All other folders are topics.
`build_meta` is the door that front ends use, `cli` the one for people.
"""

from __future__ import annotations

__version__ = "0.1.0"
