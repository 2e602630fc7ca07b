"""What can be known of the values in a setup.py without running it.

May not follow statements: `follow_script` does.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ...model.torch_values import required_name
from ...project.setup_script import VERSION_CALLS, changed_name, name_of

_YES, _NO = {"y", "yes", "t", "true", "on", "1"}, {"n", "no", "f", "false", "off", "0"}  # as distutils has it
_COMMAND = r"(?:bdist|build|clean|develop|dist|editable|egg|install|sdist)(?:_\w+)?"
TEXT_METHODS = frozenset({"lower", "upper", "strip", "casefold"})

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


class Unknown:
    """A value that is not known, but for its truth if `truth` is not None."""

    def __init__(self, truth: bool | None = None) -> None:  # noqa: FBT001 - it is the value
        self.truth = truth


UNKNOWN = Unknown()
TRUE = Unknown(truth=True)
CUDA_EXTENSION = Unknown(truth=True)  # under whatever name


def truth_of(value: object) -> bool | None:
    """Return whether a value counts as true, None if that is not known."""
    return value.truth if isinstance(value, Unknown) else bool(value)


class Stop:
    """How a block ended: `value` is what it returned, where it certainly did; `failed` that it raised."""

    def __init__(self, value: object = UNKNOWN, *, failed: bool = False) -> None:
        self.value = value
        self.failed = failed


def compared(node: ast.Compare, left: object, rights: list[object]) -> object:
    """Return what a comparison of known values gives; no variable of the environment is set."""
    operator, right, named = node.ops[0], rights[0], node.comparators[0]
    if len(rights) > 1:
        return UNKNOWN
    if isinstance(operator, (ast.In, ast.NotIn)):
        # Front ends give commands to a script, and nobody gives it options.
        is_option = isinstance(left, str) and not re.fullmatch(_COMMAND, left)
        absent = name_of(named) == "environ" or (name_of(named) == "argv" and is_option)
        found = False if absent else _is_among(left, named)
        return UNKNOWN if found is None else found == isinstance(operator, ast.In)
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return UNKNOWN
    if isinstance(operator, (ast.Eq, ast.Is)):
        return left == right
    return left != right if isinstance(operator, (ast.NotEq, ast.IsNot)) else UNKNOWN


def is_environ_get(node: ast.expr) -> bool:
    """Return whether an expression is os.environ.get or os.getenv."""
    is_get = isinstance(node, ast.Attribute) and node.attr == "get" and name_of(node.value) == "environ"
    return is_get or name_of(node) == "getenv"


def _is_among(left: object, node: ast.expr) -> bool | None:
    """Return whether a known value is among literal ones, None if that is not known."""
    if isinstance(left, Unknown) or not isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return None
    if not all(isinstance(item, ast.Constant) for item in node.elts):
        return None
    return left in [item.value for item in node.elts if isinstance(item, ast.Constant)]


def converted(function: ast.Name | ast.Attribute, given: list[object]) -> object:
    """Return what bool(), int(), str() and strtobool() make of a known value."""
    name = name_of(function)
    if isinstance(function, ast.Attribute) and name != "strtobool":
        return UNKNOWN
    if name not in {"bool", "int", "str", "strtobool"} or len(given) != 1 or isinstance(given[0], Unknown):
        return UNKNOWN
    if name == "bool":
        return bool(given[0])
    if name == "strtobool":
        word = str(given[0]).lower()
        return word in _YES if word in _YES | _NO else UNKNOWN
    if name == "int" and isinstance(given[0], (str, int)):
        try:
            return int(given[0])
        except ValueError:
            return UNKNOWN
    return given[0] if name == "str" and isinstance(given[0], str) else UNKNOWN


@dataclass(kw_only=True)
class Reached:
    """What was reached. `imports` are the nodes, and whether an ImportError is put up with there.

    `cuda` are the lines that call CUDAExtension whatever anything says, `without_cuda` those that give up without it.
    """

    imports: dict[ast.Import | ast.ImportFrom, bool] = field(default_factory=dict)
    named: list[tuple[str, int, bool]] = field(default_factory=list)
    questions: list[tuple[str, int]] = field(default_factory=list)
    cuda: list[int] = field(default_factory=list)
    without_cuda: list[int] = field(default_factory=list)

    def ask(self, node: ast.Call, name: str, *, guarded: bool, certain: bool) -> str | None:
        """Note what a call imports, or asks of torch; return a text that stands for what it finds, if that is there."""
        first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        if isinstance(first, str) and name in {"import_module", "__import__"} and not first.startswith("."):
            self.named.append((first, node.lineno, guarded))
        elif first == "torch" and name == "find_spec":
            self.named.append(("torch", node.lineno, True))
            return "torch"
        elif name == "CUDAExtension" and certain:
            self.cuda.append(node.lineno)
        elif name in VERSION_CALLS and isinstance(first, str) and required_name(first) == "torch":
            self.questions.append(("asks for the version of torch", node.lineno))
        self.questions += _asked_of_others(node)
        return None


def _asked_of_others(call: ast.Call) -> Iterator[tuple[str, int]]:
    """Yield what a call has another process find out about torch, with the line."""
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            lines = [line.strip() for part in node.value.splitlines() for line in part.split(";")]
            if any(line.startswith(("import torch", "from torch")) for line in lines):
                yield "has another process import torch", node.lineno
        elif isinstance(node, ast.List):
            words = [item.value for item in node.elts if isinstance(item, ast.Constant)]
            if "show" in words and "torch" in words:
                yield "asks pip for torch", node.lineno


def parameters(function: Function) -> list[str]:
    """Return the names of all parameters."""
    arguments = function.args
    found = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [*found, *(a.arg for a in (arguments.vararg, arguments.kwarg) if a)]


def bound_arguments(function: Function, given: list[object], named: Mapping[str | None, object]) -> dict[str, object]:
    """Return what is known of the parameters of a function in a call."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    scope: dict[str, object] = dict.fromkeys(parameters(function), UNKNOWN)
    defaults = dict(zip(reversed(names), reversed(arguments.defaults), strict=False))
    defaults |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d}
    scope |= {name: default.value for name, default in defaults.items() if isinstance(default, ast.Constant)}
    if None in named or any(isinstance(value, ast.Starred) for value in given):
        scope = dict.fromkeys(scope, UNKNOWN)
    scope |= dict(zip(names, given, strict=False))
    return scope | {name: value for name, value in named.items() if name in scope and name is not None}


