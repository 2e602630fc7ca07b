from __future__ import annotations

import pytest

from torchgraft.diagnoses import DIAGNOSES, diagnose, is_telling

# Lines as gcc, nvcc, setuptools and torch print them.
LOGS = [
    ("out-of-memory", "Killed"),
    ("out-of-memory", "g++: fatal error: Killed signal terminated program cc1plus"),
    ("out-of-memory", "/bin/sh: line 1: 12345 Killed                  cicc --c++17 ..."),
    ("out-of-memory", "error: command '/usr/bin/nvcc' failed with exit code 137"),
    ("out-of-memory", "cc1plus: out of memory allocating 65536 bytes after a total of 1052672 bytes"),
    ("out-of-memory", "virtual memory exhausted: Cannot allocate memory"),
    (
        "host-compiler-unsupported",
        "/usr/local/cuda/include/crt/host_config.h:143:2: error: #error -- unsupported GNU version! gcc versions later"
        " than 12 are not supported!",
    ),
    ("ptxas-version", "ptxas /tmp/tmpxft_1.ptx, line 9; fatal   : Unsupported .version 9.5; current version is '9.0'"),
    ("no-cccl", "cuda_fp16.h:4120:10: fatal error: nv/target: No such file or directory"),
    ("needs-cxx20", 'error: namespace "std" has no member "strong_ordering"'),
    ("needs-cxx20", "error: 'strong_ordering' is not a member of 'std'"),
    ("no-python-headers", "torch/csrc/python_headers.h:12:10: fatal error: Python.h: No such file or directory"),
    ("no-compiler", "error: command 'g++' failed: No such file or directory"),
    ("no-compiler", "unable to execute 'gcc': No such file or directory"),
    ("disk-full", "/usr/bin/ld: final link failed: No space left on device"),
    ("disk-full", "OSError: [Errno 28] No space left on device"),
    (
        "cuda-home-unset",
        "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
    ),
    (
        "wrong-nvcc",
        "RuntimeError: ('The detected CUDA version (%s) mismatches the version that was used to compilePyTorch (%s).',"
        " '13.0', '12.8')",
    ),
]


@pytest.mark.parametrize(("code", "line"), LOGS)
def test_the_words_that_tools_print(code: str, line: str) -> None:
    problems = diagnose(["[1/4] g++ -c a.cpp", line, "ninja: build stopped: subcommand failed."])
    assert [problem.code for problem in problems] == [code]
    assert is_telling(line)


def test_every_row_has_a_log() -> None:
    assert {code for code, _ in LOGS} == {row.code for row in DIAGNOSES}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "warning: install_lib: byte-compiling is disabled, skipping.",
        "copying Killed.txt -> build/lib",
        "src/a.cpp:3:10: fatal error: mine.h: No such file or directory",
        "error: command '/usr/bin/g++' failed with exit code 1",
    ],
)
def test_other_lines_mean_nothing(line: str) -> None:
    assert diagnose([line]) == ()


def test_two_at_most_and_each_once() -> None:
    lines = ["Killed", "Killed", "No space left on device", "Python.h: No such file"]
    assert [problem.code for problem in diagnose(lines)] == ["out-of-memory", "no-python-headers"]
