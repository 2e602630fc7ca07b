"""What goes wrong around a hook ends in one message, or in a right wheel; never in a wheel for another torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from torchgraft import build_meta

from .conftest import ROOT as CHECKOUT
from .conftest import write_consumer

BUILT_FOR = """
import torch
from setuptools import Extension, setup

setup(ext_modules=[Extension("ext_c", ["ext.c"], define_macros=[("BUILT_FOR", '"' + torch.__version__ + '"')])])
"""
SAYS_IT = """
#include <Python.h>
const char *built_for = "built for " BUILT_FOR;
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext_c", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_ext_c(void) { return PyModule_Create(&module); }
"""

PURE = "from setuptools import setup\nsetup()\n"


def fails(call: Any, *arguments: object) -> None:
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        call(*arguments)


@pytest.mark.parametrize("answer", ["None", "5", '"abc"', '["a", 3, None]', "{}"])
def test_requirements_that_are_none(make_project: Any, make_caller: Any, capfd: Any, answer: str) -> None:
    odd = f"def get_requires_for_build_wheel(config_settings=None): return {answer}\n"
    extra = '[tool.torchgraft]\nbackend = "odd"\nbackend-path = ["b"]\n'
    fails(make_caller(make_project({"b/odd.py": odd}, extra=extra)).get_requires_for_build_wheel)
    said = capfd.readouterr().err
    assert "error[delegate-failed]: odd failed in get_requires_for_build_wheel: it answered" in said
    assert "not a list of requirements" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("answer", ["None", "7", '"../elsewhere.whl"', '""'])
def test_a_wheel_that_has_no_name(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, answer: str) -> None:
    odd = f"def build_wheel(directory, config_settings=None, metadata_directory=None): return {answer}\n"
    extra = '[tool.torchgraft]\nbackend = "odd"\nbackend-path = ["b"]\n'
    fails(make_caller(make_project({"b/odd.py": odd}, extra=extra)).build_wheel, tmp_path / "wheels")
    said = capfd.readouterr().err
    assert "not the name of what it has made" in said
    assert "Traceback" not in said


@pytest.mark.filterwarnings("error")
@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
@pytest.mark.parametrize(
    ("hook", "made"),
    [
        ("build_wheel", "pass"),
        ("build_wheel", "os.mkfifo(name)"),
        ("build_wheel", "os.mkdir(name)"),
        ("build_sdist", "os.mkfifo(name)"),
        ("prepare_metadata_for_build_wheel", "pass"),
        ("prepare_metadata_for_build_wheel", "os.mkdir(name)"),
        ("prepare_metadata_for_build_wheel", "os.mkdir(name); os.mkfifo(name + '/METADATA')"),
    ],
)
def test_what_a_delegate_has_not_made(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, hook: str, made: str
) -> None:
    answer = {"build_wheel": "ext-1.0-py3-none-any.whl", "build_sdist": "ext-1.0.tar.gz"}.get(hook, "ext-1.0.dist-info")
    odd = f"import os\ndef {hook}(folder, *_):\n    name = folder + '/{answer}'; {made}; return '{answer}'\n"
    extra = '[tool.torchgraft]\nbackend = "odd"\nbackend-path = ["b"]\n'
    (tmp_path / "out").mkdir()
    fails(getattr(make_caller(make_project({"b/odd.py": odd}, extra=extra)), hook), tmp_path / "out")
    said = capfd.readouterr().err
    assert f"error[delegate-failed]: odd failed in {hook}: it answered '{answer}', not the name of a f" in said
    assert "Traceback" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(make_project: Any, consumer: Path, tmp_path: Path, closed: str) -> None:
    call = "import sys; from torchgraft import build_meta; build_meta.build_wheel(sys.argv[1])"
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", call, str(tmp_path / "out")]
    variables = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src"), "TORCHGRAFT_CONSUMER": str(consumer)}
    variables["TORCHGRAFT_CACHE_DIR"] = str(tmp_path / "cache")
    project = make_project({"setup.py": PURE})
    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (wheel,) = (tmp_path / "out").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None


def test_a_warning_of_the_delegate_is_no_error(make_project: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    warns = "def get_requires_for_build_wheel(config_settings=None):\n    import warnings\n"
    warns += "    warnings.warn('it is old')\n    return ['odd']\n"
    extra = '[tool.torchgraft]\nbackend = "odd"\nbackend-path = ["b"]\nprovide = "off"\n'
    monkeypatch.chdir(make_project({"b/odd.py": warns}, extra=extra))
    with warnings.catch_warnings(record=True) as said:
        # As setuptools' own tests have it, in the process of the caller.
        warnings.simplefilter("error")
        assert build_meta.get_requires_for_build_wheel() == ["odd"]
    # pyproject_hooks passes it on since 1.3; before, the child says it.
    assert "it is old" in "".join([*(str(one.message) for one in said), capfd.readouterr().err])


def test_an_integer_that_python_refuses(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any) -> None:
    fails(make_caller(make_project(extra=f"[tool.x]\ny = 1{'0' * 5000}\n")).build_wheel, tmp_path)
    said = capfd.readouterr().err
    assert "error[bad-toml]: pyproject.toml is not TOML" in said
    assert "Traceback" not in said


UPGRADE = """
import os, pathlib, shutil
site = pathlib.Path(torch.__file__).resolve().parents[1]
if os.environ["CHANGE"] == "upgraded":
    version = site / "torch" / "version.py"
    version.write_text(version.read_text().replace("2.8.0", "2.9.0"))
