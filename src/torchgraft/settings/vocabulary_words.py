"""What well-known packages call our decisions: their own variables, each with the file in which it was seen being read.

May not decide anything, nor know a value: `compile.plan_facts` fills in `{numbers}` and the like.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


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
    GPUs. `asked`: only where the setting names the package, since the package's own outcome would change.
    """

    packages: tuple[str, ...]
    variable: str
    value: str
    when: Decision
    why: str
    source: str
    known: tuple[str, ...]
    asked: bool


_PYG = ("torch-cluster", "torch-scatter", "torch-sparse", "torch-spline-conv")
_FLASH = "https://pypi.org/project/flash-attn/2.8.3.post2/ setup.py"
_CAUSAL = "https://pypi.org/project/causal-conv1d/1.7.0/ setup.py"
_MAMBA = "https://pypi.org/project/mamba-ssm/2.3.2.post1/ setup.py"
_HADAMARD = "https://pypi.org/project/fast-hadamard-transform/1.1.0/ setup.py"
_ENGINE = "https://pypi.org/project/transformer-engine-torch/2.20.2/ setup.py"
_ENGINE_TOOLS = "https://pypi.org/project/transformer-engine-torch/2.20.2/ build_tools/utils.py"
_AUDIO = (
    "https://github.com/pytorch/audio/blob/02f42eb0b7316b6200799d04e76d2650c47f1f03/tools/setup_helpers/extension.py"
)
# What reads them came with https://github.com/NVIDIA/apex/pull/1910.
_APEX = "https://github.com/NVIDIA/apex/blob/25.09/setup.py"
_SAGE = "https://github.com/thu-ml/SageAttention/blob/0263553c1ab901e2a5e0fa83adfacdfc71a89062/setup.py"


_TOOLKIT, _OTHER_MINOR, _NO_CUDA, _BY_SETTING, _ROCM, _TORCH = Decision


def _words(
    packages: tuple[str, ...],
    source: str,
    *rows: tuple[str, str, Decision, str],
    known: tuple[str, ...] = (),
    asked: bool = False,
) -> tuple[Word, ...]:
    """Return the words of some packages that one file reads: variable, value, when, and why."""
    return tuple(
        Word(packages, variable, value, when, why, source, known, asked) for variable, value, when, why in rows
    )


def _on_pypi(
    release: str, *rows: tuple[str, str, Decision, str], known: tuple[str, ...] = (), asked: bool = False
) -> tuple[Word, ...]:
    """Return the words of one package that its file on PyPI reads: name/version/ file."""
    name = release.partition("/")[0]
    return _words((name,), f"https://pypi.org/project/{release}", *rows, known=known, asked=asked)


def _own_build(package: str, prefix: str, source: str) -> tuple[Word, ...]:
    """Return the three words of packages whose wheel command first looks for a wheel on GitHub."""
    skip, force = f"{prefix}_SKIP_CUDA_BUILD", f"{prefix}_FORCE_BUILD"
    no_wheel = "without CUDA there is no prebuilt wheel, and looking for one fails"
    compiles = "compiles, instead of downloading a wheel by its name"
    return (
        *_words(
            (package,),
            source,
            (skip, "TRUE", _NO_CUDA, "builds without the CUDA extension"),
            # Who leaves the extension out by that variable may want the wheel, as uv's documentation does.
            (force, "TRUE", _BY_SETTING, no_wheel),
        ),
        *_words((package,), source, (force, "TRUE", _TOOLKIT, compiles), asked=True),
    )


