"""The same extension installed in four ways, side by side, as ratios; then our own work in each hook.

Run it with the environment of the tests (see tests/run.py): `python benchmarks/main_job.py`. It takes some minutes,
most of them in the C++ compiler, and needs the torch wheel on the index once: way (c) installs it again and again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import uv

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests"))

from e2e.laboratory import BUILD_TOOLS, TORCH, Environment, Laboratory, Workplace  # noqa: E402 - needs the path

UV = uv.find_uv_bin()
PROJECT = "scaled_add"

# Said by setup.py of every way: how many bytes of the torch that it built against were copied for the build. Neither
# the consumer's own files count, nor hard links to a cache.
WITNESS = """\
import json, os, pathlib, torch
at = pathlib.Path(torch.__file__).resolve().parent
own = at.is_relative_to(os.environ["CONSUMER"])
files = [] if own else [f.lstat() for f in at.rglob("*") if f.is_file()]
size = sum(status.st_size for status in files if status.st_nlink == 1)
pathlib.Path(os.environ["WITNESS"]).write_text(json.dumps({"bytes": size, "version": torch.__version__}))
"""

# A delegate that does nothing: what is left is ours.
IDLE_DELEGATE = """\
import pathlib, zipfile
INFO = "idle-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\\nName: idle\\nVersion: 1.0\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: idle\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory, INFO)
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    return INFO

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "idle-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr(f"{INFO}/METADATA", METADATA)
        wheel.writestr(f"{INFO}/WHEEL", WHEEL)
        wheel.writestr(f"{INFO}/RECORD", f"{INFO}/METADATA,,\\n{INFO}/WHEEL,,\\n{INFO}/RECORD,,\\n")
    return name
"""
HOOKS = {
    "get_requires_for_build_wheel": "",
    "prepare_metadata_for_build_wheel": "tempfile.mkdtemp()",
    "build_wheel": "tempfile.mkdtemp()",
}


@dataclass(frozen=True)
class Way:
    """One way of installing: `install` gets a fresh source, consumer and workplace, and returns the seconds."""

    name: str
    install: Callable[[Laboratory, Workplace, Path], tuple[float, Environment]]


def main() -> int:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="how often each way is run, in turn (%(default)s)")
    parser.add_argument("--hooks-only", action="store_true", help="only our own work in each hook")
    options = parser.parse_args()
    keep = CHECKOUT / ".environments"
    keep.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=keep) as scratch,
        tempfile.TemporaryDirectory(prefix="benchmark-") as outside,
    ):
        laboratory = Laboratory(keep=keep, scratch=Path(scratch), outside=Path(outside))
        if not options.hooks_only:
            print(ways_table(laboratory, options.repeat), flush=True)
        print(hooks_table(laboratory))
    return 0


def ways_table(laboratory: Laboratory, repeat: int) -> str:
    """Return the table of the four ways. They take turns, so that a busy minute does not fall on one of them."""
    ways = [
        Way("(a) torchgraft, isolated, pip", install_isolated),
        Way("(b) setuptools, --no-build-isolation, pip", install_not_isolated),
        Way(f"(c) setuptools, isolated, {TORCH} in requires, pip", install_with_torch_required),
        Way("(d) setuptools, uv match-runtime", install_matched),
    ]
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    witnessed: dict[str, int] = {}
    preparing: list[float] = []
    for _ in range(repeat):
        preparing.append(install_build_requirements(laboratory))
        for way in ways:
            workplace = laboratory.workplace()
            witness = workplace.folder / "witness.json"
            source = laboratory.new_folder("source") / PROJECT
            shutil.copytree(CHECKOUT / "examples" / PROJECT, source)
            script = source / "setup.py"
            script.write_text(WITNESS + script.read_text(encoding="utf-8"), encoding="utf-8")
            workplace.variables["WITNESS"] = str(witness)
            taken, consumer = way.install(laboratory, workplace, source)
            seconds[way.name].append(taken)
            witnessed[way.name] = json.loads(witness.read_text(encoding="utf-8"))["bytes"]
            workplace.run([consumer.python, "-c", f"import {PROJECT}"]).succeeded()
            shutil.rmtree(consumer.prefix)
            shutil.rmtree(workplace.folder)
    limit = statistics.median(seconds[ways[1].name])
    small = statistics.median(preparing)
    rows = [
        (way.name, f"{(t := statistics.median(seconds[way.name])):.1f}", f"{t / limit:.2f}", f"{witnessed[way.name]:,}")
        for way in ways
    ]
    ours = statistics.median(seconds[ways[0].name]) - small
    rows.insert(1, ("(a) less installing the small build requirements", f"{ours:.1f}", f"{ours / limit:.2f}", ""))
    return markdown(("way", "seconds", "ratio to (b)", "bytes of torch copied"), rows)


def install_isolated(laboratory: Laboratory, workplace: Workplace, source: Path) -> tuple[float, Environment]:
    """Way (a): the project as it is."""
    return timed_pip(laboratory.environment("pip"), workplace, source)


def install_not_isolated(laboratory: Laboratory, workplace: Workplace, source: Path) -> tuple[float, Environment]:
    """Way (b), the limit: everything is in the consumer already, nothing is looked for."""
    use_setuptools(source)
    return timed_pip(laboratory.environment("pip", *BUILD_TOOLS), workplace, source, "--no-build-isolation")


def install_with_torch_required(
    laboratory: Laboratory, workplace: Workplace, source: Path
) -> tuple[float, Environment]:
    """Way (c): what a package without torchgraft declares."""
    use_setuptools(source, TORCH)
    find = f"--find-links={laboratory.torch_wheels()}"
    return timed_pip(laboratory.environment("pip"), workplace, source, find)


def install_matched(laboratory: Laboratory, workplace: Workplace, source: Path) -> tuple[float, Environment]:
    """Way (d): a uv project whose maintainer knows of extra-build-dependencies."""
    use_setuptools(source)
    root = workplace.folder / "root"
    root.mkdir()
    (root / "pyproject.toml").write_text(
        f"""\
