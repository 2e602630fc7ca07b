from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from torchgraft.cli import main
from torchgraft.codec import json_text
from torchgraft.errors import Problem
from torchgraft.model.hardware_values import Hardware, HostCompiler, Toolkit
from torchgraft.model.observation import FrontEndName, Rule, Snapshot
from torchgraft.model.torch_values import Origin, Torch
from torchgraft.settings.config import Config
from torchgraft.tools.cache.cache_folder import CacheState
from torchgraft.tools.doctor.doctor_command import findings_text
from torchgraft.tools.doctor.plan_findings import is_well, plan_findings
from torchgraft.tools.doctor.take_checkup import (
    Checkup,
    DoctorLine,
    Driver,
    FrontEndProgram,
    Health,
    stray_environments,
)
from torchgraft.tools.from_json import from_json_text
from torchgraft.tools.front_end_settings import FrontEndSetting

GCC = HostCompiler(cc="/usr/bin/gcc", cxx="/usr/bin/g++", name="gcc", version="12.2.0", source="c++ on PATH")
CUDA_12 = Toolkit(
    home="/usr/local/cuda-12.8",
    version="12.8",
    source="/usr/local",
    nvcc="/usr/local/cuda-12.8/bin/nvcc",
    architectures=("80", "90"),
    highest_gcc=14,
)
CUDA_13 = dataclasses.replace(
    CUDA_12, home="/usr/local/cuda-13.0", version="13.0", nvcc="/usr/local/cuda-13.0/bin/nvcc", highest_gcc=15
)
TORCH_13 = dataclasses.replace(snapshots.CUDA_TORCH, version="2.14.1+cu130", cuda="13.0", toolkit="13.0.3")


def hardware(**changes: Any) -> Hardware:
    values: dict[str, Any] = {
        "cores": 16,
        "cores_limit": "the 16 processors of this machine",
        "memory_bytes": 100_000_000_000,
        "memory_limit": "the memory of this machine",
        "compilers": (GCC,),
    }
    return Hardware(**{**values, **changes})


def snapshot(torch: Torch | None = snapshots.CPU_TORCH, *, consumer: Any = ..., **changes: Any) -> Snapshot:
    return snapshots.snapshot(
        consumer=snapshots.consumer(torch) if consumer is ... else consumer,
        project=snapshots.project(
            name=None, dependencies=(), setup_script=None, cuda_sources="a project with CUDA code"
        ),
        build=dataclasses.replace(snapshots.snapshot().build, prefix="", distributions=()),
        hardware=hardware(**changes),
    )


def checkup(seen: Snapshot | None = None, **changes: Any) -> Checkup:
    values: dict[str, Any] = {
        "torchgraft": "0.1.0",
        "python": snapshots.PYTHON,
        "snapshot": seen or snapshot(),
        "front_ends": (FrontEndProgram(name=FrontEndName.PIP, program="/bin/pip", version="26.3"),),
        "cache": CacheState(folder="/cache", exists=True),
    }
    return Checkup(**{**values, **changes})


def findings(seen: Snapshot | None = None, topic: str = "", **changes: Any) -> list[DoctorLine]:
    found = plan_findings(Config(), checkup(seen, **changes))
    return [finding for finding in found if not topic or finding.topic == topic]


def only(found: list[DoctorLine], verdict: Health) -> DoctorLine:
    (finding,) = (f for f in found if f.verdict is verdict)
    return finding


def test_a_machine_on_which_all_is_well() -> None:
    found = findings()
    assert [f.topic for f in found if f.verdict is not Health.OK] == []
    assert is_well(tuple(found))
    topics = ["python", "front end", "consumer", "torch", "links", "gpu", "toolkit", "compiler", "jobs", "cache"]
    assert [f.topic for f in found] == topics


def test_a_checkup_round_trips() -> None:
    value = checkup(driver=Driver(version="580.95", cuda="13.0"), stray=(("VIRTUAL_ENV", "/x"),))
    assert from_json_text(Checkup, json_text(value), source="test") == value


