"""In whatever world a hook finds itself: a wheel, or one message, exit status 1 or 2; never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

resource = pytest.importorskip("resource")
HOOK = "import sys, torchgraft.build_meta as b; print(b.build_wheel(sys.argv[1]))"
PURE = "from setuptools import setup\nsetup()\n"
FILE, LOOP, DANGLING, COLON = ("a file", "a loop", "a dangling link", "a:colon")


def laid_out(place: Path, kind: str) -> str:
    if kind == FILE:
        place.write_text("")
    elif kind == COLON:
        (place := place.with_name(kind)).mkdir()
    elif kind:
        place.symlink_to(place if kind == LOOP else place.with_name("gone"))
    return str(place)


def limited(name: str, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(getattr(resource, name), (value, value))


@pytest.mark.parametrize(
    ("variable", "kind", "code"),
    [
        ("HOME", FILE, "cache-unusable"),
        ("HOME", DANGLING, "cache-unusable"),
        ("HOME", "", ""),
        ("XDG_CACHE_HOME", FILE, "cache-unusable"),
        ("TORCHGRAFT_CACHE_DIR", DANGLING, "cache-unusable"),
        ("TORCHGRAFT_CACHE_DIR", LOOP, "cache-unusable"),
        ("TORCHGRAFT_CACHE_DIR", COLON, "machine-refuses"),
        ("TMPDIR", "", ""),
        ("TMPDIR", FILE, ""),
    ],
)
def test_folders(make_project: Any, consumer: Path, tmp_path: Path, variable: str, kind: str, code: str) -> None:
    check(make_project({"setup.py": PURE}), consumer, tmp_path, {variable: laid_out(tmp_path / "place", kind)}, code)


def test_a_folder_where_the_wheel_has_to_be(make_project: Any, consumer: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "wheels" / "ext-1.0-py3-none-any.whl"
    wheel.mkdir(parents=True)
    check(make_project({"setup.py": PURE}), consumer, tmp_path, {}, "wheel-unwritable")
    assert list(wheel.parent.iterdir()) == [wheel]


@pytest.mark.parametrize(
    ("pattern", "script", "code"),
    [
        ("cache/grafts/*", "REMOVE; import torch", "machine-refuses"),
        ("cache", "REMOVE", ""),
        ("tmp/torchgraft-*", "from setuptools import setup; setup(); REMOVE", "delegate-failed"),
        ("wheels", "REMOVE", "wheel-unwritable"),
    ],
)
def test_what_somebody_removes_while_a_build_uses_it(
    make_project: Any, consumer: Path, tmp_path: Path, pattern: str, script: str, code: str
) -> None:
    removes = f"[shutil.rmtree(path) for path in glob.glob({str(tmp_path / pattern)!r})]"
    project = make_project({"setup.py": f"import glob, shutil\n{script.replace('REMOVE', removes)}\n{PURE}"})
    (tmp_path / "tmp").mkdir()
    places = {"TMPDIR": str(tmp_path / "tmp"), "TORCHGRAFT_CACHE_DIR": str(tmp_path / "cache")}
    check(project, consumer, tmp_path, places, code)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("RLIMIT_NOFILE", 8, "machine-refuses"),
        ("RLIMIT_FSIZE", 0, "machine-refuses"),
        ("RLIMIT_FSIZE", 1000, "machine-refuses"),
        ("RLIMIT_AS", 48 << 20, "machine-refuses"),
    ],
)
def test_limits(make_project: Any, consumer: Path, tmp_path: Path, name: str, value: int, code: str) -> None:
    check(make_project({"setup.py": PURE}), consumer, tmp_path, {}, code, limited(name, value))


@pytest.mark.parametrize("umask", [0, 0o777])
def test_umasks(make_project: Any, consumer: Path, tmp_path: Path, umask: int) -> None:
    is_root = os.geteuid() == 0
    code = "machine-refuses" if umask and not is_root else ""
    check(make_project({"setup.py": PURE}), consumer, tmp_path, {}, code, lambda: os.umask(umask) and None)


def check(
    project: Path,
    consumer: Path,
    folder: Path,
    variables: dict[str, str],
    code: str,
    before: Callable[[], None] | None = None,
) -> None:
    (folder / "home").mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TORCHGRAFT_", "XDG_"))}
    told = {"HOME": str(folder / "home"), "TORCHGRAFT_CONSUMER": str(consumer)}
    done = subprocess.run(
        [sys.executable, "-c", HOOK, str(folder / "wheels")],
        cwd=project,
        env={**inherited, **told, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), **variables},
        preexec_fn=before,
        stdout=-1,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    said = done.stdout.decode()
    assert done.returncode == bool(code), said
    assert "has a bug" not in said
    assert "torchgraft/hook" not in said.rpartition("Traceback")[2] if "Traceback" in said else True
    assert f"error[{code}]" in said if code else "error[" not in said


def test_a_folder_for_metadata_that_is_not_there(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    caller = make_caller(make_project({"setup.py": PURE}))
    assert caller.prepare_metadata_for_build_wheel(str(tmp_path / "not" / "there")).endswith(".dist-info")
