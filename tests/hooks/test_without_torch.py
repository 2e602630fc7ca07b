"""Metadata and sdists where there is no torch, by the real hooks and the real setuptools."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from .conftest import write_consumer

DYNAMIC = """
[build-system]
requires = ["torchgraft", "setuptools>=77"]
build-backend = "torchgraft.build_meta"
[project]
name = "ext"
dynamic = ["version", "dependencies"]
"""
SETUP_PY = """
import torch
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension, CppExtension, CUDA_HOME, HIP_HOME

requires = ["torch==" + torch.__version__] if torch.__version__ >= (2, 0) else []
extension = CUDAExtension if torch.cuda.is_available() else CppExtension
setup(
    version="1.0",
    install_requires=requires,
    ext_modules=[extension("ext_c", ["ext.c"], extra_compile_args={"cxx": ["-O3"], "nvcc": []}, dlink=False)],
    cmdclass={"build_ext": BuildExtension.with_options(use_ninja=False)},
)
"""


@pytest.fixture
def no_torch(consumer: Path) -> None:
    """Leave the environment without torch."""
    (site,) = (consumer / "lib").glob("python*/site-packages")
    shutil.rmtree(site)
    site.mkdir()


pytestmark = pytest.mark.usefixtures("no_torch")


def prepare(caller: Any, folder: Path) -> tuple[str, dict[str, Any]]:
    folder.mkdir()
    name = caller.prepare_metadata_for_build_wheel(folder)
    return (folder / name / "METADATA").read_text(), json.loads((folder / name / "torchgraft.json").read_text())


def test_static_metadata_without_running_setup_py(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    project = make_project({"setup.py": "import torch\nraise SystemExit('setup.py was run')\nsetup()\n"})
    before = sorted(path.name for path in project.iterdir())
    metadata, record = prepare(make_caller(project), tmp_path / "meta")
    assert "Requires-Dist: torch\n" in metadata
    assert record["metadata"] == {"made_from": "files"}
    assert record["torch"] is None
    assert sorted(path.name for path in project.iterdir()) == before


def test_dynamic_metadata_against_a_stand_in(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    project = make_project({"pyproject.toml": DYNAMIC, "setup.py": SETUP_PY})
    metadata, record = prepare(make_caller(project), tmp_path / "meta")
    assert "Version: 1.0\n" in metadata
    assert "Requires-Dist: torch==2.8.0\n" in metadata
    assert record["metadata"] == {
        "made_from": "stand-in",
        "reads": ["torch.__version__"],
        "stand_in": {"known": False, "version": "2.8.0"},
    }


def test_the_stand_in_has_the_told_version(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    project = make_project({"pyproject.toml": DYNAMIC, "setup.py": SETUP_PY})
    metadata, record = prepare(make_caller(project, TORCHGRAFT_TORCH="2.6.0+cu124"), tmp_path / "meta")
    assert "Requires-Dist: torch==2.6.0+cu124\n" in metadata
    assert record["metadata"]["stand_in"] == {"known": True, "version": "2.6.0+cu124"}


ASKS = {
    "attribute": "torch.ops.load_library('x')",
    "hasattr": "hasattr(torch, 'anything')",
    "submodule": "import torch.distributed",
    "from submodule": "from torch.nn import Module",
    "soft import": "try:\n    import torch.distributed\nexcept ImportError:\n    pass",
    "device": "torch.cuda.get_device_capability()",
    "cpp_extension": "torch.utils.cpp_extension.load(name='x', sources=[])",
    "config": "torch.__config__.show()",
}


@pytest.mark.parametrize("name", ASKS)
def test_the_stand_in_fails_closed(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, name: str) -> None:
    script = f"import torch\nfrom setuptools import setup\n{ASKS[name]}\nsetup(version='1')\n"
    caller = make_caller(make_project({"pyproject.toml": DYNAMIC, "setup.py": script}))
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        prepare(caller, tmp_path / "meta")
    error = capfd.readouterr().err
    assert "error[needs-torch]: setup.py asks for torch." in error


def test_an_sdist_with_the_sources_of_its_extensions(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    project = make_project({"pyproject.toml": DYNAMIC, "setup.py": SETUP_PY})
    caller = make_caller(project)
    assert caller.get_requires_for_build_sdist() == []
    path = tmp_path / caller.build_sdist(tmp_path)
    with tarfile.open(path) as archive:
        assert "ext-1.0/ext.c" in archive.getnames()
        member = archive.extractfile("ext-1.0/PKG-INFO")
        assert member
        text = member.read().decode()
    version = next(line for line in text.splitlines() if line.startswith("Metadata-Version: "))
    assert tuple(map(int, version.partition(": ")[2].split("."))) >= (2, 2)


def test_an_sdist_of_static_metadata_has_nothing_needlessly_dynamic(
    make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    script = "import torch\nfrom setuptools import setup\nsetup()\n"
    path = tmp_path / make_caller(make_project({"setup.py": script})).build_sdist(tmp_path)
    with tarfile.open(path) as archive:
        member = archive.extractfile("ext-1.0/PKG-INFO")
        assert member
        text = member.read().decode()
    dynamic = [line for line in text.splitlines() if line.startswith("Dynamic:")]
    # setuptools finds license files by itself, and says so of them alone.
    assert dynamic in ([], ["Dynamic: license-file"])


@pytest.mark.parametrize("known", [False, True], ids=["absent", "told"])
def test_a_backend_that_makes_no_sdist_without_torch_is_explained(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any, *, known: bool
) -> None:
    backend = "def build_sdist(directory, config_settings=None):\n    raise SystemExit('Torch_DIR is not set')\n"
    extra = '[tool.torchgraft]\nbackend = "own"\nbackend-path = ["."]'
    project = make_project({"own.py": backend}, extra=extra)
    (project / "setup.py").unlink()
    variables = {"TORCHGRAFT_TORCH": "2.6.0"} if known else {}
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        make_caller(project, **variables).build_sdist(tmp_path)
    said = capfd.readouterr().err
    assert "error[delegate-failed]" in said
    assert "error[needs-torch]: own made no sdist, and there is no torch here" in said


def test_a_wheel_is_refused(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any) -> None:
    project = make_project({"pyproject.toml": DYNAMIC, "setup.py": SETUP_PY})
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        make_caller(project).build_wheel(tmp_path)
    assert "error[no-torch]" in capfd.readouterr().err


def test_a_script_that_can_do_without_torch_sees_none(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    script = """
    from setuptools import setup
    try:
        import torch
        version = "2.0"
    except ImportError:
        version = "1.0"
    setup(version=version)
    """
    metadata, record = prepare(
        make_caller(make_project({"pyproject.toml": DYNAMIC, "setup.py": script})), tmp_path / "meta"
    )
    assert "Version: 1.0\n" in metadata
    assert "metadata" not in record


def test_metadata_that_asks_importlib_for_torch(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    script = """
    from importlib.metadata import version
    from setuptools import setup
    setup(version="1.0", install_requires=["torch==" + version("torch")])
    """
    caller = make_caller(make_project({"pyproject.toml": DYNAMIC, "setup.py": script}), TORCHGRAFT_TORCH="2.6.0")
    metadata, record = prepare(caller, tmp_path / "meta")
    assert "Requires-Dist: torch==2.6.0\n" in metadata
    assert record["metadata"]["reads"] == ["importlib.metadata.version('torch')"]


def test_a_script_that_puts_up_with_no_version_is_told_no_guess(
    make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    script = """
    import torch
    from importlib.metadata import PackageNotFoundError, version
    from setuptools import setup
    try:
        found = version("torch")
    except PackageNotFoundError:
        found = "2.5.1"
    setup(version="1.0", install_requires=["torch==" + found])
    """
    project = make_project({"pyproject.toml": DYNAMIC, "setup.py": script})
    metadata, _ = prepare(make_caller(project), tmp_path / "meta")
    assert "Requires-Dist: torch==2.5.1\n" in metadata
    metadata, _ = prepare(make_caller(project, TORCHGRAFT_TORCH="2.6.0"), tmp_path / "again")
    assert "Requires-Dist: torch==2.6.0\n" in metadata


COUNTED = """
import torch
from setuptools import Extension, setup

