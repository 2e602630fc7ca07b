"""The settings as a JSON schema and as a page of the reference.

May not say anything that `config` and `settings_texts` do not.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import settings_texts

from torchgraft.settings import kinds, tables
from torchgraft.settings.config import TABLE, USER, Config, Setting, Source, TablesKind, settings, variable_name
from torchgraft.settings.kinds import FACTS, OF_MACHINE, VARIABLES, Kind, ListKind
from torchgraft.settings.tables import RULE_CONDITIONS, RULE_EFFECTS, Tables

_DIGEST = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
# Of what is more than a string, or a string of a form; what has words has them in its name.
_SCHEMAS: Mapping[Kind, Mapping[str, Any]] = {
    kinds.COUNT: {"type": "integer", "minimum": 1},
    kinds.FLAG: {"type": "boolean"},
    kinds.SIZE: {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?[KMGkmg][iI]?[bB]$"},
    kinds.DURATION: {"type": "string", "pattern": r"^([0-9]{1,6} ?(s|m|min|h|d|w)|off)$"},
    kinds.VARIABLES: {"type": "object", "additionalProperties": {"type": "string"}},
    tables.ADDRESS: {"type": "string", "pattern": f"^(?:{tables.OPEN_ADDRESS})"},
    tables.DIGESTS: {"anyOf": [_DIGEST, {"type": "array", "items": _DIGEST, "minItems": 1}]},
    tables.CONDITIONS: {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": ["boolean", "string"]},
    },
}


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 7) of `[tool.torchgraft]`, as editors and validate-pyproject take it."""
    properties = {
        setting.key: {"description": settings_texts.SETTINGS[name], **_setting_schema(setting)}
        for name, setting in settings().items()
        if Source.TOML in setting.sources
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"tool.{TABLE}",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _setting_schema(setting: Setting) -> Mapping[str, Any]:
    return _tables_schema(setting.kind.tables) if isinstance(setting.kind, TablesKind) else _schema(setting.kind)


def _schema(kind: Kind) -> Mapping[str, Any]:
    words = re.findall(r'"([^"]*)"', kind.name)
    if kind in _SCHEMAS:
        return _SCHEMAS[kind]
    if isinstance(kind, ListKind):
        array = {"type": "array", "items": {"type": "string", "minLength": 1}}
        return array if kind.off is None else {"oneOf": [{"const": kind.off}, array]}
    if kind.name.startswith("true | false"):
        return {"enum": [True, False, *words]}
    one = {"type": "string", **({"enum": words} if words else {"minLength": 1})}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]} if "list of" in kind.name else one


def _tables_schema(tables: Tables) -> Mapping[str, Any]:
    properties = {key: {"description": settings_texts.KEYS[key], **_schema(kind)} for key, kind in tables.keys.items()}
    items = {"type": "object", "additionalProperties": False, "properties": properties}
    either = {"oneOf": [{"required": [key]} for key in tables.one_of]} if tables.one_of else {}
    array = {"type": "array", "items": {**items, **either}}
    return array if tables.off is None else {"anyOf": [array, {"const": tables.off}]}


@dataclass(frozen=True)
class Group:
    """Settings that are about one thing, by their names in Config, with an example of `[tool.torchgraft]`."""

    title: str
    about: str
    names: tuple[str, ...]
    example: str


GROUPS = (
    Group(
        "The package",
        "What the build consists of.",
        ("backend", "backend_path", "requires", "env", "when", "vocabulary"),
        'backend = "setuptools.build_meta:__legacy__"   # setup.py imports modules of its own tree\n'
        'requires = ["packaging"]                       # what setup.py imports\n'
        'env = { MY_FLAG = "1" }                        # variables of the user win\n',
    ),
    Group(
        "Torch and its environment",
        "Which torch, of which environment, and how it gets into the build.",
        ("torch", "told_torch", "consumer", "trust", "match", "borrow", "provide"),
        'torch = ">=2.4,<2.10"               # refuse other versions before compiling\n'
        'match = ["torch", "torchvision"]    # its headers are included\n',
    ),
    Group(
        "Compilers",
        "How many at once, for how long, and what to keep.",
        (
            *("max_jobs", "memory_per_job", "jobserver", "compiler_cache", "precompiled_headers"),
            *("store", "stored", "store_write", "store_token", "timeout_s"),
        ),
        'memory-per-job = "6GB"    # templates in every file\n',
    ),
    Group(
        "CUDA",
        "Whether to compile CUDA code, with what, and for which GPUs.",
        ("cuda", "cuda_components", "cuda_architectures", "cuda_arch_variable", "cuda_arch_format"),
        'cuda-components = ["curand"]           # curand_kernel.h\n'
        'cuda-architectures = ["8.0", "9.0"]    # where no GPU is visible\n',
    ),
    Group(
        "The wheel",
        "Prebuilt wheels, what a wheel contains, and how it is checked.",
        ("prebuilt", "use_prebuilt", "require_hashes", "runtime_torch", "guard", "link_check", "sbom"),
        'runtime-torch = "minor"    # a wheel that was built against 2.8.0 requires torch==2.8.*\n',
    ),
    Group(
        "This machine",
        "What to print, and what to keep.",
        ("log", "progress", "cache_dir", "cache_age_s", "cache_size_bytes"),
        'log = "plan"    # the whole plan in every log\n',
    ),
)


