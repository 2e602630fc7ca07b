"""A job object of Windows: what is in it ends when the process that holds it ends, in whatever way.

As Microsoft documents it (Job Objects, JOBOBJECT_EXTENDED_LIMIT_INFORMATION). May not be imported elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

_KILL_ON_JOB_CLOSE = 0x2000
_EXTENDED_LIMIT_INFORMATION = 9
_PROCESS_TERMINATE_AND_SET_QUOTA = 0x0001 | 0x0100
_HANDLE, _BOOL, _DWORD = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32
_PROTOTYPES = {
    "CreateJobObjectW": (_HANDLE, ctypes.c_void_p, ctypes.c_wchar_p),
    "SetInformationJobObject": (_BOOL, _HANDLE, ctypes.c_int, ctypes.c_void_p, _DWORD),
    "OpenProcess": (_HANDLE, _DWORD, _BOOL, _DWORD),
    "AssignProcessToJobObject": (_BOOL, _HANDLE, _HANDLE),
    "CloseHandle": (_BOOL, _HANDLE),
}


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", _DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", _DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", _DWORD),
        ("SchedulingClass", _DWORD),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("MemoryLimitsAndPeaks", ctypes.c_size_t * 4),
    )


@contextlib.contextmanager
def held_in_job(process: int, kernel32: Any = None) -> Iterator[None]:
    """Hold a process that has just begun, with all that it starts; end what is left of it if the block raises.

    After a block that does not, what was left behind lives on: a server of sccache. Where there can be no job, the
    process is on its own.

    :param process: its number; it is a Python, which starts nothing before it is held
    """
    if kernel32 is None and sys.platform == "win32":
        kernel32 = ctypes.WinDLL("kernel32")
    for name, (result, *arguments) in _PROTOTYPES.items():
        function = getattr(kernel32, name)
        function.restype, function.argtypes = result, arguments
    job = kernel32.CreateJobObjectW(None, None)
    try:
        _limit(kernel32, job, _KILL_ON_JOB_CLOSE)
        handle = kernel32.OpenProcess(_PROCESS_TERMINATE_AND_SET_QUOTA, 0, process)
        kernel32.AssignProcessToJobObject(job, handle)
        kernel32.CloseHandle(handle)
        yield
        _limit(kernel32, job, 0)
    finally:
        kernel32.CloseHandle(job)


def _limit(kernel32: Any, job: int | None, flags: int) -> None:
    limits = _ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = flags
    size = ctypes.sizeof(limits)
    kernel32.SetInformationJobObject(job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), size)