with open("runs", "a") as file:
    file.write(torch.__version__)
setup(ext_modules=[Extension("ext_c", ["ext.c"])])
"""


def test_static_metadata_need_no_torch_that_is_there(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    """The wheel has them, and what setup.py adds to the folder of metadata besides: the names of extensions."""
    write_consumer(tmp_path / "other", "2.8.0+cu128")
    project = make_project({"setup.py": COUNTED})
    caller = make_caller(project, TORCHGRAFT_CONSUMER=str(tmp_path / "other"))
    metadata, record = prepare(caller, tmp_path / "meta")
    assert record["metadata"] == {"made_from": "files"}
    assert record["torch"]["version"] == "2.8.0+cu128"
    assert not (project / "runs").exists()
    name = caller.build_wheel(tmp_path, metadata_directory=tmp_path / "meta" / "ext-1.0.dist-info")
    assert (project / "runs").read_text() == "2.8.0+cu128"
    with zipfile.ZipFile(tmp_path / name) as wheel:
        assert wheel.read("ext-1.0.dist-info/METADATA").decode() == metadata
        assert json.loads(wheel.read("ext-1.0.dist-info/torchgraft.json"))["metadata"] == record["metadata"]
        assert wheel.read("ext-1.0.dist-info/top_level.txt").decode().split() == ["ext", "ext_c"]


@pytest.mark.parametrize(
    ("computed", "expected"),
    [
        ("open('requirements.txt').read().split()", "torch==2.8.0"),
        ("['torch==' + ('2.6.0' if torch.__version__ >= (2, 5) else '2.4.0')]", "torch==2.6.0"),
        # Whichever it sees is the one that it requires.
        ("['torch==' + torch.__version__]", "torch"),
    ],
)
def test_a_wheel_asks_for_the_torch_that_only_setup_py_names(
    make_project: Any, make_caller: Any, computed: str, expected: str
) -> None:
    script = f"import torch\nfrom setuptools import setup\nsetup(version='1', install_requires={computed})\n"
    files = {"pyproject.toml": DYNAMIC, "setup.py": script, "requirements.txt": "torch==2.8.0\n"}
    assert expected in make_caller(make_project(files)).get_requires_for_build_wheel()


@pytest.mark.parametrize("computed", ["['num' + 'py']", "torch.nobody_knows"])
def test_a_wheel_is_refused_where_setup_py_names_no_torch_either(
    make_project: Any, make_caller: Any, capfd: Any, computed: str
) -> None:
    script = f"import torch\nfrom setuptools import setup\nsetup(version='1', install_requires={computed})\n"
    caller = make_caller(make_project({"pyproject.toml": DYNAMIC, "setup.py": script}))
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        caller.get_requires_for_build_wheel()
    assert "error[no-torch]" in capfd.readouterr().err
