"""torch.cuda on a machine without a GPU."""

from __future__ import annotations

from . import _notes


def is_available() -> bool:
    """Return False: making metadata is no matter of the machine's GPU."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0


def get_device_capability(device: object = None) -> tuple[int, int]:
    """Refuse: there is no device."""
    raise _notes.refusal("torch.cuda.get_device_capability()")


def __getattr__(name: str) -> object:
    return _notes.unknown(__name__, name)