@pytest.mark.parametrize(
    ("program", "version", "said"),
    [
        ("pip", "9.0.1", "older than 23.2"),
        ("uv", "0.1.30", "older than 0.2"),
        ("uv", "0.6.2", "before 0.7"),
        ("poetry", "", "does not answer"),
    ],
)
def test_front_ends_with_known_problems(program: str, version: str, said: str) -> None:
    name = FrontEndName(program)
    found = findings(
        topic="front end", front_ends=(FrontEndProgram(name=name, program=f"/bin/{program}", version=version),)
    )
    finding = only(found, Health.NOTE)
    assert said in finding.text
    assert finding.fixes


@pytest.mark.parametrize(("program", "version"), [("uv", "0.7.0"), ("pip", "23.2"), ("pdm", "2.0"), ("tox", "weird.1")])
def test_front_ends_that_are_well(program: str, version: str) -> None:
    front_end = FrontEndProgram(name=FrontEndName(program), program=f"/bin/{program}", version=version)
    (finding,) = findings(topic="front end", front_ends=(front_end,))
    assert finding.verdict is Health.OK


def test_no_front_end_at_all() -> None:
    assert "ensurepip" in only(findings(topic="front end", front_ends=()), Health.NOTE).fixes[0]


@pytest.mark.parametrize(
    ("setting", "verdict", "fix"),
    [
        (("no-build-isolation", "", "/x/uv.toml"), Health.NOTE, "remove it from /x/uv.toml"),
        (("UV_NO_BUILD_ISOLATION", "", "a variable"), Health.NOTE, "unset UV_NO_BUILD_ISOLATION"),
        (("extra-build-dependencies.flash-attn", "torch", "uv.toml"), Health.NOTE, "match-runtime"),
        (("extra-build-dependencies.flash-attn", "torch, match-runtime", "uv.toml"), Health.OK, ""),
    ],
)
def test_settings_of_front_ends(setting: tuple[str, str, str], verdict: Health, fix: str) -> None:
    name, value, source = setting
    (finding,) = findings(
        topic="front end",
        front_ends=(),
        front_end_settings=(FrontEndSetting(name=name, value=value, source=source),),
    )[1:]
    assert finding.verdict is verdict
    assert name in finding.text
    assert fix in "".join(finding.fixes)


def test_wrong_variables_of_torchgraft() -> None:
    fault = Problem(code="bad-value", headline="TORCHGRAFT_MAX_JOBS is not what it has to be", fixes=("change it",))
    finding = only(findings(settings_faults=(fault,)), Health.PROBLEM)
    assert (finding.topic, finding.problem, finding.fixes) == ("settings", "bad-value", ("change it",))


def test_no_environment_at_all() -> None:
    finding = only(findings(snapshot(consumer=None)), Health.PROBLEM)
    assert finding.topic == "consumer"
    assert finding.fixes == ("torchgraft doctor --consumer PATH",)


def test_an_environment_that_is_told_and_not_there() -> None:
    told = snapshots.consumer(None, rule=Rule.TOLD, exists=False, prefix="/nowhere")
    found = findings(snapshot(consumer=told))
    assert [f.problem for f in found if f.verdict is Health.PROBLEM] == ["no-consumer"]
    assert all(f.topic != "torch" for f in found)


def test_an_environment_without_torch() -> None:
    finding = only(findings(snapshot(None)), Health.PROBLEM)
    assert (finding.topic, finding.problem) == ("torch", "no-torch")
    assert finding.text == "there is none in /env"
    assert finding.fixes[0] == "pip --python /env install torch"


@pytest.mark.parametrize(
    ("programs", "fix"),
    [
        (("pip", "uv"), "pip --python /env install torch"),
        (("uv",), "uv pip install --python /env torch"),
        ((), "pip --python /env install torch"),
    ],
)
def test_the_cure_is_for_the_front_end_that_there_is(programs: tuple[str, ...], fix: str) -> None:
    front_ends = tuple(FrontEndProgram(name=FrontEndName(name), program=f"/{name}", version="99") for name in programs)
    assert only(findings(snapshot(None), topic="torch", front_ends=front_ends), Health.PROBLEM).fixes[0] == fix


