"""The settings as a JSON schema and as a page of the reference.

May not say anything that `config` does not.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from torchgraft.settings.config import TABLE, USER, Config, Setting, Source, TablesKind, settings, variable_name
from torchgraft.settings.kinds import VARIABLES
from torchgraft.settings.tables import RULE_CONDITIONS, RULE_EFFECTS, Key
from torchgraft.settings.template import FACTS


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 7) of `[tool.torchgraft]`, as editors and validate-pyproject take it."""
    properties = {
        setting.key: {"description": setting.doc, **setting.kind.schema()}
        for setting in settings().values()
        if Source.TOML in setting.sources
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"tool.{TABLE}",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def reference_text() -> str:
    """Return the settings as the Markdown of docs/reference/settings.md."""
    defaults = Config()
    rows = []
    for name, setting in settings().items():
        default = getattr(defaults, name)
        rows += [
            f"## `{setting.key}`" + (" (of the user)" if setting.sources == USER and _is_shared(setting.key) else ""),
            "",
            setting.doc,
            "",
            f"- value: {setting.kind.name}",
            f"- default: {_default_text(default)}",
            f"- set by: {', '.join(_source_text(setting, source) for source in setting.sources)}",
            "",
            *(_keys_text(setting.kind.tables.keys) if isinstance(setting.kind, TablesKind) else ()),
        ]
    return "\n".join(rows)


def rules_text() -> str:
    """Return conditions, effects and facts as the Markdown at the end of docs/reference/rules.md."""
    facts = [
        f"| `{fact.name}` | {fact.doc}{' (of the machine)' if fact.of_machine else ''} | `{fact.example}` |"
        for fact in FACTS.values()
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


def _keys_text(keys: tuple[Key, ...]) -> list[str]:
    rows = [f"| `{key.key}` | {key.kind.name.replace('|', 'or')} | {_in_table(key.doc)} |" for key in keys]
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
    return f'`"{default}"`' if default else "none"


def _source_text(setting: Setting, source: Source) -> str:
    if source is Source.TOML and isinstance(setting.kind, TablesKind):
        return f"`[[tool.{TABLE}.{setting.key}]]`"
    if source is Source.TOML:
        return f"`[tool.{TABLE}] {setting.key}`"
    if source is Source.VARIABLE:
        return f"`{variable_name(setting.key)}`"
    return f"`-C {TABLE}.{setting.key}{'.NAME' if setting.kind is VARIABLES else ''}=...`"
