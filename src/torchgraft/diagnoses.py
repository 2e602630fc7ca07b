"""Failures of compilers that are known: what their words mean, and what cures it.

May not look at anything: it is given lines of output. Each row has a test with a line as its tool prints it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import Evidence, Problem


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A failure: `pattern` is searched in single lines of output."""

    code: str
    pattern: re.Pattern[str]
    headline: str
    why: str
    fixes: tuple[str, ...]


def _row(code: str, pattern: str, headline: str, why: str, *fixes: str) -> Diagnosis:
    return Diagnosis(code=code, pattern=re.compile(pattern), headline=headline, why=why, fixes=fixes)


# The compiler's own words for a process that the kernel killed: it had no memory left.
OUT_OF_MEMORY = _row(
    "out-of-memory",
    r"^(?:.*: )?(?:[0-9]+ )?Killed\b|Killed signal terminated program|\bexit (?:status|code) 137\b|"
    r"cc1plus: out of memory|virtual memory exhausted: Cannot allocate memory|std::bad_alloc",
    "the compiler was killed for lack of memory",
    "each compiler needs gigabytes, and too many ran at once",
    "-C torchgraft.max-jobs=1",
)

DIAGNOSES: tuple[Diagnosis, ...] = (
    OUT_OF_MEMORY,
    _row(
        "host-compiler-unsupported",
        r"unsupported GNU version|unsupported clang version",
        "the host compiler is too new for this CUDA toolkit",
        "nvcc checks it in crt/host_config.h",
        "apt-get install g++-13   (or what the line above allows; torchgraft finds it)",
    ),
    _row(
        "ptxas-version",
        r"ptxas .*Unsupported \.version",
        "the parts of the CUDA toolkit are of different releases",
        "nvvm writes PTX that this ptxas does not know; they have to be of one release",
        "pip install 'cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==X.Y.*'   (all in one requirement)",
    ),
    _row(
        "no-cccl",
        r"nv/target: No such file",
        "the CUDA toolkit has no CCCL headers",
        "cuda_fp16.h includes nv/target, which comes in a package of its own",
        "pip install 'cuda-toolkit[cccl]==X.Y.*'   (X.Y that of nvcc)",
    ),
    _row(
        "needs-cxx20",
        r"has no member \"?strong_ordering|'strong_ordering' is not a member|strong_ordering.*not a member of .std",
        "this torch's headers need C++20",
        "the package compiles them with -std=c++17",
        "set -std=c++20 in setup.py, or take an older torch",
    ),
    _row(
        "no-python-headers",
        r"Python\.h: No such file",
        "the headers of Python are not installed",
        "they come in a package of their own",
        "apt-get install python3-dev   (or the one of your Python's version)",
    ),
    _row(
        "no-compiler",
        r"(?:unable to execute|error: command) '[^']*(?:gcc|g\+\+|cc|c\+\+)[^']*'.*No such file or directory",
        "there is no C++ compiler",
        "an extension has to be compiled",
        "apt-get install g++",
    ),
    _row(
        "disk-full",
        r"No space left on device",
        "the disk is full",
        "object files and the temporary folder need gigabytes",
        "export TMPDIR=FOLDER   (one with space)",
    ),
    _row(
        "cuda-home-unset",
        r"CUDA_HOME environment variable is not set",
        "the package compiles CUDA code, and this torch has no CUDA toolkit to do it with",
        "torch says this of CUDA_HOME also where torch itself is a CPU build, which ignores it",
        "pip install torch   (a CUDA build), or switch the package's CUDA parts off",
    ),
    _row(
        "wrong-nvcc",
        r"detected CUDA version .* mismatches the.*version that was used to compile",
        "nvcc and torch are of different CUDA major versions",
        "an extension and its PyTorch must share the CUDA major version",
        "export CUDA_HOME=/usr/local/cuda-X.Y   (X that of torch.version.cuda)",
    ),
)


def diagnose(lines: Iterable[str]) -> tuple[Problem, ...]:
    """Return what is known of these lines, each failure once, in the order of the table; at most two."""
    found: dict[str, str] = {}
    for line in lines:
        for row in DIAGNOSES:
            if row.code not in found and row.pattern.search(line):
                found[row.code] = line.strip()
    return tuple(
        Problem(
            code=row.code,
            headline=row.headline,
            evidence=(Evidence(label="said", text=found[row.code][:200]),),
            why=row.why,
            fixes=row.fixes,
        )
        for row in DIAGNOSES
        if row.code in found
    )[:2]


def is_telling(line: str) -> bool:
    """Return whether a line is one that `diagnose` would use."""
    return any(row.pattern.search(line) for row in DIAGNOSES)
