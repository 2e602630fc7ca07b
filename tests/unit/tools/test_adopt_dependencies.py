"""Which sdists a lock names, and what the files of each front end say afterwards."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from torchgraft.cli import main
from torchgraft.consumer.processes import take_python
from torchgraft.errors import ConfigError
from torchgraft.settings.sources import parse_pyproject
from torchgraft.tools.adopt.address_sources import AddressSource, read_address_sources, source_cure
from torchgraft.tools.adopt.adopted_folder import AdoptedSdist, adopted_text, parse_adopted, read_adopted
from torchgraft.tools.adopt.find_sdists import Scope, read_nested
from torchgraft.tools.adopt.front_end_files import plan_edits, record_edit
from torchgraft.tools.adopt.locked_sdists import NamedSdist, read_locked_sdists
from torchgraft.tools.adopt.plan_front_ends import (
    pdm_text,
    pixi_text,
    poetry_text,
    pylock_text,
    requirements_text,
    uv_lock_text,
    uv_settings_text,
    uv_settings_with,
    uv_text,
)

SHA = "a" * 64
NEW = "b" * 64
ADOPTED = (AdoptedSdist(name="flash-attn", version="2.8.3", file="flash_attn-2.8.3.tar.gz", sha256=NEW, origin=SHA),)
URL = "https://files.example/flash_attn-2.8.3.tar.gz"
WHEELS = "https://files.example/pure-1.0-py3-none-any.whl"

UV_LOCK = f"""\
version = 1
revision = 3

[[package]]
name = "app"
version = "1"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "flash-attn", version = "2.8.3", source = {{ registry = "https://pypi.org/simple" }} }},
]

[[package]]
name = "flash-attn"
version = "2.8.3"
source = {{ registry = "https://pypi.org/simple" }}
dependencies = [
    {{ name = "torch" }},
]
sdist = {{ url = "{URL}", hash = "sha256:{SHA}", size = 1, upload-time = "2025-08-15T08:28:12.911Z" }}
wheels = [
    {{ url = "https://files.example/flash_attn-2.8.3-cp27-cp27m-win32.whl", hash = "sha256:{SHA}" }},
]

[[package]]
name = "pure"
version = "1.0"
source = {{ registry = "https://pypi.org/simple" }}
sdist = {{ url = "https://files.example/pure-1.0.tar.gz", hash = "sha256:{SHA}" }}
wheels = [
    {{ url = "{WHEELS}", hash = "sha256:{SHA}" }},
]

[[package]]
name = "from-git"
version = "1.0"
source = {{ git = "https://git.example/x#abc" }}
"""
PYLOCK = f"""\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "flash-attn"
version = "2.8.3"
index = "https://pypi.org/simple"
sdist = {{ url = "{URL}", hashes = {{ sha256 = "{SHA}" }} }}

[[packages]]
name = "pure"
version = "1.0"
wheels = [{{ url = "{WHEELS}", hashes = {{ sha256 = "{SHA}" }} }}]
"""
POETRY_LOCK = f"""\
[[package]]
name = "flash-attn"
version = "2.8.3"
files = [
    {{file = "flash_attn-2.8.3.tar.gz", hash = "sha256:{SHA}"}},
]

[[package]]
name = "pure"
version = "1.0"
files = [
    {{file = "pure-1.0-py3-none-any.whl", hash = "sha256:{SHA}"}},
    {{file = "pure-1.0.tar.gz", hash = "sha256:{SHA}"}},
]

