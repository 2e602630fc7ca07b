from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.errors import ConfigError
from torchgraft.model.source_tree import Project
from torchgraft.project.read_project import read_project, with_metadata
from torchgraft.settings.sources import read_pyproject

CMAKE = "project(a)\nfind_package(Torch REQUIRED)\n"
MESON = "project('a', 'cpp')\ntorch = dependency('Torch', method: 'cmake')\n"


@pytest.mark.parametrize(
    ("files", "shows"),
    [
        ({"CMakeLists.txt": CMAKE}, "find_package(Torch) by CMakeLists.txt"),
        ({"CMakeLists.txt": "  FIND_PACKAGE ( Torch )"}, "find_package(Torch) by CMakeLists.txt"),
        ({"CMakeLists.txt": "# find_package(Torch)\nfind_package(TorchVision)"}, ""),
        ({"meson.build": MESON}, "find_package(Torch) by meson.build"),
        ({"meson.build": "project('a')\n# dependency('Torch')\n"}, ""),
        ({"CMakeLists.txt": CMAKE, "csrc/a.cu": ""}, "csrc/a.cu"),
        ({"CMakeLists.txt": CMAKE, "setup.py": "setup()"}, ""),
        (
            {"CMakeLists.txt": CMAKE, "setup.py": "run(['cmake', '.'])\nsetup()"},
            "find_package(Torch) by CMakeLists.txt",
        ),
        ({"CMakeLists.txt": "include(a.cmake)", "a.cmake": CMAKE}, "find_package(Torch) by a.cmake"),
        ({"csrc/CMakeLists.txt": CMAKE}, ""),
        ({"env/pyvenv.cfg": "", "env/lib/torch.cuh": ""}, ""),
        ({"env/conda-meta/history": "", "env/torch.cuh": ""}, ""),
    ],
    ids=[
        *("cmake", "capitals", "another", "meson", "comment", "sources", "setup_py", "cmake_by_setup_py", "included"),
        *("not_at_the_top", "venv", "conda"),
    ],
)
def test_what_shows_that_a_cuda_toolkit_is_needed(tmp_path: Path, files: dict[str, str], shows: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_project(tmp_path, {}).cuda_sources == shows


RUN_PATHS = {
    "cmake": (None, "CMakeLists.txt"),
    "a setup.py beside it": ("import torch\nsetup()", ""),
    "a setup.py that starts it": ("import subprocess\nsubprocess.run(['cmake', '.'])\nsetup()", "CMakeLists.txt"),
    "a setup.py with a module for it": ("from skbuild import setup\nsetup()", "CMakeLists.txt"),
    "a setup.py with a module of the tree": ("import tools\nsetup()", "CMakeLists.txt"),
    "a setup.py that is none": ("print 1", "CMakeLists.txt"),
    "a linker's option": ("import os\nx = '-Wl,-rpath,' + lib\nsetup()", "rpath in setup.py"),
    "a keyword": ("import os\nsetup(ext_modules=[E(runtime_library_dirs=[lib])])", "runtime_library_dirs in setup.py"),
    "the library's own folder": ("import os\nx = ['-Wl,-rpath,$ORIGIN/lib']\nsetup()", ""),
    "a comment": ("import os  # rpath\nsetup()", ""),
}


@pytest.mark.parametrize(("script", "shows"), RUN_PATHS.values(), ids=RUN_PATHS)
def test_what_may_leave_run_paths(tmp_path: Path, script: str | None, shows: str) -> None:
    (tmp_path / "CMakeLists.txt").touch()
    (tmp_path / "tools").mkdir()
    if script is not None:
        (tmp_path / "setup.py").write_text(script)
    assert read_project(tmp_path, {}).run_paths == shows


@pytest.mark.parametrize(("text", "cut"), [(MESON, True), ("subdir('a')", False), (None, False)])
def test_whether_a_meson_project_can_be_cut_out(tmp_path: Path, text: str | None, *, cut: bool) -> None:
    if text is not None:
        (tmp_path / "meson.build").write_text(text)
    assert read_project(tmp_path, {}).meson is cut


def test_a_pyproject_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    assert read_pyproject(tmp_path) == {}
    (tmp_path / "pyproject.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="pyproject-unreadable"):
        read_pyproject(tmp_path)


METADATA = """Metadata-Version: {version}
Name: ext
Version: 1.0
{more}Requires-Dist: torch==2.6.0
Requires-Dist: einops ; extra == "fast"

Requires-Dist: no field of it
"""


@pytest.mark.parametrize(
    ("version", "more", "prepared", "known"),
    [
        ("2.2", "", False, True),
        ("2.1", "", False, False),
        ("2.1", "", True, True),
        ("2.4", "Dynamic: Requires-Dist\n", False, False),
        ("2.4", "Dynamic: license\n", False, True),
    ],
)
def test_metadata_say_what_no_file_does(
    tmp_path: Path, version: str, more: str, *, prepared: bool, known: bool
) -> None:
    file = tmp_path / "METADATA"
    file.write_text(METADATA.format(version=version, more=more))
    found = with_metadata(Project(folder=str(tmp_path)), file, prepared=prepared)
    assert (found.name, found.in_metadata) == ("ext", known)
    assert found.dependencies == (("torch==2.6.0", 'einops ; extra == "fast"') if known else None)
    stated = with_metadata(Project(folder=str(tmp_path), dependencies=("numpy",)), file, prepared=prepared)
    assert (stated.dependencies, stated.in_metadata) == (("numpy",), False)
