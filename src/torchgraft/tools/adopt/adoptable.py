"""What there is to know of a project that may adopt torchgraft, from its files.

May not run any of it, nor decide what becomes of it.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...errors import ConfigError, Problem
from ...project.pyproject import NOT_SOURCES, read_project
from ...project.syntax import name_of
from ...settings.sources import parse_pyproject
from .adoption import Adoptable, Import, Script
from .evaluator import Reached
from .own_tree import OwnTree, modules_of, read_text
from .reached import follow

_MOST_CMAKE_FILES = 2000
_FINDS_TORCH = {
    "CMakeLists.txt": re.compile(r"^[ \t]*find_package\s*\(\s*Torch\b", re.IGNORECASE | re.MULTILINE),
    "meson.build": re.compile(r"^[^#\n]*\bdependency\(\s*'Torch'", re.IGNORECASE | re.MULTILINE),
}
# Each asks whether there is CUDA before CUDA sources are compiled.
# One of these makes a folder a project that could be built.
ADOPTABLE_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "CMakeLists.txt", "meson.build")
_CUDA_QUESTIONS = frozenset(
    {"CUDA_HOME", "ROCM_HOME", "is_available", "is_built", "has_cuda", "device_count", "environ", "getenv", "which"}
)


def read_adoptable(folder: Path) -> Adoptable:
    """Return all that adopting depends on.

    :raises ConfigError: if pyproject.toml is no TOML
    """
    text = _exact_text(folder / "pyproject.toml")
    pyproject = {} if text is None else parse_pyproject(text.removeprefix("\ufeff"))
    project = read_project(folder, pyproject)
    source = read_text(folder / "setup.py")
    script = project.setup_script
    return Adoptable(
        pyproject=text,
        name=project.name,
        script=None if source is None else read_script(source, folder),
        dependencies=project.dependencies,
        setup_requires=((script.setup_requires or ()) if script else ()) + project.setup_cfg_requires,
        finds_torch=_finds_torch(folder),
        manifest_in=_exact_text(folder / "MANIFEST.in"),
    )


def read_script(source: str, folder: Path) -> Script:
    """Return what happens while a setup.py runs, in it and in the modules of its source tree that it imports."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Script(certain=False)
    reached = follow(tree)
    everything = list(ast.walk(tree))
    imports = list(_reached_imports(reached))
    all_imports = [
        Import(module=module, where=f"setup.py:{node.lineno}")
        for node in everything
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for module in modules_of(node)
    ]
    known = {(found.module, found.where) for found in imports}
    own_tree = OwnTree(folder)
    first = next((found for found in imports if own_tree.holds(found.module)), None)
    of_own_tree = tuple(own_tree.follow(_wanted(reached)))
    names = {name_of(node) for node in everything if isinstance(node, ast.expr)}
    strings = {node.value for node in everything if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return Script(
        imports=(*(found for found in imports if not own_tree.has(found.module)), *of_own_tree),
        skipped=tuple(found for found in all_imports if (found.module, found.where) not in known),
        own_tree=f"{first.where} imports {first.module}" if first else "",
        questions=tuple(dict.fromkeys(f"setup.py:{line} {what}" for what, line in reached.questions)),
        strings=tuple(sorted(strings | own_tree.strings)),
        unconditional_cuda="CUDAExtension" in names and not names & _CUDA_QUESTIONS and not strings & _CUDA_QUESTIONS,
    )


def _reached_imports(reached: Reached) -> Iterator[Import]:
    for node, guarded in reached.imports.items():
        for module in modules_of(node):
            yield Import(module=module, where=f"setup.py:{node.lineno}", guarded=guarded)
    for module, line, guarded in reached.named:
        yield Import(module=module, where=f"setup.py:{line}", guarded=guarded)


def _wanted(reached: Reached) -> Iterator[tuple[str, bool]]:
    """Yield all that may be a module: of `from a import b` also a.b."""
    for node, guarded in reached.imports.items():
        for module in modules_of(node):
            yield module, guarded
            if isinstance(node, ast.ImportFrom):
                yield from ((f"{module}.{alias.name}", guarded) for alias in node.names)
    yield from ((module, guarded) for module, _, guarded in reached.named)


def _finds_torch(folder: Path) -> str:
    """Return which file has CMake or meson look for torch, "" if none does."""
    seen = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in NOT_SOURCES)
        for name in _FINDS_TORCH.keys() & set(files):
            seen += 1
            path = Path(parent) / name
            if _FINDS_TORCH[name].search(read_text(path) or ""):
                return path.relative_to(folder).as_posix()
        if seen > _MOST_CMAKE_FILES:
            break
    return ""


def _exact_text(path: Path) -> str | None:
    """Return the text of a file with its own line ends and byte order mark; None where there is no such file.

    :raises ConfigError: if it is not UTF-8, which TOML has to be
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise ConfigError(
            Problem(
                code="bad-toml",
                headline=f"{path.name} is not UTF-8",
                why="bytes that cannot be read cannot be kept as they are",
                fixes=("save it as UTF-8",),
            )
        ) from None
