"""NVIDIA's driver, as NVML tells it.

May not start it: NVML makes no CUDA context.
"""

from __future__ import annotations

import ctypes

from .checkup import Driver

_NAMES = ("libnvidia-ml.so.1", "nvml.dll")
_VERSION_BYTES = 80  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE


def find_driver(names: tuple[str, ...] = _NAMES) -> Driver | None:
    """Return the driver, None where there is none that works."""
    for name in names:
        try:
            return _ask(ctypes.CDLL(name))
        except (OSError, ValueError, AttributeError):  # not there, no library, or one without these functions
            continue
    return None


def _ask(library: ctypes.CDLL) -> Driver | None:
    if library.nvmlInit_v2() != 0:
        return None
    try:
        text, cuda = ctypes.create_string_buffer(_VERSION_BYTES), ctypes.c_int()
        if library.nvmlSystemGetDriverVersion(text, ctypes.c_uint(_VERSION_BYTES)) != 0:
            return None
        known = library.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(cuda)) == 0
    finally:
        library.nvmlShutdown()
    version = text.value.decode("ascii", errors="replace")
    # NVML_CUDA_DRIVER_VERSION_MAJOR and _MINOR: 12040 is 12.4.
    return Driver(version=version, cuda=f"{cuda.value // 1000}.{cuda.value % 1000 // 10}" if known else "")
