"""Sphinx configuration. docs/generate.py writes the pages that follow from the code; a test says when."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from torchgraft import __version__  # noqa: E402

project = "torchgraft"
author = "The torchgraft developers"
copyright = author
release = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 2
html_theme = "furo"
exclude_patterns = ["_build"]
