"""Build CUDA extensions with a real CUDA torch, on a machine that lacks what CUDA needs, and say what came of it.

    python tests/cuda/run.py [ROW ...] [--front-end pip|uv]

A row is a project, a torch, and what is wrong with the machine; ROWS has them all. Each is built by pip and by uv in
isolated builds, with the wheel of this checkout; everything else comes from the index that pip and uv are set up for.
Where a GPU is at hand, what was built runs there too. Needs Linux on x86-64, a C++ compiler, 16 GB of disk for two
torches (kept in .environments/, like the environment that this runs in), and some 40 minutes on two cores. The rows
that need a CUDA toolkit on the machine want one of CUDA 13; where nothing can be hidden or there is no toolkit, a row
was "not tried", which is no success.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from support.environment import enter_environment  # noqa: E402 - it is no package

if __name__ == "__main__":
    enter_environment()

from corpus.run import Case, adopt, table_text, uv_program  # noqa: E402
from e2e.laboratory import CHECKOUT, Environment, Laboratory, Workplace  # noqa: E402
from e2e.stub_torch import StubTorch, make_torch_wheel  # noqa: E402
from machine import masked, own_toolkit, plain_path, why_not_masked  # noqa: E402

FRONT_ENDS = ("pip", "uv")
TIMEOUT_S = 3600
CU130, CU132 = "torch==2.14.1", "torch==2.15.0"
# The version that PyPI had for CUDA 12.8; a stub of it is enough where nothing is to be compiled.
CU128 = StubTorch("2.9.0", "2.9.0+cu128")
SPLINE_CONV = Case(
    kind="",
    package="torch_spline_conv",
    version="1.2.2",
    sha256="ed45a81da29f774665dbdd4709d7e534cdf16d2e7006dbd06957f35bd09661b2",
    requires=["setuptools>=77", "ninja"],
)
# What of the user's settings says where packages are.
SETTINGS = re.compile(r"(?:PIP|UV|SSL|REQUESTS|CURL)_\w+|\w*_proxy", re.IGNORECASE)
NVIDIA = re.compile(r"\b(?:cuda[-_]toolkit|nvidia[-_]\w[\w-]*?)(?:==|-)\d+(?:\.\d+)+")
# What pip and uv call it, with -v, when they have found what to install; from their caches or not.
FETCHED = re.compile(r"\s*(?:Collecting|Downloading|Using cached|Processing|Successfully installed|DEBUG Selecting:)\s")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A build. `project` is a folder of projects/, or torch_spline_conv; `check` yields what is not as expected.

    `launcher` puts a ccache on PATH, which torch uses by itself since 2.15.
    """

    title: str
    project: str
    check: Callable[[Built], Iterator[str]]
    torch: str | StubTorch = CU130
    hides_toolkits: bool = False
    launcher: bool = False
    variables: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Built:
    """What came of a row: the output of the front end and of a program that uses what was built."""

    front_end: str
    status: int
    said: str
    seconds: float
    hook_s: float
    used: str
    libraries: dict[str, Path]
    toolkit: str

    def planned(self, name: str) -> str:
        """Return the line of the last plan that begins with a word, or sets a variable; "" if there is none."""
        found = re.findall(rf"^(?:DEBUG)?\s*(?:variables\s+)?({re.escape(name)}[ =].*)$", self.said, re.MULTILINE)
        return found[-1] if found else ""

    def downloads(self) -> list[str]:
        """Return what of CUDA the front end fetched, from its cache or from an index."""
        lines = (line for line in self.said.splitlines() if FETCHED.match(line))
        return sorted({name for line in lines for name in NVIDIA.findall(line)})


def works(built: Built) -> Iterator[str]:
    if built.status:
        yield f"exit status {built.status}"
    elif not built.used.startswith("equal on"):
        yield f"what was built does not work: {built.used}"
    if not any(b".nv_fatbin" in path.read_bytes() for path in built.libraries.values()):
        yield "no code for GPUs in it"


