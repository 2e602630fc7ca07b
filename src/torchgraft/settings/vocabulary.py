"""What well-known packages call our decisions: their own variables, which of them are a project's, what a job needs.

May not decide anything, nor know a value: `compile.plan_facts` fills in `{numbers}` and the like. In which file each
variable was seen being read, and why it is set, stands in `docs/vocabulary_reasons.py`: no build asks for it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from packaging.utils import canonicalize_name

from .kinds import ValueProblem

OFF = "off"
_COMPILES = "compiles, instead of downloading a wheel by its name"
_EXACT = "its metadata then requires exactly the torch of the build"
_PYTHON_ALONE = "otherwise only the Python code is installed"


class Decision(enum.Enum):
    """What has to have been decided for a variable to be set."""

    TOOLKIT = "CUDA code is compiled"
    OTHER_MINOR = "the toolkit's minor version differs from that of torch's CUDA"
    NO_CUDA = 'cuda = "off"'
    NO_CUDA_BY_SETTING = 'cuda = "off" in the settings'
    ROCM = "ROCm code is compiled"
    TORCH = "torch's version is known"

    @property
    def of_machine(self) -> bool:
        """Whether it is about the machine that compiles; the others are the same wherever metadata are made."""
        return self in {Decision.TOOLKIT, Decision.OTHER_MINOR, Decision.ROCM}


class Word(NamedTuple):
    """One variable of some packages; of every package where `packages` is empty.

    `value` is text, or one of these between braces: `numbers` (80;90), `dotted` (8.0;9.0), `gfx` (gfx90a;gfx942),
    `gfx_words` (with spaces), `one_gfx` (only where there is one), `jobs` (also as make's option, `-j{jobs}`), `torch`.
    `known` are the architectures that the package has code for: others become the highest of them that runs on the same
    GPUs. `asked` says why one may want it where the package's own outcome would change: it is set only where the
    setting names the package.
    """

    packages: tuple[str, ...]
    variable: str
    value: str
    when: Decision
    known: tuple[str, ...] = ()
    asked: str = ""


def _own_build(package: str, prefix: str) -> tuple[Word, ...]:
    """Return the three words of packages whose wheel command first looks for a wheel on GitHub."""
    skip, force = f"{prefix}_SKIP_CUDA_BUILD", f"{prefix}_FORCE_BUILD"
    return (
        Word((package,), skip, "TRUE", _NO_CUDA),
        # Who leaves the extension out by that variable may want the wheel, as uv's documentation does.
        Word((package,), force, "TRUE", _BY_SETTING),
        Word((package,), force, "TRUE", _TOOLKIT, asked=_COMPILES),
    )


_TOOLKIT, _OTHER_MINOR, _NO_CUDA, _BY_SETTING, _ROCM, _TORCH = Decision
_PYG = ("torch-cluster", "torch-scatter", "torch-sparse", "torch-spline-conv")
_ENGINES = ("transformer-engine", "transformer-engine-cu12", "transformer-engine-cu13", "transformer-engine-torch")

VOCABULARY: tuple[Word, ...] = (
    Word((), "FORCE_CUDA", "1", _TOOLKIT),
    Word((*_PYG, "detectron2", "torchvision"), "FORCE_CUDA", "1", _ROCM),
    Word(_PYG, "FORCE_ONLY_CPU", "1", _NO_CUDA),
    Word(("pyg-lib",), "FORCE_CUDA", "0", _NO_CUDA),
    Word(("flash-attn",), "FLASH_ATTN_CUDA_ARCHS", "{numbers}", _TOOLKIT, known=("80", "90", "100", "120")),
    Word(("flash-attn",), "GPU_ARCHS", "{gfx}", _ROCM),
    *_own_build("flash-attn", "FLASH_ATTENTION"),
    *_own_build("flash-attn-3", "FLASH_ATTENTION"),
    *_own_build("causal-conv1d", "CAUSAL_CONV1D"),
    *_own_build("mamba-ssm", "MAMBA"),
    *_own_build("fast-hadamard-transform", "FAST_HADAMARD_TRANSFORM"),
    *_own_build("transformer-engine-torch", "NVTE_PYTORCH"),
    Word(("causal-conv1d", "mamba-ssm"), "HIP_ARCHITECTURES", "{one_gfx}", _ROCM),
    Word(("xformers",), "HIP_ARCHITECTURES", "{gfx_words}", _ROCM),
    Word(("xformers",), "XFORMERS_CK_FLASH_ATTN", "0", _BY_SETTING),
    Word(_ENGINES, "NVTE_CUDA_ARCHS", "{numbers}", _TOOLKIT),
    Word(
        ("transformer-engine",),
        "NVTE_FRAMEWORK",
        "pytorch",
        _TOOLKIT,
        asked="builds without jax, even if it can be imported",
    ),
    Word(("natten",), "NATTEN_CUDA_ARCH", "{dotted}", _TOOLKIT),
    Word(("natten",), "NATTEN_N_WORKERS", "{jobs}", _TOOLKIT),
    Word(("tinycudann",), "TCNN_CUDA_ARCHITECTURES", "{numbers}", _TOOLKIT),
    Word(("deepspeed",), "DS_SKIP_CUDA_CHECK", "1", _OTHER_MINOR),
    Word(("deepspeed",), "DS_NVCC_THREADS", "1", _TOOLKIT),
    Word(("deepspeed",), "DS_BUILD_OPS", "1", _TOOLKIT, asked="compiles all operations now, not each at its first use"),
    Word(("deepspeed",), "DS_ENABLE_NINJA", "1", _TOOLKIT, asked="MAX_JOBS has no effect without ninja"),
    Word(
        ("deepspeed",),
        "DS_ACCELERATOR",
        "cuda",
        _TOOLKIT,
        asked="otherwise it looks for a GPU, and its requirements depend on that",
    ),
    Word(
        ("deepspeed",),
        "DS_ACCELERATOR",
        "cuda",
        _ROCM,
        asked="else it looks for a GPU on the machine that builds; AMD is cuda, too",
    ),
    Word(
        ("deepspeed",),
        "DS_ACCELERATOR",
        "cpu",
        _NO_CUDA,
        asked="otherwise it looks for a GPU, and writes that into the wheel",
    ),
    Word(("sageattention",), "EXT_PARALLEL", "1", _TOOLKIT),
    Word(("sageattention",), "SAGEATTN_SKIP_CUDA_BUILD", "1", _NO_CUDA),
    Word(
        ("vllm",),
        "VLLM_TARGET_DEVICE",
        "cpu",
        _NO_CUDA,
        asked="by default what torch is for; version and requirements depend on it",
    ),
    Word(("torchaudio",), "USE_CUDA", "1", _TOOLKIT),
    Word(("torchaudio",), "USE_CUDA", "0", _NO_CUDA),
    Word(("torchaudio",), "USE_ROCM", "1", _ROCM),
    Word(("torchvision",), "PYTORCH_VERSION", "{torch}", _TORCH, asked=_EXACT),
    Word(("torchaudio",), "PYTORCH_VERSION", "{torch}", _TORCH, asked=_EXACT),
    Word(("apex",), "APEX_CPP_EXT", "1", _TOOLKIT, asked=_PYTHON_ALONE),
    Word(("apex",), "APEX_CUDA_EXT", "1", _TOOLKIT, asked=_PYTHON_ALONE),
    Word(("fairscale",), "BUILD_CUDA_EXTENSIONS", "1", _TOOLKIT, asked=_PYTHON_ALONE),
    Word(("torch-points-kernels",), "FORCE_ONLY_CPU", "1", _NO_CUDA),
    Word(("pytorch3d",), "FORCE_CUDA", "1", _ROCM),
    Word(("pytorch3d",), "PYTORCH3D_FORCE_NO_CUDA", "1", _NO_CUDA),
    Word(("exllamav2",), "EXLLAMA_NOCOMPILE", "1", _NO_CUDA),
    Word(("nerfacc",), "BUILD_NO_CUDA", "1", _NO_CUDA),
    Word(("gsplat",), "BUILD_NO_CUDA", "1", _NO_CUDA),
    Word(("sam2",), "SAM2_BUILD_CUDA", "0", _NO_CUDA),
    Word(("gptqmodel",), "BUILD_CUDA_EXT", "0", _NO_CUDA),
    Word(("gptqmodel",), "BUILD_CUDA_EXT", "1", _TOOLKIT),
    Word(("gptqmodel",), "GPTQMODEL_FORCE_BUILD", "1", _TOOLKIT, asked=_COMPILES),
    Word(("k2",), "K2_CMAKE_ARGS", "-DCMAKE_BUILD_TYPE=Release -DK2_WITH_CUDA=OFF", _NO_CUDA),
    Word(("k2",), "K2_MAKE_ARGS", "-j{jobs}", _TOOLKIT),
    Word(("sgl-kernel", "sglang-kernel"), "CMAKE_ARGS", "-DSGL_KERNEL_COMPILE_THREADS=1", _TOOLKIT),
    Word(("auto-gptq",), "BUILD_CUDA_EXT", "0", _NO_CUDA),
)
# At its peak, for one architecture and one thread, with nvcc 13.0, as measured. flash-attn 2.8.3: forward of head
# dimension 128 4.6 GB, backward 5.8 GB, backward of 256 6.4 GB.
_JOB_BYTES = {"flash-attn": 7_000_000_000}

VARIABLES = tuple(sorted({word.variable for word in VOCABULARY}))
# Those that every build is told.
JOB_LIMITS = ("MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL")
JOB_VARIABLES = tuple(sorted({word.variable for word in VOCABULARY if word.value == "{jobs}"}))
PACKAGES = tuple(sorted({package for word in VOCABULARY for package in word.packages}))


def known_package(data: object) -> str:
    """Return the name of a package of the vocabulary; raise ValueProblem if it is none."""
    if not isinstance(data, str):
        raise ValueProblem('a list of packages, or "off"')
    name = str(canonicalize_name(data))
    if name not in PACKAGES:
        raise ValueProblem(f"packages of the vocabulary; {name!r} is none of {', '.join(PACKAGES)}")
    return name


def words_of(project: str | None, setting: tuple[str, ...]) -> tuple[Word, ...]:
    """Return the words that may apply to a project: those of every package, of its own name, and what was asked for."""
    if setting == (OFF,):
        return ()
    own = canonicalize_name(project) if project else None
    return tuple(
        word
        for word in VOCABULARY
        if (not word.packages and not word.asked)
        or any(package in setting or (package == own and not word.asked) for package in word.packages)
    )


def _packages(project: str | None, setting: tuple[str, ...]) -> set[str]:
    """Return the packages as one of which a project counts."""
    return set() if setting == (OFF,) else {*setting, *([str(canonicalize_name(project))] if project else [])}


def can_leave_cuda_out(project: str | None, setting: tuple[str, ...]) -> bool:
    """Return whether `cuda = "off"` says something to a project."""
    return any(word.when is Decision.NO_CUDA for word in words_of(project, setting))


def switch_of(project: str | None, setting: tuple[str, ...], variables: Mapping[str, str]) -> str:
    """Return the variable, with its value, by which the user has told a project to leave CUDA out; "" if none.

    Also one that is never set by itself. Not where another variable says that ROCm compiles instead.
    """
    names = _packages(project, setting)
    said = [word for word in VOCABULARY if names & {*word.packages} and variables.get(word.variable) == word.value]
    if any(word.when is Decision.ROCM for word in said):
        return ""
    return next((f"{word.variable}={word.value}" for word in said if word.when is Decision.NO_CUDA), "")


def job_bytes_of(project: str | None, setting: tuple[str, ...]) -> int:
    """Return what one job of a project needs as far as it is known to be more than usual, else 0."""
    return max((_JOB_BYTES.get(name, 0) for name in _packages(project, setting)), default=0)
