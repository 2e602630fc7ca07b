"""What a setup.py says, read from its syntax tree, which is made in one place and within bounds.

May not run it, nor match its text with regular expressions. What an expression computes is reported as unknown.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..model.source_tree import SetupScript
from ..model.torch_values import required_name
from ..untrusted import bindings_in, requirement_lines

# importlib.metadata.version("torch") and its relatives.
VERSION_CALLS = frozenset({"version", "distribution", "metadata", "requires", "get_distribution", "require"})
IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_VERSION_ERRORS = frozenset({"PackageNotFoundError", "DistributionNotFound"})
LARGEST_SCRIPT_BYTES = 300_000  # that of torch itself has 60 kB
_CMAKE_MODULES = frozenset({"cmake", "cmake_build_extension", "skbuild"})
# One that leads nowhere but to the library itself.
_OWN_RUN_PATH = r"(?:-Wl)?[,:= ]*-?rpath[,:= ]*(?:\$ORIGIN|@loader_path)[\w/.]*"
# Far more than people write, and few enough for those who visit it, a few calls for each.
_DEEPEST = 200
_MOST_STRINGS = 1000
_UNKNOWN = SetupScript(
    may_set_requires=True, setup_requires=None, install_requires=None, needs_torch=True, version=None
)
# What setup() may get that is in no metadata, or that `[project]` has to state, and then overrules (setuptools,
# config/_apply_pyprojecttoml.py). Packages are none of them: where none are named, setuptools looks for some, or fails.
_NOT_METADATA = frozenset(
    {"cmdclass", "ext_modules", "include_package_data", "name", "package_data", "version", "zip_safe"}
)


def parse_script(text: str) -> tuple[ast.Module, list[ast.AST]] | None:
    """Return the syntax tree of a script and all of its nodes, the highest first.

    None for what is no Python, or is nested deeper than can be followed.
    """
    try:
        tree = ast.parse(text[:LARGEST_SCRIPT_BYTES])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes: list[ast.AST] = []
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        if not level:
            return tree, nodes
        nodes += level
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return None


def modules_of(node: ast.Import | ast.ImportFrom, package: str = "") -> Iterator[str]:
    """Yield the modules that a statement imports; of `from a import b` that is a."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not node.level:
        yield node.module or ""
    elif package and (kept := package.split(".")[: package.count(".") + 2 - node.level]):
        yield ".".join([*kept, node.module] if node.module else kept)


def changed_name(node: ast.AST) -> str:
    """Return the name that a node binds, or whose value it may change in place (x.append(...), x["a"] = ...)."""
    if isinstance(node, (ast.Name, ast.Subscript)) and isinstance(node.ctx, ast.Load):
        return ""
    changed = node.value if isinstance(node, (ast.Attribute, ast.Subscript)) else node
    return changed.id if isinstance(changed, ast.Name) else ""


def name_of(node: ast.expr) -> str:
    """Return the last part of a dotted name, "" for what is no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def catches_import_error(handler: ast.ExceptHandler, names: frozenset[str] = IMPORT_ERRORS) -> bool:
    """Return whether a handler puts up with the absence of a module: not where it only says so, and gives up."""
    if gives_up(handler.body):
        return False
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(name_of(name) in names for name in caught)


def gives_up(block: list[ast.stmt]) -> bool:
    """Return whether statements end with an error, or end the script."""
    last = block[-1] if block else None
    call = last.value if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) else None
    return isinstance(last, ast.Raise) or (call is not None and name_of(call.func) in {"exit", "_exit", "quit"})


class GuardedVisitor(ast.NodeVisitor):
    """Visits a script, and knows of each place in it whether the absence of a module is put up with there."""

    def __init__(self) -> None:
        self._guards = 0

    @property
    def is_guarded(self) -> bool:
        """Whether a handler around this place catches what an import raises."""
        return self._guards > 0

    def visit_Try(self, node: ast.Try) -> None:
        """Count the handlers around a body that catch what an import raises."""
        guarded = any(catches_import_error(handler) for handler in node.handlers)
        self._guards += guarded
        for statement in node.body:
            self.visit(statement)
        self._guards -= guarded
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)


def parse_setup_script(text: str) -> SetupScript:
    """Return what is certain of a setup.py.

    A script that is no Python or beyond us (`parse_script`), or that calls no setup() of its own, is one of which
    nothing is certain.
    """
    script = parse_script(text)
    try:
        return _UNKNOWN if script is None else _read(*script)
    except RecursionError:  # names that are bound to each other
        return _UNKNOWN


def setup_calls(nodes: Iterable[ast.AST]) -> list[ast.Call]:
    """Return the calls of setup()."""
    return [node for node in nodes if isinstance(node, ast.Call) and name_of(node.func) == "setup"]


def _read(tree: ast.Module, nodes: list[ast.AST]) -> SetupScript:
    named = {name_of(node) for node in nodes if isinstance(node, ast.expr)}
    named |= {node.name for node in nodes if isinstance(node, ast.alias)}
    imports = _imports(nodes)
    constants = Constants(tree, nodes)
    threads = None
    if any("-t" in string for string in _strings(nodes)):  # few scripts tell nvcc how many
        from .extension_options import nvcc_threads

        threads = nvcc_threads(nodes, constants.resolve)
    about_torch = _AboutTorch()
    about_torch.visit(tree)
    known = SetupScript(
        imports=imports,
        needs_torch=about_torch.needed,
        tries_torch=about_torch.tried and "torch" not in _imports(list(tree.body)),
        asks_version=about_torch.asks_version,
        needs_version=about_torch.needs_version,
        names_cuda="CUDAExtension" in named,
        names_sycl="SyclExtension" in named,
        nvcc_threads=threads,
        # torch then adds none of its own (`_get_cuda_arch_flags`)
        names_gencode=any("-gencode" in string for string in _strings(nodes)),
        starts_cmake=starts_cmake(_strings(nodes), imports),
        run_paths=_run_paths(nodes),
    )
    if "BuildExtension" in named and "torch" in imports:
        from .extension_options import most_sources, refuses_ninja

        extensions = [n for n in nodes if isinstance(n, ast.Call) and name_of(n.func).endswith("Extension")]
        known = replace(
            known,
            torch_sources=most_sources(extensions, constants.strings),
            refuses_ninja=refuses_ninja(nodes, constants.resolve),
        )
    calls = setup_calls(nodes)
    if len(calls) != 1:
        return replace(known, may_set_requires=True, setup_requires=None, install_requires=None, version=None)
    setup_requires = _requirements(calls[0], "setup_requires", constants)
    install_requires = _requirements(calls[0], "install_requires", constants)
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
        only_compiles=_only_compiles(calls[0], constants),
        version="" if version == () else version[0] if version is not None and len(version) == 1 else None,
    )


def _requirements(call: ast.Call, name: str, constants: Constants) -> tuple[str, ...] | None:
    found = _keyword(call, name, constants)
    return None if found is None else requirement_lines(found)


def _only_compiles(call: ast.Call, constants: Constants) -> bool:
    """Return whether setup() gets nothing that metadata are made of: of commands only the one that compiles."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    commands = constants.table(given["cmdclass"]) if "cmdclass" in given else {}
    return not call.args and given.keys() <= _NOT_METADATA and commands is not None and commands.keys() <= {"build_ext"}


