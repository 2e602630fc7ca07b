from __future__ import annotations

import pytest

from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.ladder.late_install import find_installer
from torchgraft.model.observation import Installer

BUILD = "/cache/uv/builds-v0/.tmpAbc"


def hook(prefix: str = BUILD) -> HookProcess:
    lib = f"{prefix}/lib/python3.11/site-packages"
    return HookProcess(
        prefix=prefix,
        base_prefix="/usr",
        purelib=lib,
        folder="/project/ext",
        sys_path=(lib,),
        pyvenv_cfg="uv = 0.13.8\n",
    )


def found(arguments: str, *, executable: str = "/bin/uv", prefix: str = BUILD) -> Installer | None:
    parent = Process(executable=executable, arguments=tuple(arguments.split()), folder="/project")
    return find_installer(hook(prefix), find_caller(hook(prefix), (parent,)))


def test_uv_is_told_again_where_distributions_come_from() -> None:
    command = (
        "uv sync --extra cu128 --default-index http://a/simple -f links --offline --frozen --index=http://b/simple"
    )
    assert found(command) == Installer(
        program="/bin/uv",
        folder="/project",
        options=("--default-index", "http://a/simple", "-f", "links", "--offline", "--index", "http://b/simple"),
    )


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ("uv sync", {"prefix": "/project/.venv"}),
        ("uv sync", {"executable": "uv"}),
        ("pip install .", {"executable": "/usr/bin/pip"}),
    ],
    ids=["not_isolated", "program_unknown", "not_uv"],
)
def test_nobody_else_is_told(arguments: str, changes: dict[str, str]) -> None:
    assert found(arguments, **changes) is None
