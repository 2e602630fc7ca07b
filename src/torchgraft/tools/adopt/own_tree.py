"""The modules of a source tree that its setup.py imports, and what those import in turn.

May not run any of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...project.import_names import PROVIDERS
from ...project.syntax import GuardedVisitor, name_of
from .adoption import Import

_MOST_MODULES = 200
_LARGEST_BYTES = 2_000_000


def read_text(path: Path) -> str | None:
    """Return the text of a file as far as it goes, None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return None


def modules_of(node: ast.Import | ast.ImportFrom, package: str = "") -> Iterator[str]:
    """Yield the modules that a statement imports; of `from a import b` that is a."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        kept = parts[: len(parts) - node.level + 1]
        base = ".".join([*kept, base] if base else kept)
        if not kept or not package:
            return
    yield base


@dataclass(frozen=True, kw_only=True)
class _Found:
    """An import in a module of the source tree. `module` is what was imported, `names` what from it."""

    module: str
    line: int
    guarded: bool
    late: bool
    names: tuple[str, ...]


class OwnTree:
    """The modules that can be imported where the source tree is on sys.path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.strings: set[str] = set()

    def holds(self, module: str) -> bool:
        """Return whether the root of the source tree has the module."""
        return self._is_in(self._folder, module)

    def has(self, module: str) -> bool:
        """Return whether the source tree has the module, in its root or in src, which setup.py may add to the path."""
        return self.holds(module) or self._is_in(self._folder / "src", module)

    def follow(self, modules: Iterable[tuple[str, bool]]) -> Iterator[Import]:
        """Yield what the modules of the source tree import in turn; what may never run is marked as late.

        :param modules: those that setup.py imports, and whether it puts up with their absence
        """
        seen: set[Path] = set()
        # What has to be there comes first: a module that is imported twice is imported by that.
        todo = sorted(modules, key=lambda item: item[1])
        while todo and len(seen) < _MOST_MODULES:
            module, guarded = todo.pop(0)
            for path, name in self._files(module):
                if path in seen:
                    continue
                seen.add(path)
                for found in self._read(path, name):
                    if self.has(found.module):
                        if not found.late:
                            todo += [
                                (wanted, guarded or found.guarded)
                                for wanted in (found.module, *(f"{found.module}.{n}" for n in found.names))
                            ]
                        continue
                    yield Import(
                        module=found.module,
                        where=f"{path.relative_to(self._folder).as_posix()}:{found.line}",
                        guarded=guarded or found.guarded,
                        own=True,
                        late=found.late,
                    )

    @staticmethod
    def _is_in(folder: Path, module: str) -> bool:
        top = module.partition(".")[0]
        if not top:
            return False
        if (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file():
            return top != "setup"
        # A folder without __init__.py gives way to a distribution of that name, wherever that stands.
        return top not in PROVIDERS and (folder / top).is_dir() and any((folder / top).glob("*.py"))

    def _files(self, module: str) -> Iterator[tuple[Path, str]]:
        """Yield the files that importing a module runs, each with its package."""
        parts = module.split(".")
        root = self._folder if self.holds(module) else self._folder / "src"
        for end in range(1, len(parts) + 1):
            place = root.joinpath(*parts[:end])
            package = place / "__init__.py"
            if package.is_file():
                yield package, ".".join(parts[:end])
            elif place.with_suffix(".py").is_file():
                yield place.with_suffix(".py"), ".".join(parts[: end - 1])

    def _read(self, path: Path, package: str) -> list[_Found]:
        try:
            tree = ast.parse(read_text(path) or "")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
        self.strings |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        imports = _ModuleImports(package)
        imports.visit(tree)
        return imports.found


class _ModuleImports(GuardedVisitor, ast.NodeVisitor):
    """The imports of a module, with whether they run with it and whether their absence is put up with."""

    def __init__(self, package: str) -> None:
        super().__init__()
        self.found: list[_Found] = []
        self._package = package
        self._functions = 0

    def visit_Import(self, node: ast.Import) -> None:
        self._add(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._add(node)

    def _add(self, node: ast.Import | ast.ImportFrom) -> None:
        names = tuple(alias.name for alias in node.names) if isinstance(node, ast.ImportFrom) else ()
        for module in modules_of(node, self._package):
            self.found.append(
                _Found(
                    module=module,
                    line=node.lineno,
                    guarded=self.is_guarded,
                    late=self._functions > 0,
                    names=names,
                )
            )

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._late(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._late(node)

    def _late(self, node: ast.AST) -> None:
        self._functions += 1
        self.generic_visit(node)
        self._functions -= 1

    def visit_If(self, node: ast.If) -> None:
        if name_of(node.test) == "TYPE_CHECKING":
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.generic_visit(node)