def from_pypi(built: Built) -> Iterator[str]:
    yield from works(built)
    if not any("nvcc" in name for name in built.downloads()):
        yield "no nvcc was downloaded"
    if "/toolkits/" not in built.planned("CUDA_HOME"):
        yield f"the toolkit is another one: {built.planned('CUDA_HOME')}"


def spline_conv(built: Built) -> Iterator[str]:
    yield from from_pypi(built)
    if not built.planned("FORCE_CUDA").startswith("FORCE_CUDA=1"):
        yield "FORCE_CUDA=1 was not decided"
    if not any(name.startswith("_basis_cuda") for name in built.libraries):
        yield f"no CUDA library in it: {', '.join(built.libraries)}"


def from_machine(built: Built) -> Iterator[str]:
    yield from works(built)
    if built.downloads():
        yield f"downloaded: {', '.join(built.downloads())}"
    if built.toolkit not in built.planned("toolkit"):
        yield f"the toolkit is another one: {built.planned('toolkit')}"


def other_minor(built: Built) -> Iterator[str]:
    yield from from_machine(built)
    if "torch's is 13.2: the same major version works" not in built.said:
        yield "the plan does not say that the minor version differs"


def other_major(built: Built) -> Iterator[str]:
    if not built.status:
        yield "it was built"
    if "error[cuda-mismatch]: nvcc 13." not in built.said:
        yield "there is no error[cuda-mismatch]"
    if "building '" in built.said or built.downloads():
        yield "something was compiled or downloaded"
    if built.hook_s >= 2:
        yield f"it took {built.hook_s:.1f} s to say so"


def says(*texts: str) -> Callable[[Built], Iterator[str]]:
    """Return the check of a build that works, and says these words with -v."""

    def check(built: Built) -> Iterator[str]:
        yield from from_machine(built)
        yield from (f"it does not say {text!r}" for text in texts if text not in built.said)

    return check


ROWS = {
    "no-toolkit": Row(title="no toolkit; a kernel, cub, pybind", project="total", hides_toolkits=True, check=from_pypi),
    "spline-conv": Row(
        title="no toolkit; torch_spline_conv 1.2.2", project=SPLINE_CONV.package, hides_toolkits=True, check=spline_conv
    ),
    "system": Row(title="nvcc 13 on the machine", project="total", check=from_machine),
    "other-major": Row(title="torch for CUDA 12.8, nvcc 13", project="scale", torch=CU128, check=other_major),
    "other-minor": Row(title="torch for CUDA 13.2, nvcc 13.0", project="total", torch=CU132, check=other_minor),
    "wrong-home": Row(
        title="CUDA_HOME is nowhere",
        project="scale",
        variables={"CUDA_HOME": "/no/such/toolkit"},
        check=says("CUDA_HOME=/no/such/toolkit has no bin/nvcc: not used"),
    ),
    "launcher": Row(
        title="CC is a launcher and a compiler",
        project="scale",
        variables={"CC": "ccache gcc", "CXX": "ccache g++"},
        launcher=True,
        check=says("CC=ccache gcc is not used"),
    ),
    "no-compiler": Row(
        title="CC is no compiler",
        project="scale",
        variables={"CC": "no-such-gcc"},
        check=says("CC=no-such-gcc is not used"),
    ),
}


