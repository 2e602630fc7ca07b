"""torch.__version__, which compares as a version and is a string."""

from __future__ import annotations

from packaging.version import Version

from . import _notes


class TorchVersion(str):
    """As torch.torch_version.TorchVersion: a string that compares with strings and tuples as versions do."""

    __slots__ = ()

    def _compare(self, other: object) -> tuple[Version, Version]:
        text = ".".join(map(str, other)) if isinstance(other, (tuple, list)) else str(other)
        return Version(str(self)), Version(text)

    def __lt__(self, other: object) -> bool:  # type: ignore[override]
        one, two = self._compare(other)
        return one < two

    def __le__(self, other: object) -> bool:  # type: ignore[override]
        one, two = self._compare(other)
        return one <= two

    def __gt__(self, other: object) -> bool:  # type: ignore[override]
        one, two = self._compare(other)
        return one > two

    def __ge__(self, other: object) -> bool:  # type: ignore[override]
        one, two = self._compare(other)
        return one >= two

    def __eq__(self, other: object) -> bool:
        one, two = self._compare(other)
        return one == two

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def __getattr__(name: str) -> object:
    if name == "__version__":
        return TorchVersion(_notes.fact("version", "torch.__version__"))
    return _notes.unknown(__name__, name)
