"""What well-known packages call our decisions: their own variables, each with the file in which it was seen being read.

May not decide anything, nor know a value: `decide.vocabulary` fills in `{numbers}` and the like.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Decision(enum.Enum):
    """What has to have been decided for a variable to be set."""

    TOOLKIT = "a CUDA toolkit compiles"
    OTHER_MINOR = "the toolkit is of another minor version than torch's CUDA"
    NO_CUDA = 'cuda = "off"'
    ROCM = "a ROCm toolkit compiles"
    TORCH = "torch's version is known"

    @property
    def of_machine(self) -> bool:
        """Whether it is about the machine that compiles; the others are the same wherever metadata are made."""
        return self in {Decision.TOOLKIT, Decision.OTHER_MINOR, Decision.ROCM}


@dataclass(frozen=True, kw_only=True)
class Word:
    """One variable of some packages; of every package where `packages` is empty.

    `value` is text, or one of these between braces: `numbers` (80;90), `dotted` (8.0;9.0), `gfx` (gfx90a;gfx942),
    `gfx_words` (with spaces), `one_gfx` (only where there is one), `jobs`, `torch`. `known` are the architectures that
    the package has code for: others become the highest of them that runs on the same GPUs. `asked`: only where the
    setting names the package, since the package's own outcome would change.
    """

    packages: tuple[str, ...] = ()
    variable: str
    value: str
    when: Decision
    known: tuple[str, ...] = ()
    asked: bool = False
    why: str
    source: str


_PYG = ("torch-cluster", "torch-scatter", "torch-sparse", "torch-spline-conv")
_FLASH = "https://pypi.org/project/flash-attn/2.8.3.post2/ setup.py"
_CAUSAL = "https://pypi.org/project/causal-conv1d/1.7.0/ setup.py"
_MAMBA = "https://pypi.org/project/mamba-ssm/2.3.2.post1/ setup.py"
_HADAMARD = "https://pypi.org/project/fast-hadamard-transform/1.1.0/ setup.py"
_ENGINE = "https://pypi.org/project/transformer-engine-torch/2.20.2/ setup.py"
_ENGINE_TOOLS = "https://pypi.org/project/transformer-engine-torch/2.20.2/ build_tools/utils.py"
_DEEPSPEED = "https://pypi.org/project/deepspeed/0.19.8/ setup.py"
_AUDIO = (
    "https://github.com/pytorch/audio/blob/02f42eb0b7316b6200799d04e76d2650c47f1f03/tools/setup_helpers/extension.py"
)
# What reads them came with https://github.com/NVIDIA/apex/pull/1910.
_APEX = "https://github.com/NVIDIA/apex/blob/25.09/setup.py"
_SAGE = "https://github.com/thu-ml/SageAttention/blob/0263553c1ab901e2a5e0fa83adfacdfc71a89062/setup.py"
_ACCELERATOR = "https://pypi.org/project/deepspeed/0.19.8/ accelerator/real_accelerator.py"


def _own_build(package: str, prefix: str, source: str) -> tuple[Word, ...]:
    """Return the three words of packages whose wheel command first looks for a wheel on GitHub."""
    skip, force = f"{prefix}_SKIP_CUDA_BUILD", f"{prefix}_FORCE_BUILD"
    no_wheel = "without CUDA there is no wheel to be found, and looking for one fails"
    return (
        _without_cuda(package, skip, "TRUE", "leaves the CUDA extension out", source),
        _without_cuda(package, force, "TRUE", no_wheel, source),
        Word(
            packages=(package,),
            variable=force,
            value="TRUE",
            when=Decision.TOOLKIT,
            asked=True,
            why="compiles, instead of downloading a wheel whose name fits",
            source=source,
        ),
    )


def _without_cuda(package: str, variable: str, value: str, why: str, source: str) -> Word:
    """Return the word that leaves out what cuda = "off" does not want, or that cannot be had without CUDA."""
    return Word(packages=(package,), variable=variable, value=value, when=Decision.NO_CUDA, why=why, source=source)


VOCABULARY: tuple[Word, ...] = (
    Word(
        variable="FORCE_CUDA",
        value="1",
        when=Decision.TOOLKIT,
        why="setup.py asks torch.cuda.is_available(), which is about the machine that builds; read by torch-scatter,"
        " torchvision, mmcv, xformers, detectron2, pytorch3d, pyg-lib and others",
        source="https://pypi.org/project/torch-scatter/2.1.2/ setup.py",
    ),
    Word(
        packages=(*_PYG, "detectron2", "torchvision"),
        variable="FORCE_CUDA",
        value="1",
        when=Decision.ROCM,
        why="the same variable says it for ROCm",
        source="https://github.com/pytorch/vision/blob/004ebb5cd46514e67a2f21bfdae64e74cc11bb13/setup.py",
    ),
    Word(
        packages=_PYG,
        variable="FORCE_ONLY_CPU",
        value="1",
        when=Decision.NO_CUDA,
        why="leaves the CUDA extensions out, whatever the machine has",
        source="https://pypi.org/project/torch-cluster/1.6.3/ setup.py",
    ),
    _without_cuda(
        "pyg-lib",
        "FORCE_CUDA",
        "0",
        "any value beats torch.cuda.is_available()",
        "https://github.com/pyg-team/pyg-lib/blob/00e75095e2653c88c71216a37c3145a94b513fa7/setup.py",
    ),
    Word(
        packages=("flash-attn",),
        variable="FLASH_ATTN_CUDA_ARCHS",
        value="{numbers}",
        when=Decision.TOOLKIT,
        known=("80", "90", "100", "120"),
        why="it passes -gencode itself, so that torch ignores TORCH_CUDA_ARCH_LIST",
        source=_FLASH,
    ),
    Word(
        packages=("flash-attn",),
        variable="GPU_ARCHS",
        value="{gfx}",
        when=Decision.ROCM,
        why="by default it asks the GPU of the machine that builds",
        source=_FLASH,
    ),
    *_own_build("flash-attn", "FLASH_ATTENTION", _FLASH),
    *_own_build("flash-attn-3", "FLASH_ATTENTION", "https://pypi.org/project/flash-attn/2.8.3.post2/ hopper/setup.py"),
    *_own_build("causal-conv1d", "CAUSAL_CONV1D", _CAUSAL),
    *_own_build("mamba-ssm", "MAMBA", _MAMBA),
    *_own_build("fast-hadamard-transform", "FAST_HADAMARD_TRANSFORM", _HADAMARD),
    *_own_build("transformer-engine-torch", "NVTE_PYTORCH", _ENGINE),
    Word(
        packages=("causal-conv1d", "mamba-ssm"),
        variable="HIP_ARCHITECTURES",
        value="{one_gfx}",
        when=Decision.ROCM,
        why="it stands behind one --offload-arch, and is native by default",
        source=_CAUSAL,
    ),
    Word(
        packages=("xformers",),
        variable="HIP_ARCHITECTURES",
        value="{gfx_words}",
        when=Decision.ROCM,
        why="without it nothing is compiled for ROCm where the machine has no GPU",
        source="https://pypi.org/project/xformers/0.0.35/ setup.py",
    ),
    _without_cuda(
        "xformers",
        "XFORMERS_CK_FLASH_ATTN",
        "0",
        "leaves the extension for ROCm out; there is none that leaves the one for CUDA out",
        "https://pypi.org/project/xformers/0.0.35/ setup.py",
    ),
    Word(
        packages=(
            "transformer-engine",
            "transformer-engine-cu12",
            "transformer-engine-cu13",
            "transformer-engine-torch",
        ),
        variable="NVTE_CUDA_ARCHS",
        value="{numbers}",
        when=Decision.TOOLKIT,
        why="its CMake project knows no TORCH_CUDA_ARCH_LIST",
        source=_ENGINE_TOOLS,
    ),
    Word(
        packages=("transformer-engine",),
        variable="NVTE_FRAMEWORK",
        value="pytorch",
        when=Decision.TOOLKIT,
        asked=True,
        why="leaves jax out, where the build could import it",
        source=_ENGINE_TOOLS,
    ),
    Word(
        packages=("natten",),
        variable="NATTEN_CUDA_ARCH",
        value="{dotted}",
        when=Decision.TOOLKIT,
        why="without it nothing is compiled where the machine has no GPU",
        source="https://pypi.org/project/natten/0.21.7/ setup.py",
    ),
    Word(
        packages=("natten",),
        variable="NATTEN_N_WORKERS",
        value="{jobs}",
        when=Decision.TOOLKIT,
        why="its own number of jobs, by default a quarter of all processors whatever the memory",
        source="https://pypi.org/project/natten/0.21.7/ setup.py",
    ),
    Word(
        packages=("tinycudann",),
        variable="TCNN_CUDA_ARCHITECTURES",
        value="{numbers}",
        when=Decision.TOOLKIT,
        why="it empties TORCH_CUDA_ARCH_LIST, and fails where the machine has no GPU",
        source="https://github.com/NVlabs/tiny-cuda-nn/blob/02919511e152ee1059b51b7825bd9a4de659645c/bindings/torch/setup.py",
    ),
    Word(
        packages=("deepspeed",),
        variable="DS_SKIP_CUDA_CHECK",
        value="1",
        when=Decision.OTHER_MINOR,
        why="it refuses a toolkit of another minor version",
        source="https://pypi.org/project/deepspeed/0.19.8/ op_builder/builder.py",
    ),
    Word(
        packages=("deepspeed",),
        variable="DS_NVCC_THREADS",
        value="1",
        when=Decision.TOOLKIT,
        why="its own number of threads of each nvcc, by default up to eight; the jobs are counted with one",
        source="https://pypi.org/project/deepspeed/0.19.8/ op_builder/builder.py",
    ),
    Word(
        packages=("deepspeed",),
        variable="DS_BUILD_OPS",
        value="1",
        when=Decision.TOOLKIT,
        asked=True,
        why="compiles all operations that can be, instead of each at its first use",
        source=_DEEPSPEED,
    ),
    Word(
        packages=("deepspeed",),
        variable="DS_ENABLE_NINJA",
        value="1",
        when=Decision.TOOLKIT,
        asked=True,
        why="MAX_JOBS counts only with ninja",
        source=_DEEPSPEED,
    ),
    Word(
        packages=("deepspeed",),
        variable="DS_ACCELERATOR",
        value="cuda",
        when=Decision.TOOLKIT,
        asked=True,
        why="it asks for a GPU of the machine that builds; its requirements depend on the answer",
        source=_ACCELERATOR,
    ),
    Word(
        packages=("deepspeed",),
        variable="DS_ACCELERATOR",
        value="cuda",
        when=Decision.ROCM,
        asked=True,
        why="it asks for a GPU of the machine that builds, and calls those of AMD the same",
        source=_ACCELERATOR,
    ),
    Word(
        packages=("deepspeed",),
        variable="DS_ACCELERATOR",
        value="cpu",
        when=Decision.NO_CUDA,
        asked=True,
        why="it asks for a GPU of the machine that builds, and writes the answer into the wheel",
        source=_ACCELERATOR,
    ),
    Word(
        packages=("sageattention",),
        variable="EXT_PARALLEL",
        value="1",
        when=Decision.TOOLKIT,
        why="by default as many extensions at once as MAX_JOBS says, each with as many compilers",
        source=_SAGE,
    ),
    _without_cuda("sageattention", "SAGEATTN_SKIP_CUDA_BUILD", "1", "leaves the CUDA extensions out", _SAGE),
    Word(
        packages=("vllm",),
        variable="VLLM_TARGET_DEVICE",
        value="cpu",
        when=Decision.NO_CUDA,
        asked=True,
        why="by default it is what torch is built for; version and requirements depend on it",
        source="https://pypi.org/project/vllm/0.33.0/ setup.py",
    ),
    Word(
        packages=("torchaudio",),
        variable="USE_CUDA",
        value="1",
        when=Decision.TOOLKIT,
        why="by default it is what torch.cuda.is_available() says",
        source=_AUDIO,
    ),
    _without_cuda("torchaudio", "USE_CUDA", "0", "leaves CUDA out", _AUDIO),
    Word(
        packages=("torchaudio",),
        variable="USE_ROCM",
        value="1",
        when=Decision.ROCM,
        why="by default it is what torch.cuda.is_available() says",
        source=_AUDIO,
    ),
    Word(
        packages=("torchvision",),
        variable="PYTORCH_VERSION",
        value="{torch}",
        when=Decision.TORCH,
        asked=True,
        why="its metadata then requires the very torch that it was built against",
        source="https://github.com/pytorch/vision/blob/004ebb5cd46514e67a2f21bfdae64e74cc11bb13/setup.py",
    ),
    Word(
        packages=("torchaudio",),
        variable="PYTORCH_VERSION",
        value="{torch}",
        when=Decision.TORCH,
        asked=True,
        why="its metadata then requires the very torch that it was built against",
        source="https://github.com/pytorch/audio/blob/00dad72cbccb0ba5b9564d6b30ddc504a0a1be21/setup.py",
    ),
    Word(
        packages=("apex",),
        variable="APEX_CPP_EXT",
        value="1",
        when=Decision.TOOLKIT,
        asked=True,
        why="without it only Python is installed",
        source=_APEX,
    ),
    Word(
        packages=("apex",),
        variable="APEX_CUDA_EXT",
        value="1",
        when=Decision.TOOLKIT,
        asked=True,
        why="without it only Python is installed",
        source=_APEX,
    ),
    Word(
        packages=("fairscale",),
        variable="BUILD_CUDA_EXTENSIONS",
        value="1",
        when=Decision.TOOLKIT,
        asked=True,
        why="without it only Python is installed",
        source="https://pypi.org/project/fairscale/0.4.9/ setup.py",
    ),
    _without_cuda(
        "torch-points-kernels",
        "FORCE_ONLY_CPU",
        "1",
        "leaves the CUDA extension out, whatever the machine has",
        "https://pypi.org/project/torch-points-kernels/0.7.0/ setup.py",
    ),
    _without_cuda(
        "pytorch3d",
        "PYTORCH3D_FORCE_NO_CUDA",
        "1",
        "leaves the CUDA sources out, whatever the machine has",
        "https://github.com/facebookresearch/pytorch3d/blob/ef43b8ddbf6480c9cf49d0f076fb7d12c0ecf285/setup.py",
    ),
    _without_cuda(
        "exllamav2",
        "EXLLAMA_NOCOMPILE",
        "1",
        "leaves the CUDA extension to its first use",
        "https://pypi.org/project/exllamav2/0.0.4/ setup.py",
    ),
    _without_cuda(
        "nerfacc",
        "BUILD_NO_CUDA",
        "1",
        "leaves the CUDA extension out",
        "https://pypi.org/project/nerfacc/0.5.3/ setup.py",
    ),
    _without_cuda(
        "gsplat",
        "BUILD_NO_CUDA",
        "1",
        "leaves the CUDA extension out",
        "https://pypi.org/project/gsplat/1.5.3/ setup.py",
    ),
    _without_cuda(
        "auto-gptq",
        "BUILD_CUDA_EXT",
        "0",
        "leaves the CUDA extensions out",
        "https://pypi.org/project/auto-gptq/0.7.1/ setup.py",
    ),
)