[metadata]
lock-version = "2.1"
"""
LOCKS = {
    "uv.lock": (UV_LOCK, URL),
    "pylock.toml": (PYLOCK, URL),
    "poetry.lock": (POETRY_LOCK, ""),
    "pdm.lock": (POETRY_LOCK.replace("lock-version", "lock_version").replace("2.1", "4.5.1"), ""),
}


@pytest.mark.parametrize("name", LOCKS)
def test_an_sdist_that_no_wheel_does_instead(tmp_path: Path, name: str) -> None:
    text, url = LOCKS[name]
    (tmp_path / name).write_text(text)
    assert read_locked_sdists(tmp_path / name, take_python()) == (
        NamedSdist(name="flash-attn", version="2.8.3", file="flash_attn-2.8.3.tar.gz", url=url, sha256=SHA),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [("uv.lock", "version = 2"), ("x.lock", ""), ("poetry.lock", "not TOML"), ("pylock.toml", "")],
)
def test_what_is_no_lock(tmp_path: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match="bad-lock"):
        read_locked_sdists(tmp_path / name, take_python())
    assert main(["adopt", "--lock", str(tmp_path / name)]) == 2
    assert "cannot be used" in capsys.readouterr().err


def test_a_uv_lock_whose_sdists_are_in_the_folder(tmp_path: Path) -> None:
    new = uv_lock_text(UV_LOCK, ADOPTED, "adopted")
    was, now = (text.splitlines() for text in (UV_LOCK, new))
    assert [line for line in now if line not in was] == [
        '    { name = "flash-attn", version = "2.8.3", source = { registry = "adopted" } },',
        'source = { registry = "adopted" }',
        f'sdist = {{ path = "flash_attn-2.8.3.tar.gz", hash = "sha256:{NEW}" }}',
    ]
    assert len(now) == len(was) - 3  # its wheels were others'
    assert uv_lock_text(new, ADOPTED, "adopted") == new
    # uv writes no digests of a folder.
    without = new.replace(f', hash = "sha256:{NEW}"', "")
    assert uv_lock_text(without, ADOPTED, "adopted") == without
    (tmp_path / "uv.lock").write_text(new)
    (found,) = read_locked_sdists(tmp_path / "uv.lock", take_python())
    assert found.url == (tmp_path / "adopted" / "flash_attn-2.8.3.tar.gz").as_uri()


def test_a_pylock_whose_sdists_are_in_the_folder() -> None:
    new = pylock_text(PYLOCK, ADOPTED, "adopted")
    first, second = parse_pyproject(new)["packages"]
    assert first["sdist"] == {"path": "adopted/flash_attn-2.8.3.tar.gz", "hashes": {"sha256": NEW}}
    assert "index" not in first
    assert second == parse_pyproject(PYLOCK)["packages"][1]
    assert pylock_text(new, ADOPTED, "adopted") == new


PROJECT = """\
[project]
name = "app" # ours
dependencies = ["Flash_Attn>=2", "torch"]
"""
FOLDER = '[[tool.uv.index]]\nname = "adopted"\nurl = "adopted"\nformat = "flat"\n'


@pytest.mark.parametrize("change", [uv_text, poetry_text, pdm_text, pixi_text])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_twice_is_once_and_undone_is_as_before(change: object, line_end: str) -> None:
    assert callable(change)
    text = PROJECT.replace("\n", line_end)
    new = change(text, ADOPTED, "adopted")
    assert new != text
    assert new.count("\n") == new.count(line_end)
    assert change(new, ADOPTED, "adopted") == new
    assert change(new, ADOPTED, "adopted", undo=True) == text


def test_uv_asks_the_folder_first() -> None:
    assert uv_text(PROJECT, ADOPTED, "adopted") == f"{PROJECT}\n{FOLDER}"
    mine = '\n# mine\n[[tool.uv.index]]\nname = "mine"\nurl = "https://mine.example"\n'
    new = uv_text(PROJECT + mine, ADOPTED, "adopted")
    assert new.index('"adopted"') < new.index('"mine"')
    # What is asked for some packages alone, or last of all, may stand before it.
    explicit = mine.rstrip() + "\nexplicit = true\n"
    assert uv_text(PROJECT + explicit, (), "adopted") == PROJECT + explicit
    both = f"{PROJECT}{explicit}\n{FOLDER}"
    assert uv_text(both, ADOPTED, "adopted") == both


def test_a_uv_toml_that_is_read_instead() -> None:
    text = 'no-build-isolation-package = ["flash-attn"]\n'
    new = uv_settings_with(text, ADOPTED, "adopted")
    assert parse_pyproject(new) == {"index": [{"name": "adopted", "url": "adopted", "format": "flat"}]}
    assert uv_settings_with(new, ADOPTED, "adopted") == new
    assert uv_settings_with(new, (), "adopted", undo=True).strip() == ""


def test_what_worked_around_the_builds_of_what_is_adopted_goes() -> None:
    settings = """
[tool.uv]
no-build-isolation-package = ["flash_attn", "other"]

[tool.uv.extra-build-dependencies]
flash-attn = [{ requirement = "torch", match-runtime = true }]
other = ["torch"]

