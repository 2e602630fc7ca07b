"""What is said of failures: the streaming watcher reads whole logs as tools wrote them (tests/cases/logs)."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from torchgraft.errors import Evidence, Problem, problem_text
from torchgraft.hook.delegate_problems import delegate_failed, with_switches
from torchgraft.hook.diagnoses import DIAGNOSES, TellingLines, diagnose
from torchgraft.model.decision import Delegate, Plan, Planned
from torchgraft.model.observation import FrontEnd, FrontEndName, Hook, Rule, Way
from torchgraft.model.torch_values import Origin, Torch

LOGS = Path(__file__).parents[2] / "cases" / "logs"
NAMES = sorted(path.stem for path in LOGS.glob("*.txt"))
CODES = sorted({row.code for row in DIAGNOSES}, key=len, reverse=True)


def code_of(log: str) -> str:
    """Return the code that the name of a log begins with."""
    return next(code for code in CODES if log.startswith(code))


def watched(text: str) -> list[str]:
    """Return the codes of what is said at the end of a build that printed a text, read line by line as it came."""
    telling = TellingLines()
    for line in text.encode().splitlines(keepends=True):
        telling.see(line)
    return [problem.code for problem in diagnose(telling.lines)]


@pytest.mark.parametrize("name", NAMES)
def test_a_real_log(name: str) -> None:
    head, _, log = (LOGS / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    assert head.startswith("# ")
    assert watched(log) == [code_of(name)]
    # All else that stood there means nothing, and the first line that tells is the one that is shown.
    (problem,) = diagnose(log.splitlines())
    shown = next(line for line in log.splitlines() if diagnose([line]))
    said = problem.evidence[0].text
    assert shown.strip().startswith(said.removesuffix(" ..."))
    assert said == shown.strip() or (150 < len(said) <= 204 and said.removesuffix("...") in shown)  # whole words


def test_every_row_has_a_log() -> None:
    assert {code_of(name) for name in NAMES} == {row.code for row in DIAGNOSES}


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("out-of-memory", "/bin/sh: line 1: 12345 Killed                  cicc --c++17 ..."),
        ("out-of-memory", "error: command '/usr/bin/nvcc' failed with exit code 137"),
        ("out-of-memory", "collect2: fatal error: ld terminated with signal 9 [Killed]"),
        ("out-of-memory", "terminate called after throwing an instance of 'std::bad_alloc'"),
        ("no-compiler", "error: command 'g++' failed: No such file or directory"),
        ("no-compiler", "unable to execute 'x86_64-linux-gnu-gcc-12': No such file or directory"),
        ("no-compiler", "/bin/sh: 1: c++: not found"),
        ("machine-refuses", "/usr/bin/ld: cannot find -lgcc: Too many open files"),
        ("machine-refuses", "error: [Errno 11] Resource temporarily unavailable"),
        ("machine-refuses", "gcc: internal compiler error: File size limit exceeded signal terminated program cc1"),
        ("machine-refuses", "OSError: [Errno 27] File too large"),
        ("machine-refuses", "RuntimeError: can't start new thread"),
        ("machine-refuses", "/env/bin/python cannot be started: Resource temporarily unavailable"),
        ("disk-full", "/usr/bin/ld: final link failed: No space left on device"),
        ("disk-full", "OSError: [Errno 28] No space left on device"),
        ("no-cuda-header", "ATen/cuda/CUDAContextLight.h:7:10: fatal error: cusparse.h: No such file or directory"),
        ("needs-cxx20", "all.h:5:2: error: #error C++17 or later compatible compiler is required to use PyTorch."),
    ],
)
def test_other_words_for_the_same(code: str, line: str) -> None:
    assert watched(f"[1/4] g++ -c a.cpp\n{line}\nninja: build stopped: subcommand failed.\n") == [code]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "warning: install_lib: byte-compiling is disabled, skipping.",
        "copying Killed.txt -> build/lib",
        "src/a.cpp:3:10: fatal error: mine.h: No such file or directory",
        "error: command '/usr/bin/g++' failed with exit code 1",
        "FAILED: [code=1] a.o",
        "error: [Errno 2] No such file or directory: 'src/gcc.c'",
        "/bin/sh: 1: git: not found",
        "  auto order = std::strong_ordering::less;",
    ],
)
def test_other_lines_mean_nothing(line: str) -> None:
    assert watched(line) == []


def test_two_at_most_and_each_once() -> None:
    text = "Killed\nKilled\nNo space left on device\nPython.h: No such file\n"
    assert watched(text) == ["out-of-memory", "no-python-headers"]


def test_a_flood_of_one_failure_does_not_hide_the_next() -> None:
    flood = "a.h:1:1: error: 'strong_ordering' is not a member of 'std'\n" * 200
    assert watched(f"{flood}c++: fatal error: Killed signal terminated program cc1plus\n") == [
        "out-of-memory",
        "needs-cxx20",
    ]


def test_bytes_that_are_no_text() -> None:
    assert watched("No space left on device\n") == ["disk-full"]
    telling = TellingLines()
    telling.see(b"\xff\xfe No space left on device\r\n")
    assert [problem.code for problem in diagnose(telling.lines)] == ["disk-full"]


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("no-python-headers", "fatal error: Python.h: No such file or directory"),
        ("libc-clash", "previous function "),
        ("needs-cxx20", "#error C++20 or later compatible compiler is required"),
        ("wrong-nvcc", "RuntimeError: ('The detected CUDA version"),
        ("no-cccl", "fatal error: nv/target: No such file or directory"),
    ],
)
def test_the_first_error_of_a_compiler_or_the_last_exception(log: str, error: str) -> None:
    telling = TellingLines()
    for line in (LOGS / f"{log}.txt").read_bytes().splitlines(keepends=True)[1:]:
        telling.see(line)
    assert error in telling.error


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["a.cpp:3:10: error: x was not declared", "b.cpp:1:1: error: y", "RuntimeError: Error compiling"], 0),
        (["a.cpp:3:10: warning: unused", "ValueError: first", "RuntimeError: Error compiling objects"], 2),
        (['/src/k.cu(12): error: identifier "x" is undefined'], 0),
        (["a.cpp(3): error C2065: 'x': undeclared identifier"], 0),
        (["/usr/bin/ld: cannot find -lfoo", "error: command '/usr/bin/g++' failed with exit code 1"], 0),
        (["x.TypeError: what", "    raise ValueError: no", "error: command 'g++' failed"], 0),
        (["g++ -c a.cpp:1: error", "copying error: a.py -> b", "  12 | a.cpp: error: ", "all is well"], None),
    ],
)
def test_what_is_said_first_of_a_failure(lines: list[str], error: int | None) -> None:
    telling = TellingLines()
    for line in lines:
        telling.see(f"{line}\n".encode())
    assert telling.error == ("" if error is None else lines[error])


@pytest.mark.parametrize(
    "error", ["packaging.version.InvalidVersion: Invalid version: 'None'", "KeyboardInterrupt", "my.Stop: at once"]
)
def test_whatever_ends_a_traceback_is_the_exception(error: str) -> None:
    telling = TellingLines()
    for line in (
        "Note: no exception",
        '  File "/src/setup.py", line 2, in <module>',
        "    f()",
        "    ^^^",
        error,
        "Done: 1",
    ):
        telling.see(f"{line}\n".encode())
    assert telling.error == error


SWITCHES = {
    "no CUDA": ("OSError: CUDA_HOME environment variable is not set", True, False, "-C torchgraft.cuda=off"),
    "another failure": ("ValueError: what", True, False, None),
    "optional torch": ("ValueError: what", False, True, 'provide = "off" in [tool.torchgraft]'),
    "both": ("OSError: CUDA_HOME environment variable is not set", True, True, "-C torchgraft.cuda=off"),
    "neither": ("OSError: CUDA_HOME environment variable is not set", False, False, None),
}


@pytest.mark.parametrize(("said", "cuda_off", "torch_off", "fix"), SWITCHES.values(), ids=SWITCHES)
def test_the_last_line_says_what_can_be_left_out(
    said: str, fix: str | None, *, cuda_off: bool, torch_off: bool
) -> None:
    delegate = Delegate(backend="b", asked=False, reason="", cuda_off=cuda_off, torch_off=torch_off)
    first = Problem(code="delegate-failed", headline="x", evidence=(Evidence(label="said", text=said),))
    made = with_switches(dataclasses.replace(PLAN, delegate=delegate), (first, *diagnose([said])))
    last = made[-1].fixes[-1] if made[-1].fixes else None
    known = [problem.fixes[-1] for problem in diagnose([said])]
    assert (last or "").startswith(fix) if fix else last in {None, *known}


def test_what_is_to_be_installed_is_typed_for_the_reader() -> None:
    (problem,) = diagnose(["/e/cuda_fp16.h:4: fatal error: nv/target: No such file"], install="pip --python /e install")
    assert problem.fixes == ("pip --python /e install 'cuda-toolkit[cccl]==X.Y.*'   (X.Y that of nvcc)",)


PLAN = Plan(
    hook=Hook.BUILD_WHEEL,
    way=Way.GRAFT,
    way_reason="",
    delegate=Delegate(backend="b", asked=False, reason=""),
    front_end=FrontEnd(name=FrontEndName.UV),
    consumer=Planned(text="/v", reason=""),
    torch=Torch(version="2.8.0+cu128", folder="/v/torch", origin=Origin.WHEEL),
)


def failed(*lines: str, front_end: FrontEndName = FrontEndName.UV, rule: Rule | None = None) -> Problem:
    telling = TellingLines()
    for line in lines:
        telling.see(f"{line}\n".encode())
    plan = dataclasses.replace(PLAN, front_end=FrontEnd(name=front_end), rule=rule)
    return delegate_failed(plan, "x", telling=telling)


@pytest.mark.parametrize("last", ["needs CUDA 12", "error: package directory 'nope' does not exist"])
def test_what_nothing_calls_an_error_is_told_by_the_last_line(last: str) -> None:
    problem = failed("running bdist_wheel", last, "   ", "")
    assert problem_text(problem).splitlines()[-1] == f"  last:   {last}"
    assert failed("ValueError: no", last).evidence[0].text == "ValueError: no"


def test_a_command_that_an_old_setuptools_leaves_to_wheel() -> None:
    assert failed("error: invalid command 'bdist_wheel'", rule=Rule.IMPORTABLE).fixes == (
        'add "wheel" to requires in [build-system]   (for its maintainers)',
        "uv pip install --python /v wheel",
    )


def test_what_brings_a_module_that_the_build_has_not() -> None:
    assert failed("ModuleNotFoundError: No module named 'Cython.Build'").fixes == (
        'add "Cython" to requires in [build-system]   (for its maintainers)',
        "export TORCHGRAFT_REQUIRES=Cython   (until then)",
    )
    # Nothing is guessed from the name of an import.
    for said in ("ModuleNotFoundError: No module named 'own_tools'", "ValueError: No module named 'numpy'", "."):
        assert failed(said).fixes == ()


@pytest.mark.parametrize(
    ("front_end", "rule", "fix"),
    [
        (FrontEndName.UV, None, "export TORCHGRAFT_REQUIRES='setuptools<81'   (until then)"),
        # pip refuses what narrows a requirement that it has installed already.
        (
            FrontEndName.PIP,
            Rule.PIP_ISOLATION,
            'echo \'setuptools<81\' > c.txt; export PIP_CONSTRAINT="$PWD/c.txt" PIP_BUILD_CONSTRAINT="$PWD/c.txt"',
        ),
        # Nothing is installed without isolation.
        (FrontEndName.PIP, Rule.IMPORTABLE, "pip --python /v install 'setuptools<81'"),
        (FrontEndName.UV, Rule.IMPORTABLE, "uv pip install --python /v 'setuptools<81'"),
    ],
)
def test_an_older_build_requirement_as_the_front_end_takes_it(
    front_end: FrontEndName, rule: Rule | None, fix: str
) -> None:
    said = "ModuleNotFoundError: No module named 'pkg_resources'"
    assert failed(said, front_end=front_end, rule=rule).fixes[1] == fix


def test_a_torch_that_fails_itself_is_said_to_be_the_cause() -> None:
    frames = [
        '  File "/src/setup.py", line 2, in <module>',
        '  File "/v/torch/utils/cpp_extension.py", line 25, in <module>',
    ]
    said = "ModuleNotFoundError: No module named 'pkg_resources'"
    assert failed(*frames, "    from pkg_resources import packaging", said).why == (
        "torch itself imports it, in /v/torch/utils/cpp_extension.py"
    )
    assert failed(frames[1], frames[0], said).why == ""
    # Its way to a compiler that fails goes through that file, too.
    problem = failed(frames[1], "RuntimeError: Error compiling")
    assert problem.why == ""
    # CI shows the last line alone.
    assert problem_text(problem).splitlines()[-1].strip() == "said:   RuntimeError: Error compiling"


@pytest.mark.parametrize(
    "said",
    [
        "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory",
        "ModuleNotFoundError: No module named 'typing_extensions'",
    ],
)
def test_a_torch_that_lacks_what_it_requires_is_installed_with_it(said: str) -> None:
    problem = failed('  File "/v/torch/__init__.py", line 427, in <module>', said)
    assert problem.why == "torch itself cannot be imported: something that it requires is not installed"
    fix = "uv pip install --python /v torch==2.8.0   (that torch stays; it brings what is missing)"
    assert problem.fixes == (fix,)
    assert fix not in failed('  File "/src/setup.py", line 2, in <module>', said).fixes


def test_typographic_quotes_are_plain() -> None:
    telling = TellingLines()
    telling.see("a.cpp:5:84: error: expected \u2018;\u2019 before \u2018int\u2019\n".encode())
    assert telling.error == "a.cpp:5:84: error: expected ';' before 'int'"


@pytest.mark.parametrize(
    "line", ["a" + ":1: " * 6000, "/usr/bin/ld: " * 3000, "a.cu(1): error " * 3000, "x" * 1_000_000]
)
def test_the_cost_of_a_line_is_bounded(line: str) -> None:
    start = time.process_time()
    lines = TellingLines()
    for _ in range(20):
        lines.see(line.encode())
    assert time.process_time() - start < 1
