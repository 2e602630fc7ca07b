"""The command line as a page of the reference.

May not say anything that the parsers do not.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from torchgraft.tools.commands import GROUPS, PROGRAM, command_parser


def command_line_text() -> str:
    """Return the commands as the Markdown of docs/reference/command-line.md."""
    commands = _below(command_parser())
    lines = []
    for title, names in GROUPS.items():
        lines += [f"## {title.capitalize()}", "", "| command | what it does |", "| --- | --- |"]
        lines += [f"| [`{name}`](#{PROGRAM}-{name}) | {command.said} |" for name, command in names.items()]
        lines.append("")
    for name, parser in commands.items():
        lines += _command(f"{PROGRAM} {name}", parser)
    return "\n".join(lines).rstrip() + "\n"


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (f"## {name}", "", *(parser.description or "").splitlines(), "")
    yield from ("```text", _synopsis(name, parser), "```", "")
    rows = [_row(action) for action in _actions(parser) if not isinstance(action.choices, dict)]
    if rows:
        yield from ("| argument | what it does |", "| --- | --- |", *rows, "")
    for part, below in _below(parser).items():
        yield from (f"**`{_synopsis(f'{name} {part}', below)}`**", "")
        yield from ("| argument | what it does |", "| --- | --- |", *map(_row, _actions(below)), "")
    if parser.epilog:
        yield from ("```text", parser.epilog.rstrip(), "```", "")


def _synopsis(name: str, parser: argparse.ArgumentParser) -> str:
    words = [name]
    for action in _actions(parser):
        value = _value(action)
        option = action.option_strings[0] if action.option_strings else ""
        text = f"{option} {value}".strip()
        words.append(text if action.required else f"[{text}]")
    return " ".join(words)


def _row(action: argparse.Action) -> str:
    value = _value(action)
    options = [f"{option} {value}".strip() for option in action.option_strings] or [value]
    names = ", ".join(f"`{option}`" for option in options).replace("|", "\\|")
    said = (action.help or "").replace("|", "\\|")
    return f"| {names} | {said} |"


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None and not isinstance(action.choices, dict):
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    # argparse has no other way to list them.
    return [action for action in parser._actions if "--help" not in action.option_strings]  # noqa: SLF001


def _below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = (action.choices for action in _actions(parser) if isinstance(action.choices, dict))
    return next(found, {})