[tool.uv.extra-build-variables]
flash-attn = { FLASH_ATTENTION_SKIP_CUDA_BUILD = "TRUE" }
"""
    uv = parse_pyproject(uv_text(PROJECT + settings, ADOPTED, "adopted"))["tool"]["uv"]
    assert uv["no-build-isolation-package"] == ["other"]
    assert uv["extra-build-dependencies"] == {"other": ["torch"]}
    assert uv["extra-build-variables"] == {"flash-attn": {"FLASH_ATTENTION_SKIP_CUDA_BUILD": "TRUE"}}


@pytest.mark.parametrize("table", ["tool.uv", "tool.uv.pip"])
def test_a_project_that_turned_isolation_off_for_all(table: str) -> None:
    text = f"{PROJECT}\n[{table}]\nno-build-isolation = true\nlink-mode = 'copy'\n"
    assert "no-build-isolation" not in uv_text(text, ADOPTED, "adopted")
    assert uv_text(text, (), "adopted") == text


PIXI = """\
[pypi-dependencies]
Flash_Attn = { version = ">=2", extras = ["x"] } # ours
numpy = "*"

[pypi-options]
no-build-isolation = ["flash-attn", "other"]

[feature.cuda.target.linux-64.pypi-dependencies]
flash-attn = "*"
"""


def test_pixi_takes_them_by_their_paths() -> None:
    more = AdoptedSdist(name="deep", version="1", file="deep-1.tar.gz", sha256=NEW)
    new = pixi_text(PIXI, (*ADOPTED, more), "adopted")
    data = parse_pyproject(new)
    path = {"path": "adopted/flash_attn-2.8.3.tar.gz"}
    deep = {"path": "adopted/deep-1.tar.gz"}
    assert data["pypi-dependencies"] == {"Flash_Attn": {**path, "extras": ["x"]}, "numpy": "*", "deep": deep}
    assert data["feature"]["cuda"]["target"]["linux-64"]["pypi-dependencies"] == {"flash-attn": path}
    assert data["pypi-options"] == {"no-build-isolation": ["other"]}
    assert pixi_text(new, (*ADOPTED, more), "adopted") == new
    assert "deep" not in pixi_text(new, ADOPTED, "adopted")
    text = "[workspace.pypi-options]\nno-build-isolation = true\n"
    assert "isolation" not in pixi_text(text, (more,), "adopted")
    of_project = f"[tool.pixi.workspace]\nname = 'x'\n\n{PIXI.replace('[pypi', '[tool.pixi.pypi')}"
    tables = parse_pyproject(pixi_text(of_project, ADOPTED, "adopted"))["tool"]["pixi"]
    assert tables["pypi-dependencies"]["Flash_Attn"] == {**path, "extras": ["x"]}


def test_a_program_has_paths_of_what_it_depends_on_itself() -> None:
    metadata = '\n[[tool.uv.dependency-metadata]]\nname = "flash-attn"\nversion = "2.8.3"\n'
    text = PROJECT + '[project.scripts]\napp = "app:main"\n' + metadata
    uv = parse_pyproject(uv_text(text, ADOPTED, "adopted"))["tool"]["uv"]
    assert uv["sources"] == {"flash-attn": {"path": "adopted/flash_attn-2.8.3.tar.gz"}}
    assert "dependency-metadata" not in uv
    undone = parse_pyproject(uv_text(uv_text(text, ADOPTED, "adopted"), ADOPTED, "adopted", undo=True))
    assert "uv" not in undone.get("tool", {})


def test_a_comment_in_what_goes_stays() -> None:
    text = PROJECT + '\n[tool.uv.extra-build-dependencies]\nflash-attn = ["torch"]\n# about something else\n'
    new = uv_text(text, ADOPTED, "adopted")
    assert "# about something else" in new
    assert 'torch"]\n# about' not in new


def test_what_cannot_be_changed_is_an_error() -> None:
    with pytest.raises(ConfigError, match="cannot-rewrite"):
        uv_text("[tool]\nuv.index = 3\n", ADOPTED, "adopted")


def test_settings_of_resolution_without_the_folder() -> None:
    own = FOLDER.replace('"adopted"', '"own"')
    text = f"{PROJECT}\n{FOLDER}\n{own}[tool.uv]\npackage = false\n"
    found = parse_pyproject(uv_settings_text(text, "adopted", "file:///app"))
    assert found == parse_pyproject(uv_settings_text((FOLDER + own).replace("tool.uv.", ""), "adopted", "file:///app"))
    assert found == {"index": [{"name": "own", "url": "file:///app/own", "format": "flat"}]}


def test_constraints_are_read_again() -> None:
    text = adopted_text(ADOPTED, "adopted")
    assert "\nflash-attn @ file://${PWD}/adopted/flash_attn-2.8.3.tar.gz  # 2.8.3 " in text
    assert parse_adopted(text) == ADOPTED
    assert parse_adopted(adopted_text(ADOPTED, "/share/adopted")) == ADOPTED
    assert parse_adopted("flash-attn==2.8.3\nx @ file:///x.tar.gz\n") == ()


def test_two_versions_of_one_name_for_pip() -> None:
    older = replace(ADOPTED[0], version="2.7", file="flash_attn-2.7.tar.gz", marker="python_version < '3.11'")
    newer = replace(ADOPTED[0], marker="python_version >= '3.11'")
    lines = adopted_text((older, newer), "adopted").splitlines()[2:]
    assert [Requirement(line.partition("  #")[0].replace("${PWD}", "/x")).marker is None for line in lines] == [
        False
    ] * 2
    assert parse_adopted("\n".join(lines)) == (older, newer)
    # Which one is for whom is not known: pip is to take neither, rather than stop.
    lines = adopted_text((replace(older, marker=""), ADOPTED[0]), "adopted").splitlines()[2:]
    assert all(line.startswith("# flash-attn @ file:") for line in lines)
    assert parse_adopted("\n".join(lines)) == (replace(older, marker=""), ADOPTED[0])


LOCKED_TWICE = {
    "uv.lock": ("resolution-markers = [\n    \"python_version < '3.11'\",\n    \"os_name == 'x'\",\n]\n", " or "),
    "pylock.toml": ("marker = \"python_version < '3.11'\"\n", "python_version < '3.11'"),
    "poetry.lock": ("markers = \"python_version < '3.11'\"\n", "python_version < '3.11'"),
    "pdm.lock": ("marker = \"python_version < '3.11'\"\n", "python_version < '3.11'"),
}


@pytest.mark.parametrize("name", LOCKS)
def test_for_which_environments_a_version_is(tmp_path: Path, name: str) -> None:
    line, marker = LOCKED_TWICE[name]
    (tmp_path / name).write_text(LOCKS[name][0].replace('version = "2.8.3"\n', f'version = "2.8.3"\n{line}'))
    (found,) = read_locked_sdists(tmp_path / name, take_python())
    assert marker in found.marker
    Marker(found.marker)


GIT = AddressSource(name="x", url="https://git.example/x", commit="abc", is_git=True)
URLS = AddressSource(name="x", url="https://files.example/x-1.tar.gz")
OF_GIT = {
    "uv.lock": 'source = { git = "https://git.example/x?rev=v1#abc" }',
    "pylock.toml": 'vcs = { type = "git", url = "https://git.example/x", commit-id = "abc" }',
    "poetry.lock": '[package.source]\ntype = "git"\nurl = "https://git.example/x"\nresolved_reference = "abc"',
    "pdm.lock": 'git = "https://git.example/x"\nrevision = "abc"',
}


@pytest.mark.parametrize("name", OF_GIT)
def test_what_a_lock_has_from_git(tmp_path: Path, name: str) -> None:
    key = "packages" if name == "pylock.toml" else "package"
    (tmp_path / name).write_text(f'[[{key}]]\nname = "x"\nversion = "1"\n{OF_GIT[name]}\n')
    assert read_address_sources(tmp_path / name) == (GIT,)


OF_URL = {
    "uv.lock": 'source = { url = "https://files.example/x-1.tar.gz" }\nsdist = { hash = "sha256:abc" }',
    "pylock.toml": 'archive = { url = "https://files.example/x-1.tar.gz", hashes = { sha256 = "abc" } }',
    "poetry.lock": '[package.source]\ntype = "url"\nurl = "https://files.example/x-1.tar.gz"',
    "pdm.lock": 'url = "https://files.example/x-1.tar.gz"\nfiles = [{ url = "x-1.tar.gz", hash = "sha256:abc" }]',
}


@pytest.mark.parametrize("name", OF_URL)
def test_what_a_lock_has_from_an_address(tmp_path: Path, name: str) -> None:
    key = "packages" if name == "pylock.toml" else "package"
    legacy = (
        "" if name != "poetry.lock" else '[package.source]\ntype = "legacy"\nurl = "https://index.example/simple"\n'
    )
    other = f'[[{key}]]\nname = "z"\nversion = "1"\n{legacy}'
    wheel = OF_URL[name].replace("x-1.tar.gz", "y-1-py3-none-any.whl")
    text = f'[[{key}]]\nname = "x"\nversion = "1"\n{OF_URL[name]}\n[[{key}]]\nname = "y"\nversion = "1"\n{wheel}\n'
    (tmp_path / name).write_text(text + other)
    digest = "" if name == "poetry.lock" else "abc"
    assert read_address_sources(tmp_path / name) == (replace(URLS, sha256=digest),)


def test_what_a_pylock_has_from_a_folder(tmp_path: Path) -> None:
    text = '[[packages]]\nname = "x"\nversion = "1"\narchive = { path = "its/x-1.tar.gz" }\n'
    (tmp_path / "pylock.toml").write_text(text + text.replace("its/", "\\u0000"))
    (found,) = read_address_sources(tmp_path / "pylock.toml")
    assert found.url == (tmp_path / "its" / "x-1.tar.gz").as_uri()


CURES = {
    "https://x.example/x-1.tar.gz?a=b": "mkdir x && curl -L 'https://x.example/x-1.tar.gz?a=b' | tar -xz -C x "
    "--strip-components 1 && torchgraft adopt x --write",
    "https://x.example/x-1.zip": "curl -L https://x.example/x-1.zip -o x.zip && unzip -q x.zip -d x && "
    "torchgraft adopt x/* --write",
}


@pytest.mark.parametrize(("url", "typed"), CURES.items())
def test_what_is_typed_for_an_address(url: str, typed: str) -> None:
    assert source_cure(AddressSource(name="x", url=url)) == f"{typed}   (then depend on that folder)"


def test_a_file_of_requirements_names_them_once() -> None:
    text = f"torch\nflash-attn==2.8.3 --hash=sha256:{SHA}\n"
    new = requirements_text(text, ADOPTED, "adopted")
    assert new == f"-c adopted/constraints.txt\ntorch\nflash-attn==2.8.3 --hash=sha256:{NEW}\n"
    assert requirements_text(new, ADOPTED, "adopted") == new
    assert requirements_text(new, ADOPTED, "adopted", undo=True) == text


def test_what_is_wanted_from_an_address() -> None:
    """No constraint counts beside an address in requirements, and uv's sources come before that of a project."""
    adopted = (replace(ADOPTED[0], by_address=True),)
    assert parse_adopted(adopted_text(adopted, "adopted")) == adopted
    text = f"flash_attn[x] @ https://files.example/flash_attn-2.8.3.tar.gz#sha256={SHA} ; os_name == 'posix'\n"
    url = "file://${PWD}/app/adopted/flash_attn-2.8.3.tar.gz"
    new = requirements_text(text, adopted, "adopted", root="app/adopted")
    assert new == f"-c adopted/constraints.txt\nflash_attn[x] @ {url} ; os_name == 'posix'\n"
    assert requirements_text(new, adopted, "adopted", root="app/adopted") == new
    for of_uv in (adopted, ADOPTED):
        stated = parse_pyproject(uv_text('[project]\nname = "app"\n', of_uv, "adopted"))["tool"]["uv"].get("sources")
        assert stated == ({"flash-attn": {"path": "adopted/flash_attn-2.8.3.tar.gz"}} if of_uv is adopted else None)
    archive = f'[[packages]]\nname = "flash-attn"\nversion = "2.8.3"\narchive = {{ url = "{URL}" }}\n'
    assert f'archive = {{path = "adopted/flash_attn-2.8.3.tar.gz", hashes = {{sha256 = "{NEW}"}}}}' in pylock_text(
        archive, adopted, "adopted"
    )


