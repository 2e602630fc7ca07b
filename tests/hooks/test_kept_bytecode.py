"""Bytecode for the build environments of uv, which are made of hard links to the files of its cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from torchgraft.hook.kept_bytecode import link_bytecode

from .conftest import PYTHON_FOLDER, ROOT, MakeProject

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a link to a folder takes a privilege there")


def environment(folder: Path, package: Path, copy: object = os.link) -> Path:
    """Return an environment that uv made for a build, with a package of its cache."""
    prefix = folder.parent / "builds-v0" / folder.name
    site = prefix / "lib" / PYTHON_FOLDER / "site-packages"
    shutil.copytree(package, site / package.name, copy_function=copy)  # type: ignore[arg-type]
    (prefix / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    # The packages that torchgraft needs are those of the tests.
    (site / "tests.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return prefix


def ask(prefix: Path, project: Path, tmp_path: Path, consumer: Path) -> Path:
    """Have a hook called there; return the package's folder."""
    variables = {**os.environ, "TORCHGRAFT_CONSUMER": str(consumer), "TORCHGRAFT_CACHE_DIR": str(tmp_path / "cache")}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    code = "import torchgraft.build_meta as b; print(b.__file__, b.get_requires_for_build_wheel())"
    command = [str(prefix / "bin" / "python"), "-c", code]
    done = subprocess.run(command, cwd=project, env=variables, check=True, timeout=60, stdout=subprocess.PIPE)
    assert done.stdout.decode() == f"{prefix}/lib/{PYTHON_FOLDER}/site-packages/torchgraft/build_meta.py []\n"
    return next(prefix.glob("lib/*/site-packages/torchgraft"))


def compiled(package: Path) -> dict[str, int]:
    """Return what bytecode there is, with the files that have it."""
    return {f"{path.parent.parent.name}/{path.name}": path.stat().st_ino for path in package.rglob("*.pyc")}


def test_a_build_finds_what_the_one_before_has_compiled(
    make_project: MakeProject, tmp_path: Path, consumer: Path
) -> None:
    project, unpacked = make_project(), tmp_path / "torchgraft"
    shutil.copytree(ROOT / "src" / "torchgraft", unpacked, ignore=shutil.ignore_patterns("__pycache__"))
    ask(environment(tmp_path / "one", unpacked), project, tmp_path, consumer)
    (kept,) = (tmp_path / "cache" / "bytecode").iterdir()
    before = compiled(kept)
    assert len(before) > 40
    second = ask(environment(tmp_path / "two", unpacked), project, tmp_path, consumer)
    assert list(kept.parent.iterdir()) == [kept]
    same = {name for name, inode in compiled(kept).items() if before.get(name) == inode}
    # Only what finds the bytecode is compiled each time.
    anew = {name.rpartition("/")[2].partition(".")[0] for name in before.keys() - same}
    assert anew == {"__init__", "build_meta", "errors", "files", "kept_bytecode", "values"}
    assert (second / "wanted" / "__pycache__").resolve() == kept / "wanted" / "__pycache__"
    shutil.rmtree(tmp_path / "builds-v0" / "two")
    assert compiled(kept).keys() == before.keys()
    assert not list(unpacked.rglob("__pycache__"))


@pytest.mark.parametrize(("mode", "finds"), [(0o700, True), (0o755, True), (0o770, False), (0o1777, False)])
def test_bytecode_that_others_can_change_is_not_run_before_that_is_judged(
    make_project: MakeProject, tmp_path: Path, consumer: Path, mode: int, *, finds: bool
) -> None:
    project, unpacked = make_project(), tmp_path / "torchgraft"
    shutil.copytree(ROOT / "src" / "torchgraft", unpacked, ignore=shutil.ignore_patterns("__pycache__"))
    ask(environment(tmp_path / "one", unpacked), project, tmp_path, consumer)
    folder = tmp_path / "cache" / "bytecode"
    (kept,) = folder.iterdir()
    before = compiled(kept)
    folder.chmod(mode)
    ask(environment(tmp_path / "two", unpacked), project, tmp_path, consumer)
    assert (before["hook/" + f"call.{sys.implementation.cache_tag}.pyc"] in compiled(kept).values()) == finds


def test_other_files_get_byte_code_of_their_own(tmp_path: Path) -> None:
    for number in (1, 2):
        package = tmp_path / f"cache-{number}" / "package"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"VALUE = {number}\n")
        os.utime(package / "__init__.py", (1_000_000_000 + number / 10,) * 2)
        prefix = environment(tmp_path / str(number), package)
        link_bytecode(prefix, tmp_path / "cache", makes_places=True)
        code = "import package; print(package.VALUE)"
        done = subprocess.run(
            [str(prefix / "bin" / "python"), "-c", code], env={}, check=True, timeout=60, stdout=subprocess.PIPE
        )
        assert done.stdout.decode() == f"{number}\n"
    assert len(list((tmp_path / "cache" / "bytecode").iterdir())) == 2


def test_copies_are_left_alone(tmp_path: Path) -> None:
    """Their times are new in each environment: nothing that is kept would ever fit."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    prefix = environment(tmp_path / "one", package, shutil.copyfile)
    link_bytecode(prefix, tmp_path / "cache", makes_places=True)
    assert not (tmp_path / "cache").exists()
    assert not list(prefix.rglob("__pycache__"))
