"""Since when torch has had the functions of its stable ABI, read from its own headers.

May not compile anything: the headers state it in conditions of one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .prefixes import names_in

# What stands in no such condition was there with the first release that let extensions use it: torch.stable came with
# 2.9, and TORCH_TARGET_VERSION cannot name an earlier one (torch/csrc/stable/version.h).
FIRST_STABLE = "2.9"
_FOLDERS = (
    "torch/csrc/stable/c",
    "torch/csrc/inductor/aoti_torch/c",
    "torch/csrc/inductor/aoti_torch/generated",
    "torch/csrc/inductor/aoti_torch/generated/extend",
)
_LARGEST_BYTES = 4_000_000
_IF = re.compile(r"\s*#\s*if")
_ELSE = re.compile(r"\s*#\s*el")
_END = re.compile(r"\s*#\s*endif")
_SINCE = re.compile(r"TORCH_FEATURE_VERSION\s*>=\s*TORCH_VERSION_(\d+)_(\d+)_\d+")
_FUNCTION = re.compile(r"\b((?:aoti_torch|torch)_\w+)\s*\(")


def read_since(torch: Path) -> Mapping[str, str]:
    """Return the version, such as 2.10, from which on torch has had each of these functions; none without headers."""
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        for name in names_in(torch / "include" / folder):
            if name.endswith(".h"):
                for function, version in parse_since(_text(torch / "include" / folder / name).splitlines()):
                    found.setdefault(function, version)
    return found


def parse_since(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the functions that a header declares, each with the version of the innermost condition around it."""
    conditions: list[str] = []
    for line in lines:
        if _IF.match(line):
            since = _SINCE.search(line)
            conditions.append(f"{since[1]}.{since[2]}" if since else "")
        elif _ELSE.match(line) and conditions:
            conditions[-1] = ""
        elif _END.match(line) and conditions:
            conditions.pop()
        else:
            version = next((version for version in reversed(conditions) if version), FIRST_STABLE)
            yield from ((name, version) for name in _FUNCTION.findall(line.partition("//")[0]))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
