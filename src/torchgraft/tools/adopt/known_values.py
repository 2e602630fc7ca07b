"""What can be known of the values in a setup.py without running it.

May not follow statements: `follow_script` does.
"""

from __future__ import annotations

import ast
from typing import TypeAlias

from ...project.setup_script import name_of

TEXT_METHODS = frozenset({"lower", "upper", "strip", "casefold"})

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


class Unknown:
    """A value that is not known, but for its truth if `truth` is not None."""

    def __init__(self, truth: bool | None = None) -> None:  # noqa: FBT001 - it is the value
        self.truth = truth


UNKNOWN = Unknown()
TRUE = Unknown(truth=True)


def truth_of(value: object) -> bool | None:
    """Return whether a value counts as true, None if that is not known."""
    return value.truth if isinstance(value, Unknown) else bool(value)


def is_environ(node: ast.expr) -> bool:
    """Return whether an expression is os.environ."""
    return name_of(node) == "environ"


def is_environ_get(node: ast.expr) -> bool:
    """Return whether an expression is os.environ.get or os.getenv."""
    return name_of(node) == "getenv" or (
        isinstance(node, ast.Attribute) and node.attr == "get" and is_environ(node.value)
    )


def is_among(left: object, node: ast.expr) -> bool | None:
    """Return whether a known value is among literal ones, None if that is not known."""
    if isinstance(left, Unknown) or not isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return None
    if not all(isinstance(item, ast.Constant) for item in node.elts):
        return None
    return left in [item.value for item in node.elts if isinstance(item, ast.Constant)]


def converted(name: str, given: list[object]) -> object:
    """Return what bool(), int() and str() make of a known value."""
    if name not in {"bool", "int", "str"} or len(given) != 1 or isinstance(given[0], Unknown):
        return UNKNOWN
    if name == "bool":
        return bool(given[0])
    if name == "int" and isinstance(given[0], (str, int)):
        try:
            return int(given[0])
        except ValueError:
            return UNKNOWN
    return given[0] if name == "str" and isinstance(given[0], str) else UNKNOWN


def imports_torch(text: str) -> bool:
    """Return whether a string is a program that imports torch."""
    lines = [line.strip() for part in text.splitlines() for line in part.split(";")]
    return any(line.startswith(("import torch", "from torch")) for line in lines)


def parameters(function: Function) -> list[str]:
    """Return the names of all parameters."""
    arguments = function.args
    found = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [*found, *(a.arg for a in (arguments.vararg, arguments.kwarg) if a)]


def changed_name(node: ast.AST) -> str:
    """Return the name that a node binds, or whose value it may change in place."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and not isinstance(node.ctx, ast.Load):
        return node.value.id
    return ""


def bound_often(tree: ast.Module) -> set[str]:
    """Return the names that a module binds more than once, or in a function that declares them global."""
    counts: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [node.name]
        else:
            names = node.names if isinstance(node, ast.Global) else [changed_name(node)]
        for name in names:
            counts[name] = counts.get(name, 0) + 1 + isinstance(node, ast.Global)
    return {name for name, count in counts.items() if count > 1}