def main(arguments: list[str]) -> int:
    """Return 0 if every row is as expected, else 1."""
    options = parse_arguments(arguments)
    keep, logs = Path(options.keep), Path(options.logs or tempfile.mkdtemp(prefix="torchgraft-cuda-logs-"))
    keep.mkdir(exist_ok=True)
    logs.mkdir(exist_ok=True)
    home, version = own_toolkit()
    print(f"the machine's toolkit: {f'CUDA {version} in {home}' if home else 'none'}; outputs: {logs}", flush=True)
    hidden = why_not_masked()
    scratch = Path(tempfile.mkdtemp(prefix="run-", dir=keep))
    outside = Path(tempfile.mkdtemp(prefix="torchgraft-cuda-"))
    results = []
    try:
        bench = Bench(keep, scratch, outside, architectures=options.architectures)
        for name in options.rows or ROWS:
            row = ROWS[name]
            untried = hidden if row.hides_toolkits else "" if version.startswith("13.") else "no nvcc of CUDA 13 here"
            for front_end in options.front_end or FRONT_ENDS:
                results.append(_result(bench, name, front_end, untried, logs))
                print(*results[-1], sep=" | ", flush=True)
    finally:
        if not options.leave:
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.rmtree(outside, ignore_errors=True)
    print()
    print(table_text([("row", "what", "front end", "result", "s", "hook s", "difference"), *results]))
    return int(any(result[3] != "as expected" for result in results))


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all of them if none is named: {', '.join(ROWS)}")
    parser.add_argument("--front-end", action="append", choices=FRONT_ENDS, help="both if none is named")
    parser.add_argument(
        "--architectures",
        default="8.0",
        help="compute capabilities to compile for, or all, which takes hours (default: %(default)s)",
    )
    parser.add_argument("--keep", default=CHECKOUT / ".environments", help="where the torches are kept")
    parser.add_argument("--logs", help="a folder for what the front ends say")
    parser.add_argument("--leave", action="store_true", help="leave environments and source trees behind")
    options = parser.parse_args(arguments)
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return options


def _result(bench: Bench, name: str, front_end: str, untried: str, logs: Path) -> tuple[str, ...]:
    row = ROWS[name]
    if untried:
        return (name, row.title, front_end, "not tried", "", "", untried)
    built = bench.build(row, front_end)
    (logs / f"{name}-{front_end}.txt").write_text(f"{built.said}\n\n{built.used}\n", encoding="utf-8")
    wrong = list(row.check(built))
    word = "differs" if wrong else "as expected"
    said = "; ".join(wrong) or built.used
    hook = f"{built.hook_s:.1f}" if front_end == "pip" else ""  # uv says no times
    return (name, row.title, front_end, word, f"{built.seconds:.0f}", hook, said)


