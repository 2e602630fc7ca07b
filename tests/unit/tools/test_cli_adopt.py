from __future__ import annotations

import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

from torchgraft.cli import main
from torchgraft.tools.shared_options import extra_command
from torchgraft.tools.terminal import diff_text

PYPROJECT = '[build-system]\nrequires = ["torch", "setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
SETUP = "import torch\nraise SystemExit('it ran')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "setup.py").write_text(SETUP)
    return folder


def test_nothing_is_written_without_being_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", str(project)]) == 0
    assert (project / "pyproject.toml").read_text() == PYPROJECT
    assert capsys.readouterr().out == (
        'this project adopts torchgraft: [build-system] requires "torch"\n'
        "\n"
        "--- a/pyproject.toml\n"
        "+++ b/pyproject.toml\n"
        "@@ -1,3 +1,3 @@\n"
        " [build-system]\n"
        '-requires = ["torch", "setuptools"]\n'
        '-build-backend = "setuptools.build_meta"\n'
        '+requires = ["torchgraft", "setuptools"]\n'
        '+build-backend = "torchgraft.build_meta"\n'
        "\n"
        '  requires: + "torchgraft"                 it is the build backend\n'
        '  requires: - "torch"                      the build gets the torch that the package will run with\n'
        '  build-backend = "torchgraft.build_meta"  it calls setuptools.build_meta\n'
        "\n"
        "nothing is written yet: the same command with --write does it\n"
    )


def test_the_page_shows_what_it_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT.replace('"torch"', '"torch>=2.4"'))
    (project / "setup.py").write_text(
        "import torch\nfrom setuptools import setup\nimport packaging\nsetup(name='ext')\n"
    )
    assert main(["adopt", str(project)]) == 0
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "adopt.md").read_text(encoding="utf-8")
    assert f"$ torchgraft adopt\n{capsys.readouterr().out}$ torchgraft adopt --write\n" in page


def test_writing_and_again(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "README.md").write_text("pip install --no-build-isolation ext\n")
    assert main(["adopt", str(project), "--write"]) == 0
    said = capsys.readouterr().out
    assert f"written: {project / 'pyproject.toml'}\n\nnow:\n  pip install {project}   (to try it" in said
    assert f"torchgraft adopt {project} --pull-request   (what users no longer have to type: README.md:1)" in said
    text = (project / "pyproject.toml").read_text()
    assert 'requires = ["torchgraft", "setuptools"]' in text
    assert main(["adopt", str(project), "--write"]) == 0
    assert "has adopted torchgraft" in capsys.readouterr().out
    assert (project / "pyproject.toml").read_text() == text


def test_a_project_that_does_not_need_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "setup.py").write_text("")
    (project / "pyproject.toml").unlink()
    assert main(["adopt", str(project), "--write"]) == 0
    assert "builds without torch: its setup.py does not import torch\nnothing to change" in capsys.readouterr().out
    assert not (project / "pyproject.toml").exists()
    assert main(["adopt", str(project), "--write", "--force"]) == 0
    assert (project / "pyproject.toml").exists()


def test_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", str(project), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "adopts torchgraft"
    assert report["requires"] == ["torchgraft", "setuptools"]
    assert report["after"].startswith("[build-system]")
    assert report["written"] is None
    assert report["changes"][0] == {"text": 'requires: + "torchgraft"', "reason": "it is the build backend"}


def pyproject_in(path: Path) -> str:
    with tarfile.open(path) as tar:
        file = tar.extractfile("ext-1.0/pyproject.toml")
        assert file
        return file.read().decode()


