"""Whether uv's settings say which torch a build has."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import sites
from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.wanted.uv_settings import chooses_torch

BUILD = "/cache/builds-v0/.tmpAbc"
HOOK = HookProcess(
    prefix=BUILD, base_prefix="/usr", purelib=BUILD, folder="/src", sys_path=(), pyvenv_cfg="uv = 0.13\n"
)
MATCHED = '{ requirement = "torch", match-runtime = true }'


def chooses(folder: Path, command: str, **variables: str) -> bool:
    process = Process(executable="/usr/bin/uv", arguments=tuple(command.split()), folder=str(folder))
    caller = find_caller(HOOK, (process,))
    assert caller
    return chooses_torch(caller, {"XDG_CONFIG_HOME": str(folder / "config"), **variables}, "flash-attn")


def table(*requirements: str) -> str:
    return f"[extra-build-dependencies]\nflash_attn = [{', '.join(requirements)}]\n"


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ((MATCHED,), True),
        (("'torch==2.8.0'",), True),
        (('{ requirement = "torch" }',), False),
        (("'torch>=2.4'", "'numpy==2.0'"), False),
        (("'torchvision==0.23'",), False),
    ],
)
def test_which_ones_say_it(tmp_path: Path, requirements: tuple[str, ...], *, expected: bool) -> None:
    sites.write(tmp_path, {"pyproject.toml": f"[tool.uv.{table(*requirements)[1:]}"})
    assert chooses(tmp_path, "uv sync") is expected
    assert not chooses(tmp_path, "uv sync --no-config")
    assert not chooses(tmp_path, "uv sync", UV_NO_CONFIG="1")
    assert not chooses(tmp_path, "uv tool install flash-attn")


def test_which_files_say_it(tmp_path: Path) -> None:
    texts = {"config/uv/uv.toml": table(MATCHED), "other.toml": table("'torch'"), "project/pyproject.toml": ""}
    sites.write(tmp_path, texts)
    assert chooses(tmp_path, "uv sync --project project")
    assert not chooses(tmp_path, "uv sync --config-file other.toml")
    assert not chooses(tmp_path, "uv sync", UV_CONFIG_FILE="other.toml")
    assert chooses(tmp_path, "uv sync", UV_CONFIG_FILE="config/uv/uv.toml", XDG_CONFIG_HOME="/nowhere")
