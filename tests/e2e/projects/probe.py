"""Stands at the top of a test project's setup.py: writes what the build sees to the file that PROBE_FILE names."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import sysconfig
import time
from pathlib import Path

import torch


def _holds(folder: str, pattern: str) -> bool:
    return any(Path(folder or ".").glob(pattern))


if os.environ.get("PROBE_FILE"):
    facts = {
        "command": sys.argv[1:],
        "pid": os.getpid(),
        "prefix": sys.prefix,
        "purelib": sysconfig.get_path("purelib"),
        "torch_at": str(Path(torch.__file__).parent),
        "torch_is": str(Path(torch.__file__).resolve().parent),
        "torch_version": torch.__version__,
        "distribution_version": importlib.metadata.version("torch"),
        "folders_with_torch": [f for f in sys.path if _holds(f, "torch/__init__.py") or _holds(f, "torch-*.dist-info")],
    }
    with Path(os.environ["PROBE_FILE"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")
if os.environ.get("PROBE_SLEEP_S"):
    time.sleep(float(os.environ["PROBE_SLEEP_S"]))