def test_an_sdist(sdist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sdist.read_bytes()
    assert main(["adopt", str(sdist)]) == 0
    assert not (sdist.parent / "adopted").exists()
    assert main(["adopt", str(sdist), "--write"]) == 0
    new = sdist.parent / "adopted" / sdist.name
    assert f"written: {new}" in capsys.readouterr().out
    assert 'requires = ["torchgraft", "setuptools"]' in pyproject_in(new)
    assert sdist.read_bytes() == before
    assert main(["adopt", str(new), "--write"]) == 0
    assert "ext has adopted torchgraft" in capsys.readouterr().out


def test_an_sdist_elsewhere(sdist: Path, tmp_path: Path) -> None:
    assert main(["adopt", str(sdist), "--output", str(tmp_path / "new" / "er")]) == 0
    assert "torchgraft" in pyproject_in(tmp_path / "new" / "er" / sdist.name)
    assert main(["adopt", str(sdist), "--output", str(tmp_path)]) == 1


def serve(folder: Path, sdist: Path, digest: str) -> str:
    """Make an index in a folder; return its address."""
    page = folder / "simple" / "ext" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../../{sdist.name}#sha256={digest}">{sdist.name}</a>')
    return (folder / "simple").as_uri()


def test_a_requirement(
    sdist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import hashlib

    index = serve(tmp_path / "index", sdist, hashlib.sha256(sdist.read_bytes()).hexdigest())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["adopt", "Ext >= 0.9", "--no-deps", "--index-url", index]) == 0
    assert list((tmp_path / "here").iterdir()) == []
    assert main(["adopt", "ext", "--no-deps", "--index-url", index, "--write"]) == 0
    assert "written: adopted/ext-1.0.tar.gz" in capsys.readouterr().out.replace("\\", "/")
    assert "torchgraft" in pyproject_in(tmp_path / "here" / "adopted" / sdist.name)


@pytest.mark.parametrize("digest", ["0" * 64, ""])
def test_a_file_that_is_not_the_one_of_the_index(
    sdist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], digest: str
) -> None:
    assert main(["adopt", "ext", "--no-deps", "--index-url", serve(tmp_path / "index", sdist, digest)]) == 1
    assert "error[no-sdist]" in capsys.readouterr().err


@pytest.mark.parametrize("requirement", ["ext>1", "nothing"])
def test_no_sdist_on_the_index(
    sdist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], requirement: str
) -> None:
    assert main(["adopt", requirement, "--no-deps", "--index-url", serve(tmp_path / "index", sdist, "")]) == 1
    assert "error[no-sdist]: no index has an sdist" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://x.example/simple", "ftp://x.example/simple"])
