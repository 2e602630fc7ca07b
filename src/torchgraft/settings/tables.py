"""Settings that are arrays of tables, `[[tool.torchgraft.when]]` and `[[tool.torchgraft.prebuilt]]`.

May not evaluate rules (`hook.plan_rules` does) or download wheels. Imported only where a project has such a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, NamedTuple

from ..values import dataclass
from . import kinds, table_kinds
from .kinds import Fault, Kind, TableProblem, ValueProblem
from .table_kinds import some_of

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


@dataclass(frozen=True, kw_only=True)
class Prebuilt:
    """Where a wheel is that is built already. `url` has facts in it; `sha256` are digests, one of which it must have.

    `index` is what it is listed by instead, `local` the local part of its version there, with facts. "" and () if there
    is none.
    """

    url: str = ""
    index: str = ""
    local: str = ""
    sha256: tuple[str, ...] = ()
    hashes: str = ""


class Key(NamedTuple):
    """A key of such a table: what it may be, and what the docs say of it."""

    key: str
    kind: Kind
    doc: str

    @property
    def field(self) -> str:
        """The name of the field."""
        return self.key.replace("-", "_")


class Tables(NamedTuple):
    """What tables of one array are: values of `make`, a dataclass with a field for each key.

    `check` says what is wrong with such a value as a whole, "" if nothing is; `off` is a word for no table at all.
    Each has exactly one of the keys `one_of`, where there are any.
    """

    make: type
    keys: tuple[Key, ...]
    check: Callable[[Any], str]
    off: str | None = None
    one_of: tuple[str, ...] = ()

    def parse(self, data: object) -> tuple[Any, ...]:
        """Return the values of an array.

        :raises ValueProblem: with every mistake in all of its tables, where it is an array
        """
        if self.off is not None and data == self.off:
            return ()
        if not isinstance(data, list):
            raise ValueProblem("an array of tables" + (f', or "{self.off}"' if self.off else ""))
        faults: list[Fault] = []
        made = tuple(self._table(item, f"[{i}]", faults) for i, item in enumerate(data, start=1))
        if faults:
            raise TableProblem(tuple(faults))
        return made

    def _table(self, data: object, path: str, faults: list[Fault]) -> Any:
        """Return one table as a value; None, with `faults` longer, where it is none."""
        if not isinstance(data, dict):
            faults.append(Fault(path, data, "a table"))
            return None
        before = len(faults)
        by_name = {key.key: key for key in self.keys}
        values: dict[str, Any] = {}
        for name, item in data.items():
            if name not in by_name:
                faults.append(Fault(f"{path}.{name}", item, known=tuple(sorted(by_name))))
                continue
            try:
                values[by_name[name].field] = by_name[name].kind.from_toml(item)
            except ValueProblem as problem:
                faults.append(Fault(f"{path}.{name}", item, str(problem)))
        if self.one_of and sum(key in data for key in self.one_of) != 1:
            faults.append(Fault(path, data, f"either {' or '.join(self.one_of)}"))
        if len(faults) > before:
            return None
        value = self.make(**values)
        wanted = self.check(value)
        if wanted:
            faults.append(Fault(path, data, wanted))
        return value

    def schema(self) -> Mapping[str, Any]:
        """Return the JSON schema of the array."""
        properties = {key.key: {"description": key.doc, **key.kind.schema()} for key in self.keys}
        items = {"type": "object", "additionalProperties": False, "properties": properties}
        either = {"oneOf": [{"required": [key]} for key in self.one_of]} if self.one_of else {}
        array = {"type": "array", "items": {**items, **either}}
        return array if self.off is None else {"anyOf": [array, {"const": self.off}]}


RULE_CONDITIONS = (
    Key("torch", kinds.SPECIFIERS, "The version of torch. A nightly or vendor build counts as its release too."),
    Key("cuda", kinds.SPECIFIERS, "The CUDA version that torch was built with. Never holds without one."),
    Key("python", kinds.SPECIFIERS, "The version of the interpreter that builds."),
    Key("gcc", kinds.SPECIFIERS, "The version of the gcc that compiles. Never holds where another compiler does."),
    Key(
        "gpu",
        kinds.SPECIFIERS,
        "The compute capability of a GPU that is visible, any of them, such as `>=9.0`; without a GPU, of"
        " `cuda-architectures`.",
    ),
    Key("accelerator", some_of(ACCELERATORS), "What torch is built for."),
    Key("platform", table_kinds.PATTERN, "The whole of `sys.platform`: `linux`, `darwin`, `win32`."),
    Key("machine", table_kinds.PATTERN, "The whole of `platform.machine()`, such as `x86_64|AMD64`."),
    Key(
        "if-env",
        table_kinds.CONDITIONS,
        "Variables of the user. `true`: set, and not to 0, no, off, false, n or f; `false`: otherwise; a string:"
        " set, and the regular expression matches the whole value.",
    ),
)
RULE_EFFECTS = (
    Key("requires", kinds.REQUIREMENTS, "Further build requirements of a wheel, as the setting of that name."),
    Key(
        "env",
        kinds.VARIABLES,
        "Variables for the delegate, as the setting of that name. A later rule beats an earlier one, and both the"
        " setting in `pyproject.toml`; `-C torchgraft.env.NAME` and a variable that the user has set beat them all.",
    ),
    Key(
        "error",
        kinds.TEXT,
        "A message with which the build of a wheel stops before anything is compiled. Metadata and sdists are made"
        " all the same.",
    ),
)
PREBUILT_KEYS = (
    Key("url", table_kinds.ADDRESS, "Where the wheel is, with facts between braces."),
    Key(
        "index",
        table_kinds.ADDRESS,
        "A simple index (PEP 503, PEP 691) that lists the wheel, instead of `url`. Its digest has to stand there.",
    ),
    Key(
        "local",
        table_kinds.LOCAL,
        "The local part that the version of the wheel has in that index, with facts between braces, such as"
        " `cu{cuda_digits}torch{torch_minor}`. Without it, it has none.",
    ),
    Key("sha256", table_kinds.DIGESTS, "Its SHA-256 digest; of several, one has to be it."),
    Key(
        "hashes",
        table_kinds.ADDRESS_OR_FILE,
        "A file of digests as `sha256sum` writes it, in the source tree or at another address. A wheel that it"
        " does not name is not used.",
    ),
)


def env_condition_text(name: str, *, wanted: str | bool) -> str:
    """Return a condition on a variable in words, without its value."""
    if isinstance(wanted, bool):
        return f"{name} is {'on' if wanted else 'off'}"
    return f"{name} matches {wanted}"


def env_conditions_met(rules: Iterable[When], variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the conditions of rules on variables that hold: the values themselves are nobody else's business."""
    return tuple(
        sorted(
            env_condition_text(name, wanted=wanted)
            for name, wanted in {pair for rule in rules for pair in rule.if_env.items()}
            if env_condition_holds(variables.get(name), wanted=wanted)
        )
    )


