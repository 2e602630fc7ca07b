"""Failures of compilers that are known: what their words mean, and what cures it.

May not look at anything: it is given lines of output. Each row has a real log in tests/cases/logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import Problem
from ..values import dataclass


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A failure: `pattern` is searched in single lines of output. `{install}` in a fix is how the reader installs."""

    code: str
    pattern: re.Pattern[str]
    headline: str
    why: str
    fixes: tuple[str, ...]


def _row(code: str, pattern: str, headline: str, why: str, *fixes: str) -> Diagnosis:
    return Diagnosis(code=code, pattern=re.compile(pattern), headline=headline, why=why, fixes=fixes)


# How shells, gcc, nvcc and ninja put it that the kernel killed a process, or that it got no more memory.
OUT_OF_MEMORY = _row(
    "out-of-memory",
    r"^(?:.*: )?(?:[0-9]+ )?Killed\b|Killed signal terminated program|(?:died due to|terminated with) signal 9\b|"
    r"\bexit (?:status|code) 137\b|\[code=137\]|out of memory allocating|catastrophic error: out of memory|"
    r"virtual memory exhausted: Cannot allocate memory|std::bad_alloc",
    "the compiler was killed for lack of memory",
    "each compiler needs gigabytes; with fewer jobs, or for fewer GPUs, it is less",
    "-C torchgraft.max-jobs=1   (if it was more than one)",
    "-C torchgraft.cuda-architectures=9.0   (only those of your GPUs, if CUDA is compiled)",
)
# What subprocess says of a child that was killed.
KILLED = "Killed"

CUDA_HOME_UNSET = _row(
    "cuda-home-unset",
    r"Error: CUDA_HOME environment variable is not set",
    "the package compiles CUDA code, and there is no CUDA toolkit for it",
    "a CPU build of torch says this too, and takes no notice of CUDA_HOME",
    "install a CUDA build of torch",
    "build without the package's CUDA parts   (many look for nvcc on PATH, or have a variable for it)",
)

# a.cpp:3:10: fatal error: ..., /src/k.cu(12): error: ..., a.cpp(3): error C2065: ..., /usr/bin/ld: cannot find ...
_COMPILER_ERROR = re.compile(
    r"[^\s\"'][^\"']*?(?::\d+:|\(\d+\):) .*?\berror\b[^:]*: |\S*\bld(?:\.\w+)?: (?:cannot|undefined|error)\b"
)
_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception): \S")
_MOST_SAID = 200
# gcc's in a UTF-8 locale.
_PLAIN_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")

_COMPILERS = r"(?:[^'\s]*[/-])?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)(?:-[0-9.]+)?"

DIAGNOSES: tuple[Diagnosis, ...] = (
    OUT_OF_MEMORY,
    _row(
        "host-compiler-unsupported",
        r"unsupported GNU version|unsupported clang version|No supported gcc/g\+\+ host compiler found|"
        r"current installed version of \S+ \(.*\) is greater than the maximum required version by CUDA",
        "the host compiler is too new for this CUDA toolkit",
        "each CUDA release accepts compilers up to a certain version only",
        "apt-get install g++-13   (or what the line above allows; torchgraft finds it)",
    ),
    _row(
        "ptxas-version",
        r"ptxas .*Unsupported \.version",
        "the parts of the CUDA toolkit are of different releases",
        "nvvm writes PTX that this ptxas does not know; they have to be of one release",
        "{install} 'cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==X.Y.*'   (all in one requirement)",
    ),
    _row(
        "no-cccl",
        r"nv/target: No such file",
        "the CUDA toolkit has no CCCL headers",
        "cuda_fp16.h includes nv/target, which is in a package of its own",
        "{install} 'cuda-toolkit[cccl]==X.Y.*'   (X.Y that of nvcc)",
    ),
    _row(
        "no-cuda-header",
        r"fatal error: (?:curand|cublas|cusparse|cusolver|cufft|npp|nvrtc|nvml|nvtx3|nvJitLink|cuda_profiler|cupti)"
        r"[\w/]*\.h\w*: No such file or directory",
        "the CUDA toolkit lacks a header that the package includes",
        "toolkits come in parts; NVIDIA's wheels and conda's packages have one for each library",
        "-C torchgraft.cuda-components=curand   (or cublas, nvml ...: an extra of cuda-toolkit on PyPI)",
        'cuda-components = ["curand"] in [tool.torchgraft]   (for its maintainers)',
    ),
    _row(
        "libc-clash",
        r"exception specification is incompatible with that of previous function \"(?:cospi|sinpi|rsqrt)f?\"",
        "the headers of this CUDA toolkit and of glibc contradict each other",
        "glibc 2.41 and 2.42 declare these functions noexcept; CUDA's headers do since 13.0 and 13.2",
        "conda install -c conda-forge gxx   (in an active environment: it has headers of an older glibc)",
        "install CUDA 13.2 or later, or build where glibc is older",
    ),
    _row(
        "needs-cxx20",
        r"#error C\+\+[0-9]+ or later compatible compiler is required|error: .*\bstrong_ordering\b",
        "torch's headers need a newer C++ standard than the package asks for",
        "the package passes an older -std=c++ to the compiler: torch 2.14 is the first that needs C++20",
        "use -std=c++20 in setup.py, or none: torch adds its own",
        "{install} 'torch<2.14'   (where the package cannot be changed)",
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
        rf"(?:unable to execute|error: command) '{_COMPILERS}'.*No such file or directory|"
        rf"\[Errno 2\] No such file or directory: '{_COMPILERS}'|^\S*sh: .*{_COMPILERS}: (?:command )?not found|"
        r"current installed version of \S+ \(0\.0\.0\) is less than the minimum",
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
        "machine-refuses",
        r"Resource temporarily unavailable|can't start new thread|Too many open files|File too large|"
        r"File size limit exceeded",
        "a limit of this shell stops the build",
        "the build may not start more processes, open more files, or write larger ones",
        "ulimit -u 4096   (for more processes; or end some of yours)",
        "ulimit -n 4096   (for more open files)",
        "ulimit -f unlimited   (for larger files)",
    ),
    CUDA_HOME_UNSET,
    _row(
        "wrong-nvcc",
        r"detected CUDA version .* mismatches the.*version that was used to compile",
        "nvcc and torch are of different CUDA major versions",
        "an extension and its PyTorch must share the CUDA major version",
        "export CUDA_HOME=/usr/local/cuda-X.Y   (X that of torch.version.cuda)",
    ),
)


