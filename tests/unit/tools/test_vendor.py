from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from torchgraft import __version__
from torchgraft.cli import main
from torchgraft.tools.adopt.adoption import Adoptable
from torchgraft.tools.adopt.plan_adoption import plan_adoption
from torchgraft.tools.vendor.vendored_copy import (
    Copy,
    Manifest,
    compare_copy,
    describe_own,
    read_own_files,
    with_copy_in_sdist,
    with_copy_marked,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = '[build-system]\nrequires = ["torch", "setuptools"]\nbuild-backend = "setuptools.build_meta"\n'


@pytest.fixture(scope="module")
def vendored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "setup.py").write_text("import torch\n")
    assert main(["vendor", str(project), "--write"]) == 0
    return project


@pytest.fixture
def project(vendored: Path, tmp_path: Path) -> Path:
    """Return a project with a copy, which a test may change."""
    import shutil

    return Path(shutil.copytree(vendored, tmp_path / "project"))


def check(project: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["vendor", "--check", str(project)])
    return status, capsys.readouterr().out


def test_a_copy_is_the_backend_without_its_commands() -> None:
    files = read_own_files()
    assert {"LICENSE", "torchgraft/build_meta.py"} < set(files)
    assert "torchgraft/ladder/stand_in/torch/__init__.py" in files
    assert not {"torchgraft/error_codes.py", "torchgraft/settings_page.py"} & set(files)
    assert not any(
        name.startswith("torchgraft/tools") or "__main__" in name or name[-3:] != ".py"
        for name in set(files) - {"LICENSE"}
    )


def test_it_needs_what_every_build_needs_as_torchgraft_states_it() -> None:
    """What only some builds need, these ask for; see tests/hooks/test_vendored_copy.py."""
    requires = describe_own().requires
    assert {Requirement(item).name for item in requires} == {"packaging", "pyproject-hooks", "tomli"}
    assert any(item.startswith("tomli>=2; python_version") for item in requires)


def test_it_costs_what_the_page_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "vendor.md").read_text()
    stated = re.search(r"It costs the project (\d+) files of (\d+) kB", page)
    assert stated
    files = read_own_files()
    kilobytes = sum(path.stat().st_size for path in files.values()) / 1000
    assert 0.95 * int(stated[1]) < len(files) + 1 <= int(stated[1])  # with its manifest
    assert 0.95 * int(stated[2]) < kilobytes <= int(stated[2])
    for requirement in describe_own().requires:
        assert f"`{Requirement(requirement).name}`" in page
        assert requirement.replace('"', "'") in page


def test_what_is_written(vendored: Path) -> None:
    text = (vendored / "pyproject.toml").read_text()
    assert 'backend-path = ["_torchgraft"]' in text
    assert '"torch"' not in text
    manifest = json.loads((vendored / "_torchgraft" / "manifest.json").read_text())
    assert manifest["version"] == __version__
    assert len(manifest["files"]["torchgraft/build_meta.py"]) == 64
    assert (vendored / "_torchgraft" / "LICENSE").read_text().strip().startswith("Apache License")
    assert "recursive-include _torchgraft *.py" in (vendored / "MANIFEST.in").read_text()
    assert (vendored / ".gitattributes").read_text() == "_torchgraft/** linguist-vendored\n"


