"""Which libraries are loaded with a module, and what symbols it finds in them, as the loader does it.

May not look at a file: what libraries need and define is given.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from .linkage import Library, Module


def names_of(modules: Iterable[Module]) -> frozenset[str]:
    """Return all names by which modules may be asked for."""
    return frozenset(name for module in modules for name in (module.name, module.file.rpartition("/")[2]))


class Loading:
    """Where the loader looks for the symbols of modules: in what each needs, and what that needs, and so on (ld.so(8)).

    A library that others are linked with is loaded with them, and finds what they need too. `import torch` is no help:
    it loads its libraries for itself. Who needs whom is found out once, for thousands of modules.
    """

    def __init__(self, modules: Iterable[Module], libraries: Iterable[Library]) -> None:
        """Take the modules that are installed together, and what else there is. A module goes before a library."""
        self.modules = tuple(modules)
        self.names = names_of(self.modules)
        others = (library for library in libraries if library.name not in self.names)
        self._nodes: tuple[Module | Library, ...] = (*self.modules, *others)
        self._places = {id(node): place for place, node in enumerate(self._nodes)}
        named: dict[str, set[int]] = {}
        for place, node in enumerate(self._nodes):
            for name in names_of([node]) if isinstance(node, Module) else [node.name]:
                named.setdefault(name, set()).add(place)
        self._needed = [
            sorted({place for name in node.needed for place in named.get(name, ())}) for node in self._nodes
        ]
        self._defines = [frozenset(node.defines) for node in self._nodes]

    @functools.cached_property
    def _needed_by(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self._nodes]
        for place, needed in enumerate(self._needed):
            for other in needed:
                found[other].append(place)
        return found

    def unresolved(self, module: Module) -> tuple[str, ...]:
        """Return the symbols of torch that a module needs and cannot find, sorted.

        :param module: one of those given before, that very one
        """
        start = self._places[id(module)]
        seen: set[int] = set()
        lacking = self._lacking(frozenset(module.undefined), [start], seen)
        if lacking:
            loaders = [place for place in _walk([start], self._needed_by, set()) if place < len(self.modules)]
            lacking = self._lacking(lacking, loaders, seen)
        return tuple(sorted(lacking))

    def _lacking(self, symbols: frozenset[str], starts: Iterable[int], seen: set[int]) -> frozenset[str]:
        for place in _walk(starts, self._needed, seen):
            symbols -= self._defines[place]
            if not symbols:
                break
        return symbols

    def reached(self, module: Module) -> Iterator[Module | Library]:
        """Yield a module and what is loaded with it because it needs that, the nearest first."""
        for place in _walk([self._places[id(module)]], self._needed, set()):
            yield self._nodes[place]


def _walk(starts: Iterable[int], edges: Sequence[Sequence[int]], seen: set[int]) -> Iterator[int]:
    """Yield what is reached and was not seen before, breadth first."""
    ahead = deque(starts)
    while ahead:
        place = ahead.popleft()
        if place not in seen:
            seen.add(place)
            yield place
            ahead += edges[place]
