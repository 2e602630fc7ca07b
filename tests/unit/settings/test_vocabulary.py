"""Our decisions in the words of well-known packages."""

from __future__ import annotations

import dataclasses
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from support.compiling import CU128, CU130, NVCC_13_0, NVCC_13_2, hardware, plan, values
from torchgraft.compile.plan_facts import covered
from torchgraft.errors import ConfigError
from torchgraft.model.hardware_values import RocmToolkit
from torchgraft.model.observation import Hook
from torchgraft.settings.config import Config, Cuda
from torchgraft.settings.sources import resolve_config
from torchgraft.settings.vocabulary import PACKAGES, VOCABULARY, Decision, switch_of, words_of

METADATA = Hook.PREPARE_METADATA_FOR_BUILD_WHEEL
ROCM_TORCH = dataclasses.replace(snapshots.CPU_TORCH, version="2.9.0+rocm6.4", hip="6.4.43482")
ROCM = RocmToolkit(home="/opt/rocm-6.4.1", version="6.4.1", source="/opt")


def of(name: str, torch: Any = CU130, *, config: dict[str, Any] | None = None, **seen: Any) -> dict[str, str | None]:
    """Return the variables that a package of this name gets, besides those of every package."""
    project = snapshots.project(name=name, cuda_sources="csrc/a.cu")
    machine = hardware(*seen.pop("toolkits", (NVCC_13_0,)), **seen)
    everybody = values(plan(torch, machine, config=config, project=snapshots.project(cuda_sources="csrc/a.cu")))
    mine = values(plan(torch, machine, config=config, project=project))
    return {variable: value for variable, value in mine.items() if variable not in everybody}


def test_cuda_is_forced_where_a_toolkit_compiles() -> None:
    made = plan(CU130, hardware(NVCC_13_0))
    assert values(made)["FORCE_CUDA"] == "1"
    assert next(v for v in made.variables if v.name == "FORCE_CUDA").of_machine
    assert values(plan(CU130, hardware(NVCC_13_0), hook=METADATA))["FORCE_CUDA"] == "1"


@pytest.mark.parametrize(("torch", "sources"), [(snapshots.CPU_TORCH, "a.cu"), (CU130, ""), (ROCM_TORCH, "a.cu")])
def test_nothing_is_forced_without_cuda_to_compile(torch: Any, sources: str) -> None:
    made = plan(torch, hardware(rocm=(ROCM,)), project=snapshots.project(name="Flash_Attn", cuda_sources=sources))
    assert not {"FORCE_CUDA", "FLASH_ATTN_CUDA_ARCHS", "FLASH_ATTENTION_FORCE_BUILD"} & set(values(made))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("flash_attn", {"FLASH_ATTN_CUDA_ARCHS": "80;90;120"}),  # it has no code for 7.5
        ("natten", {"NATTEN_CUDA_ARCH": "7.5;8.0;9.0;12.0", "NATTEN_N_WORKERS": "16"}),
        ("Transformer.Engine", {"NVTE_CUDA_ARCHS": "75;80;90;120"}),
        ("tinycudann", {"TCNN_CUDA_ARCHITECTURES": "75;80;90;120"}),
        ("torchaudio", {"USE_CUDA": "1"}),
        ("deepspeed", {"DS_NVCC_THREADS": "1"}),
        ("sageattention", {"EXT_PARALLEL": "1"}),
        ("flash-attn-3", {}),
        ("xformers", {}),
        ("causal-conv1d", {}),
        ("unheard-of", {}),
    ],
)
def test_by_the_projects_name(name: str, expected: dict[str, str]) -> None:
    assert of(name) == expected


def test_a_fork_says_what_it_is_and_gets_what_is_set_on_request_alone() -> None:
    config = {"vocabulary": ("flash-attn",)}
    made = values(plan(CU130, hardware(NVCC_13_0), config=config, project=snapshots.project(cuda_sources="a.cu")))
    assert made["FLASH_ATTN_CUDA_ARCHS"] == "80;90;120"
    assert made["FLASH_ATTENTION_FORCE_BUILD"] == "TRUE"


