"""Sphinx configuration. docs/generate.py writes the pages that follow from the code; a test says when."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Where these pages are published from; GitHub says it to its workflows. A clone knows of no repository that is the one.
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from torchgraft import __version__  # noqa: E402

project = "torchgraft"
author = "The torchgraft developers"
copyright = author
release = __version__
extensions = ["myst_parser", "sphinx_copybutton"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "torchgraft"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
if REPOSITORY:
    html_theme_options = {
        "source_repository": f"https://github.com/{REPOSITORY}/",
        "source_branch": "main",
        "source_directory": "docs/",
        "announcement": f'<a href="https://github.com/{REPOSITORY}">{REPOSITORY}</a>',
    }
# What is copied can be pasted: neither the prompt nor what a command says.
copybutton_exclude = ".linenos, .gp, .go"
exclude_patterns = ["_build"]
