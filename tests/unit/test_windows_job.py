"""What can be tested of a job object where there is no Windows: the layout of its limits, and what is asked for."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any

import pytest

from torchgraft.windows_job import _BasicLimits, _ExtendedLimits, held_in_job


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the sizes are those of 64 bits")
def test_the_layout_is_that_of_winnt_h() -> None:
    assert (_BasicLimits.LimitFlags.offset, _BasicLimits.MinimumWorkingSetSize.offset) == (16, 24)
    assert ctypes.sizeof(_BasicLimits) == 64
    assert ctypes.sizeof(_ExtendedLimits) == 144


class Kernel:
    """Takes down what is asked of it; handles are 7 for the job, 8 for the process."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        answers = {
            "CreateJobObjectW": 7,
            "OpenProcess": 8,
            "AssignProcessToJobObject": 1,
            "CloseHandle": 1,
        }
        for name, answer in answers.items():
            setattr(self, name, self.function(name, answer))
        self.SetInformationJobObject = lambda job, kind, limits, size: self.asked.append(
            (job, kind, limits._obj.BasicLimitInformation.LimitFlags, size)
        )

    def function(self, name: str, answer: int) -> Any:
        def ask(*arguments: object) -> int:
            self.asked.append((name, *arguments))
            return answer

        return ask


HELD = [
    ("CreateJobObjectW", None, None),
    (7, 9, 0x2000, ctypes.sizeof(_ExtendedLimits)),
    ("OpenProcess", 0x101, 0, 1234),
    ("AssignProcessToJobObject", 7, 8),
    ("CloseHandle", 8),
]


def test_what_is_left_behind_lives_on() -> None:
    kernel = Kernel()
    with held_in_job(1234, kernel):
        assert kernel.asked == HELD
    assert kernel.asked[5:] == [(7, 9, 0, ctypes.sizeof(_ExtendedLimits)), ("CloseHandle", 7)]


def test_what_is_interrupted_ends_with_the_job() -> None:
    kernel = Kernel()
    with contextlib.suppress(KeyboardInterrupt), held_in_job(1234, kernel):
        raise KeyboardInterrupt
    assert kernel.asked[5:] == [("CloseHandle", 7)]
