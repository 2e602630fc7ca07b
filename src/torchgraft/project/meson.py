"""What meson.build says in its call of project(): enough to make metadata, and nothing that has to be compiled.

May not run meson: the text is cut, never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# What meson-python takes into the metadata (mesonpy/__init__.py, `Project`), and what guards the reading of it.
_KEPT = frozenset({"version", "license", "license_files", "meson_version"})
_START = re.compile(r"(?:\s|#[^\n]*(?:\n|\Z))*project\s*\(")
_KEYWORD = re.compile(r"(?:\s|#[^\n]*\n)*(\w+)\s*:")
# A comment, a long string, a string, or one other character (meson's mparser.py, `Lexer`).
_PIECE = re.compile(r"#[^\n]*|'''.*?'''|'(?:[^'\\\n]|\\.)*'|.", re.DOTALL)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def project_alone(text: str) -> str | None:
    """Return a meson.build of the same name, version and licence that finds and builds nothing; None if it is not one.

    project() has to be its first statement. The languages go too: for each of them meson looks for a compiler.
    """
    start = _START.match(text)
    arguments = None if start is None else _arguments(text, start.end())
    if not arguments:
        return None
    named = {match[1]: argument for argument in arguments[1:] if (match := _KEYWORD.match(argument))}
    kept = [arguments[0], *(argument for name, argument in named.items() if name in _KEPT)]
    # Each on lines of its own: an argument may end in a comment.
    return "project(\n" + "\n,\n".join(kept) + "\n)\n"


def _arguments(text: str, begin: int) -> list[str] | None:
    """Return the arguments of a call from behind its opening bracket; None where it has no end."""
    arguments: list[str] = []
    closing = [")"]
    for position, piece in _pieces(text, begin):
        if piece == "'":
            return None  # a string without an end
        if piece in _PAIRS:
            closing.append(_PAIRS[piece])
        elif piece == closing[-1]:
            closing.pop()
        if not closing or (piece == "," and len(closing) == 1):
            arguments.append(text[begin:position].strip())
            begin = position + 1
        if not closing:
            return list(filter(None, arguments))
    return None


def _pieces(text: str, begin: int) -> Iterator[tuple[int, str]]:
    for match in _PIECE.finditer(text, begin):
        yield match.start(), match[0]
