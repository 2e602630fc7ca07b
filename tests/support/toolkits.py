"""Toolkits and compilers on disk whose programs are scripts: they note that they were run, and answer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from support import sites
from torchgraft.compile.nvcc import HEADERS

HOST_CONFIG = Path(__file__).parents[1] / "cases" / "host_config"
PROFILE = "\nTOP              = $(_HERE_)/..\n\nCICC_PATH        = $(TOP)/nvvm/bin\n"
_NVCC = """#!/bin/sh
echo "$*" >> "{home}/ran"
case "$*" in
*--list-gpu-arch*) printf 'compute_%s\\n' 75 80 90 90a 100 ;;
*--version*) echo "Cuda compilation tools, release {version}, V{version}.88" ;;
*--dryrun*) echo "#\\$ _HERE_={home}/bin" >&2; echo "#\\$ TOP={home}/bin/.." >&2 ;;
*) exit 1 ;;
esac
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def install_toolkit(
    home: Path,
    version: str = "13.0",
    *,
    without: Iterable[str] = (),
    include: str = "include",
    written: bool = True,
) -> Path:
    """Write a toolkit. `written` says whether its cuda.h has its version; `without` lacks these headers."""
    script(home / "bin" / "nvcc", _NVCC.format(home=home, version=version))
    major, minor = version.split(".")[:2]
    limits = HOST_CONFIG / f"{version}.h"
    contents = {
        "cuda.h": f"#define CUDA_VERSION {int(major) * 1000 + int(minor) * 10}\n" if written else "",
        "crt/host_config.h": limits.read_text() if limits.exists() else "",
    }
    headers = {name: contents.get(name, "") for name in HEADERS if name not in set(without)}
    sites.write(home, {f"{include}/{name}": text for name, text in headers.items()})
    sites.write(home, {"bin/nvcc.profile": PROFILE, "nvvm/bin/cicc": ""})
    return home


def runs(home: Path) -> list[str]:
    """Return the arguments that a toolkit's nvcc was run with."""
    path = home / "ran"
    return path.read_text().splitlines() if path.exists() else []


def install_compiler(path: Path, version: str) -> Path:
    """Write a compiler that says its version, and notes that it was asked."""
    return script(path, f'#!/bin/sh\necho "$0 $*" >> "{path.parent}/ran"\necho {version}\n')