def test_an_index_that_anybody_could_speak_for(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", "ext", "--no-deps", "--index-url", url]) == 1
    assert "is not HTTPS" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["nothing.tar.gz"], ["./nothing"], ["no requirement!"], ["ext @ https://x.example/ext-1.0.tar.gz"]],
)
def test_what_is_nothing_of_all_that(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", *arguments]) == 2
    assert "error[bad-argument]" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
def test_what_is_neither_file_nor_folder_is_no_requirement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("ext")
    assert main(["adopt", "ext"]) == 2
    assert "ext is neither a folder nor a file" in capsys.readouterr().err


def test_output_is_for_sdists(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", str(project), "--output", str(tmp_path)]) == 2
    assert "error[bad-argument]" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
@pytest.mark.parametrize("kind", ["a dangling link", "a folder", "a pipe", "a device", "a loop", "40 GB", "no UTF-8"])
def test_a_pyproject_that_is_no_file_of_text(project: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    place = project / "pyproject.toml"
    place.unlink()
    links = {"a dangling link": "no/where", "a device": "/dev/zero", "a loop": place.name}
    if kind in links:
        place.symlink_to(links[kind])
    elif kind == "a folder":
        place.mkdir()
    elif kind == "a pipe":
        os.mkfifo(place)
    else:
        place.write_bytes(b"name = '\xff'\n")
        os.truncate(place, 40_000_000_000 if kind == "40 GB" else place.stat().st_size)
    for command in (["adopt", "--write"], ["plan"], ["vendor"]):
        assert main([*command, str(project)]) == 2
        said = capsys.readouterr().err
        assert "pyproject.toml is there and cannot be used" in said
        assert ("error[bad-toml]" in said) is (kind == "no UTF-8")


def test_a_pull_request_can_be_pasted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", str(project), "--pull-request"]) == 0
    said = capsys.readouterr().out
    assert "\n\n[torchgraft][1] is a build backend" in said
    assert "\\n" not in said


@pytest.mark.parametrize("more", [[], ["--pull-request"], ["--write"]])
def test_a_name_that_a_terminal_would_obey(project: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    (project / "pyproject.toml").write_text(f'{PYPROJECT}[project]\nname = "a\\u001b]0;x\\u0007; reboot"\n')
    assert main(["adopt", str(project), *more]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert more == ["--pull-request"] or "a\\x1b]0;x\\x07; reboot adopts torchgraft" in said
    assert "pip install a" not in said


def test_a_missing_extra_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    assert main(["adopt", str(project)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error[missing-extra]: torchgraft adopt needs tomlkit, which no build needs\n  fix:    ")
    assert said.endswith(" 'torchgraft[cli]'\n")


@pytest.mark.parametrize(
    ("file", "prefix", "installer", "wanted"),
    [
        ("uv-receipt.toml", "torchgraft", "uv", "uv tool install 'torchgraft[cli]'"),
        ("pipx_metadata.json", "torchgraft", "pip", "pipx inject torchgraft tomlkit"),
        ("", "archive-v0/x1", "uv", "uvx --from 'torchgraft[cli]' torchgraft adopt"),
        ("", "venv", "uv", "uv pip install --python PREFIX 'torchgraft[cli]'"),
        ("", "venv", "pip", "pip --python PREFIX install 'torchgraft[cli]'"),
    ],
)
def test_what_is_missing_is_installed_as_torchgraft_was(
    tmp_path: Path, file: str, prefix: str, installer: str, wanted: str
) -> None:
    folder = tmp_path / prefix
    folder.mkdir(parents=True)
    if file:
        (folder / file).touch()
    said = extra_command(folder, ["tomlkit"], command="adopt", installer=installer)
    assert said == wanted.replace("PREFIX", str(folder))


@pytest.mark.parametrize(("is_new", "is_git"), [(True, True), (True, False), (False, True)])
def test_git_is_told_of_a_new_file(
    project: Path, capsys: pytest.CaptureFixture[str], *, is_new: bool, is_git: bool
) -> None:
    if is_new:
        (project / "pyproject.toml").unlink()
    if is_git:
        (project / ".git").mkdir()
    assert main(["adopt", str(project), "--write"]) == 0
    assert ("git add " in capsys.readouterr().out) == (is_new and is_git)


@pytest.mark.parametrize(("colours", "wanted"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_colours_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch,
    colours: dict[str, str],
    wanted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in colours.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert ("\x1b[32m+b\x1b[0m\n" in diff_text("a\n", "b\n", "x")) is wanted
    assert "+\t\\x1b]0;b\\u202e" in diff_text("a\n", "\t\x1b]0;b\u202e\r\n", "x")  # what a terminal would obey
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert "\x1b" not in diff_text("a\n", "b\n", "x")


HEAD = "--- a/f\n+++ b/f\n"
DIFFERENCES = {
    "lines": ("a\n", "b\n", f"{HEAD}@@ -1 +1 @@\n-a\n+b\n"),
    "no end of line": (
        "a",
        "b",
        f"{HEAD}@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n",
    ),
    "a new file": (None, "b\n", "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n"),
    "an empty file": ("", "b\n", f"{HEAD}@@ -0,0 +1 @@\n+b\n"),
    "other line ends": ("a\r\n", "b\r\n", f"{HEAD}@@ -1 +1 @@\n-a\r\n+b\r\n"),
    "a form feed": ("x\x0cy\n", "z\n", f"{HEAD}@@ -1 +1 @@\n-x\x0cy\n+z\n"),
}


@pytest.mark.parametrize(("before", "after", "wanted"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_that_git_takes(before: str | None, after: str, wanted: str) -> None:
    assert diff_text(before, after, "f") == wanted


def test_what_another_way_left_behind_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname = "app"\nversion = "1"\n\n[tool.uv]\nno-build-isolation-package = ["ext"]\n')
    assert main(["adopt", str(tmp_path)]) == 0
    (note,) = (line for line in capsys.readouterr().out.splitlines() if "no-build-isolation-package = ext" in line)
    assert note.endswith(f"take the packages that name torchgraft out of the list in {file}:6")
