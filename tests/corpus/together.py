"""Four packages of the index, stock, in one `uv sync` of a fresh project: adopted with what they depend on, then built.

    python tests/corpus/run.py --together

It reaches the index, downloads about 2 GB, and compiles torch-scatter: 10 to 40 minutes. No CUDA is compiled, so that
flash-attn is installed and cannot be imported. axolotl 0.16 requires another torch than today's: the project overrides
that.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from e2e.laboratory import TORCH, make_project_wheel, make_wheelhouse, making

PACKAGES = ("flash-attn", "deepspeed", "torch-scatter", "axolotl==0.16.*")
_USE = """
import importlib.metadata, torch, torch_scatter, deepspeed
for name in ("torch", "flash-attn", "deepspeed", "torch-scatter", "axolotl"):
    print(name, importlib.metadata.version(name))
assert torch_scatter.scatter_add(torch.ones(4), torch.tensor([0, 0, 1, 1])).tolist() == [2.0, 2.0]
"""


def sync_together(keep: Path, uv: str) -> int:
    """Make the project, type the two commands, use what was installed; return the exit status."""
    wheels = fetch_torch(keep)
    folder = Path(tempfile.mkdtemp(prefix="torchgraft-together-"))
    own = make_project_wheel(folder / "own", make_wheelhouse(keep))
    app = folder / "app"
    app.mkdir()
    lines = ["[project]", 'name = "app"', 'version = "1"']
    lines += [f'requires-python = "=={sys.version_info.major}.{sys.version_info.minor}.*"']
    lines += [f"dependencies = {json.dumps([TORCH, *PACKAGES])}", "[tool.uv]"]
    lines += [f"find-links = {json.dumps([str(wheels), str(own)])}", f"override-dependencies = {json.dumps([TORCH])}"]
    lines += ["environments = [\"sys_platform == 'linux' and platform_machine == 'x86_64'\"]", ""]
    (app / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    commands = (
        [sys.executable, "-m", "torchgraft", "adopt", "--project", ".", "--write"],
        [uv, "sync"],
        [str(app / ".venv/bin/python"), "-W", "ignore", "-c", _USE],
    )
    path = os.pathsep.join([str(Path(uv).parent), os.environ["PATH"]])
    variables = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "UV_PYTHON"}}
    try:
        for command in commands:
            print("$", *command[:7], flush=True)
            done = subprocess.run(
                command, cwd=app, env={**variables, "PATH": path, "TORCHGRAFT_CUDA": "off"}, timeout=5400, check=False
            )
            if done.returncode:
                return done.returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def fetch_torch(keep: Path) -> Path:
    """Return a folder with the wheel of torch alone: uv does not look where pip finds the CPU build of this machine."""
    folder = keep / "together-torch"
    with making(keep):
        if not folder.is_dir():
            draft = keep / f".together-torch.{os.getpid()}"
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(draft), TORCH]
            subprocess.run(command, check=True, timeout=1800)
            draft.rename(folder)
    return folder