def _beginning(line: str) -> str:
    start = line[:_MOST_SAID]
    return line if start == line else f"{start.rpartition(' ')[0] or start} ..."


def diagnose(lines: Iterable[str], *, install: str = "pip install") -> tuple[Problem, ...]:
    """Return what is known of these lines, each failure once, in the table's order, two at most."""
    found: dict[str, str] = {}
    for line in lines:
        for row in DIAGNOSES:
            if row.code not in found and row.pattern.search(line):
                found[row.code] = line.strip()
    return tuple(
        Problem.of(
            code=row.code,
            headline=row.headline,
            said=_beginning(found[row.code]),
            why=row.why,
            fixes=tuple(fix.replace("{install}", install) for fix in row.fixes),
        )
        for row in DIAGNOSES
        if row.code in found
    )[:2]


# A word of each pattern: most lines have none, and builds print millions.
_MAY_TELL = re.compile(
    rb"[Ee]rror|Exception: |\bld(?:\.\w+)?: |Killed|137|signal|memory|bad_alloc|unsupported|No supported|"
    rb"maximum required|ptxas|nv/target|No such file|not found|is less than the minimum|No space left|mismatches|"
    rb"Resource temp|new thread|Too many|too large|File size"
)
_RAISED = re.compile(rb"[A-Za-z_][\w.]*(?::\s|\s*$)")
_FRAME = re.compile(rb' *File "([^"]+)", line \d')
_LONGEST_BYTES = 2000


class TellingLines:
    """Keeps the first line of each failure that is known, from output as it streams by.

    `error` is the first one that a compiler or linker has called an error, else the last exception; "" without either.
    It stands above a hundred lines of how setuptools and torch came to call the compiler. `place` is the file that
    raised an exception. `last` is the last line of all: what ends without either says why there.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.error = ""
        self.place = ""
        self._last = b""
        self._file = ""
        self._in_traceback = False
        self._codes: frozenset[str] = frozenset()
        self._by_compiler = False

    def see(self, line: bytes) -> None:
        """Keep a line if it tells of a failure of which none has told before."""
        # Patterns take the square of a line's length; none of them needs what is behind.
        line = line[:_LONGEST_BYTES]
        if line.strip():
            self._last = line
        if frame := _FRAME.match(line):
            self._file = frame[1].decode("utf-8", errors="replace")
            self._in_traceback = True
            return
        # What is not indented ends a traceback: an exception, whatever it is called.
        raised = self._in_traceback and bool(_RAISED.match(line))
        self._in_traceback = self._in_traceback and line[:1] in b" \r\n"
        if not raised and not _MAY_TELL.search(line):
            return
        text = line.decode("utf-8", errors="replace").rstrip()
        if not self._by_compiler:
            self._by_compiler = bool(_COMPILER_ERROR.match(text))
            if self._by_compiler or raised or _EXCEPTION.match(text):
                self.error = text.translate(_PLAIN_QUOTES)[:_MOST_SAID]
                self.place = "" if self._by_compiler else self._file
        new = frozenset(row.code for row in DIAGNOSES if row.pattern.search(text)) - self._codes
        if new:
            self._codes |= new
            self.lines.append(text)

    @property
    def last(self) -> str:
        """The last line that is not empty."""
        return self._last.decode("utf-8", errors="replace").strip()[:_MOST_SAID]