def test_off() -> None:
    project = snapshots.project(name="flash-attn", cuda_sources="a.cu")
    made = values(plan(CU130, hardware(NVCC_13_0), config={"vocabulary": ("off",)}, project=project))
    assert not {"FORCE_CUDA", "FLASH_ATTN_CUDA_ARCHS"} & set(made)


def test_without_cuda_a_package_is_told_to_leave_it_out() -> None:
    expected = {"FLASH_ATTENTION_SKIP_CUDA_BUILD": "TRUE", "FLASH_ATTENTION_FORCE_BUILD": "TRUE"}
    assert of("flash-attn", config={"cuda": Cuda.OFF}) == expected
    assert of("flash-attn-3", config={"cuda": Cuda.OFF}) == expected


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("torch-scatter", "FORCE_ONLY_CPU", "1"),
        ("torch-points-kernels", "FORCE_ONLY_CPU", "1"),
        ("pyg-lib", "FORCE_CUDA", "0"),
        ("xformers", "XFORMERS_CK_FLASH_ATTN", "0"),
        ("sageattention", "SAGEATTN_SKIP_CUDA_BUILD", "1"),
        ("pytorch3d", "PYTORCH3D_FORCE_NO_CUDA", "1"),
        ("exllamav2", "EXLLAMA_NOCOMPILE", "1"),
        ("nerfacc", "BUILD_NO_CUDA", "1"),
        ("gsplat", "BUILD_NO_CUDA", "1"),
        ("auto-gptq", "BUILD_CUDA_EXT", "0"),
        ("torchaudio", "USE_CUDA", "0"),
    ],
)
def test_what_leaves_cuda_out(name: str, variable: str, value: str) -> None:
    assert of(name, config={"cuda": Cuda.OFF}) == {variable: value}


@pytest.mark.parametrize(
    ("name", "variables", "expected"),
    [
        ("flash_attn", {"FLASH_ATTENTION_SKIP_CUDA_BUILD": "TRUE"}, "FLASH_ATTENTION_SKIP_CUDA_BUILD=TRUE"),
        ("flash-attn", {"FLASH_ATTENTION_SKIP_CUDA_BUILD": "true"}, ""),  # its setup.py takes that for a no
        ("flash-attn", {"FLASH_ATTENTION_FORCE_BUILD": "TRUE"}, ""),
        ("flash-attn", {"MAMBA_SKIP_CUDA_BUILD": "TRUE"}, ""),
        ("pyg-lib", {"FORCE_CUDA": "0"}, "FORCE_CUDA=0"),
        ("torch-scatter", {"FORCE_CUDA": "0"}, ""),
        ("xformers", {"XFORMERS_CK_FLASH_ATTN": "0"}, ""),
        ("vllm", {"VLLM_TARGET_DEVICE": "cpu"}, "VLLM_TARGET_DEVICE=cpu"),  # never set unless it is asked for
        ("torchaudio", {"USE_CUDA": "0"}, "USE_CUDA=0"),
        ("torchaudio", {"USE_CUDA": "0", "USE_ROCM": "1"}, ""),
        (None, {"USE_CUDA": "0"}, ""),
    ],
)
def test_the_users_own_word_for_no_cuda(name: str | None, variables: dict[str, str], expected: str) -> None:
    assert switch_of(name, (), variables) == expected
    assert switch_of(name, ("off",), variables) == ""
    assert switch_of("a-fork", (name.replace("_", "-"),) if name else (), variables) == expected


def test_what_the_user_has_switched_off_needs_no_toolkit() -> None:
    said = "FLASH_ATTENTION_SKIP_CUDA_BUILD=TRUE"
    project = snapshots.project(name="flash-attn", cuda_sources="a.cu")
    seen = {"project": project, "variables_set": (said.partition("=")[0],)}
    assert plan(CU128, hardware(), **seen).problems
    made = plan(CU128, hardware(), **seen, switched_off=said)
    assert made.problems == ()
    # The package may look for a wheel: that is what uv's documentation sets the variable for.
    assert "FLASH_ATTENTION_FORCE_BUILD" not in values(made)
    assert any(said in note for note in made.notes)