[project]
name = "root"
version = "1.0"
requires-python = "=={sys.version_info.major}.{sys.version_info.minor}.*"
dependencies = ["{TORCH}", "numpy", "{PROJECT}"]
[tool.uv]
environments = ["sys_platform == '{sys.platform}'"]
[tool.uv.sources]
{PROJECT} = {{ path = {json.dumps(str(source))} }}
[tool.uv.extra-build-dependencies]
{PROJECT} = [{{ requirement = "torch", match-runtime = true }}]
""",
        encoding="utf-8",
    )
    del workplace.variables["UV_NO_CONFIG"]  # extra-build-dependencies are configuration
    # match-runtime takes the index of torch's lock entry for one of the simple kind, which a flat folder is not.
    workplace.variables["UV_DEFAULT_INDEX"] = make_index(laboratory).as_uri()
    workplace.variables["UV_PYTHON"] = sys.executable
    consumer = Environment(root / ".venv")
    workplace.variables["CONSUMER"] = str(consumer.prefix)
    workplace.run([UV, "sync", "--no-install-package", PROJECT], cwd=root).succeeded()
    start = time.monotonic()
    workplace.run([UV, "sync"], cwd=root).succeeded()
    return time.monotonic() - start, consumer


def make_index(laboratory: Laboratory) -> Path:
    """Return a local index (PEP 503) of torch and all that it needs."""
    index = laboratory.new_folder("index")
    for wheel in sorted(laboratory.torch_wheels().glob("*.whl")):
        page = index / wheel.name.partition("-")[0].replace("_", "-").lower() / "index.html"
        page.parent.mkdir(exist_ok=True)
        with page.open("a", encoding="utf-8") as file:
            file.write(f'<a href="{wheel.as_uri()}">{wheel.name}</a>\n')
    return index


def timed_pip(consumer: Environment, workplace: Workplace, source: Path, *options: str) -> tuple[float, Environment]:
    """Return how long pip takes to install `source` into `consumer`."""
    start = time.monotonic()
    command = [consumer.python, "-m", "pip", "install", "--no-deps", *options, source]
    workplace.run(command, CONSUMER=str(consumer.prefix)).succeeded()
    return time.monotonic() - start, consumer


def use_setuptools(source: Path, *requires: str) -> None:
    """Make a project one that knows nothing of torchgraft."""
    pyproject = source / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    text = text.replace(
        'requires = ["torchgraft", ', f"requires = {json.dumps(list(requires))[:-1]}{', ' * bool(requires)}"
    )
    pyproject.write_text(text.replace("torchgraft.build_meta", "setuptools.build_meta"), encoding="utf-8")


def install_build_requirements(laboratory: Laboratory) -> float:
    """Return how long pip takes for the small build requirements: what it does for (a) and not for (b)."""
    consumer = laboratory.environment("pip")
    workplace = laboratory.workplace()
    target = workplace.folder / "target"
    start = time.monotonic()
    command = [consumer.python, "-m", "pip", "install", "--target", target, "torchgraft", "setuptools>=77"]
    workplace.run(command).succeeded()
    return time.monotonic() - start


def hooks_table(laboratory: Laboratory) -> str:
    """Return the table of our own work: what a hook takes, less a bare interpreter and the delegate's process."""
    consumer = laboratory.environment()
    tools = laboratory.environment("torchgraft", torch=False)
    workplace = laboratory.workplace()
    source = laboratory.new_folder("source")
    (source / "idle.py").write_text(IDLE_DELEGATE, encoding="utf-8")
    settings = '[tool.torchgraft]\nbackend = "idle"\nbackend-path = ["."]\n'
    (source / "pyproject.toml").write_text(settings, encoding="utf-8")
    workplace.variables["TORCHGRAFT_CONSUMER"] = str(consumer.prefix)
    workplace.variables["TORCHGRAFT_LOG"] = "quiet"

    def least(code: str) -> float:
        def once() -> float:
            start = time.perf_counter()
            workplace.run([tools.python, "-c", code], cwd=source).succeeded()
            return time.perf_counter() - start

        return min(once() for _ in range(7))

    interpreter = least("pass")
    rows = []
    for hook, argument in HOOKS.items():
        total = least(f"import tempfile, torchgraft.build_meta as backend; backend.{hook}({argument})")
        caller = "import pyproject_hooks, tempfile; c = pyproject_hooks.BuildBackendHookCaller"
        run = "runner=pyproject_hooks.quiet_subprocess_runner"
        delegate = least(f"{caller}('.', 'idle', backend_path=['.'], {run}); c.{hook}({argument})")
        # A process that starts the delegate's has started once itself.
        ours = total - delegate
        rows.append((hook, f"{total * 1000:.0f}", f"{delegate * 1000:.0f}", f"{ours * 1000:.0f}"))
    head = ("hook", "in all (ms)", "an idle delegate without us (ms)", "ours (ms)")
    return f"{markdown(head, rows)}\n\nA bare interpreter takes {interpreter * 1000:.0f} ms."


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
