"""The file in the folder of adopted sdists that says how the files of a project were before, for `--undo`.

It holds what differs, with the lines around it: what somebody has written since stays. May not read or write files.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping

from ...codec import to_json
from ...files import leads_out
from ...redaction import without_credentials
from ...untrusted import json_table, tables
from ...values import dataclass

UNDO = "undo.json"
_AROUND = 3


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Lines of a file as they are now and as they were, with lines around them that did not change."""

    line: int
    now: str
    was: str


def passages_between(now: str, was: str) -> tuple[Passage, ...]:
    """Return what takes a text back to what it was."""
    after, before = now.splitlines(keepends=True), was.splitlines(keepends=True)
    passages: tuple[Passage, ...] = ()
    for around in range(_AROUND, -1, -1):
        passages = tuple(
            Passage(
                line=group[0][1],
                now="".join(after[group[0][1] : group[-1][2]]),
                was="".join(before[group[0][3] : group[-1][4]]),
            )
            for group in difflib.SequenceMatcher(None, after, before, autojunk=False).get_grouped_opcodes(around)
        )
        # A password in a line that did not change does not go into one more file.
        if all(text == without_credentials(text) for one in passages for text in (one.now, one.was)):
            break
    return passages


def undone(text: str, passages: Iterable[Passage]) -> tuple[str, tuple[Passage, ...]]:
    """Return a text as it was, and what has changed since so that it cannot be put back."""
    left = []
    for one in reversed(list(passages)):
        start, found = _place_of(one, text)
        if start >= 0:
            text = text[:start] + found.was + text[start + len(found.now) :]
        elif found.was:
            left.append(one)
    return text, tuple(reversed(left))


def _place_of(one: Passage, text: str) -> tuple[int, Passage]:
    """Return where a passage is, and as much of it as is there: where it was, or the only place; -1 for none."""
    start = sum(map(len, text.splitlines(keepends=True)[: one.line]))
    if text.startswith(one.now, start):
        return start, one
    bare = _without_lines_around(one)
    found = next((each for each in (one, bare) if each.now and text.count(each.now) == 1), None)
    return (text.index(found.now), found) if found else (-1, bare)


def _without_lines_around(one: Passage) -> Passage:
    now, was = one.now.splitlines(keepends=True), one.was.splitlines(keepends=True)
    while now and was and now[0] == was[0]:
        del now[0], was[0]
    while now and was and now[-1] == was[-1]:
        del now[-1], was[-1]
    return Passage(line=one.line, now="".join(now), was="".join(was))


def undo_text(files: Mapping[str, tuple[Passage, ...]]) -> str | None:
    """Return the file; None where there is nothing to say."""
    report = {name: [to_json(one) for one in passages] for name, passages in sorted(files.items()) if passages}
    return f"{json.dumps(report, indent=1)}\n" if report else None


def parse_undo(text: str) -> dict[str, tuple[Passage, ...]]:
    """Return what the file says of files in the folder of the project and below."""
    return {name: tuple(_passages(listed)) for name, listed in json_table(text).items() if not leads_out(name)}


def _passages(listed: object) -> Iterator[Passage]:
    for item in tables(listed):
        line, now, was = item.get("line"), item.get("now"), item.get("was")
        if isinstance(line, int) and isinstance(now, str) and isinstance(was, str):
            yield Passage(line=max(line, 0), now=now, was=was)