def _bound_often(tree: ast.Module) -> set[str]:
    """Return the names that a module binds more than once, or in a function that declares them global."""
    counts: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            counts.update(2 * node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            counts[node.name] += 1
        else:
            counts[changed_name(node)] += 1
    return {name for name, count in counts.items() if count > 1}


class KnownNames(ast.NodeVisitor):
    """What is known of the names of a script, those of the module and of the function that runs, and of expressions."""

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
        self.globals: dict[str, object] = {"__name__": "__main__", "TYPE_CHECKING": False}
        self.scopes: list[dict[str, object]] = [self.globals]
        self.often = _bound_often(tree)

    def bind(self, name: str, value: object) -> None:
        scope = self.scopes[-1]
        scope[name] = UNKNOWN if scope is self.globals and name in self.functions else value

    def read(self, name: str) -> object:
        for scope in reversed(self.scopes):
            if name in scope:
                # A function may run later than what binds a name again.
                outside = scope is self.globals and len(self.scopes) > 1
                return UNKNOWN if outside and name in self.often else scope[name]
        return UNKNOWN

    def bind_import(self, alias: ast.alias) -> None:
        if alias.name != "TYPE_CHECKING":
            value = CUDA_EXTENSION if alias.name == "CUDAExtension" else UNKNOWN
            self.bind((alias.asname or alias.name).partition(".")[0], value)

    def called(self, function: ast.expr) -> str:
        """Return the name of a function, that of CUDAExtension under any name."""
        name = name_of(function)
        return "CUDAExtension" if self.read(name) is CUDA_EXTENSION else name

    def forget(self, *roots: ast.AST) -> None:
        """Know nothing any more of the names that these nodes bind or change."""
        for root in roots:
            for node in ast.walk(root):
                self.forget_name(changed_name(node))

    def forget_name(self, name: str) -> None:
        for scope in self.scopes:
            if name in scope:
                scope[name] = UNKNOWN

    def lend(self, node: ast.expr) -> None:
        """Know nothing any more of a list that something else may fill."""
        if isinstance(node, ast.Name) and isinstance(self.read(node.id), (list, dict)):
            self.forget_name(node.id)

    def state(self) -> list[dict[str, object]]:
        return [dict(scope) for scope in self.scopes]

    def restore(self, state: list[dict[str, object]]) -> None:
        for scope, known in zip(self.scopes, state, strict=True):
            scope.clear()
            scope.update(known)

    # Expressions

    def visit_Constant(self, node: ast.Constant) -> object:
        return node.value

    def visit_List(self, node: ast.List | ast.Tuple | ast.Set) -> object:
        for item in node.elts:
            self.visit(item)
        return [] if not node.elts else TRUE if not any(isinstance(i, ast.Starred) for i in node.elts) else UNKNOWN

    visit_Tuple = visit_List
    visit_Set = visit_List

    def visit_Dict(self, node: ast.Dict) -> object:
        for item in (*node.keys, *node.values):
            if item is not None:
                self.visit(item)
        return {} if not node.keys else TRUE if all(node.keys) else UNKNOWN

    def visit_UnaryOp(self, node: ast.UnaryOp) -> object:
        truth = truth_of(self.visit(node.operand))
        return UNKNOWN if truth is None or not isinstance(node.op, ast.Not) else not truth

    def visit_BoolOp(self, node: ast.BoolOp) -> object:
        decides = isinstance(node.op, ast.Or)
        value: object = UNKNOWN
        sure = True
        for operand in node.values:
            value = self.visit(operand)
            truth = truth_of(value)
            if truth is decides:
                return value if sure else Unknown(truth=decides)
            sure = sure and truth is not None
        return value if sure else UNKNOWN

    def visit_Compare(self, node: ast.Compare) -> object:
        left = self.visit(node.left)
        return compared(node, left, [self.visit(right) for right in node.comparators])

    def visit_NamedExpr(self, node: ast.NamedExpr) -> object:
        value = self.visit(node.value)
        self.bind(node.target.id, value)
        return value

    def visit_Lambda(self, node: ast.Lambda) -> object:
        self.visit(node.body)
        return TRUE
