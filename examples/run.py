"""Build a real torch extension in isolation against the torch of a fresh environment, and use it.

Needs Python 3.10 or later and a C++ compiler; everything else is installed into a temporary folder. torch's CPU build
comes from PyTorch's own index where that can be reached; else from the index that pip is told to use, and how much that
is, is said first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE / "scaled_add"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"

CHECK = """
import torch, scaled_add
x, y = torch.randn(2, 1000, 1000, dtype=torch.float64)
error = (scaled_add.scaled_add(x, y, 0.5) - torch.add(x, y, alpha=0.5)).abs().max().item()
print(f"built for   torch {scaled_add.BUILT_FOR_TORCH}")
print(f"runs with   torch {torch.__version__}")
print(f"difference  {error:g} between scaled_add(x, y, 0.5) and torch.add(x, y, alpha=0.5)")
raise SystemExit(error > 1e-12 or scaled_add.BUILT_FOR_TORCH != torch.__version__)
"""


def main() -> int:
    """Return 0 if the extension was built, imported and right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", default="2.13.0", help="the version to install and to build for (%(default)s)")
    parser.add_argument("--verbose", action="store_true", help="show what pip says")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torchgraft-example-") as folder:
        # Not needed for the build: only so that no folder of links stays in the user's cache.
        os.environ["TORCHGRAFT_CACHE_DIR"] = str(Path(folder) / "cache")
        try:
            return run_example(Path(folder), torch=options.torch, quiet=not options.verbose)
        except subprocess.CalledProcessError as error:
            print(f"\nfailed with exit status {error.returncode}: {' '.join(map(str, error.cmd))}", file=sys.stderr)
            return 1


def run_example(folder: Path, *, torch: str, quiet: bool) -> int:
    """Return the exit status of the check that runs last."""
    pip = ["-m", "pip", "--disable-pip-version-check", *(["--quiet"] if quiet else [])]

    print("1. a wheel of torchgraft from this checkout")
    tools = make_environment(folder / "tools")
    run([tools, *pip, "wheel", "--no-deps", "--wheel-dir", folder / "wheels", HERE.parent])
    run([tools, *pip, "install", *sorted((folder / "wheels").glob("torchgraft-*.whl"))])

    print(f"2. a fresh environment with torch {torch}", flush=True)
    python = make_environment(folder / "environment")
    run([python, *pip, "install", "numpy"])
    # Never quiet: what takes minutes has a progress bar.
    source = ["--index-url", CPU_BUILDS] if can_be_reached(f"{CPU_BUILDS}/torch/") else []
    print(f"   {megabytes_to_come(python, torch, source)} to download, from {CPU_BUILDS if source else 'your index'}")
    run([python, "-m", "pip", "--disable-pip-version-check", "install", "--no-input", *source, f"torch=={torch}"])

    print(f"3. the plan: torchgraft plan {EXAMPLE.name} --consumer environment\n", flush=True)
    run([tools, "-m", "torchgraft", "plan", EXAMPLE, "--consumer", folder / "environment"])

    print(f"\n4. pip install {EXAMPLE.name}   (isolated; C++ takes its time)")
    start = time.monotonic()
    # setuptools builds beside setup.py: build a copy, so that the checkout stays as it is.
    source = copy_files(EXAMPLE, folder / EXAMPLE.name)
    run([python, *pip, "install", "--no-deps", "--find-links", folder / "wheels", source])
    print(f"   done in {time.monotonic() - start:.0f} s")

    print("5. import it there and compare\n", flush=True)
    return subprocess.run([python, "-c", CHECK], cwd=folder, check=False).returncode


def can_be_reached(address: str) -> bool:
    """Return whether an index answers, and pip has not been told to use another one."""
    if any(name in os.environ for name in ("PIP_INDEX_URL", "PIP_NO_INDEX", "PIP_EXTRA_INDEX_URL")):
        return False
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=5):
            return True
    except OSError:
        return False


def megabytes_to_come(python: Path, torch: str, source: list[str]) -> str:
    """Return how much pip would download for torch, as the servers say; "an unknown amount" where they do not."""
    command = [python, "-m", "pip", "install", "-q", "--dry-run", "--report", "-", *source, f"torch=={torch}"]
    told = subprocess.run([*map(str, command)], capture_output=True, check=False)
    try:
        addresses = [item["download_info"]["url"] for item in json.loads(told.stdout)["install"]]
        sizes = [size_of(address) for address in addresses]
    except (OSError, ValueError, KeyError):
        return "an unknown amount"
    return f"{sum(sizes) / 1e6:,.0f} MB in {len(sizes)} files"


def size_of(address: str) -> int:
    """Return the bytes of a file on a server, or on this machine."""
    with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=20) as answer:
        return int(answer.headers["Content-Length"])


def make_environment(folder: Path) -> Path:
    """Return the interpreter of a new environment with pip."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def copy_files(source: Path, target: Path) -> Path:
    """Return `target`, a copy of the files that a checkout has there, without what a build left."""
    for path in (
        p for suffix in ("toml", "py", "cpp") for p in source.glob(f"**/*.{suffix}") if "build" not in p.parts
    ):
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())
    return target


def run(command: list[str | Path]) -> None:
    """Run a command, its output to ours.

    :raises subprocess.CalledProcessError: if it fails
    """
    subprocess.run(list(map(str, command)), check=True)


if __name__ == "__main__":
    sys.exit(main())