def env_condition_holds(value: str | None, *, wanted: str | bool) -> bool:
    """Return whether a variable is as wanted; words for false are those of scikit-build-core.

    Its regular expressions may match anywhere, so that `win` is in darwin; ours have to match the whole.
    """
    if isinstance(wanted, bool):
        text = (value or "").lower()
        is_on = bool(int(text)) if text.isdecimal() else text not in _FALSE
        return is_on is wanted
    return value is not None and re.fullmatch(wanted, value) is not None


def _rule_fault(rule: When) -> str:
    if not any(getattr(rule, key.field) for key in RULE_CONDITIONS):
        return "at least one condition: " + ", ".join(key.key for key in RULE_CONDITIONS)
    if not any(getattr(rule, key.field) for key in RULE_EFFECTS):
        return "at least one of: " + ", ".join(key.key for key in RULE_EFFECTS)
    return ""


def _place_fault(place: Prebuilt) -> str:
    if place.local and not place.index:
        return "local beside index alone"
    if place.index and (place.sha256 or place.hashes):
        return "sha256 or hashes beside url alone: an index says the digest"
    return "either sha256 or hashes, not both" if place.sha256 and place.hashes else ""


TABLES = {
    "when": Tables(When, (*RULE_CONDITIONS, *RULE_EFFECTS), _rule_fault),
    "prebuilt": Tables(Prebuilt, PREBUILT_KEYS, _place_fault, off="off", one_of=("url", "index")),
}