def test_another_environment_may_be_meant_unless_it_was_told() -> None:
    told = snapshots.consumer(None, rule=Rule.TOLD)
    assert len(only(findings(snapshot(consumer=told)), Health.PROBLEM).fixes) == 1
    assert "--consumer" in only(findings(snapshot(None)), Health.PROBLEM).fixes[1]


def test_a_broken_torch() -> None:
    broken = snapshots.consumer(None, torch_fault="/env/torch/version.py is missing")
    finding = only(findings(snapshot(consumer=broken)), Health.PROBLEM)
    assert finding.problem == "broken-torch"
    assert "version.py is missing" in finding.text


def test_folders_that_anybody_can_write_to() -> None:
    open_ = snapshots.consumer(snapshots.CPU_TORCH, writable_by_others=(snapshots.OPEN,))
    assert only(findings(snapshot(consumer=open_)), Health.PROBLEM).fixes[0] == f"chmod o-w {snapshots.SITE}"


def test_a_variable_that_names_no_environment(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("")
    assert stray_environments({"VIRTUAL_ENV": str(tmp_path), "CONDA_PREFIX": ""}) == ()
    stray = stray_environments({"VIRTUAL_ENV": "/nowhere/at/all"})
    assert only(findings(stray=stray), Health.NOTE).fixes == ("unset VIRTUAL_ENV",)


def test_the_toolkit_that_is_taken_and_the_others() -> None:
    found = findings(snapshot(snapshots.CUDA_TORCH, toolkits=(CUDA_13, CUDA_12), gpus=("9.0",)), topic="toolkit")
    assert found[0].text == "CUDA 12.8 from /usr/local for torch's CUDA 12.8: /usr/local/cuda-12.8"
    assert found[1].text == "also there: CUDA 13.0 in /usr/local/cuda-13.0 (/usr/local)"
    assert "compiles for 9.0+PTX: the GPUs of this machine" in found[2].text


def test_no_toolkit_for_cuda_12() -> None:
    finding = only(findings(snapshot(snapshots.CUDA_TORCH, gpus=("9.0",))), Health.PROBLEM)
    assert (finding.topic, finding.problem) == ("toolkit", "no-cuda-toolkit")
    assert finding.fixes[0] == "conda install -c nvidia cuda-toolkit=12.8"


def test_a_toolkit_of_another_major_version() -> None:
    finding = only(findings(snapshot(snapshots.CUDA_TORCH, gpus=("9.0",), toolkits=(CUDA_13,))), Health.PROBLEM)
    assert (finding.topic, finding.problem) == ("toolkit", "cuda-mismatch")


def test_a_toolkit_from_pypi_is_no_problem() -> None:
    found = findings(snapshot(TORCH_13, gpus=("9.0",)))
    assert is_well(tuple(found))
    assert "cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==13.0.3 is installed for each build" in found[6].text


def test_a_toolkit_that_cannot_be_used() -> None:
    faults = ("CUDA_HOME=/nowhere has no bin/nvcc", "/opt/cuda has no bin/nvcc")
    found = [f for f in findings(snapshot(toolkit_faults=faults)) if f.verdict is Health.NOTE]
    assert [(f.text, f.fixes) for f in found] == [(faults[0], ("unset CUDA_HOME",)), (faults[1], ())]


def test_a_compiler_that_is_too_new() -> None:
    new = dataclasses.replace(GCC, version="15.1.0")
    seen = snapshot(snapshots.CUDA_TORCH, toolkits=(CUDA_12,), compilers=(new,), gpus=("9.0",))
    finding = only(findings(seen), Health.PROBLEM)
    assert (finding.topic, finding.problem) == ("compiler", "compiler-too-new")


def test_an_older_compiler_is_taken_then() -> None:
    new = dataclasses.replace(GCC, version="15.1.0")
    old = dataclasses.replace(GCC, cc="/usr/bin/gcc-13", cxx="/usr/bin/g++-13", version="13", source="PATH")
    seen = snapshot(snapshots.CUDA_TORCH, toolkits=(CUDA_12,), compilers=(new, old), gpus=("9.0",))
    found = findings(seen, topic="compiler")
    assert "used" not in found[0].text
    assert "used: /usr/bin/gcc is gcc 15.1.0" in found[1].text


def test_no_compiler() -> None:
    assert "apt-get install g++" in only(findings(snapshot(compilers=())), Health.PROBLEM).fixes


def test_a_gpu_that_this_torch_does_not_use() -> None:
    finding = only(findings(snapshot(gpus=("9.0", "9.0"), gpus_source="NVML")), Health.NOTE)
    assert finding.text.startswith("2 x 9.0 (NVML): torch 2.13.0+cpu is built without CUDA")
    assert finding.fixes == ("pip --python /env install --force-reinstall torch",)
    built = dataclasses.replace(snapshots.CPU_TORCH, origin=Origin.EDITABLE)
    assert only(findings(snapshot(built, gpus=("9.0",))), Health.NOTE).fixes == ()


@pytest.mark.parametrize(
    ("gpu", "architectures", "verdict"),
    [
        ("9.0", ("sm_80", "sm_90"), Health.OK),
        ("8.6", ("sm_80", "sm_90"), Health.OK),
        ("12.0", ("sm_80", "compute_90"), Health.OK),
        ("12.0", ("sm_80", "sm_90"), Health.NOTE),
        ("7.0", ("sm_75", "compute_90"), Health.NOTE),
        ("7.0", (), Health.OK),
    ],
)
def test_whether_torch_has_code_for_the_gpu(gpu: str, architectures: tuple[str, ...], verdict: Health) -> None:
    torch = dataclasses.replace(TORCH_13, architectures=architectures)
    assert findings(snapshot(torch, gpus=(gpu,)), topic="gpu")[0].verdict is verdict


@pytest.mark.parametrize(("cuda", "verdict"), [("13.0", Health.OK), ("12.4", Health.NOTE), ("", Health.OK)])
def test_a_driver_that_is_too_old_for_torch(cuda: str, verdict: Health) -> None:
    driver = Driver(version="550.54", cuda=cuda)
    assert findings(snapshot(TORCH_13), topic="driver", driver=driver)[0].verdict is verdict


def test_few_jobs_because_of_little_memory() -> None:
    finding = findings(snapshot(snapshots.CUDA_TORCH, toolkits=(CUDA_12,), memory_bytes=6_000_000_000), topic="jobs")[0]
    assert finding.verdict is Health.NOTE
    assert "the memory of this machine leaves 6.0 GB" in finding.text


def test_a_cache_folder_that_cannot_be_used() -> None:
    cache = CacheState(folder="/cache", exists=True, fault="others can write to it", fixes=("chmod 700 /cache",))
    finding = only(findings(cache=cache), Health.PROBLEM)
    assert (finding.topic, finding.problem, finding.fixes) == ("cache", "cache-unusable", ("chmod 700 /cache",))


def test_the_text_wraps_what_is_said_and_never_a_command() -> None:
    fix = "pip install " + "x" * 150
    found = (
        DoctorLine(topic="torch", verdict=Health.PROBLEM, text="word " * 40, fixes=(fix,), problem="no-torch"),
        DoctorLine(topic="gpu", verdict=Health.NOTE, text="none"),
    )
    lines = findings_text(found).splitlines()
    assert all(len(line) <= 110 or line.endswith(f"fix: {fix}") for line in lines)
    assert any(line.endswith(f"fix: {fix}") for line in lines)
    assert "[no-torch]" in "\n".join(lines)
    assert lines[-1] == "1 problem, 1 note"


def test_an_environment_without_torch_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch()
    (environment / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert main(["doctor", "--consumer", str(environment)]) == 1
    assert "[no-torch]" in capsys.readouterr().out