def app_beside_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path) -> tuple[Path, str]:
    """Return the empty folder of a project, and the digest of the sdist that uv's index has."""
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    page = tmp_path / "simple" / "ext" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../{sdist.name}#sha256={digest}">{sdist.name}</a>')
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "simple").as_uri())
    app = tmp_path / "app"
    app.mkdir()
    return app, digest


def test_a_lock_with_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sdist: Path
) -> None:
    app, digest = app_beside_an_index(tmp_path, monkeypatch, sdist)
    (app / "pyproject.toml").write_text('[project]\nname = "app"\n[tool.pdm]\n')
    lock = LOCKS["pdm.lock"][0].replace("flash-attn", "ext").replace("flash_attn-2.8.3", "ext-1.0")
    (app / "pdm.lock").write_text(lock.replace('"2.8.3"', '"1.0"').replace(SHA, digest, 1))
    monkeypatch.chdir(app)

    assert main(["adopt", "--project", ".", "--check"]) == 1
    assert not (app / "adopted").exists()
    assert main(["adopt", "--project", ".", "--write", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.partition("--write\n")[2])
    assert [one["verdict"] for one in report["sdists"]] == ["adopts torchgraft"]
    assert report["next"] == ["pdm lock", "pdm install"]
    assert main(["adopt", "--project", ".", "--check"]) == 0
    # Somebody changed it.
    (app / "adopted" / "ext-1.0.tar.gz").write_bytes(b"")
    assert main(["adopt", "--project", ".", "--check"]) == 1
    assert main(["adopt", "--project", ".", "--write"]) == 1
    assert "error[file-exists]" in capsys.readouterr().err
    assert main(["adopt", "--project", ".", "--undo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"] == ["pdm lock", "pdm install"]
    # The index has another one than the lock.
    (app / "adopted" / "ext-1.0.tar.gz").unlink()
    (app / "pdm.lock").write_text((app / "pdm.lock").read_text().replace(digest, SHA))
    assert main(["adopt", "--project", ".", "--write"]) == 1
    assert f"the lock says {SHA}" in " ".join(capsys.readouterr().err.split())


def test_what_still_turns_isolation_off_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    monkeypatch.setenv("UV_NO_BUILD_ISOLATION_PACKAGE", "other")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "false")
    assert main(["adopt", "--project", "."]) == 0
    said = capsys.readouterr().out
    assert "PIP_NO_BUILD_ISOLATION (a variable): what is built without isolation finds only what is installed" in said
    assert "; unset PIP_NO_BUILD_ISOLATION\n" in said


def test_projects_of_ones_own_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ext").mkdir()
    (tmp_path / "ext" / "setup.py").write_text("import torch\n")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "setup.py").write_text("import torch\n")
    source = '[[package]]\nname = "ext"\nversion = "1"\nsource = { editable = "ext" }\n'
    (tmp_path / "uv.lock").write_text(f"version = 1\n{source}")
    monkeypatch.chdir(tmp_path)
    assert main(["adopt", "--project", "."]) == 0
    said = capsys.readouterr().out
    assert "nothing here is built from an sdist" in said
    assert "note: ext needs torch for its build, too: torchgraft adopt ext --write" in said
    assert "note: . needs torch for its build, too: torchgraft adopt . --write" in said


