"""Secrets are planted in every place that is read, and looked for in everything that is written."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

CANARY = "canary"


def address(name: str) -> str:
    """Return an address with a user, a password and a signature."""
    return f"https://{CANARY}1:{CANARY}2@127.0.0.1:9/{name}?signature={CANARY}3"


PROJECT = f"""
[tool.torchgraft]
requires = ["other @ {address("other-1.0.tar.gz")}"]
prebuilt = [{{ url = "{address("{name}-{version}.whl")}", hashes = "{address("hashes")}" }}]

[tool.torchgraft.env]
MY_INDEX = "{address("simple")}"
MY_PROXY = "{CANARY}4:{CANARY}5@127.0.0.1:9"
MY_TOKEN = "{CANARY}6 {CANARY}7"
MY_MODEL = "hf_{"0" * 20}{CANARY}8"

[tool.uv]
extra-index-url = ["{address("uv")}"]
"""
VARIABLES = {name: address(name) for name in ("PIP_INDEX_URL", "UV_INDEX", "UV_INDEX_URL", "CXXFLAGS", "HTTPS_PROXY")}
PURE = "from setuptools import setup\nsetup()\n"


ADOPT = ("adopt", "--force")


@pytest.mark.parametrize(
    "command",
    [
        *(("plan",), ("plan", "-v"), ("plan", "--json"), ("snapshot",), ("doctor",), ("doctor", "--json"), ("vendor",)),
        *(ADOPT, (*ADOPT, "--json"), (*ADOPT, "--pull-request")),
    ],
)
def test_no_command_shows_a_secret(make_project: Any, consumer: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    project = make_project({"setup.py": PURE}, extra=PROJECT)
    if command[0] in {"adopt", "vendor"}:  # what they show is a difference
        page = project / "pyproject.toml"
        page.write_text(page.read_text().replace("torchgraft.build_meta", "setuptools.build_meta"))
    settings = {"TORCHGRAFT_CACHE_DIR": str(tmp_path / "cache"), "TORCHGRAFT_CONSUMER": str(consumer)}
    variables = {**os.environ, **VARIABLES, **settings}
    done = subprocess.run(
        [sys.executable, "-m", "torchgraft", *command],
        cwd=project,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_no_hook_writes_a_secret(make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any) -> None:
    caller = make_caller(make_project({"setup.py": PURE}, extra=PROJECT), **VARIABLES)
    made = tmp_path / "made"
    made.mkdir()
    info = made / caller.prepare_metadata_for_build_wheel(str(made))
    with zipfile.ZipFile(made / caller.build_wheel(str(made))) as wheel:
        # What the package itself requires is its own to say.
        written = [wheel.read(name).decode("utf-8") for name in wheel.namelist() if not name.endswith("METADATA")]
    written += [path.read_text(encoding="utf-8") for path in info.iterdir() if path.name != "METADATA"]
    cache = [path.read_text(encoding="utf-8") for path in (tmp_path / "cache").rglob("*") if is_text(path)]
    said = "".join(capfd.readouterr())
    assert CANARY not in "".join([*written, *cache, said])


def is_text(path: Path) -> bool:
    """Whether a file of the cache is of torchgraft's own, and no link to another."""
    return path.is_file() and not path.is_symlink() and path.suffix in {"", ".json", ".cfg", ".txt"}
