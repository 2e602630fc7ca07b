"""What a setup.py says, read from its syntax tree.

May not run it, nor match its text with regular expressions. What an expression computes is reported as unknown.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from ..model.source_tree import SetupScript
from .nvcc_flags import names_gencode, nvcc_threads
from .syntax import GuardedVisitor, name_of

_UNKNOWN = SetupScript(
    may_set_requires=True, setup_requires=None, install_requires=None, needs_torch=True, version=None
)
# importlib.metadata.version("torch") and its relatives.
_VERSION_CALLS = frozenset({"version", "distribution", "metadata", "requires", "get_distribution", "require"})


def parse_setup_script(text: str) -> SetupScript:
    """Return what is certain of a setup.py.

    A script that does not parse, that calls no setup() of its own, or whose expressions are nested deeper than we can
    follow, is one of which nothing is certain.
    """
    try:
        return _read(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _UNKNOWN


def _read(tree: ast.Module) -> SetupScript:
    nodes = list(ast.walk(tree))
    named = {name_of(node) for node in nodes if isinstance(node, ast.expr)}
    constants = _Constants(tree)
    about_torch = _AboutTorch()
    about_torch.visit(tree)
    known = SetupScript(
        imports=_imports(nodes),
        needs_torch=about_torch.needed,
        asks_version=about_torch.asked_for_version,
        names_cuda="CUDAExtension" in named,
        names_sycl="SyclExtension" in named,
        nvcc_threads=nvcc_threads(nodes, constants.resolve),
        names_gencode=names_gencode(nodes),
    )
    calls = [node for node in nodes if isinstance(node, ast.Call) and name_of(node.func) == "setup"]
    if len(calls) != 1:
        return replace(known, may_set_requires=True, setup_requires=None, install_requires=None, version=None)
    setup_requires = _keyword(calls[0], "setup_requires", constants)
    install_requires = _keyword(calls[0], "install_requires", constants)
    name = _keyword(calls[0], "name", constants) or ()
    version = _keyword(calls[0], "version", constants)
    # setup_requires can also reach setup() by a name that is not a keyword of the call: kwargs["setup_requires"] = ...
    mentioned = any(isinstance(node, ast.Constant) and node.value == "setup_requires" for node in nodes)
    if mentioned and setup_requires == ():
        setup_requires = None
    return replace(
        known,
        may_set_requires=setup_requires != (),
        setup_requires=setup_requires,
        install_requires=install_requires,
        name=name[0] if len(name) == 1 else None,
        version="" if version == () else version[0] if version is not None and len(version) == 1 else None,
    )


def _imports(nodes: list[ast.AST]) -> tuple[str, ...]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return tuple(sorted(names))


class _AboutTorch(GuardedVisitor, ast.NodeVisitor):
    """Whether a script imports torch without putting up with its absence, and whether it asks for its version."""

    def __init__(self) -> None:
        super().__init__()
        self.needed = False
        self.asked_for_version = False

    def visit_Import(self, node: ast.Import) -> None:
        self._import(*(alias.name for alias in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.level:
            self._import(node.module or "")

    def visit_Call(self, node: ast.Call) -> None:
        first = node.args[0] if node.args else None
        if name_of(node.func) in _VERSION_CALLS and isinstance(first, ast.Constant) and first.value == "torch":
            self.asked_for_version = True
        self.generic_visit(node)

    def _import(self, *names: str) -> None:
        if not self.is_guarded and any(name.partition(".")[0] == "torch" for name in names):
            self.needed = True


def _names(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


def _keyword(call: ast.Call, name: str, constants: _Constants) -> tuple[str, ...] | None:
    """Return the strings of a keyword argument: () if it is certainly not given, None if it is not literal."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return constants.strings(keyword.value)
    for keyword in call.keywords:
        if keyword.arg is None:
            table = constants.table(keyword.value)
            if table is None:
                return None
            if name in table:
                return constants.strings(table[name])
    return ()


class _Constants:
    """The names that a module binds exactly once, at its top level, to an expression."""

    def __init__(self, tree: ast.Module) -> None:
        stores: dict[str, int] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                stores[node.id] = stores.get(node.id, 0) + 1
            # x.append(...), x["a"] = ..., x += ...: what changes in place is not constant either.
            elif (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)) or (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Name)
                and not isinstance(node.ctx, ast.Load)
            ):
                stores[node.value.id] = stores.get(node.value.id, 0) + 1
        self._bound: dict[str, ast.expr] = {}
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target, value = statement.targets[0], statement.value
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                target, value = statement.target, statement.value
            else:
                continue
            # R = R + ["a"]: it had another value before, from an import.
            if isinstance(target, ast.Name) and stores[target.id] == 1 and target.id not in _names(value):
                self._bound[target.id] = value

    def strings(self, node: ast.expr) -> tuple[str, ...] | None:
        """Return a literal list of requirements; setuptools also takes one string, a requirement a line."""
        node = self.resolve(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return tuple(line.strip() for line in node.value.splitlines() if line.strip())
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.strings(node.left), self.strings(node.right)
            return None if left is None or right is None else left + right
        if not isinstance(node, (ast.List, ast.Tuple)):
            return None
        items = [self.resolve(item) for item in node.elts]
        found = tuple(i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str))
        return found if len(found) == len(items) else None

    def table(self, node: ast.expr) -> dict[str, ast.expr] | None:
        """Return a literal dict by its keys: {...} or dict(...)."""
        node = self.resolve(node)
        if isinstance(node, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
            if any(not isinstance(key, str) for key in keys):
                return None
            return {str(key): value for key, value in zip(keys, node.values, strict=True)}
        if isinstance(node, ast.Call) and name_of(node.func) == "dict" and not node.args:
            if any(keyword.arg is None for keyword in node.keywords):
                return None
            return {str(keyword.arg): keyword.value for keyword in node.keywords}
        return None

    def resolve(self, node: ast.expr) -> ast.expr:
        """Return what a name is bound to, else the node itself."""
        for _ in range(10):
            if not isinstance(node, ast.Name) or node.id not in self._bound:
                break
            node = self._bound[node.id]
        return node