def test_undone_to_the_last_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, pyproject, lock = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    before = pyproject.read_bytes(), lock.read_bytes()
    assert main(["adopt", "--project", ".", "--write"]) == 0
    said = capsys.readouterr().out
    assert "written: adopted/undo.json" in said
    assert "b/adopted/undo.json" not in said  # it says what the other differences say
    assert pyproject.read_bytes() != before[0] != lock.read_bytes() != before[1]
    # uv locks the folder without digests, and a dependency comes in.
    digest = f', hash = "sha256:{hashlib.sha256((app / "adopted/ext-1.0.tar.gz").read_bytes()).hexdigest()}"'
    lock.write_text(lock.read_text().replace(digest, ""))
    pyproject.write_text(pyproject.read_text().replace('["ext"]', '["ext", "more"]'))
    assert main(["adopt", "--project", ".", "--check"]) == 0
    assert main(["adopt", "--project", ".", "--undo", "--write"]) == 0
    assert "now:" not in capsys.readouterr().out.partition("is removed")[2]
    assert pyproject.read_bytes() == before[0].replace(b'["ext"]', b'["ext", "more"]')
    assert lock.read_bytes() == before[1]
    assert not (app / "adopted").exists()


def test_what_cannot_be_put_back_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, pyproject, _ = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    assert main(["adopt", "--project", ".", "--write"]) == 0
    pyproject.write_text('[project]\nname = "other"\n')
    assert main(["adopt", "--project", ".", "--undo", "--write"]) == 0
    assert "note: pyproject.toml: changed since" in capsys.readouterr().out
    assert "no-build-isolation-package" in (app / "adopted" / "undo.json").read_text()
    assert pyproject.read_text() == '[project]\nname = "other"\n'


