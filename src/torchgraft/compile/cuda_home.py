"""Assemble a CUDA_HOME: a folder of links over the trees that the plan names.

May not choose the trees, nor copy more than those that the plan says will be deleted.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..errors import ActError
from ..files import read_text
from ..ladder.graft import note_use
from ..model.decision import PlannedToolkit
from ..own_files import made_in_one_step, make_own_folder

_TIMEOUT_S = 60
_LARGEST_HEADER_BYTES = 10_000_000  # that of 13.0 has 1.3
_FOLDERS = ("bin", "include", "lib", "nvvm", "extras", "share")
_SHARED_OBJECT = re.compile(r"(lib[^/]+?\.so)\.[0-9.]+")
_DRIVER_FUNCTION = re.compile(r"\bcu[A-Z]\w*")


def assemble_cuda_home(toolkit: PlannedToolkit, *, compiler: str) -> Path:
    """Return the toolkit's home, assembled if it is not there.

    :param compiler: the C compiler that makes the stub of libcuda, if it can
    :raises ActError: if it cannot be made
    """
    home = Path(toolkit.home)
    if not toolkit.layers:
        return home
    try:
        if not _is_whole(home):
            copied = {copy.name: _copied(Path(copy.name), Path(copy.target)) for copy in toolkit.copies}
            _assemble(home, [copied.get(layer, Path(layer)) for layer in toolkit.layers])
        for used in (home, *(Path(copy.name) for copy in toolkit.copies)):
            note_use(used)
        _add_driver_stub(home, compiler)
    except OSError as error:
        raise ActError.of(
            code="toolkit-not-assembled",
            headline=f"the CUDA toolkit cannot be put together in {home}",
            found=str(error),
            why="its parts are in several places, and nvcc needs them in one folder",
            fixes=("export TORCHGRAFT_CACHE_DIR=FOLDER   (one of your own, with some space left)",),
        ) from None
    return home


def nvcc_of(toolkit: PlannedToolkit) -> Path:
    """Return the toolkit's nvcc: that of the tree that it is taken from, as long as the home is not assembled."""
    homes = (toolkit.home, *toolkit.layers, *(copy.target for copy in toolkit.copies))
    found = [Path(home, "bin", "nvcc") for home in homes]
    return next((nvcc for nvcc in found if nvcc.exists()), found[0])


def _copied(place: Path, tree: Path) -> Path:
    """Return the copy of a tree, made if it is not there: hard links where the file system allows.

    Without room for it, the tree itself: this build can do without a path that is the same next time.
    """
    if place.is_dir():
        return place
    ignored = shutil.ignore_patterns("__pycache__")
    try:
        with made_in_one_step(place) as draft:
            shutil.copytree(tree, draft, copy_function=_link_or_copy, dirs_exist_ok=True, ignore=ignored)
    except OSError:
        return place if place.is_dir() else tree
    return place


def _link_or_copy(source: str, target: str) -> None:
    real = os.path.realpath(source)  # uv's links into its cache, where it is told to make them
    try:
        os.link(real, target)
    except OSError:
        shutil.copy2(real, target)


def _is_whole(home: Path) -> bool:
    return (home / "bin" / "nvcc").exists()


def _assemble(home: Path, layers: list[Path]) -> None:
    make_own_folder(home.parent)
    try:
        with made_in_one_step(home) as draft:
            _fill(draft, layers)
    except OSError:
        if not _is_whole(home):  # else another build has made it in the meantime
            raise


def _fill(home: Path, layers: list[Path]) -> None:
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
    if stubs.is_symlink():  # a stub may have to be added
        theirs = stubs.resolve()
        stubs.unlink()
        _merge(stubs, [theirs])
    stubs.mkdir(exist_ok=True)


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


def _add_driver_stub(home: Path, compiler: str) -> None:
    """Make a libcuda.so for linkers: the real one comes with the driver, and NVIDIA's wheels have no stub of it.

    It has all functions that cuda.h names: linkers told --as-needed, as Ubuntu's are, drop a library that resolves
    nothing. Where the compiler does not work it is left out; so does all that would be linked with it.
    """
    folder = home / "lib"
    stub = folder / "stubs" / "libcuda.so"
    if stub.exists() or (folder / "libcuda.so").exists():
        return
    header = home / "include" / "cuda.h"
    text = read_text(header, _LARGEST_HEADER_BYTES)
    source = "".join(f"void {name}(void) {{}}\n" for name in sorted(set(_DRIVER_FUNCTION.findall(text))))
    draft = stub.with_name(f".{os.getpid()}.so")
    options = ["-shared", "-nostdlib", "-fPIC", "-w", "-fno-builtin", "-Wl,-soname,libcuda.so.1", "-x", "c", "-"]
    try:
        command = [*shlex.split(compiler), *options, "-o", str(draft)]
        subprocess.run(command, input=source.encode(), check=True, capture_output=True, timeout=_TIMEOUT_S)
        draft.replace(stub)
    except (OSError, ValueError, subprocess.SubprocessError):
        draft.unlink(missing_ok=True)
