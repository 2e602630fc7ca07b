"""Whether modules and torch agree on the CUDA runtime.

May not look at a library: which runtimes are there is given.
"""

from __future__ import annotations

from collections.abc import Iterator

from .linkage import CUDART, Found, Libraries, Module, Reason
from .loading import Loading


class CudaRuntimes:
    """The CUDA runtimes that modules of one wheel ask for. One that the wheel brings is not shared with torch."""

    def __init__(self, libraries: Libraries, loading: Loading) -> None:
        self._libraries = libraries
        self._loading = loading
        self._loaded = CUDART.fullmatch(libraries.cudart)
        # Most wheels ask for the one that torch loads, or for none: nothing is walked through then.
        self._is_any = any(True for module in loading.modules for _ in self._others(module))

    def faults(self, module: Module) -> Iterator[tuple[str, Reason]]:
        """Yield what is wrong with those that a module asks for, or a library of the wheel that it needs."""
        for library, name, found in self._asked(module):
            needs = f"needs {name}" if library is module else f"needs {library.name}, which needs {name}"
            if self._loaded and (library is module or found is Found.NOWHERE):
                yield f"{needs}, and torch loads {self._libraries.cudart}", Reason.CUDA_MAJOR
            elif found is Found.NOWHERE:
                yield f"{needs}, which is not found, and this torch loads none", Reason.ACCELERATOR

    def doubts(self, module: Module) -> Iterator[str]:
        """Yield what nobody knows of them."""
        for library, name, found in self._asked(module):
            if self._loaded and library is not module and found is not Found.NOWHERE:
                yield f"{library.name}, which it needs, needs {name}, and torch loads {self._libraries.cudart}"
            elif not self._loaded and found is Found.PERHAPS:
                yield f"{name}, which it needs, may be found when it is loaded, and this torch loads none"

    def _asked(self, module: Module) -> Iterator[tuple[Module, str, Found | None]]:
        """Yield the runtimes that are not torch's, each with the library that asks for it."""
        for library in self._loading.reached(module) if self._is_any else ():
            # What is not of the wheel is somebody else's affair.
            if isinstance(library, Module):
                for name in self._others(library):
                    yield library, name, self._libraries.runtimes.get(name)

    def _others(self, module: Module) -> Iterator[str]:
        for name in module.needed:
            needed = CUDART.fullmatch(name)
            if needed and name not in self._loading.names and not (self._loaded and needed[1] == self._loaded[1]):
                yield name
