"""What there is to know of a project that may adopt torchgraft, from its files and from what its setup.py imports.

May not run any of it, nor decide what becomes of it.
"""

from __future__ import annotations

import ast
import fnmatch
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ...files import find_text, read_text, walk
from ...hook.delegate_problems import PROVIDERS
from ...project.cmake import find_torch_search
from ...project.read_project import read_project, texts_in
from ...project.setup_script import (
    LARGEST_SCRIPT_BYTES,
    GuardedVisitor,
    modules_of,
    name_of,
    parse_script,
    starts_cmake,
)
from ...settings.sources import parse_pyproject, read_exact_text
from ...untrusted import bindings_in
from .adoption import Adoptable, Import, Script
from .backend_scripts import asked_in_tables, hook_modules, script_file, version_attribute
from .follow_script import follow
from .known_values import truth_of
from .plan_need import MATCHED
from .script_calls import asked_distributions, find_import_folders, find_run_files
from .torch_conditions import absent_hardware, is_for_absent_hardware

_MOST_MODULES = 200
# One of these makes a folder a project that could be built.
ADOPTABLE_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "CMakeLists.txt", "meson.build")
_SOURCES = frozenset({".c", ".cc", ".cpp", ".cu", ".cxx"})


def read_adoptable(folder: Path) -> Adoptable:
    """Return all that adopting depends on; raise ConfigError if pyproject.toml is no TOML."""
    text = read_exact_text(folder / "pyproject.toml")
    pyproject = parse_pyproject(text or "")
    project = read_project(folder, pyproject)
    file = script_file(pyproject)
    source = find_text(folder / file, LARGEST_SCRIPT_BYTES) if file else None
    modules, roots = hook_modules(pyproject)
    script = None
    if source is not None or modules:
        script = read_script(source or "", folder, file, modules, [folder / root for root in roots])
        script = script if source is not None or script.imports else None
    imported = _imported_for_version(OwnTree(folder), version_attribute(folder, pyproject))
    if imported:
        script = replace(script or Script(), imports=(*(script.imports if script else ()), *imported))
    literal = project.setup_script if file == "setup.py" else None
    said = (*texts_in(pyproject.get("tool")), *(script.strings if script else ()))
    # Beside a setup.py that starts no cmake such files are for users of C++ alone.
    found = find_torch_search(folder, said) if source is None or (script and script.starts_cmake) else ""
    return Adoptable(
        pyproject=text,
        name=project.name,
        script=script,
        dependencies=project.dependencies,
        setup_requires=((literal.setup_requires or ()) if literal else ()) + project.setup_cfg_requires,
        finds_torch=f"{found} looks for torch" if found else asked_in_tables(folder, pyproject, project.dependencies),
        is_serial=literal is not None and literal.torch_sources > 1 and literal.refuses_ninja is True,
    )


def _imported_for_version(own_tree: OwnTree, attribute: str) -> tuple[Import, ...]:
    """Return what a module needs that setuptools imports for the version, as it does where that is no literal."""
    module, _, name = attribute.rpartition(".")
    if not module or own_tree.has_literal(module, name):
        return ()
    found = (item for item in own_tree.follow([(module, False)]) if not item.guarded and not item.late)
    return tuple(item for item in found if item.module.partition(".")[0] not in sys.stdlib_module_names)


