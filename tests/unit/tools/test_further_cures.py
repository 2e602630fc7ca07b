from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.sites import write
from torchgraft.tools.check.packages import foreign_cures, torch_cures

WHL = "https://download.pytorch.org/whl"
BUILT = {"torch": {"version": "2.8.0+cu126"}}


@pytest.mark.parametrize(
    ("installer", "record", "command"),
    [
        ("pip", BUILT, f"pip --python PREFIX install --index-url {WHL}/cu126 torch==2.8.0+cu126"),
        ("pip", {"torch": {"version": "2.8.0"}}, "pip --python PREFIX install torch==2.8.0"),
        ("pip", {}, "pip --python PREFIX install torch"),
        ("pip", {"torch": {"version": "my-own"}}, "pip --python PREFIX install torch"),
        ("uv", BUILT, f"uv pip install --python PREFIX --index-url {WHL}/cu126 torch==2.8.0+cu126"),
        ("conda", BUILT, None),
        ("", BUILT, None),
    ],
)
def test_a_torch_is_installed_by_the_front_end(
    tmp_path: Path, installer: str, record: dict[str, object], command: str | None
) -> None:
    prefix = tmp_path / ".venv"
    expected = () if command is None else (command.replace("PREFIX", str(prefix)),)
    assert torch_cures(installer, record, prefix=prefix) == expected


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ('version = 1\n\n[[package]]\nname = "torch"\n', "sync --project P --inexact"),
        ("", f"add --project P --index pytorch={WHL}/cu126 torch==2.8.0+cu126"),
    ],
)
def test_a_torch_for_a_uv_project(tmp_path: Path, lock: str, words: str) -> None:
    (tmp_path / "uv.lock").write_text(lock)
    cures = torch_cures("uv", BUILT, prefix=tmp_path / ".venv")
    assert cures == (f"uv {words}".replace("P", str(tmp_path), 1),)


def test_an_environment_that_uv_sync_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").touch()
    prefix = tmp_path / "other"
    install = f"uv pip install --python {prefix} --index-url {WHL}/cu126 torch==2.8.0+cu126"
    assert torch_cures("uv", BUILT, prefix=prefix) == (install,)


@pytest.mark.parametrize(
    ("installer", "words"),
    [
        ("pip", "pip --python PREFIX install --force-reinstall --no-deps"),
        ("uv", "uv pip install --python PREFIX --reinstall-package torch"),
    ],
)
def test_a_torch_of_which_the_metadata_are_left(tmp_path: Path, installer: str, words: str) -> None:
    (tmp_path / "lib/python3.11/site-packages/torch-2.8.0.dist-info").mkdir(parents=True)
    (cure,) = torch_cures(installer, BUILT, prefix=tmp_path)
    assert cure == f"{words.replace('PREFIX', str(tmp_path))} --index-url {WHL}/cu126 torch==2.8.0+cu126"


@pytest.mark.parametrize(
    ("installer", "words"),
    [
        ("pip", "pip --python PREFIX install --no-build-isolation --no-deps -e /src/pytorch"),
        ("uv", "uv pip install --python PREFIX --no-build-isolation --no-deps -e /src/pytorch"),
    ],
)
def test_a_torch_that_somebody_has_built(tmp_path: Path, installer: str, words: str) -> None:
    information = tmp_path / "lib/python3.11/site-packages/torch-2.8.0.dist-info"
    direct = {"url": "file:///src/pytorch", "dir_info": {"editable": True}}
    write(information, {"direct_url.json": json.dumps(direct)})
    assert torch_cures(installer, BUILT, prefix=tmp_path) == (words.replace("PREFIX", str(tmp_path)),)


def test_a_torch_for_a_uv_tool(tmp_path: Path) -> None:
    (tmp_path / "mytool").mkdir()
    (tmp_path / "mytool" / "uv-receipt.toml").touch()
    install = f"uv tool install --index {WHL}/cu126 --with torch==2.8.0+cu126 mytool"
    assert torch_cures("uv", BUILT, prefix=tmp_path / "mytool") == (install,)


@pytest.fixture
def info(tmp_path: Path) -> Path:
    made = tmp_path / ".venv" / "ext-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n")
    return made


def foreign(info: Path, installer: str, direct: object = None) -> list[str]:
    (info / "INSTALLER").write_text(f"{installer}\n")
    if direct is not None:
        (info / "direct_url.json").write_text(json.dumps(direct))
    libraries = [Path("/src/ext/b.so"), Path("/src/ext/a b.so")]
    found = foreign_cures(info, "ext", installer=installer, prefix=info.parent, libraries=libraries)
    return [command.replace(str(info.parent), "PREFIX") for command in found]


PIP = "pip --python PREFIX install --no-cache-dir --force-reinstall --no-deps --no-build-isolation"
UV = "uv pip install --python PREFIX --no-cache --reinstall-package ext --no-build-isolation-package ext"
FOLDER = {"url": "file:///src/ext", "dir_info": {}}
EDITABLE = {"url": "file:///src/ext", "dir_info": {"editable": True}}
SDIST = {"url": "https://h/ext-1.0.tar.gz", "archive_info": {}}
GIT = {"url": "https://h/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}


@pytest.mark.parametrize(
    ("installer", "direct", "commands"),
    [
        ("pip", None, [f"{PIP} --no-binary ext ext==1.0"]),
        ("uv", None, [f"{UV} --no-binary ext ext==1.0"]),
        ("pip", FOLDER, ["rm -rf /src/ext/build", f"{PIP} /src/ext"]),
        ("uv", EDITABLE, ["rm -f '/src/ext/a b.so' /src/ext/b.so", f"{UV} -e /src/ext"]),
        ("uv", SDIST, [f"{UV} 'ext @ https://h/ext-1.0.tar.gz'"]),
        ("pip", GIT, [f"{PIP} 'ext @ git+https://h/r.git@abc'"]),
        # A wheel would come back as it was.
        ("pip", {"url": "https://h/ext-1.0-cp311-cp311-linux_x86_64.whl#sha256=0", "archive_info": {}}, []),
        ("conda", None, []),
        ("poetry", None, []),
    ],
)
def test_what_was_built_here_is_built_anew(info: Path, installer: str, direct: object, commands: list[str]) -> None:
    assert foreign(info, installer, direct) == commands


@pytest.mark.parametrize("tag", ["cp311-cp311-manylinux_2_28_x86_64", "py3-none-any", "cp311-cp311-win_amd64"])
def test_a_wheel_from_an_index_comes_back_as_it_was(info: Path, tag: str) -> None:
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    assert foreign(info, "pip") == []
    (info / "WHEEL").unlink()
    assert foreign(info, "pip") == []


def test_in_a_uv_project(info: Path, tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text('[[package]]\nname = "ext"\n')
    words = "--no-cache --reinstall-package ext --no-build-isolation-package ext"
    assert foreign(info, "uv") == [f"uv sync --inexact --project {tmp_path} {words}"]


def test_a_uv_tool_has_none(info: Path) -> None:
    (info.parent / "uv-receipt.toml").touch()
    assert foreign(info, "uv") == []