class Bench:
    """Builds rows in environments of laboratories, one for each torch."""

    def __init__(self, keep: Path, scratch: Path, outside: Path, *, architectures: str) -> None:
        self._keep, self._scratch, self._outside = keep, scratch, outside
        self._architectures = architectures
        self._laboratories: dict[str, Laboratory] = {}
        self._stubs = outside / "stubs"

    def build(self, row: Row, front_end: str) -> Built:
        """Return what came of a row: first all that can be made beforehand, then the front end alone on the clock."""
        laboratory = self._laboratory(row.torch if isinstance(row.torch, str) else CU130)
        consumer = self._consumer(laboratory, row.torch)
        workplace = laboratory.workplace()
        self._open(workplace, launcher=row.launcher)
        source = self._source(laboratory, row, workplace)
        log = workplace.folder / "pip.log"
        command: list[str | Path] = [consumer.python, "-m", "pip", "install", "-v", "--log", log, "--no-deps", source]
        if front_end == "uv":
            command = [uv_program(), "pip", "install", "-v", "--python", consumer.python, "--no-deps", source]
        hide = masked if row.hides_toolkits else list
        began = time.monotonic()
        outcome = workplace.run(hide(command), timeout_s=TIMEOUT_S, **row.variables)
        seconds = time.monotonic() - began
        libraries = {path.name: path for path in consumer.site_packages.rglob("*.so") if not _is_torchs(path, consumer)}
        use = "import scale_ext; print('equal on', *scale_ext.compiled_by())"
        program = {"total": HERE / "use_total.py", SPLINE_CONV.package: HERE / "use_spline_conv.py"}.get(row.project)
        arguments = [program] if program else ["-c", use]
        used = workplace.run(hide([consumer.python, "-B", *arguments])) if outcome.status == 0 else None
        return Built(
            front_end=front_end,
            status=outcome.status,
            said=outcome.said,
            seconds=seconds,
            hook_s=_hook_s(log.read_text(encoding="utf-8")) if log.exists() else seconds,
            used=(used.said.strip().splitlines() or [""])[-1] if used else "",
            libraries=libraries,
            toolkit=own_toolkit()[0],
        )

    def _laboratory(self, torch: str) -> Laboratory:
        if torch not in self._laboratories:
            number = len(self._laboratories)
            outside, scratch = self._outside / f"laboratory-{number}", self._scratch / str(number)
            outside.mkdir()
            scratch.mkdir()
            self._laboratories[torch] = Laboratory(keep=self._keep, scratch=scratch, outside=outside, torch=torch)
        return self._laboratories[torch]

    def _consumer(self, laboratory: Laboratory, torch: str | StubTorch) -> Environment:
        if isinstance(torch, str):
            return laboratory.environment("pip")
        consumer = laboratory.environment("pip", torch=False)
        wheel = make_torch_wheel(self._stubs, torch)
        workplace = laboratory.workplace()
        workplace.run([consumer.python, "-m", "pip", "install", "--quiet", "--no-deps", wheel]).succeeded()
        return consumer

    def _open(self, workplace: Workplace, *, launcher: bool) -> None:
        """Let front ends use the index that this machine's user does, and nvcc; caches are the run's own."""
        variables = workplace.variables
        for name in (
            "PIP_CONFIG_FILE",
            "PIP_NO_INDEX",
            "UV_NO_CONFIG",
            "UV_OFFLINE",
            "PIP_FIND_LINKS",
            "UV_FIND_LINKS",
        ):
            del variables[name]
        own = {name: value for name, value in os.environ.items() if SETTINGS.fullmatch(name)}
        wheels = workplace.find_links[-1].as_uri()
        links = {"PIP_FIND_LINKS": " ".join([wheels, *own.get("PIP_FIND_LINKS", "").split()])}
        links["UV_FIND_LINKS"] = ",".join(filter(None, [wheels, own.get("UV_FIND_LINKS", "")]))
        variables.update({**own, **links})
        variables.update(
            {
                "PATH": os.pathsep.join([*([str(self._launcher())] if launcher else []), plain_path()]),
                "HOME": str(Path.home()),
                "PIP_CACHE_DIR": str(self._scratch / "pip"),
                "UV_CACHE_DIR": str(self._scratch / "uv"),
                "TORCHGRAFT_CACHE_DIR": str(workplace.cache / "torchgraft"),
                "TORCHGRAFT_LOG": "plan",
            }
        )
        if self._architectures != "all":
            variables["TORCHGRAFT_CUDA_ARCHITECTURES"] = self._architectures

    def _launcher(self) -> Path:
        """Return a folder with a ccache that caches nothing."""
        folder = self._outside / "launcher"
        folder.mkdir(exist_ok=True)
        program = folder / "ccache"
        program.write_text('#!/bin/sh\nexec "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        return folder

    def _source(self, laboratory: Laboratory, row: Row, workplace: Workplace) -> Path:
        folder = workplace.folder / "source"
        if row.project != SPLINE_CONV.package:
            shutil.copytree(HERE / "projects" / row.project, folder / row.project)
            return folder / row.project
        with contextlib.closing(
            tarfile.open(laboratory.fetch_sdist(f"{SPLINE_CONV.package}=={SPLINE_CONV.version}", SPLINE_CONV.sha256))
        ) as archive:
            archive.extractall(folder, filter="data")
        (source,) = folder.iterdir()
        adopt(source, SPLINE_CONV)
        return source


def _is_torchs(path: Path, consumer: Environment) -> bool:
    return path.relative_to(consumer.site_packages).parts[0] in {"torch", "numpy", "nvidia", "triton", "numpy.libs"}


def _hook_s(log: str) -> float:
    """Return how long pip waited for the requirements, the first hook that knows of CUDA, going by its log."""
    stamps = {}
    for line in log.splitlines():
        stamp, _, text = line.partition(" ")
        if text.strip().startswith("Getting requirements to build wheel:"):
            moment = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S,%f").replace(tzinfo=timezone.utc)
            stamps[text.partition(": ")[2].split()[0]] = moment.timestamp()
    return stamps.get("finished", 0.0) - stamps.get("started", 0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
