"""site-packages folders made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SUFFIX = ".cpython-311-x86_64-linux-gnu.so"
NEW_ABI = b"\0_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcE\0"
OLD_ABI = b"\0_ZN3c105ErrorC1ENS_14SourceLocationESs\0"
VERSION_PY = """
from typing import Optional
__version__ = '2.8.0+cu128'
debug = False
cuda: Optional[str] = '12.8'
git_version = 'ba56102'
hip: Optional[str] = None
xpu: Optional[str] = None
"""


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def install(
    site: Path, name: str, version: str, files: Mapping[str, str | bytes], *, requires: tuple[str, ...] = ()
) -> Path:
    """Install a distribution as pip would; return its dist-info."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    record = [*files, f"{info}/METADATA", f"{info}/RECORD", f"../../../bin/{name}"]
    quoted = [f'"{path}"' if "," in path else path for path in record]
    write(
        site,
        {
            **files,
            f"{info}/METADATA": "\n".join(lines) + "\n",
            f"{info}/RECORD": "".join(f"{path},,\n" for path in quoted),
            f"{info}/INSTALLER": "pip\n",
        },
    )
    return site / info


def torch_files(version_py: str = VERSION_PY, libc10: bytes = NEW_ABI) -> dict[str, str | bytes]:
    return {
        "torch/__init__.py": "",
        "torch/version.py": version_py,
        f"torch/_C{SUFFIX}": b"",
        "torch/lib/libc10.so": libc10,
        "torchgen/__init__.py": "",
        "torch/__pycache__/x.pyc": b"",
    }


def install_torch(
    site: Path, *, version: str = "2.8.0", requires: tuple[str, ...] = (), libc10: bytes = NEW_ABI
) -> Path:
    return install(site, "torch", version, torch_files(libc10=libc10), requires=requires)
