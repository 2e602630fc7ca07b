"""The plan's facts, and what was read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

_FOLDER = Path(__file__).parent
_FACTS = json.loads((_FOLDER / "facts.json").read_text(encoding="ascii"))
_FIXED = frozenset({"__path__", "__file__", "__spec__", "__all__"})


class StandInError(RuntimeError):
    """Something was asked that only a real torch knows. No AttributeError: hasattr() would take it for an answer."""


def fact(name: str, read: str) -> object:
    """Return a fact of the plan and note that it was read."""
    with (_FOLDER / "reads").open("a", encoding="utf-8") as file:
        file.write(f"{read}\n")
    return _FACTS[name]


def unknown(module: str, name: str) -> NoReturn:
    """Refuse an attribute. Python's own machinery may probe for names with underscores on both sides."""
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    raise refusal(f"{module}.{name}")


def refusal(what: str) -> StandInError:
    """Return the error for something that the stand-in does not know, and note it for torchgraft to explain."""
    (_FOLDER / "refused").write_text(what, encoding="utf-8")
    return StandInError(f"{what} is asked for where there is no torch")
