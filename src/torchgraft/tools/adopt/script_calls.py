"""What the calls of a setup.py name: files that it runs, folders that it imports from, distributions that it asks for.

May not run any of it. Places are put together of the constants of a call, and of names that it mentions.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ...hook.delegate_problems import PROVIDERS
from ...project.setup_script import VERSION_CALLS, modules_of, name_of
from ...untrusted import bindings_in
from .plan_need import MATCHED, OF_SETUPTOOLS

# What runs a file in this process, and what starts a program: Python with a script.
_RUNNERS = frozenset({"SourceFileLoader", "exec", "execfile", "load_source", "run_path", "spec_from_file_location"})
_STARTERS = frozenset({"Popen", "call", "check_call", "check_output", "popen", "run", "spawn", "system"})
_MOST_PARTS = 4
_PAIR = 2
# What lists all distributions that are there.
_LISTS = frozenset({"by_key", "distributions", "packages_distributions", "working_set"})
# Distributions of which an environment has one, whichever it is.
_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_VARIANTS = {"cv2": _OPENCV, "onnxruntime": ("onnxruntime", "onnxruntime-gpu")}


def find_run_files(nodes: Iterable[ast.AST], folder: Path) -> tuple[Path, ...]:
    """Return the Python files of a source tree that a script runs, but for setup.py: `setup.py sdist` is for makers."""
    places = _places(nodes, folder, _RUNNERS | _STARTERS)
    # python -m tools.build
    modules = (folder / f"{path.relative_to(folder).as_posix().replace('.', '/')}.py" for path in places)
    found = dict.fromkeys((*places, *modules))
    return tuple(path for path in found if path.suffix == ".py" and path.name != "setup.py" and path.is_file())


def find_import_folders(nodes: Iterable[ast.AST], folder: Path) -> tuple[Path, ...]:
    """Return the folders of a source tree that a script puts on sys.path, but for its root."""
    nodes = list(nodes)
    calls = [
        n
        for n in nodes
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and name_of(n.func.value) == "path"
    ]
    bound = [n for n in nodes if isinstance(n, ast.Assign)]
    found = _places([*calls, *bound], folder, frozenset({"append", "insert"}))
    return tuple(path for path in found if path.is_dir() and path != folder)


def _values(nodes: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """Return what names are bound to."""
    return {target.id: value for target, value in bindings_in(nodes) if isinstance(target, ast.Name)}


def _places(nodes: Iterable[ast.AST], folder: Path, names: frozenset[str]) -> dict[Path, None]:
    """Return what stands in calls of functions with such names, as places in a source tree."""
    nodes = list(nodes)
    values = _values(nodes)
    calls = (node for node in nodes if isinstance(node, ast.Call) and name_of(node.func) in names)
    texts = ([word for text in _texts(call, values) for word in text.split()] for call in calls)
    return {
        folder.joinpath(*listed[start:end]): None
        for listed in texts
        for end in range(1, len(listed) + 1)
        for start in range(max(0, end - _MOST_PARTS), end)
        if not any(part.startswith(("/", "..")) for part in listed[start:end])
    }


def _texts(call: ast.Call, values: dict[str, ast.expr]) -> Iterator[str]:
    """Yield the constants of a call in their order, those of a name that it mentions in its place."""
    todo: list[ast.AST] = [*call.args, *(keyword.value for keyword in call.keywords)]
    known = dict(values)
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in known:
            todo.insert(0, known.pop(node.id))
        else:
            todo[:0] = ast.iter_child_nodes(node)


def asked_distributions(nodes: list[ast.AST]) -> tuple[str, ...]:
    """Return the distributions that a script asks for, and puts up with the absence of: its metadata follow from that.

    They are named in the question, in a call of the function that asks, in a list of which each is asked for, or in a
    pair of which one is chosen; or a module is tried, and a distribution of such a name required.
    """
    found: list[str] = []
    modules: list[str] = []
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    askers = {function.name for function in functions if any(_asks(n) and not _literal(n) for n in ast.walk(function))}
    values = _values(nodes)
    lists_all = any(name_of(node) in _LISTS for node in nodes if isinstance(node, ast.expr))
    for node in nodes:
        if isinstance(node, ast.Try):
            parts = [part for statement in node.body for part in ast.walk(statement)]
            found += [name for part in parts if _asks(part) for name in _literal(part)]
            imports = (part for part in node.body if isinstance(part, (ast.Import, ast.ImportFrom)))
            modules += [module for part in imports for module in modules_of(part)]
        elif isinstance(node, ast.Call) and name_of(node.func) in askers:
            found += _literal(node)
        elif isinstance(node, (ast.For, ast.ListComp, ast.GeneratorExp)):
            found += _asked_in_turn(node, askers, values)
        elif _finds(node):
            modules += _literal(node)
        elif isinstance(node, ast.Compare) and lists_all and isinstance(node.ops[0], ast.In):
            found += _named(node.left)
        elif askers and isinstance(node, (ast.Tuple, ast.List)) and len(node.elts) == _PAIR:
            names = [name for item in node.elts for name in _named(item)]
            found += names if len(names) == _PAIR else []
    questions = {argument for node in nodes if _finds(node) for argument in ast.iter_child_nodes(node)}
    # What has a dot in its name is a module, and what is all capitals a variable.
    named = dict.fromkeys(
        str(canonicalize_name(name))
        for node in nodes
        for name in _named(node, exactly=True)
        if node not in questions and "." not in name and not name.isupper()
    )
    for top in [module.partition(".")[0] for module in modules]:
        name = top.replace("_", "-").lower()
        alike = [one for one in named if one == name or one.startswith(f"{name}-")]
        alike = [] if top in {*PROVIDERS, *MATCHED} else alike
        found += _VARIANTS.get(top, alike if name else [])
    left_out = {*MATCHED, *OF_SETUPTOOLS, *sys.stdlib_module_names}
    return tuple(dict.fromkeys(name for name in found if name not in left_out))


def _asked_in_turn(
    node: ast.For | ast.ListComp | ast.GeneratorExp, askers: set[str], values: dict[str, ast.expr]
) -> list[str]:
    """Return the constants of a list if each of them is asked for in a loop."""
    loops: list[ast.For | ast.comprehension] = [node] if isinstance(node, ast.For) else list(node.generators)
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call) and (_asks(one) or name_of(one.func) in askers)]
    given = {name_of(argument) for call in calls for argument in call.args} - {""}
    lists = [loop.iter for loop in loops if name_of(loop.target) in given]
    listed = [values.get(name_of(one), one) for one in lists]
    return [
        name for one in listed if isinstance(one, (ast.List, ast.Tuple)) for item in one.elts for name in _named(item)
    ]


def _finds(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) == "find_spec"


def _asks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) in VERSION_CALLS and bool(node.args)


def _literal(node: ast.AST) -> list[str]:
    return [name for argument in node.args for name in _named(argument)] if isinstance(node, ast.Call) else []


def _named(node: ast.AST, *, exactly: bool = False) -> list[str]:
    """Return the distribution that a constant names, alone or with versions; as it is written, or normalized."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return []
    try:
        name = Requirement(node.value).name
        return [name if exactly else str(canonicalize_name(name))]
    except InvalidRequirement:
        return []