elif os.environ["CHANGE"] == "removed":
    shutil.rmtree(site / "torch")
elif os.environ["CHANGE"] == "environment removed":
    shutil.rmtree(site.parents[2])
"""


@pytest.mark.parametrize("change", ["upgraded", "removed", "environment removed"])
def test_a_torch_that_changes_while_a_wheel_is_built(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, change: str
) -> None:
    caller = make_caller(make_project({"setup.py": BUILT_FOR + UPGRADE, "ext.c": SAYS_IT}), CHANGE=change)
    (tmp_path / "wheels").mkdir()
    fails(caller.build_wheel, tmp_path / "wheels")
    said = capfd.readouterr().err
    assert "error[torch-changed]: torch changed while the wheel was built\n  before: 2.8.0+cu128 in" in said
    assert list((tmp_path / "wheels").iterdir()) == []


def test_a_torch_that_stays_is_no_change(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    caller = make_caller(make_project({"setup.py": BUILT_FOR + UPGRADE, "ext.c": SAYS_IT}), CHANGE="")
    assert caller.build_wheel(tmp_path).endswith(".whl")


def test_where_nothing_can_be_noted_no_object_for_another_torch_is_handed_out(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    project = make_project({"setup.py": BUILT_FOR, "ext.c": SAYS_IT})
    make_caller(project).build_wheel(tmp_path)
    # What a full disk does: the file that forces compilation cannot be written.
    (tmp_path / "cache" / "rebuild.cfg").mkdir()
    other = write_consumer(tmp_path / "other", "2.9.0+cu128")
    fails(make_caller(project, TORCHGRAFT_CONSUMER=str(other)).build_wheel, tmp_path)
    said = capfd.readouterr().err
    assert "error[cache-unusable]" in said
    assert "rebuild.cfg cannot be written" in said
    (tmp_path / "cache" / "rebuild.cfg").rmdir()
    wheel = make_caller(project, TORCHGRAFT_CONSUMER=str(other)).build_wheel(tmp_path)
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        (module,) = (archive.read(name) for name in archive.namelist() if name.endswith(".so"))
    assert b"built for 2.9.0+cu128" in module


ADDRESS = "https://me:hunter2@127.0.0.1:9/hashes.txt?signature=hunter2"
PREBUILT = f"""
[[tool.torchgraft.prebuilt]]
url = "https://127.0.0.1:9/{{name}}-{{version}}.whl"
hashes = "{ADDRESS}"
"""


def test_an_address_with_a_password_is_in_no_record_and_a_folder_that_is_not_there_is_made(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    project = make_project({"setup.py": PURE}, extra=PREBUILT)
    wheel = make_caller(project).build_wheel(tmp_path / "not" / "there")
    with zipfile.ZipFile(tmp_path / "not" / "there" / wheel) as archive:
        record = next(archive.read(name) for name in archive.namelist() if name.endswith("torchgraft.json"))
    assert "127.0.0.1:9" in json.loads(record)["prebuilt"][0]["refused"]
    out, error = capfd.readouterr()
    assert "hunter2" not in record.decode() + out + error


@pytest.mark.parametrize("hook", ["build_wheel", "build_sdist"])
def test_a_folder_that_takes_no_wheel(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, hook: str
) -> None:
    (tmp_path / "file").touch()
    fails(getattr(make_caller(make_project({"setup.py": PURE})), hook), tmp_path / "file" / "dist")
    said = capfd.readouterr().err
    assert f"error[wheel-unwritable]: what is built cannot be written to {tmp_path}/file/dist\n" in said
    assert "running" not in said  # setuptools was not asked


ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give folders away")


@ROOT
@pytest.mark.parametrize("place", ["theirs", "theirs/not/there", "link"])
def test_a_cache_folder_that_is_somebody_elses_stays_as_it_is(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, place: str
) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to("theirs")
    os.chown(tmp_path / "theirs", 4242, 4242)
    (tmp_path / "tmp").mkdir()
    caller = make_caller(
        make_project({"setup.py": PURE}), TORCHGRAFT_CACHE_DIR=str(tmp_path / place), TMPDIR=str(tmp_path / "tmp")
    )
    assert caller.build_wheel(tmp_path).endswith(".whl")
    assert list((tmp_path / "theirs").iterdir()) == []
    own = tmp_path / "tmp" / "torchgraft-0"
    assert (own / "grafts").is_dir()
    assert own.stat().st_mode & 0o777 == 0o700
    assert f"cache folder {tmp_path / place} is not used, since user 4242 can change" in capfd.readouterr().err
    # Where somebody else was first in the folder for temporary files, too, nothing stays.
    os.chown(own, 4242, 4242)
    before = sorted(own.rglob("*"))
    assert caller.build_wheel(tmp_path).endswith(".whl")
    assert sorted(own.rglob("*")) == before
    assert list((tmp_path / "tmp").iterdir()) == [own]


@ROOT
def test_a_private_cache_serves_where_everybody_can_change_the_temporary_folder(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    os.chown(tmp_path / "theirs", 4242, 4242)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o777)
    caller = make_caller(
        make_project({"setup.py": PURE}), TORCHGRAFT_CACHE_DIR=str(tmp_path / "theirs"), TMPDIR=str(tmp_path / "tmp")
    )
    assert caller.build_wheel(tmp_path).endswith(".whl")
    assert "is not used, since user 4242 can change" in capfd.readouterr().err
