"""Assemble a CUDA_HOME: a folder of links over the trees that the plan names.

May not choose the trees, nor copy what they hold.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import ActError, Evidence, Problem
from ..planned import PlannedToolkit

_TIMEOUT_S = 60
_FOLDERS = ("bin", "include", "lib", "nvvm", "extras", "share")
_SHARED_OBJECT = re.compile(r"(lib[^/]+?\.so)\.[0-9.]+")


def assemble_cuda_home(toolkit: PlannedToolkit, *, compiler: str) -> Path:
    """Return the toolkit's home, assembled if it is not there.

    It is made beside its place and moved there in one step, like a graft.

    :param compiler: the C compiler that makes the stub of libcuda
    :raises ActError: if it cannot be made
    """
    home = Path(toolkit.home)
    if not toolkit.layers or (home / "bin" / "nvcc").exists():
        return home
    try:
        home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=home.parent))
        try:
            _fill(draft, [Path(layer) for layer in toolkit.layers], compiler)
            draft.rename(home)
        except OSError:
            if not (home / "bin" / "nvcc").exists():  # else another build has made it in the meantime
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ActError(
            Problem(
                code="toolkit-not-assembled",
                headline=f"the CUDA toolkit cannot be put together in {home}",
                evidence=(Evidence(label="found", text=str(error)),),
                why="its parts lie in several places, and nvcc wants them in one",
                fixes=("export TORCHGRAFT_CACHE_DIR=FOLDER   (one of your own, with some space left)",),
            )
        ) from None
    return home


def _fill(home: Path, layers: list[Path], compiler: str) -> None:
    for name in _FOLDERS:
        # bin/ has to be a real folder: nvcc looks for nvcc.profile and crt/ beside argv[0], without following links.
        _merge(home / name, [layer / name for layer in layers if (layer / name).is_dir()])
    _merge(home / "lib", [layer / "lib64" for layer in layers if (layer / "lib64").is_dir()])
    _merge(home / "include", [tree for layer in layers for tree in _targets(layer, "include")])
    _merge(home / "lib", [tree for layer in layers for tree in _targets(layer, "lib")])
    (home / "lib").mkdir(exist_ok=True)
    # The nvcc.profile of 13.0 and 13.1 says lib64; NVIDIA's wheels have lib.
    (home / "lib64").symlink_to("lib")
    for name, target in _development_names(home / "lib"):
        (home / "lib" / name).symlink_to(target)
    stubs = home / "lib" / "stubs"
    if not any((folder / "libcuda.so").exists() for folder in (home / "lib", stubs)):
        if stubs.is_symlink():
            stubs.unlink()
        stubs.mkdir(exist_ok=True)
        _make_driver_stub(stubs / "libcuda.so", compiler)


def _targets(layer: Path, name: str) -> list[Path]:
    """Return the folders where NVIDIA's packages and conda have include/ and lib/ (targets/x86_64-linux)."""
    return [tree / name for tree in sorted(layer.glob("targets/*-linux")) if (tree / name).is_dir()]


def _merge(place: Path, sources: list[Path]) -> None:
    """Link everything in `sources` into `place`, folder by folder where several have one; the first of a name wins."""
    if not sources:
        return
    place.mkdir(parents=True, exist_ok=True)
    names: dict[str, list[Path]] = {}
    for source in sources:
        for entry in sorted(source.iterdir()):
            if entry.name != "__pycache__":
                names.setdefault(entry.name, []).append(entry)
    for name, entries in names.items():
        path = place / name
        folders = [entry for entry in entries if entry.is_dir()]
        if path.is_dir() and not path.is_symlink():
            _merge(path, folders)
        elif path.is_symlink() and path.is_dir() and folders:
            earlier = path.resolve()
            path.unlink()
            _merge(path, [earlier, *(folder for folder in folders if folder.resolve() != earlier)])
        elif not path.exists() and not path.is_symlink():
            if len(folders) > 1:
                _merge(path, folders)
            else:
                path.symlink_to(entries[0])


def _development_names(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the names that linkers look for: wheels have libcudart.so.13 alone."""
    for entry in sorted(folder.iterdir()):
        match = _SHARED_OBJECT.fullmatch(entry.name)
        if match and not os.path.lexists(folder / match[1]):
            yield match[1], entry.name


def _make_driver_stub(path: Path, compiler: str) -> None:
    """Make an empty libcuda.so: the real one comes with the driver, and -lcuda only wants its name."""
    options = ["-shared", "-nostdlib", "-Wl,-soname,libcuda.so.1", "-x", "c"]
    command = [*shlex.split(compiler), *options, os.devnull, "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