VOCABULARY: tuple[Word, ...] = (
    *_words(
        (),
        "https://pypi.org/project/torch-scatter/2.1.2/ setup.py",
        (
            "FORCE_CUDA",
            "1",
            _TOOLKIT,
            (
                "otherwise setup.py checks for a GPU on the machine that builds; read by"
                " torch-scatter, torchvision, mmcv, xformers, detectron2, pytorch3d, pyg-lib and others"
            ),
        ),
    ),
    *_words(
        (*_PYG, "detectron2", "torchvision"),
        "https://github.com/pytorch/vision/blob/004ebb5cd46514e67a2f21bfdae64e74cc11bb13/setup.py",
        ("FORCE_CUDA", "1", _ROCM, "the same variable is for ROCm, too"),
    ),
    *_words(
        _PYG,
        "https://pypi.org/project/torch-cluster/1.6.3/ setup.py",
        ("FORCE_ONLY_CPU", "1", _NO_CUDA, "builds without the CUDA extensions, even with a toolkit"),
    ),
    *_words(
        ("pyg-lib",),
        "https://github.com/pyg-team/pyg-lib/blob/00e75095e2653c88c71216a37c3145a94b513fa7/setup.py",
        ("FORCE_CUDA", "0", _NO_CUDA, "otherwise it checks for a GPU on the machine that builds"),
    ),
    *_on_pypi(
        "flash-attn/2.8.3.post2/ setup.py",
        ("FLASH_ATTN_CUDA_ARCHS", "{numbers}", _TOOLKIT, "it has -gencode itself: torch ignores TORCH_CUDA_ARCH_LIST"),
        known=("80", "90", "100", "120"),
    ),
    *_words(
        ("flash-attn",), _FLASH, ("GPU_ARCHS", "{gfx}", _ROCM, "the default is the GPU of the machine that builds")
    ),
    *_own_build("flash-attn", "FLASH_ATTENTION", _FLASH),
    *_own_build("flash-attn-3", "FLASH_ATTENTION", "https://pypi.org/project/flash-attn/2.8.3.post2/ hopper/setup.py"),
    *_own_build("causal-conv1d", "CAUSAL_CONV1D", _CAUSAL),
    *_own_build("mamba-ssm", "MAMBA", _MAMBA),
    *_own_build("fast-hadamard-transform", "FAST_HADAMARD_TRANSFORM", _HADAMARD),
    *_own_build("transformer-engine-torch", "NVTE_PYTORCH", _ENGINE),
    *_words(
        ("causal-conv1d", "mamba-ssm"),
        _CAUSAL,
        ("HIP_ARCHITECTURES", "{one_gfx}", _ROCM, "the value of the only --offload-arch; the default is native"),
    ),
    *_on_pypi(
        "xformers/0.0.35/ setup.py",
        ("HIP_ARCHITECTURES", "{gfx_words}", _ROCM, "otherwise nothing is compiled for ROCm on machines without a GPU"),
        ("XFORMERS_CK_FLASH_ATTN", "0", _BY_SETTING, "builds without the ROCm extension; CUDA has no such variable"),
    ),
    *_words(
        ("transformer-engine", "transformer-engine-cu12", "transformer-engine-cu13", "transformer-engine-torch"),
        _ENGINE_TOOLS,
        ("NVTE_CUDA_ARCHS", "{numbers}", _TOOLKIT, "its CMake project does not read TORCH_CUDA_ARCH_LIST"),
    ),
    *_words(
        ("transformer-engine",),
        _ENGINE_TOOLS,
        ("NVTE_FRAMEWORK", "pytorch", _TOOLKIT, "builds without jax, even if it can be imported"),
        asked=True,
    ),
    *_on_pypi(
        "natten/0.21.7/ setup.py",
        ("NATTEN_CUDA_ARCH", "{dotted}", _TOOLKIT, "otherwise nothing is compiled on a machine without a GPU"),
        ("NATTEN_N_WORKERS", "{jobs}", _TOOLKIT, "its jobs; else a quarter of the processors, whatever the memory"),
    ),
    *_words(
        ("tinycudann",),
        "https://github.com/NVlabs/tiny-cuda-nn/blob/02919511e152ee1059b51b7825bd9a4de659645c/bindings/torch/setup.py",
        ("TCNN_CUDA_ARCHITECTURES", "{numbers}", _TOOLKIT, "it clears TORCH_CUDA_ARCH_LIST, and fails without a GPU"),
    ),
    *_on_pypi(
        "deepspeed/0.19.8/ op_builder/builder.py",
        ("DS_SKIP_CUDA_CHECK", "1", _OTHER_MINOR, "otherwise it refuses a toolkit with another minor version"),
        ("DS_NVCC_THREADS", "1", _TOOLKIT, "its own threads per nvcc, by default up to eight; MAX_JOBS is for one"),
    ),
    *_on_pypi(
        "deepspeed/0.19.8/ setup.py",
        ("DS_BUILD_OPS", "1", _TOOLKIT, "compiles all operations now, not each at its first use"),
        ("DS_ENABLE_NINJA", "1", _TOOLKIT, "MAX_JOBS has no effect without ninja"),
        asked=True,
    ),
    *_on_pypi(
        "deepspeed/0.19.8/ accelerator/real_accelerator.py",
        ("DS_ACCELERATOR", "cuda", _TOOLKIT, "otherwise it looks for a GPU, and its requirements depend on that"),
        ("DS_ACCELERATOR", "cuda", _ROCM, "otherwise it looks for a GPU on the machine that builds; AMD is cuda, too"),
        ("DS_ACCELERATOR", "cpu", _NO_CUDA, "otherwise it looks for a GPU, and writes that into the wheel"),
        asked=True,
    ),
    *_words(
        ("sageattention",),
        _SAGE,
        ("EXT_PARALLEL", "1", _TOOLKIT, "otherwise MAX_JOBS extensions at once, each with MAX_JOBS compilers"),
        ("SAGEATTN_SKIP_CUDA_BUILD", "1", _NO_CUDA, "builds without the CUDA extensions"),
    ),
    *_on_pypi(
        "vllm/0.33.0/ setup.py",
        ("VLLM_TARGET_DEVICE", "cpu", _NO_CUDA, "by default what torch is for; version and requirements depend on it"),
        asked=True,
    ),
    *_words(
        ("torchaudio",),
        _AUDIO,
        ("USE_CUDA", "1", _TOOLKIT, "the default is whether the machine that builds has a GPU"),
        ("USE_CUDA", "0", _NO_CUDA, "builds without CUDA"),
        ("USE_ROCM", "1", _ROCM, "the default is whether the machine that builds has a GPU"),
    ),
    *_words(
        ("torchvision",),
        "https://github.com/pytorch/vision/blob/004ebb5cd46514e67a2f21bfdae64e74cc11bb13/setup.py",
        ("PYTORCH_VERSION", "{torch}", _TORCH, "its metadata then requires exactly the torch of the build"),
        asked=True,
    ),
    *_words(
        ("torchaudio",),
        "https://github.com/pytorch/audio/blob/00dad72cbccb0ba5b9564d6b30ddc504a0a1be21/setup.py",
        ("PYTORCH_VERSION", "{torch}", _TORCH, "its metadata then requires exactly the torch of the build"),
        asked=True,
    ),
    *_words(
        ("apex",),
        _APEX,
        ("APEX_CPP_EXT", "1", _TOOLKIT, "otherwise only the Python code is installed"),
        ("APEX_CUDA_EXT", "1", _TOOLKIT, "otherwise only the Python code is installed"),
        asked=True,
    ),
    *_on_pypi(
        "fairscale/0.4.9/ setup.py",
        ("BUILD_CUDA_EXTENSIONS", "1", _TOOLKIT, "otherwise only the Python code is installed"),
        asked=True,
    ),
    *_on_pypi(
        "torch-points-kernels/0.7.0/ setup.py",
        ("FORCE_ONLY_CPU", "1", _NO_CUDA, "builds without the CUDA extension, even with a toolkit"),
    ),
    *_words(
        ("pytorch3d",),
        "https://github.com/facebookresearch/pytorch3d/blob/9381c4016376345bb795b97c45a6c2de66db354a/setup.py",
        ("FORCE_CUDA", "1", _ROCM, "the same variable is for ROCm, too"),
        ("PYTORCH3D_FORCE_NO_CUDA", "1", _NO_CUDA, "builds without the CUDA sources, even with a toolkit"),
    ),
    *_on_pypi("exllamav2/0.0.4/ setup.py", ("EXLLAMA_NOCOMPILE", "1", _NO_CUDA, "leaves compiling to the first use")),
    *_on_pypi("nerfacc/0.5.3/ setup.py", ("BUILD_NO_CUDA", "1", _NO_CUDA, "builds without the CUDA extension")),
    *_on_pypi("gsplat/1.5.3/ setup.py", ("BUILD_NO_CUDA", "1", _NO_CUDA, "builds without the CUDA extension")),
    *_on_pypi(
        "gptqmodel/5.6.0/ setup.py",
        ("BUILD_CUDA_EXT", "0", _NO_CUDA, "builds without the CUDA extensions"),
        ("BUILD_CUDA_EXT", "1", _TOOLKIT, "the default depends on an nvcc on PATH, or on the driver"),
    ),
    *_on_pypi(
        "gptqmodel/5.6.0/ setup.py",
        ("GPTQMODEL_FORCE_BUILD", "1", _TOOLKIT, "compiles, instead of downloading a wheel by its name"),
        asked=True,
    ),
    *_words(
        ("k2",),
        "https://github.com/k2-fsa/k2/blob/a741ae88abc6995345aa166464a239b7d270dd4c/setup.py",
        (
            "K2_CMAKE_ARGS",
            "-DCMAKE_BUILD_TYPE=Release -DK2_WITH_CUDA=OFF",
            _NO_CUDA,
            "builds without CUDA; otherwise an nvcc turns it on, whatever torch has",
        ),
        ("K2_MAKE_ARGS", "-j{jobs}", _TOOLKIT, "its own number of jobs; by default four, whatever the memory"),
    ),
    *_words(
        ("sgl-kernel", "sglang-kernel"),
        "https://github.com/sgl-project/sglang/blob/00390b8633f913f53d98d3acdbc1ab8f0d62da1b/sgl-kernel/CMakeLists.txt",
        (
            "CMAKE_ARGS",
            "-DSGL_KERNEL_COMPILE_THREADS=1",
            _TOOLKIT,
            "its own number of threads per nvcc, by default 32; MAX_JOBS is for one",
        ),
    ),
    *_on_pypi("auto-gptq/0.7.1/ setup.py", ("BUILD_CUDA_EXT", "0", _NO_CUDA, "builds without the CUDA extensions")),
)