def test_a_copy_as_it_was_made(vendored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = check(vendored, capsys)
    assert status == 0
    assert said.startswith(f"_torchgraft is torchgraft {__version__}, ")


def test_the_cache_of_python_is_no_change(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = project / "_torchgraft" / "torchgraft" / "__pycache__"
    cache.mkdir()
    (cache / "x.pyc").touch()
    assert check(project, capsys)[0] == 0


def test_every_change_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "_torchgraft" / "torchgraft"
    (folder / "codec.py").write_text("# mine\n")
    (folder / "errors.py").unlink()
    (folder / "new.py").touch()
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('"packaging>=24.2"', '"packaging"'))
    assert check(project, capsys) == (
        1,
        "_torchgraft/torchgraft/codec.py: changed\n"
        "_torchgraft/torchgraft/errors.py: missing\n"
        "_torchgraft/torchgraft/new.py: not of torchgraft\n"
        'pyproject.toml: requires lacks "packaging>=24.2"\n',
    )


def test_a_project_that_does_not_use_its_copy(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text("")
    said = check(project, capsys)[1]
    assert 'build-backend is not "torchgraft.build_meta"' in said
    assert 'backend-path is not ["_torchgraft"]' in said


def test_no_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, capsys) == (1, "_torchgraft/manifest.json: missing\n")


def test_the_check_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "_torchgraft" / "LICENSE").unlink()
    assert main(["vendor", "--check", "--json", str(project)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "version": __version__,
        "differences": [{"file": "_torchgraft/LICENSE", "what": "missing"}],
    }


def test_a_broken_manifest(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "_torchgraft" / "manifest.json").write_text("{")
    assert main(["vendor", "--check", str(project)]) == 2
    assert "error[bad-snapshot]" in capsys.readouterr().err


def test_what_somebody_changed_is_not_written_over(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = project / "_torchgraft" / "torchgraft" / "codec.py"
    changed.write_text("# mine\n")
    assert main(["vendor", str(project), "--write"]) == 2
    said = capsys.readouterr().err
    assert "error[copy-changed]" in said
    assert f"fix:    torchgraft vendor {project} --force --write" in said
    assert changed.read_text() == "# mine\n"
    assert main(["vendor", str(project), "--force"]) == 0
    assert check(project, capsys)[0] == 0


def test_a_copy_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "setup.py").write_text("import torch\n")
    (tmp_path / "_torchgraft").write_text("")
    assert main(["vendor", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"error[not-written]: {tmp_path / '_torchgraft'} cannot be written" in said
    assert f"ls -ld {tmp_path}" in said


def test_files_of_an_older_copy_go(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import hashlib

    stale = project / "_torchgraft" / "torchgraft" / "old.py"
    stale.write_text("")
    manifest = project / "_torchgraft" / "manifest.json"
    data = json.loads(manifest.read_text())
    data["files"]["torchgraft/old.py"] = hashlib.sha256(b"").hexdigest()
    manifest.write_text(json.dumps(data))
    assert main(["vendor", str(project)]) == 0
    assert not stale.exists()
    assert "nothing to change" in capsys.readouterr().out


def test_without_write_only_the_copy_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    assert main(["vendor", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert (tmp_path / "_torchgraft" / "manifest.json").exists()
    assert (tmp_path / "pyproject.toml").read_text() == PYPROJECT
    assert not (tmp_path / "MANIFEST.in").exists()
    assert not (tmp_path / ".gitattributes").exists()
    assert "+_torchgraft/** linguist-vendored" in said
    assert 'ruff        extend-exclude = ["_torchgraft"]' in said
    assert '+backend-path = ["_torchgraft"]' in said
    assert "not changed yet: add --write" in said


def test_another_backend_has_to_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.api"\n'
    )
    assert main(["vendor", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Make sure that the sdist contains _torchgraft" in said
    assert "MANIFEST.in" not in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "{}\n"),
        ("", "{}\n"),
        ("include x\n", "include x\n{}\n"),
        ("include x", "include x\n{}\n"),
        ("include x\r\n", "include x\r\n{}\r\n"),
        ("graft _torchgraft\n", None),
        ("recursive-include _torchgraft *\n", None),
    ],
)
def test_manifest_in(before: str | None, after: str | None) -> None:
    line = "recursive-include _torchgraft *.py manifest.json LICENSE"
    assert with_copy_in_sdist(before) == (after.format(line) if after else None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "{}\n"),
        ("*.cu linguist-language=CUDA\n", "*.cu linguist-language=CUDA\n{}\n"),
        ("* text=auto\r\n", "* text=auto\r\n{}\r\n"),
        ("_torchgraft text\n", "_torchgraft text\n{}\n"),
        ("/_torchgraft/** linguist-vendored\n", None),
        ("_torchgraft/* linguist-vendored=true\n", None),
        ("_torchgraft/** -linguist-vendored\n", None),
    ],
)
def test_gitattributes(before: str | None, after: str | None) -> None:
    assert with_copy_marked(before) == (after.format("_torchgraft/** linguist-vendored") if after else None)


@pytest.mark.parametrize(
    ("stated", "lines"),
    [
        (["packaging"], ["packaging>=24"]),
        (["packaging>=22"], ["packaging>=24"]),
        (["packaging>=24.1"], ["packaging>=24.1"]),
        (["Packaging >= 24, < 26"], ["Packaging >= 24, < 26"]),
        (["packaging<26"], ["packaging<26,>=24"]),
        (["packaging", "packaging>=24"], ["packaging>=24"]),
        (["packaging>=24", "packaging"], ["packaging>=24"]),
        (["packaging; sys_platform == 'win32'"], ["packaging>=24"]),
        (
            ["packaging @ https://example.com/packaging.whl"],
            ["packaging @ https://example.com/packaging.whl", "packaging>=24"],
        ),
    ],
)
def test_one_requirement_for_each_distribution(stated: list[str], lines: list[str]) -> None:
    requires = json.dumps(["setuptools", *stated])
    text = f'[build-system]\nrequires = {requires}\nbuild-backend = "setuptools.build_meta"\n'
    adoption = plan_adoption(Adoptable(pyproject=text), vendored=("packaging>=24",), force=True)
    assert sorted(item for item in adoption.requires if item != "setuptools") == sorted(lines)
    assert adoption.after
    again = plan_adoption(Adoptable(pyproject=adoption.after), vendored=("packaging>=24",), force=True)
    assert again.after is None
    manifest = Manifest(version="1", requires=("packaging>=24",))
    assert compare_copy(Copy(manifest=manifest), tomllib.loads(adoption.after)) == ()
