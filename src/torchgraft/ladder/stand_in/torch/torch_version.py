"""torch.__version__, which compares as a version and is a string."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.version import InvalidVersion, Version

from . import _notes


class TorchVersion(str):
    """As torch.torch_version.TorchVersion: a string that compares with strings and tuples as versions do.

    With what is no version it compares as a string; and != is that of strings, as it is there.
    """

    __slots__ = ()

    def _compare(self, other: object, method: str) -> bool:
        try:
            return bool(getattr(Version(str(self)), method)(_version(other)))
        except InvalidVersion:
            return getattr(super(), method)(other)  # may be NotImplemented


def _version(other: object) -> Version:
    if isinstance(other, Version):
        return other
    if isinstance(other, str):
        return Version(other)
    if isinstance(other, Iterable):
        return Version(".".join(map(str, other)))
    raise InvalidVersion(repr(other))


for _method in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__"):
    setattr(TorchVersion, _method, lambda one, two, method=_method: one._compare(two, method))  # noqa: SLF001


def __getattr__(name: str) -> object:
    if name == "__version__":
        return TorchVersion(_notes.fact("version", "torch.__version__"))
    return _notes.unknown(__name__, name)
