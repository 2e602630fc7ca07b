"""A toolkit for a torch that the front end has yet to install."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from support.compiling import CU130, NVCC_12_4, NVCC_13_0, codes, hardware, requirements, values
from torchgraft.hook.plan import plan_build
from torchgraft.ladder.plan_torch import plan_torch
from torchgraft.ladder.plan_way import expected_torch, plan_way
from torchgraft.model.decision import Plan
from torchgraft.model.observation import BuildEnvironment, FrontEnd, FrontEndName, Hook, Installer, Rule, Way
from torchgraft.model.source_tree import SetupScript
from torchgraft.model.torch_values import AskedFor, Knowledge, Locked, TorchRequirement
from torchgraft.settings.config import Config

ASK = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
BUILD = Hook.BUILD_WHEEL
NOBODY = snapshots.consumer(None)
UV = Installer(program="/usr/bin/uv", folder="/src")
FROM_PYPI = "cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]"


def plan(hook: Hook = ASK, **changes: Any) -> Plan:
    seen = {
        "consumer": NOBODY,
        "project": snapshots.project(cuda_sources="csrc/a.cu"),
        "hardware": hardware(),
        **changes,
    }
    return plan_build(Config(), snapshots.snapshot(hook=hook, **seen))


def locked(version: str, toolkit: str | None = None) -> Locked:
    requirement = f"torch=={version}"
    return Locked(
        file="uv.lock",
        version=version,
        requirement=TorchRequirement.parse(requirement),
        toolkit=toolkit,
        said="it does",
    )


def there(torch: Any = CU130, name: str = "torch") -> BuildEnvironment:
    return BuildEnvironment(prefix="/build", distributions=((name, "2.14.1"),), torch=torch)


# While requirements are asked for.


def test_a_lock_that_names_the_cuda_of_its_torch() -> None:
    made = plan(locked=locked("2.14.1", "13.0.3"))
    assert made.way is Way.INSTALL
    assert requirements(made) == ["torch==2.14.1", f"{FROM_PYPI}==13.0.3"]
    assert not made.problems


def test_a_local_part_names_it_too() -> None:
    assert requirements(plan(locked=locked("2.14.1+cu130")))[1] == f"{FROM_PYPI}==13.0.*"
    asked = (AskedFor(requirement=TorchRequirement.parse("torch==2.14.1+cu130"), source="the arguments of pip"),)
    assert requirements(plan(asked_for=asked))[1] == f"{FROM_PYPI}==13.0.*"


def test_a_toolkit_of_the_machine_will_do() -> None:
    assert requirements(plan(locked=locked("2.14.1", "13.0.3"), hardware=hardware(NVCC_13_0))) == ["torch==2.14.1"]


def test_for_cuda_12_the_error_comes_before_torch_is_downloaded() -> None:
    made = plan(locked=locked("2.9.0", "12.8.90"), hardware=hardware(NVCC_13_0))
    assert codes(made) == ["cuda-mismatch"]
    assert made.problems[0].evidence[0].text == "2.9.0, which will be installed"


@pytest.mark.parametrize(
    "changes",
    [
        {"locked": locked("2.14.1")},
        {"locked": locked("2.14.1+cpu", "13.0.3")},
        {"asked_for": (AskedFor(requirement=TorchRequirement.parse("torch==2.14.1"), source="the arguments of pip"),)},
        {},
    ],
)
def test_what_is_not_certain_is_not_guessed(changes: dict[str, Any]) -> None:
    made = plan(**changes)
    assert made.way is Way.INSTALL
    assert len(requirements(made)) == 1
    assert not made.problems


def test_a_front_end_that_is_after_metadata_needs_no_compiler() -> None:
    after_metadata = FrontEnd(name=FrontEndName.UV, command="uv lock", installs=False, resolves=True)
    cu128 = snapshots.consumer(snapshots.CUDA_TORCH)
    assert codes(plan(consumer=cu128)) == ["no-cuda-toolkit"]
    assert not plan(consumer=cu128, front_end=after_metadata).problems


def test_setup_py_is_not_asked_before_the_toolkit_is_there() -> None:
    script = SetupScript(imports=("torch",), may_set_requires=True, setup_requires=("ninja",), names_cuda=True)
    project = snapshots.project(cuda_sources="CUDAExtension in setup.py", setup_script=script)
    made = plan(project=project, consumer=snapshots.consumer(CU130))
    assert made.way is Way.GRAFT
    assert not made.delegate.asked
    assert requirements(made) == [f"{FROM_PYPI}==13.0.3", "ninja"]
    computed = dataclasses.replace(script, setup_requires=None)
    made = plan(project=dataclasses.replace(project, setup_script=computed), consumer=snapshots.consumer(CU130))
    assert "before the CUDA toolkit is there" in made.delegate.reason
    assert plan(project=project, consumer=snapshots.consumer(CU130), hardware=hardware(NVCC_13_0)).delegate.asked


def test_where_it_is_asked_it_gets_the_toolkit_that_is_there() -> None:
    made = plan(consumer=snapshots.consumer(CU130), hardware=hardware(NVCC_12_4, NVCC_13_0))
    assert values(made)["CUDA_HOME"] == "/usr/local/cuda-13.0"
    assert values(made)["FORCE_CUDA"] == "1"
    assert "MAX_JOBS" not in values(made)


# When the wheel is built.


def test_pip_cannot_install_it_any_more_and_the_error_says_how_to_get_it() -> None:
    made = plan(BUILD, build=there())
    assert made.way is Way.PRESENT
    assert codes(made) == ["no-cuda-toolkit"]
    assert made.problems[0].headline == (
        "no CUDA toolkit to compile for torch 2.14.1+cu130, which came with the build requirements"
    )
    assert made.problems[0].fixes == (
        "pip --python /env install torch==2.14.1   (first; then the same command)",
        f"-C 'torchgraft.requires={FROM_PYPI}==13.0.3'",
    )


def test_without_isolation_it_was_not_installed() -> None:
    made = plan(BUILD, consumer=snapshots.consumer(CU130, rule=Rule.IMPORTABLE), build=there())
    assert codes(made) == ["no-cuda-toolkit"]
    assert "--no-build-isolation" in made.problems[0].fixes[1]


def test_uv_installs_it_later() -> None:
    made = plan(BUILD, build=there(), installer=UV)
    assert not made.problems
    assert made.late_install
    assert made.late_install.requirement == f"{FROM_PYPI}==13.0.3"
    assert not plan(BUILD, build=there(), installer=UV, hardware=hardware(NVCC_13_0)).late_install
    assert not plan(BUILD, build=there(snapshots.CPU_TORCH), installer=UV).late_install


def test_uv_installs_torch_first() -> None:
    made = plan(BUILD, installer=UV, locked=locked("2.14.1", "13.0.3"))
    assert made.late_install
    assert made.late_install.requirement == "torch==2.14.1"


def test_torch_of_an_index_that_builds_do_not_see_is_never_asked_for_but_installed_later() -> None:
    options = ("--index", "cu=https://download.example/whl/cu130")
    asked = AskedFor(requirement=TorchRequirement.parse("torch==2.14.1+cu130"), source="app", options=options)
    assert requirements(plan(installer=UV, asked_for=(asked,))) == [f"{FROM_PYPI}==13.0.*"]
    made = plan(BUILD, installer=UV, asked_for=(asked,))
    assert made.late_install
    assert (made.late_install.requirement, made.late_install.options) == ("torch==2.14.1+cu130", options)
    # Another front end has to find it by itself.
    assert "torch==2.14.1+cu130" in requirements(plan(asked_for=(asked,)))


@pytest.mark.parametrize(
    ("version", "accelerator", "built_with"),
    [
        ("2.8.0+cu130", "cuda", "13.0"),
        ("2.8.0+cu128", "cuda", "12.8"),
        ("1.7.1+cu92", "cuda", "9.2"),
        ("2.8.0+rocm6.4.1", "rocm", "6.4"),
        ("2.8.0+cpu", "cpu", None),
        ("2.8.0+xpu", "xpu", None),
        ("2.8.0", "", None),
    ],
)
def test_what_a_version_names(version: str, accelerator: str, built_with: str | None) -> None:
    snapshot = snapshots.snapshot(consumer=NOBODY, locked=locked(version))
    choice = plan_torch(Config(), snapshot)
    torch = expected_torch(snapshot, choice, plan_way(Config(), snapshot, choice))
    assert (torch.version, torch.known, torch.accelerator) == (version, Knowledge.NAMED, accelerator)
    assert (torch.cuda or torch.hip) == built_with


@pytest.mark.parametrize(
    ("dependency", "version"),
    [
        ("torch>=2.4,<3", "2.8.0"),
        ("torch~=2.6.1", "2.6.1"),
        ("torch", "2.8.0"),
        ("torch<2.6", "2.5.0"),
        ("torch==2.9.*", "2.9"),
        ("torch>2.8.0", "2.8.0.1"),
        ("torch>=2.6,!=2.8.0,!=2.7.0", "2.6.0"),
        ("torch<1", "2.8.0"),
    ],
)
def test_a_range_names_none_and_the_guess_is_within_it(dependency: str, version: str) -> None:
    snapshot = snapshots.snapshot(consumer=NOBODY, project=snapshots.project(dependencies=(dependency,)))
    choice = plan_torch(Config(), snapshot)
    torch = expected_torch(snapshot, choice, plan_way(Config(), snapshot, choice))
    assert (torch.version, torch.known, torch.accelerator) == (version, Knowledge.GUESSED, "")
