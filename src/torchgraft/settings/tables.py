"""Settings that are arrays of tables, `[[tool.torchgraft.when]]` and `[[tool.torchgraft.prebuilt]]`.

May not evaluate rules (`hook.plan_rules` does) or download wheels. Imported only where a project has such a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, NamedTuple

from ..untrusted import split_address
from ..values import dataclass
from . import kinds
from .kinds import (
    ADDRESS_FACTS,
    VARIABLE_NAME,
    Fault,
    Kind,
    TableProblem,
    ValueProblem,
    parse_relative,
    parse_text,
    template_fault,
    text_that,
)

# Of a regular expression: as often as it likes.
_REPEAT = r"[*+]|\{\d*,\d*\}"
_MOST_REPEATS = 3
# Where files are taken from. What is no HTTPS is on this machine: wheels are tried there before they are published.
OPEN_ADDRESS = r"https://[^/\s]|file:///[^/\s]|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?/"
ACCELERATORS = ("cuda", "rocm", "xpu", "cpu")
_FALSE = frozenset({"", "n", "no", "off", "false", "f"})


def some_of(known: tuple[str, ...]) -> Kind:
    """Return the kind of value that is one of these words, or a list of some."""

    def parse(data: object) -> tuple[str, ...]:
        words = data if isinstance(data, list) else [data]
        if not words or not all(word in known for word in words):
            raise ValueProblem(f"one or more of: {', '.join(known)}")
        return tuple(words)

    return Kind(" | ".join(f'"{word}"' for word in known) + ", or a list of them", parse)


def _pattern(data: object) -> str:
    text = parse_text(data)
    try:
        re.compile(text)
    except re.error:
        raise ValueProblem("a regular expression, such as linux|darwin") from None
    if _may_take_for_ever(text):
        raise ValueProblem("a regular expression with three repeats at most, and none of them in another")
    return text


def _may_take_for_ever(pattern: str) -> bool:
    """Return whether matching may take more than time by the third power: it repeats what repeats, or has a choice."""
    text = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern)
    while group := re.search(rf"\(([^()]*)\)({_REPEAT})?", text):
        repeats = re.search(_REPEAT, group[1])
        if group[2] and (repeats or "|" in group[1]):
            return True
        inside = "x".join(re.findall(_REPEAT, group[1])) if repeats else ""
        text = f"{text[: group.start()]}x{inside}{group[2] or ''}{text[group.end() :]}"
    return len(re.findall(_REPEAT, text)) > _MOST_REPEATS


def _conditions(data: object) -> Mapping[str, str | bool]:
    if not isinstance(data, dict) or not data:
        raise ValueProblem("a table of names of variables, such as { CI = true }")
    for name, value in data.items():
        VARIABLE_NAME.from_toml(name)
        if not isinstance(value, bool):
            _pattern(value)
    return MappingProxyType(dict(data))


def _template(text: str) -> str:
    fault = template_fault(text, ADDRESS_FACTS)
    if fault:
        raise ValueProblem(fault)
    return text


def _is_address(text: str) -> bool:
    is_open = re.match(OPEN_ADDRESS, _template(text)) and not re.search(r"[\s#]", text)
    return bool(is_open and split_address(text).scheme)


_address = text_that(
    _is_address, "an address that begins with https:// (here file:/// or http://127.0.0.1 too), without a fragment"
)


def _digests(data: object) -> tuple[str, ...]:
    texts = data if isinstance(data, list) else [data]
    if not texts or not all(isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{64}", text) for text in texts):
        raise ValueProblem("SHA-256 digests of 64 hexadecimal digits")
    return tuple(str(text).lower() for text in texts)


PATTERN = Kind("regular expression", _pattern)
ADDRESS = Kind("address", _address)
LOCAL = Kind(
    "local part of a version",
    text_that(
        lambda text: re.fullmatch(r"[A-Za-z0-9{}._-]+", _template(text)),
        "the local part of a version, such as cu{cuda_digits}torch{torch_minor}",
    ),
)
ADDRESS_OR_FILE = Kind(
    "address, or file of the source tree",
    lambda data: _address(data) if "://" in parse_text(data) else parse_relative(data),
)
DIGESTS = Kind("SHA-256 digest, or a list of them", _digests)
CONDITIONS = Kind("table of `true`, `false` or regular expressions", _conditions)


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


class Tables(NamedTuple):
    """What tables of one array are: values of `make`, a dataclass with a field for each key.

    `check` says what is wrong with such a value as a whole, "" if nothing is; `off` is a word for no table at all.
    Each has exactly one of the keys `one_of`, where there are any.
    """

    make: type
    keys: Mapping[str, Kind]
    check: Callable[[Any], str]
    off: str | None = None
    one_of: tuple[str, ...] = ()

    def parse(self, data: object) -> tuple[Any, ...]:
        """Return the values of an array; raise ValueProblem with every mistake in all of its tables."""
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
        values: dict[str, Any] = {}
        for name, item in data.items():
            if name not in self.keys:
                faults.append(Fault(f"{path}.{name}", item, known=tuple(sorted(self.keys))))
                continue
            try:
                values[_field(name)] = self.keys[name].from_toml(item)
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


def _field(key: str) -> str:
    return key.replace("-", "_")


RULE_CONDITIONS: Mapping[str, Kind] = {
    **dict.fromkeys(("torch", "cuda", "python", "gcc", "gpu"), kinds.SPECIFIERS),
    "accelerator": some_of(ACCELERATORS),
    "platform": PATTERN,
    "machine": PATTERN,
    "if-env": CONDITIONS,
}
RULE_EFFECTS: Mapping[str, Kind] = {"requires": kinds.REQUIREMENTS, "env": kinds.VARIABLES, "error": kinds.TEXT}


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
    for keys, wanted in ((RULE_CONDITIONS, "at least one condition"), (RULE_EFFECTS, "at least one of")):
        if not any(getattr(rule, _field(key)) for key in keys):
            return f"{wanted}: {', '.join(keys)}"
    return ""


def _place_fault(place: Prebuilt) -> str:
    if place.local and not place.index:
        return "local beside index alone"
    if place.index and (place.sha256 or place.hashes):
        return "sha256 or hashes beside url alone: an index says the digest"
    return "either sha256 or hashes, not both" if place.sha256 and place.hashes else ""


_PLACE_KEYS: Mapping[str, Kind] = {
    "url": ADDRESS,
    "index": ADDRESS,
    "local": LOCAL,
    "sha256": DIGESTS,
    "hashes": ADDRESS_OR_FILE,
}
TABLES = {
    "when": Tables(When, {**RULE_CONDITIONS, **RULE_EFFECTS}, _rule_fault),
    "prebuilt": Tables(Prebuilt, _PLACE_KEYS, _place_fault, off="off", one_of=("url", "index")),
}