def test_of_a_lock_that_was_written_anew_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, _, lock = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    assert main(["adopt", "--project", ".", "--write"]) == 0
    (one,) = read_adopted(app / "adopted")
    moved = 'version = 1\n[[package]]\nname = "flash-attn"\nversion = "9"\nsource = { registry = "adopted" }\n'
    lock.write_text(moved)
    assert main(["adopt", "--project", ".", "--undo", "--write"]) == 0
    said = capsys.readouterr().out
    assert "changed since" not in said
    assert f"now:\n  uv lock -P {one.name}\n" in said
    assert not (app / "adopted").exists()


def app_with_a_uv_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path) -> tuple[Path, Path, Path]:
    """Return a project that depends on an sdist of an index; it is where the test is now."""
    app, digest = app_beside_an_index(tmp_path, monkeypatch, sdist)
    lines = ["[project]", 'name = "app" # ours', 'dependencies = ["ext"]', "", "[tool.uv]"]
    lines += ['no-build-isolation-package = [ "ext", "other" ]  # both', "", "[tool.uv.extra-build-dependencies]"]
    lines += ['ext = ["torch"]', "", "[tool.x]", "a=1", ""]
    (app / "pyproject.toml").write_text("\n".join(lines))
    text = UV_LOCK.replace("flash-attn", "ext").replace("flash_attn-2.8.3", "ext-1.0").replace('"2.8.3"', '"1.0"')
    text = text.replace(URL.replace("flash_attn-2.8.3", "ext-1.0"), sdist.as_uri())
    (app / "uv.lock").write_text(text.replace(SHA, digest, 1))
    monkeypatch.chdir(app)
    return app, app / "pyproject.toml", app / "uv.lock"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--project", ".", "flash-attn"],
        ["--project", ".", "--lock", "uv.lock"],
        ["--lock", "nothing.lock"],
        ["-r", "nothing.txt"],
        [".", "--check"],
        ["--no-deps", "-r", "pyproject.toml"],
    ],
)
def test_what_does_not_go_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert main(["adopt", *arguments]) == 2
    assert "error[bad-argument]" in capsys.readouterr().err


