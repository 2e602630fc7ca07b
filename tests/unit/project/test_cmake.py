from __future__ import annotations

import time
from pathlib import Path

import pytest

from torchgraft.project.cmake import find_torch_search

FINDS = "find_package(Torch REQUIRED)\n"
CASES: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "at the top": ({"CMakeLists.txt": FINDS}, (), "CMakeLists.txt"),
    "in a comment": ({"CMakeLists.txt": f"# {FINDS}"}, (), ""),
    "another": ({"CMakeLists.txt": "find_package(TorchVision)"}, (), ""),
    "over two lines": ({"CMakeLists.txt": "find_package(\n  Torch\n  REQUIRED)"}, (), "CMakeLists.txt"),
    "in a child": ({"CMakeLists.txt": 'execute_process(COMMAND x -c "import torch")'}, (), "CMakeLists.txt"),
    "in an included file": (
        {"CMakeLists.txt": "include(cmake/torch.cmake)", "cmake/torch.cmake": FINDS},
        (),
        "cmake/torch.cmake",
    ),
    "in a module": ({"CMakeLists.txt": "include(Deps)", "cmake/Deps.cmake": FINDS}, (), "cmake/Deps.cmake"),
    "by a variable": (
        {"CMakeLists.txt": 'include("${PROJECT_SOURCE_DIR}/cmake/t.cmake")', "cmake/t.cmake": FINDS},
        (),
        "cmake/t.cmake",
    ),
    "for another package": (
        {"CMakeLists.txt": "find_package(Deps)", "cmake/FindDeps.cmake": FINDS},
        (),
        "cmake/FindDeps.cmake",
    ),
    "in a subfolder": (
        {"CMakeLists.txt": "add_subdirectory(src)", "src/CMakeLists.txt": FINDS},
        (),
        "src/CMakeLists.txt",
    ),
    "in a subfolder of a subfolder": (
        {
            "CMakeLists.txt": "add_subdirectory(a)",
            "a/CMakeLists.txt": "add_subdirectory(b)",
            "a/b/CMakeLists.txt": FINDS,
        },
        (),
        "a/b/CMakeLists.txt",
    ),
    "in each subfolder of a list": (
        {"CMakeLists.txt": "foreach(d a b)\n add_subdirectory(${d})\nendforeach()", "b/CMakeLists.txt": FINDS},
        (),
        "b/CMakeLists.txt",
    ),
    "in a folder that is not built": ({"CMakeLists.txt": "", "examples/CMakeLists.txt": FINDS}, (), ""),
    "in a folder that is named": ({"csrc/gpu/CMakeLists.txt": FINDS}, ("csrc/gpu",), "csrc/gpu/CMakeLists.txt"),
    "in a folder that is joined": ({"csrc/gpu/CMakeLists.txt": FINDS}, ("csrc", "gpu"), "csrc/gpu/CMakeLists.txt"),
    "behind an option": (
        {"CMakeLists.txt": f'option(WITH_TORCH "with torch" OFF)\nif(WITH_TORCH)\n  {FINDS}endif()'},
        (),
        "",
    ),
    "behind an option that is on": (
        {"CMakeLists.txt": f'option(WITH_TORCH "with torch" ON)\nif(WITH_TORCH)\n  {FINDS}endif()'},
        (),
        "CMakeLists.txt",
    ),
    "behind an option that the project sets": (
        {"CMakeLists.txt": f'option(WITH_TORCH "with torch" OFF)\nif(WITH_TORCH)\n  {FINDS}endif()'},
        ("-DWITH_TORCH=ON",),
        "CMakeLists.txt",
    ),
    "in the other branch": (
        {"CMakeLists.txt": f"option(PLAIN x OFF)\nif(PLAIN)\nelse()\n{FINDS}endif()"},
        (),
        "CMakeLists.txt",
    ),
    "files that include each other": ({"CMakeLists.txt": "include(a)", "a.cmake": "include(CMakeLists.txt)"}, (), ""),
    "meson's child": (
        {"meson.build": "run_command(py, '-c', 'import torch; print(torch.__path__)')"},
        (),
        "meson.build",
    ),
    "meson's python": (
        {"meson.build": "py = import('python').find_installation('python3', pure: false, modules: ['numpy', 'torch'])"},
        (),
        "meson.build",
    ),
    "meson": (
        {"meson.build": "project('a')\nsubdir('b')", "b/meson.build": "dependency('torch')"},
        (),
        "b/meson.build",
    ),
}


@pytest.mark.parametrize(("files", "said", "wanted"), CASES.values(), ids=CASES)
def test_what_looks_for_torch(tmp_path: Path, files: dict[str, str], said: tuple[str, ...], wanted: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert find_torch_search(tmp_path, said) == wanted


def test_many_files_that_include_all_others_take_no_time(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "CMakeLists.txt").write_text("add_subdirectory(${x})\n" * 200)
    (tmp_path / "CMakeLists.txt").write_text("add_subdirectory(${x})\n")
    began = time.process_time()
    assert find_torch_search(tmp_path) == ""
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "text", ["if(" * 100_000, "endif()\nelse()", "option()\nif()\ninclude()", ")(\0", "(" * 1_000_000]
)
def test_nonsense_looks_for_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "CMakeLists.txt").write_text(text)
    began = time.process_time()
    assert find_torch_search(tmp_path) == ""
    assert time.process_time() - began < 2