def read_script(
    source: str, folder: Path, file: str = "setup.py", modules: Iterable[str] = (), roots: Iterable[Path] = ()
) -> Script:
    """Return what happens while a script runs, in it and in the modules of its source tree that it imports.

    :param modules: more modules that take part
    :param roots: folders that they may be in
    """
    read = parse_script(source)
    if read is None:
        return Script(certain=False)
    tree, everything = read
    reached = follow(tree)
    # What is imported, in which line, whether its absence is put up with, and what is taken from it.
    statements = [
        (module, node.lineno, guarded, [] if isinstance(node, ast.Import) else node.names)
        for node, guarded in reached.imports.items()
        for module in modules_of(node)
    ]
    statements += [(*named, []) for named in reached.named]
    imports = [
        Import(module=module, where=f"{file}:{line}", guarded=guarded) for module, line, guarded, _ in statements
    ]
    all_imports = [
        Import(module=module, where=f"{file}:{node.lineno}")
        for node in everything
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for module in modules_of(node)
    ]
    known = {(found.module, found.where) for found in imports}
    own_tree = OwnTree(folder, (*roots, *find_import_folders(everything, folder)))
    first = next((found for found in (*imports, *all_imports) if own_tree.holds(found.module)), None)
    others = [found for found in imports if not own_tree.has(found.module)]
    # Of `from a import b` also a.b, which may be a module.
    wanted = [
        (name, guarded)
        for module, _, guarded, taken in statements
        for name in (module, *(f"{module}.{alias.name}" for alias in taken))
    ]
    others += own_tree.follow([*wanted, *((module, False) for module in modules)], find_run_files(everything, folder))
    if file != "setup.py":  # its functions are called by others
        others += [replace(found, late=True) for found in all_imports if (found.module, found.where) not in known]
    texts = {node.value for node in everything if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return Script(
        imports=tuple(found for found in others if found.module.partition(".")[0] not in sys.stdlib_module_names),
        skipped=tuple(found for found in all_imports if (found.module, found.where) not in known),
        own_tree=f"{first.where} imports {first.module}" if first else own_tree.needs_root,
        questions=tuple(dict.fromkeys(f"{file}:{line} {what}" for what, line in reached.questions)),
        strings=tuple(sorted(texts | own_tree.strings)),
        unconditional_cuda=f"{file}:{reached.cuda[0]}" if reached.cuda else "",
        without_cuda=f"{file}:{reached.without_cuda[0]}" if reached.without_cuda else "",
        missing_source=_missing_source(folder, texts),
        asked=asked_distributions(everything),
        starts_cmake=starts_cmake(texts | own_tree.strings, {found.module.partition(".")[0] for found in others}),
    )


def _missing_source(folder: Path, texts: Iterable[str]) -> str:
    """Return a source of an extension that a script names, and that is in no folder of the tree; "" if none is."""
    named = sorted(text for text in texts if PurePosixPath(text).suffix in _SOURCES and not set(text) & set("?{"))
    if not named:
        return ""
    names = {name for _, _, files in walk(folder) for name in files}
    stems = {PurePosixPath(name).stem for name in names}
    found = {
        text: PurePosixPath(text).stem in stems or bool(fnmatch.filter(names, PurePosixPath(text).name))
        for text in named
    }
    # One of several patterns may well find nothing.
    nothing = not any(found.values())
    return next((text for text in named if not found[text] and (nothing or "*" not in text)), "")


class OwnTree:
    """The modules that can be imported where the source tree is on sys.path."""

    def __init__(self, folder: Path, more: Iterable[Path] = ()) -> None:
        self._folder = folder
        self._roots = (folder, folder / "src", *more)
        self.strings: set[str] = set()
        self.needs_root = ""  # which file that is run imports from there

    def holds(self, module: str) -> bool:
        """Return whether the root of the source tree has the module."""
        return self._is_in(self._folder, module)

    def has(self, module: str) -> bool:
        """Return whether the source tree has the module, in its root or in what setup.py may add to the path."""
        return any(self._is_in(root, module) for root in self._roots)

    def has_literal(self, module: str, name: str) -> bool:
        """Return whether a module binds a name to a literal (`setuptools.config.expand.StaticModule`)."""
        *_, (path, _) = ((Path(), ""), *self._files(module))
        parsed = parse_script(find_text(path, LARGEST_SCRIPT_BYTES) or "")
        bound = bindings_in(parsed[0].body if parsed else ())
        values = [value for target, value in bound if name_of(target) == name]
        return any(isinstance(value, (ast.Constant, ast.Tuple, ast.List)) for value in values)

    def follow(self, modules: Iterable[tuple[str, bool]], files: Collection[Path] = ()) -> Iterator[Import]:
        """Yield what the modules of the source tree import in turn; what may never run is marked as late.

        :param modules: those that setup.py imports, and whether it puts up with their absence
        :param files: those that it runs
        """
        seen: set[Path] = set()
        run = set(files)
        waiting = [(path, "", False) for path in files]
        # What has to be there comes first: a module that is imported twice is imported by that.
        todo = sorted(modules, key=lambda item: item[1])
        while (waiting or todo) and len(seen) < _MOST_MODULES:
            if not waiting:
                module, guarded = todo.pop(0)
                waiting += [(path, package, guarded) for path, package in self._files(module)]
            for path, package, guarded in waiting:
                if path in seen:
                    continue
                seen.add(path)
                for found, names in self._read(path, package):
                    if path in run and self.holds(found.module):
                        self.needs_root = self.needs_root or f"{found.where} imports {found.module}"
                    if not self.has(found.module):
                        yield replace(found, guarded=guarded or found.guarded)
                    elif not found.late:
                        wanted = (found.module, *(f"{found.module}.{name}" for name in names))
                        todo += [(module, guarded or found.guarded) for module in wanted]
            waiting.clear()

    @staticmethod
    def _is_in(folder: Path, module: str) -> bool:
        top = module.partition(".")[0]
        if not top:
            return False
        if (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file():
            return top != "setup"
        # A folder without __init__.py gives way to a distribution of that name, wherever that stands.
        return top not in {*PROVIDERS, *MATCHED} and (folder / top).is_dir() and any((folder / top).glob("*.py"))

    def _files(self, module: str) -> Iterator[tuple[Path, str]]:
        """Yield the files that importing a module runs, each with its package."""
        parts = module.split(".")
        root = next((root for root in self._roots if self._is_in(root, module)), self._folder)
        for end in range(1, len(parts) + 1):
            place = root.joinpath(*parts[:end])
            package = place / "__init__.py"
            if package.is_file():
                yield package, ".".join(parts[:end])
            elif place.with_suffix(".py").is_file():
                yield place.with_suffix(".py"), ".".join(parts[: end - 1])

    def _read(self, path: Path, package: str) -> list[tuple[Import, tuple[str, ...]]]:
        read = parse_script(read_text(path, LARGEST_SCRIPT_BYTES))
        if read is None:
            return []
        tree, nodes = read
        self.strings |= {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        imports = _ModuleImports(path.relative_to(self._folder).as_posix(), package)
        imports.visit(tree)
        return imports.found


class _ModuleImports(GuardedVisitor):
    """The imports of a module, with whether they run with it and whether their absence is put up with."""

    def __init__(self, file: str, package: str) -> None:
        super().__init__()
        # With the names that are imported from it.
        self.found: list[tuple[Import, tuple[str, ...]]] = []
        self._file = file
        self._package = package
        self._functions = 0

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        names = tuple(alias.name for alias in node.names) if isinstance(node, ast.ImportFrom) else ()
        where, late = f"{self._file}:{node.lineno}", self._functions > 0
        for module in modules_of(node, self._package):
            found = Import(module=module, where=where, guarded=self.is_guarded, own=True, late=late)
            self.found.append((found, names))

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        is_absent = name_of(node.test) == "TYPE_CHECKING" or truth_of(absent_hardware(node.test)) is False
        blocks = [node.orelse] if is_absent else [node.body, node.orelse]
        for statement in (one for block in blocks if not is_for_absent_hardware(block) for one in block):
            self.visit(statement)