def test_without_a_lock_and_without_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert main(["adopt", "--project", str(tmp_path)]) == 1
    assert "error[no-resolver]" in capsys.readouterr().err


def test_an_index_of_somebody_may_be_called_the_same() -> None:
    text = '[tool.uv]\nindex = [{ name = "adopted", url = "https://x" }]  # ours\n'
    (first, second) = parse_pyproject(uv_text(text, ADOPTED, "adopted"))["tool"]["uv"]["index"]
    assert (first["name"], first["url"], second["name"]) == ("adopted-2", "adopted", "adopted")
    assert uv_text(uv_text(text, ADOPTED, "adopted"), ADOPTED, "adopted", undo=True) == text


def test_what_is_in_an_extra_is_not_installed_without_it() -> None:
    (group,) = parse_pyproject(poetry_text("", ADOPTED, "adopted"))["tool"]["poetry"]["group"].values()
    assert group["optional"] is True


def test_files_of_requirements_that_others_name(tmp_path: Path) -> None:
    main_file, nested = tmp_path / "all.txt", tmp_path / "more" / "base.txt"
    nested.parent.mkdir()
    main_file.write_bytes(b"-r more/base.txt\r\ntorch\r\n")
    nested.write_text(f"--index-url https://x\nflash-attn==2.8.3 \\\n  --hash=sha256:{SHA}\n")
    scope = Scope(base=tmp_path, folder=tmp_path / "adopted", files=(main_file,))
    before = main_file.read_bytes().decode(), nested.read_text()
    edits = tuple(plan_edits(scope, ADOPTED))
    texts = {edit.path.name: edit.after for edit in edits}
    assert texts["all.txt"] == "-c adopted/constraints.txt\r\n-r more/base.txt\r\ntorch\r\n"
    assert texts["base.txt"] == nested.read_text().replace(SHA, NEW)
    assert read_nested(scope) == ((nested,), True)
    scope.folder.mkdir()
    for edit in (*edits, *record_edit(scope, edits)):
        edit.path.write_bytes((edit.after or "").encode())
    assert tuple(plan_edits(scope, ADOPTED)) == ()
    undone = {edit.path.name: edit.after for edit in plan_edits(scope, (), undo=True)}
    assert undone == {"all.txt": before[0], "base.txt": before[1], "constraints.txt": None, "undo.json": None}


