"""What `torchgraft plan` says first."""

from __future__ import annotations

import dataclasses
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import compiling, sites, snapshots
from torchgraft.cli import main
from torchgraft.hook.plan import plan_build, plan_pass_through
from torchgraft.model.decision import Plan
from torchgraft.model.observation import Hook, Rule
from torchgraft.model.source_tree import SetupScript
from torchgraft.settings.config import Config
from torchgraft.tools.plan_result import result_text
from torchgraft.tools.show_plan import plan_wheel

if TYPE_CHECKING:
    import pytest

ASK = Hook.GET_REQUIRES_FOR_BUILD_WHEEL


def text(plan: Plan) -> str:
    return result_text(plan, folder="/src/ext", width=80)


def wheel(**changes: Any) -> Plan:
    seen = {"hardware": compiling.hardware(cores=2), **changes}
    asked, built = (plan_build(Config(), snapshots.snapshot(**seen, hook=hook)) for hook in (ASK, Hook.BUILD_WHEEL))
    return plan_wheel(asked, built)


def test_two_lines_are_the_result() -> None:
    consumer = dataclasses.replace(snapshots.consumer(), prefix="/src/ext/.venv")
    project = snapshots.project(setup_script=SetupScript(torch_sources=9))
    lines = text(wheel(consumer=consumer, project=project, ninja="/usr/bin/ninja")).splitlines()
    assert lines[:3] == [
        "Will build against torch 2.13.0+cpu of .venv, through links.",
        "2 compilers at once, ninja, no CUDA.",
        "",
    ]


def test_with_cuda() -> None:
    project = snapshots.project(cuda_sources="a.cu")
    seen = compiling.hardware(compiling.NVCC_13_0, cores=2, gpus=("9.0",))
    said = text(wheel(consumer=snapshots.consumer(compiling.CU130), project=project, hardware=seen))
    assert "2 compilers at once, CUDA 13.0 for 9.0+PTX." in said


def test_what_needs_attention_comes_before_the_rest() -> None:
    consumer = dataclasses.replace(snapshots.consumer(), certain=False)
    project = snapshots.project(setup_script=SetupScript(torch_sources=9, refuses_ninja=True))
    said = text(wheel(consumer=consumer, project=project))
    assert "one file after the other" in said.splitlines()[1]
    assert said.index("note: torch compiles one file after the other: setup.py says use_ninja=False") < said.index(
        "variables"
    )
    assert "note: the consumer " in said


def test_where_no_build_is_possible() -> None:
    said = text(
        plan_build(Config(), snapshots.snapshot(consumer=snapshots.consumer(writable_by_others=(snapshots.OPEN,))))
    )
    assert said.startswith("Cannot build here, for the reason below.\n\nerror[writable-by-others]")


def test_a_torch_that_is_not_there_yet() -> None:
    said = text(plan_build(Config(), snapshots.snapshot(consumer=snapshots.consumer(None), hook=ASK)))
    assert said.startswith("Will build against torch, installed for this build: ")
    assert any(line.startswith("requires torch  (") for line in said.splitlines())


def test_without_us() -> None:
    assert text(plan_pass_through(Config(), ASK)).startswith("torchgraft does nothing here: provide")


def test_nothing_is_longer_than_a_line_but_what_has_no_spaces() -> None:
    consumer = dataclasses.replace(snapshots.consumer(), prefix="/x" * 60, rule=Rule.TOLD)
    for line in text(wheel(consumer=consumer)).splitlines():
        assert len(line) <= 80 or max(map(len, line.split())) > 70


def test_a_machine_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text(
        "from torch.utils.cpp_extension import BuildExtension, CppExtension\nfrom setuptools import setup\n"
        "setup(name='x', ext_modules=[CppExtension('x', ['a.cpp'])], cmdclass={'build_ext': BuildExtension})\n"
    )
    environment = tmp_path / "env"
    sites.install_torch(environment / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages")
    (environment / "pyvenv.cfg").write_text(
        f"home = {Path(sys.executable).parent}\nversion = {platform.python_version()}\n"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    assert main(["plan", str(project), "--consumer", str(environment)]) == 1
    assert "error[no-compiler]: there is no C++ compiler" in capsys.readouterr().out