@pytest.mark.parametrize(
    ("name", "cuda", "expected"),
    [
        ("deepspeed", Cuda.AUTO, {"DS_ACCELERATOR": "cuda", "DS_BUILD_OPS": "1", "DS_ENABLE_NINJA": "1"}),
        ("deepspeed", Cuda.OFF, {"DS_ACCELERATOR": "cpu"}),
        ("vllm", Cuda.OFF, {"VLLM_TARGET_DEVICE": "cpu"}),
        ("vllm", Cuda.AUTO, {}),
        ("fairscale", Cuda.AUTO, {"BUILD_CUDA_EXTENSIONS": "1"}),
        ("apex", Cuda.AUTO, {"APEX_CPP_EXT": "1", "APEX_CUDA_EXT": "1"}),
    ],
)
def test_on_request_alone(name: str, cuda: Cuda, expected: dict[str, str]) -> None:
    def variables(setting: tuple[str, ...]) -> dict[str, str | None]:
        project = snapshots.project(name=name, cuda_sources="a.cu")
        return values(plan(CU130, hardware(NVCC_13_0), config={"cuda": cuda, "vocabulary": setting}, project=project))

    by_name = variables(())
    assert {key: value for key, value in variables((name,)).items() if key not in by_name} == expected


def test_the_users_value_stays_and_the_packages_own_setting_beats_the_table() -> None:
    project = snapshots.project(name="flash-attn", cuda_sources="a.cu")
    theirs = plan(CU130, hardware(NVCC_13_0), project=project, variables_set=("FLASH_ATTN_CUDA_ARCHS",))
    assert values(theirs)["FLASH_ATTN_CUDA_ARCHS"] is None
    own = {"cuda_arch_variable": "FLASH_ATTN_CUDA_ARCHS"}
    assert values(plan(CU130, hardware(NVCC_13_0), project=project, config=own))["FLASH_ATTN_CUDA_ARCHS"] == (
        "75;80;90;120"
    )


def test_another_minor_version() -> None:
    assert of("deepspeed", toolkits=(NVCC_13_2,))["DS_SKIP_CUDA_CHECK"] == "1"
    assert "DS_SKIP_CUDA_CHECK" not in of("deepspeed")


def test_torchs_version_on_request() -> None:
    config = Config(vocabulary=("torchvision",))
    made = plan(snapshots.CPU_TORCH, hardware(), config={"vocabulary": config.vocabulary}, hook=METADATA)
    assert values(made)["PYTORCH_VERSION"] == "2.13.0"
    assert not next(v for v in made.variables if v.name == "PYTORCH_VERSION").of_machine
    assert "PYTORCH_VERSION" not in of("torchvision")


@pytest.mark.parametrize(
    ("name", "gpus", "expected"),
    [
        ("xformers", ("gfx90a", "gfx942"), {"HIP_ARCHITECTURES": "gfx90a gfx942"}),
        ("flash-attn", ("gfx90a", "gfx942"), {"GPU_ARCHS": "gfx90a;gfx942"}),
        ("mamba-ssm", ("gfx90a",), {"HIP_ARCHITECTURES": "gfx90a"}),
        ("mamba-ssm", ("gfx90a", "gfx942"), {}),
        ("flash-attn", (), {}),
        ("deepspeed", ("gfx90a",), {}),
        ("torch-scatter", (), {"FORCE_CUDA": "1"}),
    ],
)
def test_rocm(name: str, gpus: tuple[str, ...], expected: dict[str, str]) -> None:
    assert of(name, ROCM_TORCH, toolkits=(), rocm=(ROCM,), gpus=gpus) == expected


def test_an_accelerator_of_amd_on_request() -> None:
    made = plan(ROCM_TORCH, hardware(rocm=(ROCM,), gpus=("gfx90a",)), config={"vocabulary": ("deepspeed",)})
    assert values(made)["DS_ACCELERATOR"] == "cuda"
    assert "DS_BUILD_OPS" not in values(made)


