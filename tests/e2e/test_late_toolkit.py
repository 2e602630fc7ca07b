"""A CUDA toolkit for a torch that comes only with the build: uv installs it into the build environment.

Real uv, a stub named torch, and a stub named cuda-toolkit with an nvcc that answers two questions. They are of CUDA 14,
which no machine has.
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest

from .laboratory import Outcome, Workplace
from .stub_projects import UV
from .stub_torch import Stubs, StubTorch, make_torch_wheel, make_wheel

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="the fake nvcc is a shell script, in Linux's layout"),
]

NVCC = """#!/bin/sh
case "$*" in
*arch*) echo compute_80; echo compute_90;;
*) echo "Cuda compilation tools, release 14.0, V14.0.1";;
esac
"""
TOOLKIT = {
    "bin/nvcc": NVCC,
    "bin/nvcc.profile": "",
    "include/cuda_runtime.h": "",
    "include/crt/host_config.h": "#if __GNUC__ > 99\n#error -- unsupported GNU version!\n#endif\n",
    "include/nv/target": "",
    "nvvm/bin/cicc": "",
}
SETUP = """
import os, torch
from setuptools import setup
with open(os.environ["SEEN"], "a") as file:
    print(torch.__version__, os.environ.get("CUDA_HOME"), os.environ.get("FORCE_CUDA"), file=file)
setup(name="ext", version="1", py_modules=["ext"], install_requires=["torch"])
"""


def make_toolkit_wheel(folder: Path) -> None:
    """Make a wheel named cuda-toolkit in which nvcc may be executed."""
    wheel = make_wheel(
        folder, "cuda_toolkit", "14.0.1", {f"nvidia/cu14/{name}": text for name, text in TOOLKIT.items()}
    )
    with zipfile.ZipFile(wheel) as archive:
        contents = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100755 if name.endswith("/nvcc") else 0o100644) << 16
            archive.writestr(info, content)


@pytest.fixture
def place(stubs: Stubs) -> Workplace:
    place = stubs.workplace()
    links = place.folder / "links"
    make_torch_wheel(links, StubTorch("3.0.0", "3.0.0+cu140"))
    make_toolkit_wheel(links)
    place.variables.update({"UV_FIND_LINKS": str(links), "SEEN": str(place.folder / "seen"), "TORCHGRAFT_LOG": "plan"})
    ext = place.folder / "ext"
    ext.mkdir()
    (ext / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["torchgraft", "setuptools"]\nbuild-backend = "torchgraft.build_meta"\n'
    )
    (ext / "setup.py").write_text(SETUP)
    (ext / "ext.py").write_text("")
    (ext / "kernel.cu").write_text("")
    app = place.folder / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["ext", "torch==3.0.0"]\n'
        '[tool.uv.sources]\next = { path = "../ext" }\n'
    )
    return place


def sync(place: Workplace) -> Outcome:
    return place.run([UV, "sync", "-v"], cwd=place.folder / "app").succeeded()


def last_seen(place: Workplace) -> list[str]:
    return (place.folder / "seen").read_text().splitlines()[-1].split()


def test_uv_installs_torch_and_then_the_toolkit_that_fits_it(place: Workplace) -> None:
    outcome = sync(place)
    installed = re.findall(r"^DEBUG install +(\S+).* now, by uv", outcome.said, re.MULTILINE)
    assert installed == ["torch", "cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==14.0.*"]
    version, home, forced = last_seen(place)
    assert (version, forced) == ("3.0.0+cu140", "1")
    assert "/toolkits/" in home
