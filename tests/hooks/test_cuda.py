"""What the hooks make of toolkits, with fake ones on disk; tests/cuda/run.py has the real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.toolkits import install_compiler, install_toolkit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fake programs are shell scripts")

SEES_HOME = """
import os
from setuptools import setup
with open(os.environ["SEEN"], "a") as file:
    print(*(os.environ.get(name) for name in ("CUDA_HOME", "CUDACXX")), file=file)
setup()
"""


def processor_s() -> float:
    """Return the seconds that our children have worked: what else the machine does is left out."""
    times = os.times()
    return times.children_user + times.children_system


def set_cuda(consumer: Path, version: str) -> None:
    (site,) = consumer.glob("lib/python*/site-packages")
    (site / "torch" / "version.py").write_text(f"__version__ = '2.8.0+cu128'\ncuda = {version!r}\ndebug = False\n")


def test_another_major_version_is_an_error_in_two_seconds_and_setup_py_is_not_run(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, capfd: Any
) -> None:
    set_cuda(consumer, "8.0")  # of which no machine that runs this has a toolkit
    nvcc = install_toolkit(tmp_path / "cuda-13.0") / "bin"
    seen = tmp_path / "seen"
    project = make_project({"setup.py": SEES_HOME, "kernel.cu": ""})
    caller = make_caller(project, SEEN=str(seen), PATH=f"{nvcc}{os.pathsep}{os.environ['PATH']}")
    began = processor_s()
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        caller.get_requires_for_build_wheel()
    assert processor_s() - began < 2
    said = " ".join(capfd.readouterr().err.split())
    assert "error[cuda-mismatch]: nvcc 13.0 cannot compile for a PyTorch built with CUDA 8.0" in said
    assert f"13.0 at {nvcc / 'nvcc'} (nvcc on PATH)" in said
    assert not seen.exists()


def test_setup_py_sees_the_toolkit_whenever_it_runs(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, capfd: Any
) -> None:
    set_cuda(consumer, "13.0")
    home, seen = install_toolkit(tmp_path / "cuda-13.0"), tmp_path / "seen"
    # Those of the machine that runs this may be too new for it.
    compilers = [install_compiler(tmp_path / "gcc" / name, "12.2.0").parent for name in ("cc", "c++")]
    path = os.pathsep.join([str(home / "bin"), str(compilers[0]), os.environ["PATH"]])
    project = make_project({"setup.py": SEES_HOME, "kernel.cu": ""})
    caller = make_caller(project, SEEN=str(seen), PATH=path, CUDA_HOME="/no/such/toolkit")
    assert caller.get_requires_for_build_wheel() == []
    (tmp_path / "metadata").mkdir()
    caller.prepare_metadata_for_build_wheel(tmp_path / "metadata")
    caller.build_wheel(tmp_path)
    assert set(seen.read_text().splitlines()) == {f"{home} {home}/bin/nvcc"}
    assert len(seen.read_text().splitlines()) >= 2
    assert "torchgraft: CUDA_HOME=/no/such/toolkit has no bin/nvcc: not used" in capfd.readouterr().err


WANTS_HOME = """
import os
from setuptools import setup
if not os.environ.get("CUDA_HOME"):
    raise OSError('CUDA_HOME environment variable is not set. Please set it to your CUDA install root.')
setup()
"""


def test_metadata_and_sdists_without_a_toolkit(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, capfd: Any
) -> None:
    set_cuda(consumer, "8.0")  # as above
    caller = make_caller(make_project({"setup.py": WANTS_HOME, "kernel.cu": ""}))
    assert caller.build_sdist(tmp_path) == "ext-1.0.tar.gz"
    (tmp_path / "metadata").mkdir()
    assert caller.prepare_metadata_for_build_wheel(tmp_path / "metadata") == "ext-1.0.dist-info"
    assert "once more with a CUDA_HOME that is none" in capfd.readouterr().err
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        caller.build_wheel(tmp_path)
    said = capfd.readouterr().err
    assert "to compile for a PyTorch built with CUDA 8.0" in said or "error[cuda-mismatch]" in said
    assert "once more" not in said


FAILURES = {
    "no CUDA_HOME": "raise OSError('CUDA_HOME environment variable is not set. Please set it')",
    "no version": "class InvalidVersion(ValueError):\n    pass\nraise InvalidVersion(\"Invalid version: 'None'\")",
    "no nvcc": "print(bare_metal_version)",
    "no version to split": "import torch.version\ntorch.version.cuda.split('.')",
}


@pytest.mark.parametrize("raising", FAILURES.values(), ids=FAILURES)
def test_a_package_that_can_leave_cuda_out_is_told_how(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, capfd: Any, raising: str
) -> None:
    (site,) = consumer.glob("lib/python*/site-packages")
    (site / "torch" / "version.py").write_text("__version__ = '2.8.0+cpu'\ncuda = None\ndebug = False\n")
    script = f"import torch\nfrom setuptools import setup\n{raising}\nsetup()\n"
    extra = '[tool.torchgraft]\nvocabulary = ["gsplat"]\n'
    caller = make_caller(make_project({"setup.py": script, "kernel.cu": ""}, extra=extra))
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        caller.build_wheel(tmp_path)
    said = capfd.readouterr().err.rstrip().splitlines()
    fixes = [number for number, line in enumerate(said) if line.strip().startswith(("fix:", "or:", "-C "))]
    last, comment = said[fixes[-1] :][:2]
    assert last.endswith("-C torchgraft.cuda=off")
    assert comment.strip().startswith("(this torch has no CUDA")


OPTIONAL = """
from setuptools import setup
try:
    import torch
except ImportError:
    pass
else:
    raise RuntimeError("csrc/x.cpp is not there")
setup()
"""


def test_a_package_that_needs_no_torch_is_told_how_to_build_without(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    project = make_project({"setup.py": OPTIONAL})
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        make_caller(project).build_wheel(tmp_path)
    said = capfd.readouterr().err
    assert 'provide = "off" in [tool.torchgraft]   (for its maintainers)' in said
    assert make_caller(project).build_wheel(tmp_path, {"torchgraft.provide": "off"}) == "ext-1.0-py3-none-any.whl"