@pytest.mark.parametrize(
    ("names", "known", "numbers"),
    [
        (("8.6", "8.9", "8.0"), ("80", "90"), ["80"]),
        (("12.1+PTX",), ("120",), ["120"]),
        (("9.0a", "9.0"), (), ["90"]),
        (("7.5",), ("80",), []),
        (("10.3", "9.0"), ("80", "90", "100"), ["90", "100"]),
        (("8.0",), ("86",), []),
    ],
)
def test_architectures_within_those_that_a_package_has_code_for(
    names: tuple[str, ...], known: tuple[str, ...], numbers: list[str]
) -> None:
    assert [number for number, _ in covered(names, known)] == numbers


def test_the_setting() -> None:
    def setting(value: Any, **variables: str) -> tuple[str, ...]:
        toml = {} if value is None else {"vocabulary": value}
        return resolve_config({"tool": {"torchgraft": toml}}, variables=variables, arguments={}).vocabulary

    assert setting(["Flash_Attn", "xformers"]) == ("flash-attn", "xformers")
    assert setting("off") == ("off",)
    assert setting(None, TORCHGRAFT_VOCABULARY="torch-scatter, natten") == ("torch-scatter", "natten")
    assert setting(["natten"], TORCHGRAFT_VOCABULARY="off") == ("off",)
    for wrong in (["flash-atn"], "flash-attn", [1]):
        with pytest.raises(ConfigError, match="vocabulary"):
            setting(wrong)


@pytest.mark.parametrize(
    ("name", "config", "jobs"),
    [
        ("flash_attn", {}, 4),
        ("mine", {"vocabulary": ("flash-attn",)}, 4),
        ("flash_attn", {"vocabulary": ("off",)}, 7),
        ("flash_attn", {"memory_per_job": 3_000_000_000}, 9),
        ("mine", {}, 7),
    ],
)
def test_packages_whose_files_need_more_memory(name: str, config: dict[str, Any], jobs: int) -> None:
    project = snapshots.project(name=name, cuda_sources="a.cu")
    made = plan(CU130, hardware(NVCC_13_0, memory_bytes=29_500_000_000), config=config, project=project)
    assert made.jobs == jobs


def test_every_row_has_an_address_a_reason_and_a_value_that_is_known() -> None:
    reasons = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "vocabulary_reasons.py"))
    assert sum(map(len, reasons["SEEN"].values())) == len(VOCABULARY)
    for word in VOCABULARY:
        why, file = reasons["reason_of"](word)
        assert why, word
        # Each in one version, or at one commit: what a branch says changes.
        assert re.match(
            r"https://(pypi\.org/project/[\w-]+/[\w.]+/ [\w/]+\.py|github\.com/[\w/.-]+/blob/([0-9a-f]{40}|[\d.]+)/.)",
            file,
        ), word
        assert all(package in PACKAGES for package in word.packages)
        assert "{" not in word.value or word.value.removeprefix("-j")[1:-1] in {
            "numbers",
            "dotted",
            "gfx",
            "gfx_words",
            "one_gfx",
            "jobs",
            "torch",
        }
    assert not [word for word in VOCABULARY if not word.packages and word.asked]


def test_two_rows_never_set_one_variable_of_one_package_at_once() -> None:
    for package in PACKAGES:
        words = words_of(package, (package,))
        keys = [(word.variable, word.when) for word in words]
        assert len(keys) == len(set(keys)), package


def test_words_apply_only_where_a_toolkit_is_needed_or_they_are_asked_for() -> None:
    # `plan_needs.has_vocabulary` relies on it.
    assert not [word for word in VOCABULARY if word.when is Decision.TORCH and not word.asked]


def test_jobs_as_an_option_of_make() -> None:
    project = snapshots.project(name="k2", cuda_sources="a.cu")
    made = plan(CU130, hardware(NVCC_13_0), project=project)
    assert values(made)["K2_MAKE_ARGS"] == f"-j{made.jobs}"