def test_a_wheel_for_the_python_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path) -> None:
    app, _, lock = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    lock.write_text(lock.read_text().replace("ext-1.0-cp27-cp27m-win32", "ext-1.0-cp399-none-any"))
    assert main(["adopt", "--project", ".", "--check"]) == 1
    (app / ".python-version").write_text("3.99\n")
    assert main(["adopt", "--project", ".", "--check"]) == 0
    (app / ".venv").mkdir()
    (app / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.98.1\n")
    assert main(["adopt", "--project", ".", "--check"]) == 1


def test_files_that_somebody_has_in_the_folder_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, _, _ = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    (app / "adopted").mkdir()
    for name in ("constraints.txt", "undo.json"):
        (app / "adopted" / name).write_text("numpy<2\n")
        assert main(["adopt", "--project", ".", "--write"]) == 1
        assert main(["adopt", "--project", ".", "--undo", "--write"]) == 1
        assert capsys.readouterr().err.count("error[file-exists]") == 2
        assert [path.read_text() for path in (app / "adopted").iterdir()] == ["numpy<2\n"]
        (app / "adopted" / name).unlink()


def test_an_sdist_that_is_gone_is_made_again_and_git_may_ignore_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, _, _ = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    assert main(["adopt", "--project", ".", "--write"]) == 0
    assert "git ignores" not in capsys.readouterr().out
    texts = {path: path.read_bytes() for path in app.rglob("*") if path.is_file()}
    subprocess.run(["git", "init", "-q", app], check=True)
    (app / ".gitignore").write_text("*.tar.gz\n")
    (app / "adopted/ext-1.0.tar.gz").unlink()
    assert main(["adopt", "--project", ".", "--check"]) == 1
    assert main(["adopt", "--project", ".", "--write"]) == 0
    said = capsys.readouterr().out
    assert "note: git ignores what is in adopted, which others need, too: git add --force adopted\n" in said
    assert {path: path.read_bytes() for path in texts} == texts


def test_what_went_wrong_is_not_called_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, _, lock = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    lock.write_text(re.sub("sha256:[0-9a-f]+", f"sha256:{SHA}", lock.read_text()))
    assert main(["adopt", "--project", ".", "--check"]) == 1
    said = capsys.readouterr()
    assert "error[no-sdist]" in said.err
    assert "all of it is there" not in said.out
    assert "nothing here" not in said.out
    assert not (app / "adopted").exists()


def test_a_password_in_a_file_of_the_project_is_shown_and_written_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, pyproject, _ = app_with_a_uv_lock(tmp_path, monkeypatch, sdist)
    index = '[[tool.uv.index]]\nname = "corp"\nurl = "https://bob:s3cret@corp.example/simple"\n'
    pyproject.write_text(f"{pyproject.read_text()}{index}")
    before = pyproject.read_bytes()
    assert main(["adopt", "--project", ".", "--write"]) == 0
    said = capsys.readouterr()
    assert "corp.example" in said.out
    assert "s3cret" not in said.out + said.err
    assert [path.name for path in app.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()] == [
        "pyproject.toml"
    ]
    assert main(["adopt", "--project", ".", "--undo", "--write"]) == 0
    assert pyproject.read_bytes() == before


def test_a_source_of_a_project_is_not_asked_any_more() -> None:
    lines = [
        "[tool.uv.sources]",
        'flash_attn = { index = "corp" }  # ours',
        'other = { path = "vendor/other-1.tar.gz" }',
    ]
    text = "\n".join([*lines, 'third = { path = "third" }', ""])
    new = uv_text(text, ADOPTED, "adopted")
    sources = parse_pyproject(new)["tool"]["uv"]["sources"]
    assert sources["flash_attn"] == {"path": "adopted/flash_attn-2.8.3.tar.gz"}
    assert {"other", "third"} < sources.keys()
    assert uv_text(new, ADOPTED, "adopted") == new
    newer = (replace(ADOPTED[0], version="2.9", file="flash_attn-2.9.tar.gz"),)
    moved = parse_pyproject(uv_text(new, newer, "adopted"))["tool"]["uv"]["sources"]
    assert moved["flash_attn"] == {"path": "adopted/flash_attn-2.9.tar.gz"}