def reference_text() -> str:
    """Return the settings as the Markdown of docs/reference/settings.md: an overview, then group by group.

    :raises ValueError: if a setting is in no group, or in two
    """
    known = settings()
    if not sorted(name for group in GROUPS for name in group.names) == sorted(known) == sorted(settings_texts.SETTINGS):
        raise ValueError("every setting stands in one group of docs/settings_page.py, and in docs/settings_texts.py")
    rows = ["| setting | what it does | default |", "| --- | --- | --- |"]
    for group in GROUPS:
        rows.append(f"| **[{group.title}](#{_anchor(group.title)})** | | |")
        for name in group.names:
            link = f"[`{known[name].key}`](#{_anchor(_heading(known[name]))})"
            said = _first_sentence(settings_texts.SETTINGS[name])
            rows.append(f"| {link} | {said} | {_default_text(getattr(Config(), name))} |")
    rows.append("")
    for group in GROUPS:
        rows += [f"## {group.title}", "", group.about, ""]
        rows += ["```toml", f"[tool.{TABLE}]", *group.example.splitlines(), "```", ""]
        for name in group.names:
            rows += _setting_text(known[name], settings_texts.SETTINGS[name], getattr(Config(), name))
    return "\n".join(rows)


def _setting_text(setting: Setting, said: str, default: object) -> list[str]:
    return [
        f"### {_heading(setting)}",
        "",
        said,
        "",
        f"- value: {setting.kind.name}",
        f"- default: {_default_text(default)}",
        f"- set by: {', '.join(_source_text(setting, source) for source in setting.sources)}",
        "",
        *(_keys_text(setting.kind.tables.keys) if isinstance(setting.kind, TablesKind) else ()),
    ]


def _heading(setting: Setting) -> str:
    return f"`{setting.key}`" + (" (of the user)" if setting.sources == USER and _is_shared(setting.key) else "")


def _anchor(heading: str) -> str:
    """Return the fragment by which Sphinx and GitHub know a heading."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _first_sentence(text: str) -> str:
    sentence = re.split(r"(?<=[\w`)])\.(?: |$)", text, maxsplit=1)[0]
    return _in_table(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", sentence))


def rules_text() -> str:
    """Return conditions, effects and facts as the Markdown at the end of docs/reference/rules.md."""
    facts = [
        f"| `{name}` | {meaning}{' (of the machine)' if name in OF_MACHINE else ''} | `{example}` |"
        for name, (meaning, example) in ((name, settings_texts.FACTS[name]) for name in FACTS)
    ]
    return "\n".join(
        [
            "## Conditions",
            "",
            *_keys_text(RULE_CONDITIONS),
            "## Effects",
            "",
            *_keys_text(RULE_EFFECTS),
            "## Facts",
            "",
            "| fact | meaning | example |",
            "| --- | --- | --- |",
            *facts,
            "",
        ]
    )


def _keys_text(keys: Mapping[str, Kind]) -> list[str]:
    rows = [
        f"| `{key}` | {kind.name.replace('|', 'or')} | {_in_table(settings_texts.KEYS[key])} |"
        for key, kind in keys.items()
    ]
    return ["| key | value | meaning |", "| --- | --- | --- |", *rows, ""]


def _in_table(text: str) -> str:
    return text.replace("|", "\\|")


def _is_shared(key: str) -> bool:
    return sum(setting.key == key for setting in settings().values()) > 1


def _default_text(default: object) -> str:
    if isinstance(default, enum.Enum):
        default = default.value
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in default) + "]`"
    if isinstance(default, Mapping):
        return "`{}`"
    if isinstance(default, int) and default and not default % 86_400:
        return f'`"{default // 86_400}d"`'
    if isinstance(default, int) and default and not default % 10**9:
        return f'`"{default // 10**9}GB"`'
    return f'`"{default}"`' if default else "none"


def _source_text(setting: Setting, source: Source) -> str:
    if source is Source.TOML and isinstance(setting.kind, TablesKind):
        return f"`[[tool.{TABLE}.{setting.key}]]`"
    if source is Source.TOML:
        return f"`[tool.{TABLE}] {setting.key}`"
    if source is Source.VARIABLE:
        return f"`{variable_name(setting.key)}`"
    return f"`-C {TABLE}.{setting.key}{'.NAME' if setting.kind is VARIABLES else ''}=...`"
