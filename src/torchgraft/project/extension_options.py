"""What a setup.py tells those who compile its extensions: torch's BuildExtension, and nvcc.

May not run any of them. What comes from a variable that is ours to set does not count.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

# Of nvcc --help: --threads NUMBER, -t NUMBER, either with `=`, and -t4.
_FLAG = re.compile(r"--threads|-t")
_WITH_VALUE = re.compile(r"(?:--threads=|-t=?)(\d{1,4})")
_NUMBER = re.compile(r"\d{1,4}")
_OURS = "NVCC_THREADS"
_MANY = 1000


def refuses_ninja(nodes: Iterable[ast.AST], resolve: Callable[[ast.expr], ast.expr]) -> bool | None:
    """Return whether one says so: `use_ninja=False`, `options["use_ninja"] = False`, or `{"use_ninja": False}`.

    None where an expression decides it.

    :param resolve: returns what a name is bound to, or the same node
    """
    resolved = [resolve(value) for node in nodes for value in _ninja_values(node)]
    if any(isinstance(value, ast.Constant) and value.value is False for value in resolved):
        return True
    return False if all(isinstance(value, ast.Constant) for value in resolved) else None


def _ninja_values(node: ast.AST) -> list[ast.expr]:
    values: list[ast.expr] = []
    if isinstance(node, ast.keyword) and node.arg == "use_ninja":
        values = [node.value]
    elif isinstance(node, ast.Assign):
        keys = [target.slice for target in node.targets if isinstance(target, ast.Subscript)]
        values = [node.value for key in keys if isinstance(key, ast.Constant) and key.value == "use_ninja"]
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        values = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "use_ninja"]
    return values


def most_sources(extensions: Iterable[ast.Call], strings: Callable[[ast.expr], tuple[str, ...] | None]) -> int:
    """Return how many sources the extension with the most of them has; what an expression computes are many."""
    given = [[k.value for k in call.keywords if k.arg == "sources"] or call.args[1:2] for call in extensions]
    found = [strings(sources[0]) if sources else None for sources in given]
    return max((_MANY if sources is None else len(sources) for sources in found), default=_MANY)


def nvcc_threads(nodes: Iterable[ast.AST], resolve: Callable[[ast.expr], ast.expr]) -> int | None:
    """Return the most threads that a flag gives to nvcc, 0 for one for each processor; None if there is no such flag.

    What comes from NVCC_THREADS is not counted: that variable is ours to set. Of another variable the default counts.
    """
    found = [int(text) for node in nodes for text in _threads(node, resolve)]
    return None if not found else 0 if 0 in found else max(found)


def appended_threads(variables: Mapping[str, str]) -> int | None:
    """Return the threads of the user's NVCC_APPEND_FLAGS, 0 for one for each processor; None if it names none.

    nvcc takes the last of several values, and these flags come last.
    """
    found = list(_in_words(variables.get("NVCC_APPEND_FLAGS", "").split()))
    return int(found[-1]) if found else None


def _threads(node: ast.AST, resolve: Callable[[ast.expr], ast.expr]) -> Iterator[str]:
    if isinstance(node, (ast.List, ast.Tuple)):
        for flag, value in zip(node.elts, node.elts[1:], strict=False):
            if isinstance(flag, ast.Constant) and _FLAG.fullmatch(str(flag.value)):
                text = _literal(value, resolve)
                if text and _NUMBER.fullmatch(text):
                    yield text
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("-"):
        yield from _in_words(node.value.split())  # as for split(): "-O3 --threads 4"


def _in_words(words: list[str]) -> Iterator[str]:
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        match = _WITH_VALUE.fullmatch(word)
        if match:
            yield match[1]
        elif _FLAG.fullmatch(word) and _NUMBER.fullmatch(following):
            yield following


def _literal(node: ast.expr, resolve: Callable[[ast.expr], ast.expr]) -> str | None:
    """Return the text of a literal, or the default of a variable of its own; None for all else."""
    node = resolve(node)
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):  # os.getenv("MINE") or "4"
        return None if _asks_ours(node) else _literal(node.values[-1], resolve)
    if isinstance(node, ast.Call) and node.args and not _asks_ours(node):  # str(4), os.environ.get("MINE", "4")
        return _literal(node.args[-1], resolve)
    return None


def _asks_ours(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Constant) and part.value == _OURS for part in ast.walk(node))
