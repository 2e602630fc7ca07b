"""Toolkit, architectures, host compiler and jobs, from snapshots."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from support.compiling import (
    CU128,
    CU130,
    GCC_12,
    GCC_13,
    GCC_16,
    NVCC,
    NVCC_12_4,
    NVCC_13_0,
    NVCC_13_2,
    codes,
    hardware,
    plan,
    requirements,
    values,
)
from torchgraft.compile.plan_compilers import arch_list_text
from torchgraft.hook.plan_text import plan_text, said_text, summary_text
from torchgraft.model.hardware_values import HostCompiler
from torchgraft.model.observation import Hook
from torchgraft.model.source_tree import SetupScript
from torchgraft.settings.config import ArchFormat, Cuda, Log

ASK = Hook.GET_REQUIRES_FOR_BUILD_WHEEL


# The toolkit.


def test_a_toolkit_of_the_same_version_is_used_where_it_is() -> None:
    made = plan(CU130, hardware(NVCC_12_4, NVCC_13_2, NVCC_13_0))
    assert made.toolkit
    assert (made.toolkit.home, made.toolkit.layers) == ("/usr/local/cuda-13.0", ())
    for name in ("CUDA_HOME", "CUDA_PATH", "CUDAToolkit_ROOT"):
        assert values(made)[name] == "/usr/local/cuda-13.0"
    assert values(made)["CUDACXX"] == "/usr/local/cuda-13.0/bin/nvcc"
    assert not made.problems
    assert not requirements(plan(CU130, hardware(NVCC_13_0), hook=ASK))


def test_nvcc_is_told_what_keeps_folders_out_of_reproducible_wheels() -> None:
    epoch = ("SOURCE_DATE_EPOCH",)
    flags = values(plan(CU130, hardware(NVCC_13_0), variables_set=epoch))["NVCC_APPEND_FLAGS"] or ""
    assert flags.startswith("-objtemp -Xcompiler -ffile-prefix-map=")
    own = (*epoch, "NVCC_APPEND_FLAGS")
    assert values(plan(CU130, hardware(NVCC_13_0), variables_set=own))["NVCC_APPEND_FLAGS"] is None
    assert "NVCC_APPEND_FLAGS" not in values(plan(CU130, hardware(NVCC_13_0)))


def test_another_minor_version_works_and_the_plan_says_so() -> None:
    made = plan(CU130, hardware(NVCC_13_2))
    assert made.toolkit
    assert made.toolkit.version == "13.2"
    assert any("same major version works" in note for note in made.notes)


def test_the_users_own_choice_wins_if_it_can_work() -> None:
    own = dataclasses.replace(NVCC_13_2, home="/mine", source="CUDA_HOME")
    made = plan(CU130, hardware(NVCC_13_0, own), variables_set=("CUDA_HOME",))
    assert made.toolkit
    assert made.toolkit.home == "/mine"
    assert values(made)["CUDA_HOME"] is None


def test_a_choice_that_cannot_work_is_overridden_and_the_plan_says_why() -> None:
    own = dataclasses.replace(NVCC_12_4, source="CUDA_HOME")
    made = plan(CU130, hardware(own, NVCC_13_0), variables_set=("CUDA_HOME",))
    assert values(made)["CUDA_HOME"] == "/usr/local/cuda-13.0"
    assert any("is not used: CUDA 12.4 cannot compile" in text for text in made.overrides)


def test_a_variable_that_leads_nowhere_is_overridden_and_the_summary_says_why() -> None:
    seen = hardware(NVCC_13_0, toolkit_faults=("CUDA_HOME=/no/such has no bin/nvcc", "/opt/cuda has no bin/nvcc"))
    made = plan(CU130, seen, variables_set=("CUDA_HOME", "CUDA_PATH"))
    assert made.overrides == ("CUDA_HOME=/no/such has no bin/nvcc: not used",)
    assert {values(made)[name] for name in ("CUDA_HOME", "CUDA_PATH")} == {"/usr/local/cuda-13.0"}
    assert "torchgraft: CUDA_HOME=/no/such has no bin/nvcc: not used" in summary_text(made).splitlines()


BROKEN = "/usr/local/cuda-13.0/bin/nvcc (/usr/local) does not start: Exec format error"


def test_a_toolkit_that_does_not_start_is_spoken_of_where_it_might_have_been_taken() -> None:
    made = plan(CU130, hardware(NVCC_13_2, toolkit_faults=(BROKEN, "CUDA_HOME=/x has no bin/nvcc")))
    assert f"{BROKEN}: not used" in made.notes
    assert made.overrides == ("CUDA_HOME=/x has no bin/nvcc: not used",)
    asked = plan(CU130, hardware(toolkit_faults=(BROKEN,)), hook=ASK)
    assert asked.notes == (f"{BROKEN}: not used",)
    assert requirements(asked)
    assert f"{BROKEN}: not used" not in plan(CU130, hardware(NVCC_13_0, toolkit_faults=(BROKEN,))).notes


def test_an_error_for_want_of_a_toolkit_says_which_ones_do_not_start() -> None:
    (problem,) = plan(CU130, hardware(toolkit_faults=(BROKEN,)), installer=None).problems
    assert (problem.code, [e.text for e in problem.evidence]) == ("no-cuda-toolkit", [BROKEN])
    (problem,) = plan(CU128, hardware(toolkit_faults=(BROKEN,))).problems
    assert (problem.code, problem.evidence[-1].text) == ("no-cuda-toolkit", BROKEN)


def test_cudacxx_is_a_choice_too() -> None:
    own = dataclasses.replace(NVCC_13_2, source="CUDACXX")
    made = plan(CU130, hardware(NVCC_13_0, own), variables_set=("CUDACXX",))
    assert made.toolkit
    assert (made.toolkit.home, made.overrides) == ("/opt/cuda-13.2", ())
    unfit = dataclasses.replace(NVCC_12_4, source="CUDACXX", nvcc="/usr/local/cuda-12.4/bin/nvcc")
    made = plan(CU130, hardware(unfit, NVCC_13_0), variables_set=("CUDACXX",))
    assert made.overrides[0].startswith("CUDACXX=/usr/local/cuda-12.4/bin/nvcc is not used: CUDA 12.4")
    assert values(made)["CUDACXX"] == "/usr/local/cuda-13.0/bin/nvcc"


@pytest.mark.parametrize(
    "hook", [Hook.PREPARE_METADATA_FOR_BUILD_WHEEL, Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE, Hook.BUILD_SDIST]
)
def test_metadata_need_cuda_home_and_no_jobs(hook: Hook) -> None:
    made = plan(CU130, hardware(NVCC_13_0), hook=hook)
    assert values(made)["CUDA_HOME"] == "/usr/local/cuda-13.0"
    assert all(variable.of_machine for variable in made.variables if variable.name.startswith("CUDA"))
    # setup.py scripts ask for a GPU of the machine, unless this says what they want to know.
    assert values(made)["TORCH_CUDA_ARCH_LIST"] == "7.5;8.0;9.0;12.0+PTX"
    assert not {"MAX_JOBS", "CC"} & set(values(made))
    without = plan(CU128, hardware(), hook=hook)
    assert not without.problems
    assert "CUDA_HOME" not in values(without)


def test_for_cuda_13_nvidias_wheels_are_asked_for() -> None:
    made = plan(CU130, hardware(NVCC_12_4), hook=ASK, config={"cuda_components": ("curand",)})
    assert requirements(made) == ["cuda-toolkit[nvcc,nvvm,crt,cudart,cccl,curand]==13.0.3"]
    unknown = dataclasses.replace(CU130, toolkit=None)
    assert requirements(plan(unknown, hardware(), hook=ASK)) == ["cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==13.0.*"]


def test_what_was_asked_for_and_not_installed_is_a_problem() -> None:
    assert codes(plan(CU130, hardware())) == ["no-cuda-toolkit"]


def test_installed_wheels_are_assembled_over_the_consumers() -> None:
    build = dataclasses.replace(
        NVCC_13_0,
        home="/build/nvidia/cu13",
        source="wheels of the build environment",
        nvcc="/build/nvidia/cu13/bin/nvcc",
    )
    trees = ("/build/nvidia/cu13", f"{snapshots.SITE}/nvidia/cu13")
    made = plan(CU130, hardware(build, wheel_trees=trees))
    assert made.toolkit
    (copy,) = made.toolkit.copies
    assert copy.target == "/build/nvidia/cu13"
    assert made.toolkit.layers == (copy.name, f"{snapshots.SITE}/nvidia/cu13")
    assert made.toolkit.home.startswith("/cache/torchgraft/toolkits/")
    assert values(made)["CUDA_HOME"] == made.toolkit.home
    # Every build has another build environment, and compiler caches know files by their paths.
    again = dataclasses.replace(build, home="/other/nvidia/cu13", nvcc="/other/nvidia/cu13/bin/nvcc")
    next_time = plan(CU130, hardware(again, wheel_trees=("/other/nvidia/cu13", *trees[1:]))).toolkit
    assert next_time
    assert (next_time.home, next_time.layers) == (made.toolkit.home, made.toolkit.layers)


def test_what_lasts_is_linked_not_copied() -> None:
    tree = f"{snapshots.SITE}/nvidia/cu13"
    own = dataclasses.replace(NVCC_13_0, home=tree, source="wheels of the consumer", nvcc=f"{tree}/bin/nvcc")
    made = plan(CU130, hardware(own, wheel_trees=(tree,))).toolkit
    assert made
    assert (made.layers, made.copies) == ((tree,), ())


def test_a_partial_toolkit_gets_the_consumers_headers() -> None:
    partial = dataclasses.replace(NVCC_13_0, missing_headers=("cusparse.h",))
    made = plan(CU130, hardware(partial, wheel_trees=(f"{snapshots.SITE}/nvidia/cu13",)))
    assert made.toolkit
    assert made.toolkit.layers == ("/usr/local/cuda-13.0", f"{snapshots.SITE}/nvidia/cu13")
    assert any("lacks cusparse.h" in note for note in made.notes)
    tree = f"{snapshots.SITE}/nvidia/cu13"
    before, after = (
        plan(CU130, hardware(partial, wheel_trees=(tree,), wheels=(f"nvidia_cusparse-{version}",))).toolkit
        for version in ("12.6.3.3", "12.7.0.1")
    )
    assert before
    assert after
    assert before.home != after.home
    assert plan(CU130, hardware(partial)).toolkit == plan(CU130, hardware(NVCC_13_0)).toolkit


@pytest.mark.parametrize(("toolkits", "code"), [((NVCC_13_0,), "cuda-mismatch"), ((), "no-cuda-toolkit")])
def test_for_cuda_12_there_is_only_an_error_before_anything_is_compiled(toolkits: Any, code: str) -> None:
    made = plan(CU128, hardware(*toolkits), hook=ASK)
    assert codes(made) == [code]
    assert any("12-8" in fix for fix in made.problems[0].fixes)


def test_what_is_there_and_cannot_be_used_is_evidence() -> None:
    made = plan(CU128, hardware(toolkit_faults=("/usr/local/cuda-12.8 has no bin/nvcc",)), hook=ASK)
    assert made.problems[0].evidence[-1].text == "/usr/local/cuda-12.8 has no bin/nvcc"


@pytest.mark.parametrize(
    ("torch", "config", "sources"),
    [
        (CU128, {}, ""),
        (CU128, {"cuda": Cuda.OFF}, "a.cu"),
        (snapshots.CPU_TORCH, {}, "a.cu"),
    ],
)
def test_no_toolkit_where_none_is_needed(torch: Any, config: dict[str, Any], sources: str) -> None:
    made = plan(torch, hardware(), config=config, hook=ASK, project=snapshots.project(cuda_sources=sources))
    assert not made.problems
    assert not requirements(made)


def test_required_cuda_and_a_cpu_torch() -> None:
    refused = plan(snapshots.CPU_TORCH, hardware(), config={"cuda": Cuda.REQUIRED})
    assert codes(refused) == ["torch-without-cuda"]
    fix = refused.problems[0].fixes[0]
    assert fix.startswith("pip --python /env install torch==2.13.0 --force-reinstall   (")


# Architectures.


@pytest.mark.parametrize(
    ("seen", "config", "expected"),
    [
        ({"gpus": ("9.0", "8.0", "9.0")}, {"cuda_architectures": ("7.5",)}, "8.0;9.0+PTX"),
        ({"gpus": ("8.9", "12.0")}, {}, "12.0+PTX"),  # nvcc does not know 8.9
        ({}, {"cuda_architectures": ("8.0", "9.0")}, "8.0;9.0+PTX"),
        ({}, {"cuda_architectures": ("8.0+PTX", "9.0")}, "8.0+PTX;9.0"),
        ({}, {}, "7.5;8.0;9.0;12.0+PTX"),
    ],
)
def test_architectures(seen: dict[str, Any], config: dict[str, Any], expected: str) -> None:
    assert values(plan(CU130, hardware(NVCC_13_0, **seen), config=config))["TORCH_CUDA_ARCH_LIST"] == expected


def test_a_toolkit_that_miscompiles_an_architecture_compiles_for_its_neighbour() -> None:
    nvcc = dataclasses.replace(NVCC_13_2, architectures=(*NVCC, "103"))
    made = plan(CU130, hardware(nvcc), config={"cuda_architectures": ("9.0", "10.3")})
    assert values(made)["TORCH_CUDA_ARCH_LIST"] == "9.0;10.0+PTX"
    assert any("miscompiles sm_103" in note and "issues/105" in note for note in made.notes)
    # The GPU of the machine: not nothing, and not all that torch was built for.
    b300 = plan(CU130, hardware(nvcc, gpus=("10.3",)))
    assert values(b300)["TORCH_CUDA_ARCH_LIST"] == "10.0+PTX"
    other = dataclasses.replace(nvcc, version="13.20")
    assert values(plan(CU130, hardware(other, gpus=("10.3",))))["TORCH_CUDA_ARCH_LIST"] == "10.3+PTX"


def test_the_packages_own_variable_gets_the_same() -> None:
    made = plan(CU130, hardware(NVCC_13_0), config={"cuda_arch_variable": "FLASH_ATTN_CUDA_ARCHS"})
    assert values(made)["FLASH_ATTN_CUDA_ARCHS"] == "75;80;90;120"


@pytest.mark.parametrize(
    ("form", "expected"),
    [(ArchFormat.NUMBERS, "80;90a"), (ArchFormat.DOTTED, "8.0;9.0a+PTX"), (ArchFormat.SM, "sm_80;sm_90a")],
)
def test_formats(form: ArchFormat, expected: str) -> None:
    assert arch_list_text(("8.0", "9.0a+PTX"), form) == expected


# The host compiler.


def test_the_default_compiler_stays_where_the_toolkit_takes_it() -> None:
    assert "CC" not in values(plan(CU130, hardware(NVCC_13_0)))


def test_one_that_is_too_new_is_replaced_in_both_variables() -> None:
    made = plan(CU130, hardware(NVCC_13_0, compilers=(GCC_16, GCC_13, GCC_12)))
    assert (values(made)["CC"], values(made)["CXX"]) == ("/usr/bin/gcc-13", "/usr/bin/g++-13")


def test_none_that_fits() -> None:
    made = plan(CU130, hardware(NVCC_13_0, compilers=(GCC_16,)))
    assert codes(made) == ["compiler-too-new"]
    assert "g++-15" in made.problems[0].fixes[0]


def test_a_launcher_in_cc_is_replaced_for_nvcc_and_the_plan_says_why() -> None:
    launcher = HostCompiler(cc="ccache gcc", cxx="ccache g++", name="", version="12.2", source="CC and CXX")
    made = plan(CU130, hardware(NVCC_13_0, compilers=(launcher, GCC_12)), variables_set=("CC", "CXX"))
    assert (values(made)["CC"], values(made)["CXX"]) == ("/usr/bin/gcc", "/usr/bin/g++")
    assert made.overrides == ("CC=ccache gcc is not used: torch and nvcc take one program, without arguments",)
    of_11 = dataclasses.replace(GCC_12, cc="/usr/bin/gcc-11", cxx="/usr/bin/g++-11", version="11.4")
    launcher = dataclasses.replace(launcher, version="11.4", cxx="ccache g++-11", source="CXX")
    made = plan(CU130, hardware(NVCC_13_0, compilers=(launcher, GCC_12, of_11)), variables_set=("CXX",))
    assert values(made)["CXX"] == "/usr/bin/g++-11"
    assert made.overrides[0].startswith("CXX=ccache g++-11 is not used")


@pytest.mark.parametrize("limit", [15, None])
def test_a_compiler_that_is_not_there_is_replaced(limit: int | None) -> None:
    nothing = HostCompiler(cc="no-such-gcc", cxx="no-such-g++", name="", version="", source="CC")
    nvcc = dataclasses.replace(NVCC_13_0, highest_gcc=limit)
    made = plan(CU130, hardware(nvcc, compilers=(nothing, GCC_12)), variables_set=("CC",))
    assert (values(made)["CC"], values(made)["CXX"]) == ("/usr/bin/gcc", "/usr/bin/g++")
    assert made.overrides == ("CC=no-such-gcc is not used: no gcc or clang answers to it",)


def test_the_users_own_compiler_is_replaced_if_it_is_too_new() -> None:
    own = dataclasses.replace(GCC_16, source="CC")
    made = plan(CU130, hardware(NVCC_13_0, compilers=(own, GCC_12)), variables_set=("CC",))
    assert values(made)["CC"] == "/usr/bin/gcc"
    assert "takes gcc up to 15" in made.overrides[0]
    assert not plan(CU130, hardware(NVCC_13_0, compilers=(GCC_16, GCC_12))).overrides


def test_no_compiler_at_all() -> None:
    nothing = HostCompiler(cc="no-such-gcc", cxx="no-such-g++", name="", version="", source="CC")
    for compilers in ((), (nothing,)):
        assert codes(plan(CU130, hardware(NVCC_13_0, compilers=compilers))) == ["no-compiler"]


def test_wheels_of_another_major_version_are_no_layer() -> None:
    partial = dataclasses.replace(NVCC_13_0, missing_headers=("cusparse.h",))
    trees = (f"{snapshots.SITE}/nvidia/cublas", f"{snapshots.SITE}/nvidia/cu13")
    made = plan(CU130, hardware(partial, wheel_trees=trees))
    assert made.toolkit
    assert made.toolkit.layers == ("/usr/local/cuda-13.0", f"{snapshots.SITE}/nvidia/cu13")


# Jobs.


@pytest.mark.parametrize(
    ("sources", "seen", "config", "jobs"),
    [
        ("a.cu", {"cores": 16, "memory_bytes": 200_000_000_000}, {}, 16),
        ("a.cu", {"cores": 16, "memory_bytes": 17_000_000_000}, {}, 4),
        ("", {"cores": 16, "memory_bytes": 17_000_000_000}, {}, 8),
        ("a.cu", {"cores": 16, "memory_bytes": 1_000_000}, {}, 1),
        ("a.cu", {"cores": 16, "memory_bytes": 29_000_000_000}, {"memory_per_job": 7_000_000_000}, 4),
        ("a.cu", {"cores": 16}, {"max_jobs": 3}, 3),
        ("a.cu", {"cores": 2}, {"max_jobs": 3}, 2),
    ],
)
def test_jobs(sources: str, seen: dict[str, Any], config: dict[str, Any], jobs: int) -> None:
    made = plan(CU130, hardware(NVCC_13_0, **seen), config=config, project=snapshots.project(cuda_sources=sources))
    assert made.jobs == jobs
    assert values(made)["MAX_JOBS"] == str(jobs)
    assert values(made)["CMAKE_BUILD_PARALLEL_LEVEL"] == str(jobs)
    assert values(made).get("NVCC_THREADS") == ("1" if sources else None)


@pytest.mark.parametrize(
    ("script", "seen", "config", "jobs"),
    [
        ({"nvcc_threads": 4}, {}, {}, 2),  # 4 GB for each of 4 architectures
        ({"nvcc_threads": 4}, {"gpus": ("9.0",)}, {}, 9),
        ({"nvcc_threads": 4}, {"gpus": ("8.0", "9.0")}, {}, 4),
        ({"nvcc_threads": 2}, {}, {}, 4),
        ({"nvcc_threads": 1}, {}, {}, 9),
        ({"nvcc_threads": None}, {}, {}, 9),
        ({"nvcc_threads": 0}, {"cores": 3}, {}, 3),
        ({"nvcc_threads": 0}, {}, {}, 2),
        ({"nvcc_threads": 4, "names_gencode": True}, {"gpus": ("9.0",)}, {}, 2),
        ({"nvcc_threads": 9, "names_gencode": True}, {}, {}, 1),
        ({"nvcc_threads": 4}, {"appended_threads": 1}, {}, 9),
        ({}, {"appended_threads": 2}, {}, 4),
        # What the user has set is not read.
        ({"nvcc_threads": 4}, {"gpus": ("9.0",), "variables_set": ("TORCH_CUDA_ARCH_LIST",)}, {}, 2),
        # What a compiler needs was said: it is not multiplied.
        ({"nvcc_threads": 4}, {}, {"memory_per_job": 6_000_000_000}, 6),
        ({"nvcc_threads": 4}, {}, {"max_jobs": 1}, 1),
    ],
)
def test_threads_that_setup_py_has_are_counted(
    script: dict[str, Any], seen: dict[str, Any], config: dict[str, Any], jobs: int
) -> None:
    seen = dict(seen)
    project = snapshots.project(cuda_sources="a.cu", setup_script=SetupScript(**script))
    variables_set = seen.pop("variables_set", ())
    machine = hardware(NVCC_13_0, **{"memory_bytes": 38_000_000_000, **seen})
    assert plan(CU130, machine, config=config, project=project, variables_set=variables_set).jobs == jobs


def test_the_plan_says_that_threads_are_counted() -> None:
    project = snapshots.project(cuda_sources="a.cu", setup_script=SetupScript(nvcc_threads=4))
    made = plan(CU130, hardware(NVCC_13_0, memory_bytes=38_000_000_000), project=project)
    assert "16.0 GB a job of 4 nvcc threads (setup.py)" in " ".join(plan_text(made).split())
    theirs = hardware(NVCC_13_0, memory_bytes=38_000_000_000, appended_threads=2)
    assert "8.0 GB a job of 2 nvcc threads (NVCC_APPEND_FLAGS)" in " ".join(plan_text(plan(CU130, theirs)).split())
    # hipcc has no such flag, and neither have compilers of C++.
    for torch, sources in ((CU130, ""), (snapshots.CPU_TORCH, "a.cu")):
        plain = snapshots.project(cuda_sources=sources, setup_script=SetupScript(nvcc_threads=4))
        assert plan(torch, hardware(NVCC_13_0, memory_bytes=9_000_000_000), project=plain).jobs == 4


def test_the_users_number_of_jobs_counts_for_all_that_follows_from_jobs() -> None:
    project = snapshots.project(cuda_sources="a.cu", name="sageattention")
    made = plan(CU130, hardware(NVCC_13_0, users_jobs=3), variables_set=("MAX_JOBS",), project=project)
    set_to = values(made)
    assert (set_to["MAX_JOBS"], set_to["CMAKE_BUILD_PARALLEL_LEVEL"], made.jobs) == (None, "3", 3)
    assert set_to["EXT_PARALLEL"] == "1"
    assert "CMAKE_BUILD_PARALLEL_LEVEL=3  (as MAX_JOBS says)" in plan_text(made)
    # More than the memory allows: the user has said it.
    assert plan(CU130, hardware(NVCC_13_0, users_jobs=99, memory_bytes=1)).jobs == 99
    wrong = plan(CU130, hardware(NVCC_13_0), variables_set=("MAX_JOBS",))
    assert "MAX_JOBS is not used: it is not a whole number from 1" in wrong.overrides
    assert {v.name: v.value for v in wrong.variables}["MAX_JOBS"] == str(wrong.jobs)


def test_few_jobs_of_the_users_leave_room_for_threads() -> None:
    made = plan(CU130, hardware(NVCC_13_0, cores=16, users_jobs=4, gpus=("8.0", "9.0")), variables_set=("MAX_JOBS",))
    assert values(made)["NVCC_THREADS"] == "2"
    assert values(plan(CU130, hardware(NVCC_13_0, gpus=("8.0", "9.0"))))["NVCC_THREADS"] == "1"


def test_a_problem_is_said_once_where_the_plan_is_logged() -> None:
    made = plan(CU128, hardware(NVCC_13_0), hook=ASK)
    assert "error[cuda-mismatch]" in plan_text(made)  # torchgraft plan
    assert "error[" not in said_text(made, Log.PLAN)  # the hook raises it besides


def test_threads_of_the_user_are_not_counted_and_the_plan_says_so() -> None:
    made = plan(CU130, hardware(NVCC_13_0), variables_set=("NVCC_THREADS",))
    assert values(made)["NVCC_THREADS"] is None
    assert any("NVCC_THREADS is set" in note for note in made.notes)


def test_code_for_gpus_and_a_torch_without_them() -> None:
    said = "torch 2.13.0+cpu is built without CUDA: no code for it can be compiled (csrc/a.cu)"
    assert said in plan(snapshots.CPU_TORCH, hardware(), hook=ASK).notes
    assert said not in plan(CU130, hardware(NVCC_13_0), hook=ASK).notes
    assert said not in plan(snapshots.CPU_TORCH, hardware(), hook=ASK, config={"cuda": Cuda.OFF}).notes
