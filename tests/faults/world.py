"""A package with one C file, two environments with a stub torch each, pip and uv; and what is looked at after a fault.

May not reach the network, but to fetch the wheels that it keeps in .environments/.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import tarfile
import time
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uv
from e2e.laboratory import CHECKOUT, make_project_wheel, make_wheelhouse, system_path
from e2e.stub_torch import StubTorch, make_torch_wheel

TORCHES = ("2.8.0", "2.9.0")
FRONT_ENDS = ("pip", "uv")
MARK = "FAULTS_OF"
PATIENCE_S = 300
_SETTLED_S = 20
# Who is not ended with its front end is seen: it would go on for longer than we wait.
_SLOW = f"""#!/bin/sh
cc "$@" || exit
case " $* " in *" -c "*) sleep {2 * PATIENCE_S};; esac
"""
_MADE = ("build", "ext.egg-info")
_FILES = {
    "pyproject.toml": """
[build-system]
requires = ["torchgraft", "setuptools>=77"]
build-backend = "torchgraft.build_meta"
[project]
name = "ext"
version = "1.0"
dependencies = ["torch"]
[tool.setuptools]
py-modules = ["ext"]
""",
    "setup.py": """
import torch
from setuptools import Extension, setup

setup(ext_modules=[Extension("ext_c", ["ext.c"], define_macros=[("BUILT_FOR", '"' + torch.__version__ + '"')])])
""",
    "ext.py": "import ext_c\n",
    "ext.c": """
