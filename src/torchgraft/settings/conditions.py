"""The rules of a package: `[[tool.torchgraft.when]]`, what they ask for and what they do.

May not evaluate them: `decide.rules` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .table_values import CONDITIONS, PATTERN, some_of
from .tables import Key, array_of_tables
from .value_types import REQUIREMENTS, SPECIFIERS, TEXT, VARIABLES

ACCELERATORS = ("cuda", "rocm", "xpu", "cpu")
_FALSE = frozenset({"", "n", "no", "off", "false", "f"})


@dataclass(frozen=True, kw_only=True)
class When:
    """One rule: conditions, all of which have to hold, and what follows. "" and () are conditions that are not made."""

    torch: str = ""
    cuda: str = ""
    python: str = ""
    gcc: str = ""
    gpu: str = ""
    accelerator: tuple[str, ...] = ()
    platform: str = ""
    machine: str = ""
    if_env: Mapping[str, str | bool] = field(default_factory=lambda: MappingProxyType({}))
    requires: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    error: str = ""


RULE_CONDITIONS = (
    Key(key="torch", kind=SPECIFIERS, doc="The version of torch. A nightly or vendor build counts as its release too."),
    Key(key="cuda", kind=SPECIFIERS, doc="The CUDA version that torch was built with. Never holds without one."),
    Key(key="python", kind=SPECIFIERS, doc="The version of the interpreter that builds."),
    Key(
        key="gcc",
        kind=SPECIFIERS,
        doc="The version of the gcc that compiles. Never holds where another compiler does.",
    ),
    Key(
        key="gpu",
        kind=SPECIFIERS,
        doc="The compute capability of a GPU that is visible, any of them, such as `>=9.0`; without a GPU, of"
        " `cuda-architectures`.",
    ),
    Key(key="accelerator", kind=some_of(ACCELERATORS), doc="What torch is built for."),
    Key(
        key="platform",
        kind=PATTERN,
        doc="The whole of `sys.platform`: `linux`, `darwin`, `win32`.",
    ),
    Key(
        key="machine",
        kind=PATTERN,
        doc="The whole of `platform.machine()`, such as `x86_64|AMD64`.",
    ),
    Key(
        key="if-env",
        kind=CONDITIONS,
        doc="Variables of the user. `true`: set, and not to 0, no, off, false, n or f; `false`: otherwise; a string:"
        " set, and the regular expression matches the whole value.",
    ),
)
RULE_EFFECTS = (
    Key(key="requires", kind=REQUIREMENTS, doc="Further build requirements of a wheel, as the setting of that name."),
    Key(
        key="env",
        kind=VARIABLES,
        doc="Variables for the delegate, as the setting of that name. A later rule beats an earlier one, and both the"
        " setting in `pyproject.toml`; `-C torchgraft.env.NAME` and a variable that the user has set beat them all.",
    ),
    Key(
        key="error",
        kind=TEXT,
        doc="A message with which the build of a wheel stops before anything is compiled. Metadata and sdists are made"
        " all the same.",
    ),
)


def env_condition_text(name: str, *, wanted: str | bool) -> str:
    """Return a condition on a variable in words, without its value."""
    if isinstance(wanted, bool):
        return f"{name} is {'on' if wanted else 'off'}"
    return f"{name} matches {wanted}"


def env_condition_holds(value: str | None, *, wanted: str | bool) -> bool:
    """Return whether a variable is as wanted; words for false are those of scikit-build-core.

    Its regular expressions may match anywhere, so that `win` is in darwin; ours have to match the whole.
    """
    if isinstance(wanted, bool):
        text = (value or "").lower()
        is_on = bool(int(text)) if text.isdecimal() else text not in _FALSE
        return is_on is wanted
    return value is not None and re.fullmatch(wanted, value) is not None


def _check(rule: When) -> str:
    if not any(getattr(rule, key.field) for key in RULE_CONDITIONS):
        return "at least one condition: " + ", ".join(key.key for key in RULE_CONDITIONS)
    if not any(getattr(rule, key.field) for key in RULE_EFFECTS):
        return "at least one of: " + ", ".join(key.key for key in RULE_EFFECTS)
    return ""


RULES = array_of_tables(When, (*RULE_CONDITIONS, *RULE_EFFECTS), check=_check)
