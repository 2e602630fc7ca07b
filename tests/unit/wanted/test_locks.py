from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from torchgraft.consumer.command_line import parse_arguments
from torchgraft.model.observation import FrontEndName, Python
from torchgraft.model.torch_values import Locked
from torchgraft.wanted.lock_files import read_lock
from torchgraft.wanted.requirements_files import is_lock_name

CASES = Path(__file__).parents[2] / "cases" / "locks"
FRONT_ENDS = {"uv": FrontEndName.UV, "uv05": FrontEndName.UV, "poetry": FrontEndName.POETRY, "pdm": FrontEndName.PDM}
FRONT_ENDS |= {"poetry18": FrontEndName.POETRY, "pylock": FrontEndName.PIP}
UV = parse_arguments(FrontEndName.UV, ())
CU128 = "torch @ https://wheels.example/whl/cu128/torch/torch-2.8.0%2Bcu128-{tags}.whl"
LINUX = "cp311-cp311-manylinux_2_28_x86_64"


def python(version: str = "3.11.7", platform: str = "linux_x86_64") -> Python:
    abi = "cp" + "".join(version.split(".")[:2])
    return Python(version=version, implementation="cpython", abi=abi, platform=platform, extension_suffix=f".{abi}.so")


def read(folder: Path, case: str, *arguments: str, where: Python | None = None) -> Locked | None:
    kind = case.partition("_")[0]
    return read_lock(
        str(folder),
        command=parse_arguments(FRONT_ENDS[kind], arguments),
        extra_files=("pylock.toml",) if kind == "pylock" else (),
        python=where or python(),
    )


def cu128(tags: str = LINUX) -> str:
    return CU128.format(tags=tags)