#include <Python.h>
const char *built_for = "built for " BUILT_FOR ".";
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext_c", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_ext_c(void) { return PyModule_Create(&module); }
""",
}


@dataclass
class Place:
    """Where one build after another is made: a source tree, or an sdist of it, and a folder for wheels."""

    world: World
    tree: Path
    wheels: Path
    source: Path
    before: dict[str, str] = field(default_factory=dict)

    def command(self, front: str, torch: str) -> list[str]:
        python = str(self.world.consumers[torch] / "bin" / "python")
        if front == "pip":
            return [python, "-m", "pip", "wheel", "--no-deps", "-w", str(self.wheels), str(self.source)]
        return [uv.find_uv_bin(), "build", "--wheel", "--python", python, "-o", str(self.wheels), str(self.source)]

    def build(self, front: str, torch: str) -> list[str]:
        """Return what is wrong with a build that nobody disturbs."""
        self.empty()
        command = self.command(front, torch)
        done = subprocess.run(
            command, cwd=self.tree.parent, env=self.world.variables, timeout=PATIENCE_S, check=False, **_SAID
        )
        if done.returncode:
            return [f"{front} fails: {_end(done.stdout)}"]
        return self.faults(torch)

    def empty(self) -> None:
        for wheel in self.wheels.glob("*.whl"):
            wheel.unlink()

    def faults(self, torch: str | None) -> list[str]:
        """Return what is wrong in the folders, and with the wheel for a torch; None where there need be none."""
        found = [f"source: {line}" for line in _differences(self.before, hashes(self.tree, without=_MADE))]
        wheels = list(self.wheels.glob("*.whl"))
        found += [f"{len(wheels)} wheels"] if torch and len(wheels) != 1 else []
        for wheel in wheels:
            found += faults_of_wheel(wheel, torch)
        left = sorted(
            path.name for path in self.wheels.iterdir() if path.suffix != ".whl" and path.name != ".gitignore"
        )
        return found + ([f"left beside the wheel: {left}"] if left and torch else [])


class World:
    """All that the trials share."""

    def __init__(self, folder: Path) -> None:
        keep = CHECKOUT / ".environments"
        keep.mkdir(exist_ok=True)
        self.folder = folder
        self.mark = uuid.uuid4().hex
        wheelhouse = make_wheelhouse(keep)
        own = make_project_wheel(folder / "own", wheelhouse)
        for name in ("home", "tmp", "cache"):
            (folder / name).mkdir()
        links = [path.as_uri() for path in (wheelhouse, own)]
        self.cache = folder / "cache" / "torchgraft"
        self.variables = {
            "PATH": system_path(folder / "path"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_CONFIG_DIRS": str(folder / "home"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_FIND_LINKS": " ".join(links),
            "PIP_NO_INDEX": "1",
            "PIP_NO_COMPILE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "UV_FIND_LINKS": ",".join(links),
            "UV_NO_CONFIG": "1",
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            MARK: self.mark,
        }
        self.slow_compiler = folder / "slow-cc"
        self.slow_compiler.write_text(_SLOW, encoding="utf-8")
        self.slow_compiler.chmod(0o755)
        self.consumers = {torch: self._consumer(torch) for torch in TORCHES}
        self._before = {torch: hashes(prefix) for torch, prefix in self.consumers.items()}

    def _consumer(self, torch: str) -> Path:
        prefix = self.folder / f"consumer-{torch}"
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", prefix], check=True, env=self.variables, timeout=PATIENCE_S)
        wheel = make_torch_wheel(self.folder / "torch", StubTorch(torch, f"{torch}+cpu"))
        command = [prefix / "bin" / "python", "-m", "pip", "install", "-q", wheel]
        subprocess.run(command, check=True, env=self.variables, timeout=PATIENCE_S)
        return prefix

    def place(self, name: str, *, sdist: bool = False) -> Place:
        """Return a new place."""
        folder = self.folder / name
        tree, wheels = folder / "ext", folder / "wheels"
        wheels.mkdir(parents=True)
        tree.mkdir()
        for file, text in _FILES.items():
            (tree / file).write_text(text, encoding="utf-8")
        source = tree
        if sdist:
            (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: ext\nVersion: 1.0\n", encoding="utf-8")
            source = folder / "ext-1.0.tar.gz"
            with tarfile.open(source, "w:gz") as archive:
                archive.add(tree, arcname="ext-1.0")
        return Place(self, tree, wheels, source, hashes(tree))

    def faults(self) -> list[str]:
        """Return what is wrong where no build is running any more."""
        orphans = self._orphans()
        found = [f"orphan: {text}" for text in orphans]
        for torch, prefix in self.consumers.items():
            found += [f"consumer: {line}" for line in _differences(self._before[torch], hashes(prefix))]
        locks = self.cache / "locks"
        held = [path.name for path in locks.glob("*.lock") if not orphans and _is_locked(path)]
        return found + [f"locked: {name}" for name in held]

    def entries(self) -> int:
        """Return how many things are in the cache folder."""
        parts = ("grafts", "locks", "toolkits")
        return sum(1 for part in parts if (self.cache / part).is_dir() for _ in (self.cache / part).iterdir())

    def _orphans(self) -> list[str]:
        until = time.monotonic() + _SETTLED_S
        while found := dict(self.processes()):
            if time.monotonic() > until:
                for process in found:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, 9)
                return list(found.values())
            time.sleep(0.05)
        return []

    def processes(self, trial: str = "") -> Iterator[tuple[int, str]]:
        """Yield all processes of builds, or of one, with their commands."""
        wanted = f"{MARK}={self.mark}{trial}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes():
                    arguments = (folder / "cmdline").read_bytes()
                    if arguments:  # else it has ended, and nobody has asked for its status
                        yield int(folder.name), " ".join(arguments.decode(errors="replace").split("\0"))[-150:]

    def start(
        self, command: Sequence[str], log: Path, trial: str, folder: Path, **variables: str
    ) -> subprocess.Popen[bytes]:
        """Start a command as a shell does: in a process group of its own."""
        with log.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=folder,
                env={**self.variables, **variables, MARK: f"{self.mark}{trial}"},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )


_SAID = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}


def faults_of_wheel(wheel: Path, torch: str | None) -> list[str]:
    """Return what is wrong with a wheel: it is not whole, or not for a torch; None for either."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        return [f"half a wheel: {error}"]
    (record,) = (name for name in files if name.endswith(".dist-info/RECORD"))
    rows = dict(line.split(",")[:2] for line in files[record].decode().splitlines())
    wrong = sorted(set(files) ^ set(rows))
    wrong += [name for name, digest in rows.items() if digest and digest != f"sha256={_digest(files.get(name, b''))}"]
    (module,) = (content for name, content in files.items() if name.endswith(".so"))
    stated = [one for one in TORCHES if f"built for {one}+cpu.".encode() in module]
    noted = [one for one in TORCHES if any(one.encode() in files[n] for n in files if n.endswith("torchgraft.json"))]
    found = [f"RECORD and files differ: {wrong}"] if wrong else []
    return (
        found
        if stated == noted == ([torch] if torch else stated[:1])
        else [*found, f"wheel for {stated}, says {noted}"]
    )


def hashes(folder: Path, *, without: Sequence[str] = ()) -> dict[str, str]:
    """Return the digest and mode of every file, the target of every link; relative to `folder`."""
    found = {}
    for parent, folders, files in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name not in without]
        for name in (*folders, *files):
            path = Path(parent, name)
            what = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else _digest(path.read_bytes())
            found[str(path.relative_to(folder))] = f"{path.lstat().st_mode:o} {what}"
    return found


def _differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return [
        f"{name} is {'other' if name in before and name in now else 'gone' if name in before else 'new'}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ][:5]


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _end(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-6:])[-600:]