def _imports(nodes: list[ast.AST]) -> tuple[str, ...]:
    statements = (node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)))
    return tuple(sorted({module.partition(".")[0] for node in statements for module in modules_of(node)}))


class _AboutTorch(GuardedVisitor):
    """Whether a script imports torch without putting up with its absence, and whether it asks for its version."""

    def __init__(self) -> None:
        super().__init__()
        self.needed = self.tried = False
        self.asks_version = False
        self.needs_version = False
        self._version_guards = 0

    def visit_Try(self, node: ast.Try) -> None:
        """Count the handlers that catch what a question for a version raises, too."""
        guarded = any(catches_import_error(handler, _VERSION_ERRORS) for handler in node.handlers)
        self._version_guards += guarded
        super().visit_Try(node)
        self._version_guards -= guarded

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        if any(module.partition(".")[0] == "torch" for module in modules_of(node)):
            self.needed |= not self.is_guarded
            self.tried |= self.is_guarded

    visit_ImportFrom = visit_Import

    def visit_Call(self, node: ast.Call) -> None:
        first = node.args[0] if node.args else None
        # pkg_resources takes versions, too: require("torch>=2").
        named = required_name(first.value) if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        if name_of(node.func) in VERSION_CALLS and named == "torch":
            self.asks_version = True
            self.needs_version |= not self.is_guarded and self._version_guards == 0
        self.generic_visit(node)


def _keyword(call: ast.Call, name: str, constants: Constants) -> tuple[str, ...] | None:
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


class Constants:
    """The names that a module binds exactly once, at its top level, to an expression."""

    def __init__(self, tree: ast.Module, nodes: Iterable[ast.AST]) -> None:
        changes = Counter(map(changed_name, nodes))
        self._sums: dict[ast.BinOp, tuple[str, ...] | None] = {}
        # Not a = b = []: what changes one of them changes the other.
        alone = (one for one in tree.body if not isinstance(one, ast.Assign) or len(one.targets) == 1)
        self._bound = {
            target.id: value
            for target, value in bindings_in(alone)
            # R = R + ["a"]: it had another value before, from an import.
            if isinstance(target, ast.Name) and changes[target.id] == 1 and target.id not in _names(value)
        }

    def strings(self, node: ast.expr) -> tuple[str, ...] | None:
        """Return a literal list of strings; a single string is one of one."""
        node = self.resolve(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return (node.value.strip(),)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            if node not in self._sums:
                # Texts are put together, lists one behind the other.
                is_text = any(isinstance(self.resolve(side), ast.Constant) for side in (node.left, node.right))
                left, right = (None, None) if is_text else (self.strings(node.left), self.strings(node.right))
                total = None if left is None or right is None else left + right
                # a1 = a0 + a0, a2 = a1 + a1 ... doubles with each line.
                self._sums[node] = total if total is None or len(total) <= _MOST_STRINGS else None
            return self._sums[node]
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
            return dict(zip(map(str, keys), node.values, strict=True))
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


def _names(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


def _strings(nodes: Iterable[ast.AST]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def starts_cmake(strings: Iterable[str], modules: Iterable[str]) -> bool:
    """Return whether a script with these constants and imports may start cmake, itself or by another module."""
    commands = (command.split(maxsplit=1) for string in strings for command in re.split(r"[\n;&|]+", string))
    programs = {words[0].rpartition("/")[2] for words in commands if words}
    return not programs.isdisjoint({"cmake", "cmake3"}) or not _CMAKE_MODULES.isdisjoint(modules)


def _run_paths(nodes: list[ast.AST]) -> str:
    """Return the word that gives run paths to what a script links, "" if there is none."""
    words = [*_strings(nodes), *(node.arg or "" for node in nodes if isinstance(node, ast.keyword))]
    if "runtime_library_dirs" in words:
        return "runtime_library_dirs"
    return "rpath" if any("rpath" in word and not re.fullmatch(_OWN_RUN_PATH, word) for word in words) else ""