@pytest.mark.parametrize(
    ("case", "version", "requirement"),
    [
        ("uv_default", "2.8.0", "torch==2.8.0"),
        ("uv_default_by_variable", "2.8.0", "torch==2.8.0"),
        ("uv_explicit_index", "2.8.0+cu128", cu128()),
        ("uv_extra_index", "2.8.0+cu128", cu128()),
        ("uv_flat_index", "2.8.0+cu128", f"torch @ https://wheels.example/flat/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("uv_find_links_url", "2.8.0+cu128", f"torch @ https://wheels.example/flat/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("uv_find_links_folder", "2.8.0+cu128", f"torch @ {{folder}}/wheels/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("uv_path_wheel", "2.8.0+cu128", f"torch @ {{folder}}/wheels/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("uv_url", "2.8.0+cu128", cu128()),
        ("uv_sources_by_marker", "2.8.0+cu128", cu128()),
        ("uv_fork_by_python", "2.9.0", "torch==2.9.0"),
        ("uv_workspace", "2.9.0", "torch==2.9.0"),
        ("uv_group", "2.8.0", "torch==2.8.0"),
        ("uv_extras_through_dependency", "2.9.0", "torch==2.9.0"),
        ("uv05_explicit_index", "2.8.0+cu128", cu128()),
        ("uv05_sources_by_marker", "2.8.0+cu128", cu128()),
        ("pylock_uv_default", "2.8.0", "torch==2.8.0"),
        ("pylock_uv_fork_by_python", "2.9.0", "torch==2.9.0"),
        ("pylock_uv_sources_by_marker", "2.8.0+cu128", cu128()),
        ("pylock_uv_url", "2.8.0+cu128", cu128()),
        ("pylock_uv_find_links_folder", "2.8.0+cu128", f"torch @ file:///srv/wheels/torch-2.8.0+cu128-{LINUX}.whl"),
        ("pylock_pip_default", "2.8.0", f"torch @ https://index.example/simple/torch/torch-2.8.0-{LINUX}.whl"),
        ("pylock_pip_extra_index", "2.8.0+cu128", cu128()),
        ("pylock_pip_url", "2.8.0+cu128", cu128()),
        ("pylock_pip_find_links", "2.8.0+cu128", f"torch @ file:///srv/wheels/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("pylock_pip_path", "2.8.0+cu128", f"torch @ file:///srv/wheels/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("poetry_default", "2.8.0", "torch==2.8.0"),
        ("poetry_supplemental", "2.8.0+cu128", "torch==2.8.0+cu128"),
        ("poetry_fork", "2.9.0", "torch==2.9.0"),
        ("poetry_url", "2.8.0+cu128", cu128()),
        ("poetry_path", "2.8.0+cu128", f"torch @ {{folder}}/wheels/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("poetry18_default", "2.8.0", "torch==2.8.0"),
        ("pdm_default", "2.8.0", "torch==2.8.0"),
        ("pdm_fork", "2.9.0", "torch==2.9.0"),
        ("pdm_other_source", "2.8.0+cu128", "torch==2.8.0+cu128"),
        ("pdm_static_urls", "2.8.0+cu128", cu128()),
        ("pdm_url", "2.8.0+cu128", cu128()),
        ("pdm_path", "2.8.0+cu128", f"torch @ {{folder}}/wheels/torch-2.8.0%2Bcu128-{LINUX}.whl"),
        ("pdm_pylock", "2.8.0+cu128", cu128()),
    ],
)
def test_the_lock_gives_the_very_torch(tmp_path: Path, case: str, version: str, requirement: str) -> None:
    folder = tmp_path / "app"
    shutil.copytree(CASES / case, folder)
    locked = read(folder, case)
    assert locked is not None
    assert locked.requirement is not None
    Requirement(locked.requirement.text)
    found, _, digest = locked.requirement.text.partition("#")
    assert (locked.version, found) == (version, requirement.format(folder=folder.resolve().as_uri()))
    assert not digest or re.fullmatch("sha256=[0-9a-f]{64}", digest)
    # Locks of find-links folders and flat pages have no hashes.
    assert bool(digest) == ("@" in requirement and not case.startswith(("uv_find", "uv_flat")))
    assert locked.said.startswith(f"torch {version} from ")


@pytest.mark.parametrize(
    ("case", "version", "said"),
    [
        ("uv_git", "2.8.0", "built from the git repository"),
        ("uv_directory", "2.8.0", "built from the folder"),
        ("uv_editable", "2.8.0", "built from the editable folder"),
        ("uv_none", None, "it has no torch"),
        ("uv_marker_off", None, "not for this interpreter and platform"),
        ("uv_extras_conflict", None, r"several torch .* 2.8.0\+cpu .* 2.8.0\+cu128 .*--extra"),
        ("pylock_uv_git", "2.8.0", "built from https://git.example/torch"),
        ("pylock_uv_directory", None, "built from ../uv_directory/vendor/torch"),
        ("pylock_pip_git", None, "built from https://git.example/torch"),
        ("poetry_git", "2.8.0", "built from the git"),
        ("poetry_directory", "2.8.0", "built from the directory"),
        ("poetry_explicit", "2.8.0+cu128", "explicit source cu128"),
        ("poetry_extras", None, r"several torch .* 2.8.0\+cpu .* 2.8.0\+cu128 .*--extras"),
        ("poetry_group", None, "not for this interpreter and platform"),
        ("poetry18_fork", None, "several torch"),
        ("pdm_directory", "2.8.0", "built from ./vendor/torch"),
    ],
)
def test_a_lock_without_an_answer_says_why(case: str, version: str | None, said: str) -> None:
    locked = read(CASES / case, case)
    assert locked is not None
    assert (locked.version, locked.requirement) == (version, None)
    assert re.search(said, locked.said)
    # Where no torch will be installed, another rung may answer.
    assert locked.undecided is (case not in {"uv_none", "uv_marker_off", "poetry_group"})


@pytest.mark.parametrize(
    ("case", "choices"),
    [
        ("uv_extras_conflict", (("2.8.0+cpu", "--extra cpu"), ("2.8.0+cu128", "--extra cu128"))),
        ("poetry_extras", (("2.8.0+cpu", "--extras cpu"), ("2.8.0+cu128", "--extras cu128"))),
        ("poetry18_fork", (("2.8.0", ""), ("2.9.0", ""))),
        ("uv_git", (("2.8.0", ""),)),
        ("pylock_pip_git", ()),
    ],
)
def test_a_lock_that_does_not_decide_names_what_it_holds(case: str, choices: tuple[tuple[str, str], ...]) -> None:
    locked = read(CASES / case, case)
    assert locked
    assert locked.choices == choices


CONFLICT = """
lock-version = "1.0"
created-by = "uv"
extras = ["cpu", "gpu"]
dependency-groups = ["old"]
[[packages]]
name = "torch"
version = "2.8.0"
marker = "'cpu' in extras or 'old' in dependency_groups"
index = "https://index.example/simple"
[[packages]]
name = "torch"
version = "2.9.0"
marker = "'gpu' in extras"
index = "https://index.example/simple"
"""


def test_extras_and_groups_of_a_pylock_are_named_as_options_of_the_front_end(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(CONFLICT)
    uv = parse_arguments(FrontEndName.UV, ("pip", "install", "-r", "pylock.toml"))
    locked = read_lock(str(tmp_path), command=uv, extra_files=("pylock.toml",), python=python())
    assert locked
    assert locked.choices == (("2.8.0", "--group old"), ("2.9.0", "--extra gpu"))


@pytest.mark.parametrize(
    ("case", "where", "requirement"),
    [
        ("uv_fork_by_python", python("3.10.14"), "torch==2.8.0"),
        ("uv_sources_by_marker", python(platform="linux_aarch64"), "torch==2.8.0"),
        (
            "uv_sources_by_marker",
            python("3.12.1", "macosx_14_0_arm64"),
            "torch @ https://wheels.example/whl/cpu/torch/torch-2.8.0-cp312-cp312-macosx_11_0_arm64.whl",
        ),
        ("uv_marker_off", python(platform="win_amd64"), "torch==2.8.0"),
        ("uv_explicit_index", python("3.12.1", "win_amd64"), cu128("cp312-cp312-win_amd64")),
        ("uv_default", python("3.13.0"), None),
        ("uv_default", python(platform="linux_riscv64"), None),
        ("uv_explicit_index", python(platform="macosx_14_0_arm64"), None),
        ("pylock_uv_fork_by_python", python("3.10.14"), "torch==2.8.0"),
        ("pylock_uv_url", python("3.12.1"), None),
        ("pylock_uv_default", python("3.14.0"), None),
        ("pylock_pip_default", python(platform="win_amd64"), None),
        ("poetry_fork", python("3.10.14"), "torch==2.8.0"),
        ("poetry_group", python(platform="win_amd64"), "torch==2.8.0"),
        ("poetry_url", python("3.12.1"), None),
        ("pdm_fork", python("3.10.14"), "torch==2.8.0"),
        ("pdm_fork", python("3.13.0"), None),
        ("pdm_static_urls", python("3.12.1"), cu128("cp312-cp312-manylinux_2_28_x86_64")),
    ],
)
def test_forks_and_wheels_are_chosen_for_the_interpreter(case: str, where: Python, requirement: str | None) -> None:
    locked = read(CASES / case, case, where=where)
    assert locked is not None
    found = locked.requirement.text if locked.requirement else ""
    assert found.partition("#")[0] == (requirement or "")


@pytest.mark.parametrize(
    ("case", "arguments", "version"),
    [
        ("uv_extras_conflict", ("sync", "--extra", "cu128"), "2.8.0+cu128"),
        ("uv_extras_conflict", ("sync", "--extra=cpu"), "2.8.0+cpu"),
        ("uv_extras_through_dependency", ("sync", "--extra", "cu128"), "2.8.0+cu128"),
        ("uv_group", ("sync", "--group", "dev"), "2.8.0"),
        ("uv_group", ("sync", "--only-dev"), "2.8.0"),
        ("uv_group", ("sync", "--only-group", "new"), "2.9.0"),
        ("uv_group", ("sync", "--no-default-groups", "--group=new"), "2.9.0"),
        ("uv_group", ("sync", "--group", "new", "--no-dev"), "2.9.0"),
        ("uv_group", ("sync", "--group", "new", "--no-group", "dev"), "2.9.0"),
        ("uv_extras_conflict", ("sync", "--all-extras", "--no-extra", "cpu"), "2.8.0+cu128"),
        ("uv_package_conflict", ("sync",), "2.9.0"),
        ("uv_package_conflict", ("sync", "--package", "One"), "2.8.0"),
        ("uv_package_conflict", ("sync", "--all-packages"), None),
        ("poetry_extras", ("install", "-E", "cpu"), "2.8.0+cpu"),
        ("poetry_extras", ("install", "--extras", "cpu other"), "2.8.0+cpu"),
        ("pdm_pylock", ("sync", "-G", "dev"), "2.8.0+cu128"),
    ],
)
def test_extras_groups_and_packages_of_the_command_choose(
    case: str, arguments: tuple[str, ...], version: str | None
) -> None:
    locked = read(CASES / case, case, *arguments)
    assert locked is not None
    assert locked.version == version
    assert locked.varies or version is None or not case.startswith("uv")


def test_a_member_is_meant_by_who_stands_in_its_folder() -> None:
    locked = read(CASES / "uv_package_conflict/pkgs/one", "uv", "sync")
    assert locked is not None
    assert locked.version == "2.8.0"


POETRY_GROUPS = """
[[package]]
name = "torch"
version = "2.8.0"
groups = ["main", "old"]

[[package]]
name = "torch"
version = "2.9.0"
groups = ["gpu"]

[metadata]
lock-version = "2.1"
"""
POETRY_PROJECT = "[tool.poetry.group.gpu]\noptional = true\n[tool.poetry.group.old.dependencies]\n"


@pytest.mark.parametrize(
    ("arguments", "version", "asked"),
    [
        (("install",), "2.8.0", True),
        (("install", "--without", "main,old", "--with", "gpu"), "2.9.0", True),
        (("install", "--only", "gpu"), "2.9.0", True),
        (("install", "--with", "gpu"), None, False),  # both: the lock does not decide
    ],
)
def test_groups_of_a_poetry_lock(
    tmp_path: Path, arguments: tuple[str, ...], version: str | None, *, asked: bool
) -> None:
    (tmp_path / "poetry.lock").write_text(POETRY_GROUPS)
    (tmp_path / "pyproject.toml").write_text(POETRY_PROJECT)
    locked = read(tmp_path, "poetry", *arguments)
    assert locked is not None
    assert (locked.version, bool(locked.requirement) and not locked.unasked) == (version, asked)


PDM_GROUPS = """
[metadata]
lock_version = "4.5.0"

[[package]]
name = "torch"
version = "2.9.0"
groups = ["gpu", "lint"]
"""


@pytest.mark.parametrize(
    ("arguments", "dev", "unasked"),
    [
        (("install",), "other", True),
        (("install", "-G", "gpu"), "other", False),
        (("install",), "lint", False),
        (("install", "--prod"), "lint", True),
        (("install", "--prod", "-G", "gpu"), "lint", False),
        (("install", "--without", "lint"), "lint", True),
        (("install", "--no-default"), "lint", False),
    ],
)
def test_groups_of_a_pdm_lock(tmp_path: Path, arguments: tuple[str, ...], dev: str, *, unasked: bool) -> None:
    optional = "gpu = []\n" + ("" if dev == "lint" else "lint = []\n")
    (tmp_path / "pdm.lock").write_text(PDM_GROUPS)
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'app'\n[project.optional-dependencies]\n{optional}")
    locked = read(tmp_path, "pdm", *arguments)
    assert locked is not None
    assert (locked.version, locked.unasked) == ("2.9.0", unasked)


def test_default_groups_are_the_projects_beside_a_uv_toml_too(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CASES / "uv_group", tmp_path / "app"))
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("[tool.uv]\n", '[tool.uv]\ndefault-groups = ["new"]\n'))
    (folder / "uv.toml").write_text("offline = true\n")
    locked = read(folder, "uv_group", "sync")
    assert locked is not None
    assert locked.version == "2.9.0"


@pytest.mark.parametrize(
    ("front_end", "arguments"),
    [
        (FrontEndName.UV, ("pip", "install", ".")),
        (FrontEndName.UV, ("tool", "install", ".")),
        (FrontEndName.UV, ("tool", "uvx", "app")),
        (FrontEndName.UV, ("build",)),
        (FrontEndName.UV, ("run", "--no-project", "--with", "flash-attn", "python")),
        (FrontEndName.PIP, ("install", ".")),
        (FrontEndName.BUILD, ()),
        (FrontEndName.POETRY, ("install",)),
        (FrontEndName.PDM, ("sync",)),
    ],
)
def test_no_lock_is_none(front_end: FrontEndName, arguments: tuple[str, ...]) -> None:
    folder = str(CASES / "uv_default")
    assert read_lock(folder, command=parse_arguments(front_end, arguments), python=python()) is None


def test_options_before_the_command_do_not_hide_it(tmp_path: Path) -> None:
    options = ("--project", str(CASES / "uv_default"), "-q", "sync")
    found = read_lock(
        str(tmp_path),
        command=parse_arguments(FrontEndName.UV, options),
        root=str(CASES / "uv_default"),
        python=python(),
    )
    assert found is not None
    assert found.file == str((CASES / "uv_default" / "uv.lock").resolve())


@pytest.mark.parametrize(
    ("folder", "workspace", "found"),
    [
        ("", 'members = ["members/*"]', "."),
        ("members/ext", 'members = ["members/*"]', "."),
        ("members/ext/src", 'members = ["members/*"]', "."),
        ("members/ext", 'members = ["**"]', "."),
        ("members/ext", 'members = ["members/**/e?t"]', "."),
        ("members/ext", 'members = ["./members/ext/"]', "."),
        ("members/ext", 'members = ["members/*"]\nexclude = ["members/e*"]', None),
        ("members/ext", 'members = ["*"]', None),
        ("members/ext", "members = []", None),
    ],
)
def test_uv_finds_the_root_of_the_workspace(tmp_path: Path, folder: str, workspace: str, found: str | None) -> None:
    shutil.copytree(CASES / "uv_workspace", tmp_path, dirs_exist_ok=True)
    (tmp_path / "members" / "ext" / "src").mkdir()
    pyproject = tmp_path / "pyproject.toml"
    text = pyproject.read_text()
    start = text.index("members = [")
    pyproject.write_text(text[:start] + workspace + "\n" + text[text.index("\n[tool.uv.sources]") :])
    locked = read(tmp_path / folder, "uv_workspace")
    assert (locked and locked.file) == (found and str(tmp_path.resolve() / found / "uv.lock"))


def test_uv_looks_no_further_than_the_next_project(tmp_path: Path) -> None:
    shutil.copytree(CASES / "uv_workspace", tmp_path, dirs_exist_ok=True)
    inner = tmp_path / "members" / "ext" / "examples" / "one"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[project]\nname = 'one'\n")
    assert read(inner, "uv_workspace") is None


def test_a_script_has_a_lock_of_its_own_and_never_that_of_a_project(tmp_path: Path) -> None:
    shutil.copytree(CASES / "uv_workspace", tmp_path, dirs_exist_ok=True)
    (tmp_path / "plain.py").write_text("import torch\n")
    (tmp_path / "train.py").write_text("# /// script\n# dependencies = ['torch']\n# ///\nimport torch\n")

    def version(*arguments: str) -> str | None:
        locked = read(tmp_path, "uv", *arguments)
        return locked and locked.version

    assert version("run", "plain.py") == "2.9.0"
    assert version("run", "-m", "train.py") == "2.9.0"
    assert version("run", "train.py") is None
    shutil.copy(CASES / "uv_script" / "train.py.lock", tmp_path)
    assert version("run", "train.py", "plain.py") == "2.8.0"
    assert version("run", "--script", "train.py") == "2.8.0"
    assert version("sync", "--script", "train.py") == "2.8.0"


def test_files_of_the_arguments_come_before_the_project(tmp_path: Path) -> None:
    shutil.copytree(CASES / "uv_default", tmp_path, dirs_exist_ok=True)
    shutil.copy(CASES / "pylock_uv_url" / "pylock.toml", tmp_path / "pylock.gpu.toml")
    found = read_lock(str(tmp_path), command=UV, extra_files=("missing.toml", "pylock.gpu.toml"), python=python())
    assert found is not None
    assert found.version == "2.8.0+cu128"
    missing = read_lock(str(tmp_path), command=UV, extra_files=("pylock.x.toml",), python=python())
    assert missing is not None
    assert "cannot be read" in missing.said


def test_pdm_takes_the_file_that_it_was_told(tmp_path: Path) -> None:
    shutil.copytree(CASES / "pdm_default", tmp_path, dirs_exist_ok=True)
    (tmp_path / "pdm.lock").rename(tmp_path / "gpu.lock")
    assert read(tmp_path, "pdm", "install") is None
    locked = read(tmp_path, "pdm", "install", "-L", "gpu.lock")
    assert locked is not None
    assert locked.version == "2.8.0"


UV_TORCH = """
version = 1
[[package]]
name = "torch"
version = "2.8.0"
source = { registry = "https://index.example/simple" }
"""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("uv.lock", "version = ", "does not parse"),
        ("uv.lock", b"\xff\xfe", "does not parse"),
        ("uv.lock", "x = " + "[" * 5000, "does not parse"),
        ("uv.lock", "x = " + "1" * 5000, "does not parse|does not say"),
        ("uv.lock", "", "does not say which format"),
        ("uv.lock", "version = 2", "format 2 is newer than those known"),
        ("uv.lock", "version = true", "does not say which format"),
        ("uv.lock", f"version = {'9' * 30}", "newer"),
        ("uv.lock", "version = 1\nrevision = 99", "it has no torch"),
        ("uv.lock", UV_TORCH.replace("2.8.0", "two"), "the version of torch is none"),
        ("uv.lock", UV_TORCH.replace('registry = "', 'other = "'), "does not say where"),
        ("uv.lock", UV_TORCH + 'resolution-markers = ["no marker"]', "the marker .* cannot be read"),
        ("uv.lock", UV_TORCH + "resolution-markers = ['" + "(" * 3000 + "']", "the marker .* cannot be read"),
        (
            "uv.lock",
            UV_TORCH + 'wheels = [{ url = "https://wheels.example/torch-2.8.0-cp27-none-any.whl" }]',
            "no wheel",
        ),
        ("poetry.lock", '[metadata]\nlock-version = "3.0"', "format 3.0 is newer"),
        ("poetry.lock", "[metadata]\nlock-version = []", "does not say which format"),
        ("poetry.lock", '[metadata]\nlock-version = "2.1"', "it has no torch"),
        ("pdm.lock", '[metadata]\nlock_version = "5.0"', "newer"),
        ("pdm.lock", '[metadata]\nlock_version = "3.1"', "older"),
        ("pylock.toml", 'lock-version = "2.0"', "newer"),
        ("pylock.toml", 'lock-version = "1.0"\nenvironments = ["sys_platform == \'nothing\'"]', "other environments"),
        ("pylock.toml", 'lock-version = "1.0"\nrequires-python = ">=3.99"', "it is for Python >=3.99"),
        ("pylock.toml", 'lock-version = "1.0"\nrequires-python = "new"', "requires-python cannot be read"),
    ],
)
def test_bad_locks_are_said_and_give_no_requirement(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'app'\n")
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    kind = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm", "pylock.toml": "pylock"}[name]
    locked = read(tmp_path, kind)
    assert locked is not None
    assert locked.requirement is None
    assert re.search(said, locked.said)


def test_an_index_that_is_not_the_default_needs_a_url(tmp_path: Path) -> None:
    wheel = f'wheels = [{{ url = "https://wheels.example/torch-2.8.0-{LINUX}.whl", hash = "sha256:00ff" }}]\n'
    (tmp_path / "uv.lock").write_text(UV_TORCH + wheel)
    pyproject = tmp_path / "pyproject.toml"
    index = "[project]\nname = 'app'\n[[tool.uv.index]]\nurl = 'https://user:word@index.example/simple/'\n"

    def requirement() -> str | None:
        locked = read(tmp_path, "uv")
        assert locked is not None
        return locked.requirement and locked.requirement.text

    pyproject.write_text(index)
    assert requirement() == f"torch @ https://wheels.example/torch-2.8.0-{LINUX}.whl#sha256=00ff"
    pyproject.write_text(index + "default = true\n")
    assert requirement() == "torch==2.8.0"
    (tmp_path / "uv.toml").write_text("extra-index-url = ['https://index.example/simple']\n")
    assert requirement() != "torch==2.8.0"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://wheels.example/torch-2.8.0-py3-none-any.whl", "no build can require"),
        ("https://wheels.example/a b/torch-2.8.0-py3-none-any.whl", "the URL of torch is none"),
        ("https://wheels.example/torch-2.8.0.tar.gz", "has no wheel"),
        ("https://[x/torch-2.8.0-py3-none-any.whl", "the URL of torch is none"),
    ],
)
def test_a_url_that_no_build_can_require_is_none(tmp_path: Path, url: str, said: str) -> None:
    text = UV_TORCH.replace("registry", "url").replace("https://index.example/simple", url)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "uv.lock").write_text(text)
    locked = read(tmp_path, "uv")
    assert locked is not None
    assert locked.requirement is None
    assert said in locked.said


def test_a_password_stays_out_of_the_sentence(tmp_path: Path) -> None:
    url = f"https://user:word@wheels.example/torch-2.8.0-{LINUX}.whl"
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "uv.lock").write_text(UV_TORCH.replace("registry", "url").replace("https://index.example/simple", url))
    locked = read(tmp_path, "uv")
    assert locked is not None
    assert locked.said == "torch 2.8.0 from https://wheels.example"


def test_a_password_of_a_repository_stays_out_of_the_sentence(tmp_path: Path) -> None:
    source = f'{{ git = "https://user:{"x" * 130}@git.example/torch" }}'
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "uv.lock").write_text(UV_TORCH.replace('{ registry = "https://index.example/simple" }', source))
    locked = read(tmp_path, "uv")
    assert locked is not None
    assert locked.said.startswith("torch 2.8.0 is built from the git repository https://git.example/torch: ")


def test_names_of_lock_files() -> None:
    assert all(map(is_lock_name, ("pylock.toml", "a/pylock.gpu.toml", "a\\pylock.toml")))
    assert not any(map(is_lock_name, ("pylock.a.b.toml", "pylock.txt", "my-pylock.toml", "uv.lock", "")))
