"""Which files of the source tree a script runs without importing them by their name, and where else it imports from.

May not run any of it. Places are put together of the constants of a call, and of names that it mentions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...project.setup_script import name_of

# What runs a file in this process, and what starts a program: Python with a script.
_RUNNERS = frozenset({"SourceFileLoader", "exec", "execfile", "load_source", "run_path", "spec_from_file_location"})
_STARTERS = frozenset({"Popen", "call", "check_call", "check_output", "popen", "run", "spawn", "system"})
_MOST_PARTS = 4


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


def _places(nodes: Iterable[ast.AST], folder: Path, names: frozenset[str]) -> dict[Path, None]:
    """Return what stands in calls of functions with such names, as places in a source tree."""
    nodes = list(nodes)
    values = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
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
