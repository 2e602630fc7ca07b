"""Why the words of the vocabulary are set, and in which files of the packages they were seen being read.

Of a word that is only set on request, `settings/vocabulary.py` has the reason itself: `torchgraft adopt` says it.
"""

from __future__ import annotations

from collections.abc import Mapping

from torchgraft.settings.vocabulary import Decision, Word

_TOOLKIT, _OTHER_MINOR, _NO_CUDA, _BY_SETTING, _ROCM, _TORCH = Decision
_WITHOUT = "builds without the CUDA extension"
_NO_WHEEL = "without CUDA there is no prebuilt wheel, and looking for one fails"

# By address, and file in the archive that is there; what is seen is the variable of the first package of a word.
SEEN: Mapping[str, Mapping[tuple[str, str, Decision], str]] = {
    "https://pypi.org/project/torch-scatter/2.1.2/ setup.py": {
        ("", "FORCE_CUDA", _TOOLKIT): (
            "otherwise setup.py checks for a GPU on the machine that builds; read by"
            " torch-scatter, torchvision, mmcv, xformers, detectron2, pytorch3d, pyg-lib and others"
        ),
    },
    "https://github.com/pytorch/vision/blob/004ebb5cd46514e67a2f21bfdae64e74cc11bb13/setup.py": {
        ("torch-cluster", "FORCE_CUDA", _ROCM): "the same variable is for ROCm, too",
        ("torchvision", "PYTORCH_VERSION", _TORCH): "",
    },
    "https://pypi.org/project/torch-cluster/1.6.3/ setup.py": {
        ("torch-cluster", "FORCE_ONLY_CPU", _NO_CUDA): "builds without the CUDA extensions, even with a toolkit",
    },
    "https://github.com/pyg-team/pyg-lib/blob/00e75095e2653c88c71216a37c3145a94b513fa7/setup.py": {
        ("pyg-lib", "FORCE_CUDA", _NO_CUDA): "otherwise it checks for a GPU on the machine that builds",
    },
    "https://pypi.org/project/flash-attn/2.8.3.post2/ setup.py": {
        ("flash-attn", "FLASH_ATTN_CUDA_ARCHS", _TOOLKIT): "it has -gencode itself: torch ignores TORCH_CUDA_ARCH_LIST",
        ("flash-attn", "GPU_ARCHS", _ROCM): "the default is the GPU of the machine that builds",
        ("flash-attn", "FLASH_ATTENTION_SKIP_CUDA_BUILD", _NO_CUDA): _WITHOUT,
        ("flash-attn", "FLASH_ATTENTION_FORCE_BUILD", _BY_SETTING): _NO_WHEEL,
        ("flash-attn", "FLASH_ATTENTION_FORCE_BUILD", _TOOLKIT): "",
    },
    "https://pypi.org/project/flash-attn/2.8.3.post2/ hopper/setup.py": {
        ("flash-attn-3", "FLASH_ATTENTION_SKIP_CUDA_BUILD", _NO_CUDA): _WITHOUT,
        ("flash-attn-3", "FLASH_ATTENTION_FORCE_BUILD", _BY_SETTING): _NO_WHEEL,
        ("flash-attn-3", "FLASH_ATTENTION_FORCE_BUILD", _TOOLKIT): "",
    },
    "https://pypi.org/project/causal-conv1d/1.7.0/ setup.py": {
        ("causal-conv1d", "CAUSAL_CONV1D_SKIP_CUDA_BUILD", _NO_CUDA): _WITHOUT,
        ("causal-conv1d", "CAUSAL_CONV1D_FORCE_BUILD", _BY_SETTING): _NO_WHEEL,
        ("causal-conv1d", "CAUSAL_CONV1D_FORCE_BUILD", _TOOLKIT): "",
        ("causal-conv1d", "HIP_ARCHITECTURES", _ROCM): "the value of the only --offload-arch; the default is native",
    },
    "https://pypi.org/project/mamba-ssm/2.3.2.post1/ setup.py": {
        ("mamba-ssm", "MAMBA_SKIP_CUDA_BUILD", _NO_CUDA): _WITHOUT,
        ("mamba-ssm", "MAMBA_FORCE_BUILD", _BY_SETTING): _NO_WHEEL,
        ("mamba-ssm", "MAMBA_FORCE_BUILD", _TOOLKIT): "",
    },
    "https://pypi.org/project/fast-hadamard-transform/1.1.0/ setup.py": {
        ("fast-hadamard-transform", "FAST_HADAMARD_TRANSFORM_SKIP_CUDA_BUILD", _NO_CUDA): _WITHOUT,
        ("fast-hadamard-transform", "FAST_HADAMARD_TRANSFORM_FORCE_BUILD", _BY_SETTING): _NO_WHEEL,
        ("fast-hadamard-transform", "FAST_HADAMARD_TRANSFORM_FORCE_BUILD", _TOOLKIT): "",
    },
    "https://pypi.org/project/transformer-engine-torch/2.20.2/ setup.py": {
        ("transformer-engine-torch", "NVTE_PYTORCH_SKIP_CUDA_BUILD", _NO_CUDA): _WITHOUT,
        ("transformer-engine-torch", "NVTE_PYTORCH_FORCE_BUILD", _BY_SETTING): _NO_WHEEL,
        ("transformer-engine-torch", "NVTE_PYTORCH_FORCE_BUILD", _TOOLKIT): "",
    },
    "https://pypi.org/project/xformers/0.0.35/ setup.py": {
        ("xformers", "HIP_ARCHITECTURES", _ROCM): "otherwise nothing is compiled for ROCm on machines without a GPU",
        ("xformers", "XFORMERS_CK_FLASH_ATTN", _BY_SETTING): "without the ROCm extension; CUDA has no such variable",
    },
    "https://pypi.org/project/transformer-engine-torch/2.20.2/ build_tools/utils.py": {
        ("transformer-engine", "NVTE_CUDA_ARCHS", _TOOLKIT): "its CMake project does not read TORCH_CUDA_ARCH_LIST",
        ("transformer-engine", "NVTE_FRAMEWORK", _TOOLKIT): "",
    },
    "https://pypi.org/project/natten/0.21.7/ setup.py": {
        ("natten", "NATTEN_CUDA_ARCH", _TOOLKIT): "otherwise nothing is compiled on a machine without a GPU",
        ("natten", "NATTEN_N_WORKERS", _TOOLKIT): "its jobs; else a quarter of the processors, whatever the memory",
    },
    "https://github.com/NVlabs/tiny-cuda-nn/blob/02919511e152ee1059b51b7825bd9a4de659645c/bindings/torch/setup.py": {
        ("tinycudann", "TCNN_CUDA_ARCHITECTURES", _TOOLKIT): "it clears TORCH_CUDA_ARCH_LIST, and fails without a GPU",
    },
    "https://pypi.org/project/deepspeed/0.19.8/ op_builder/builder.py": {
        ("deepspeed", "DS_SKIP_CUDA_CHECK", _OTHER_MINOR): "otherwise it refuses a toolkit with another minor version",
        ("deepspeed", "DS_NVCC_THREADS", _TOOLKIT): "its threads per nvcc, by default up to eight; MAX_JOBS is for one",
    },
    "https://pypi.org/project/deepspeed/0.19.8/ setup.py": {
        ("deepspeed", "DS_BUILD_OPS", _TOOLKIT): "",
        ("deepspeed", "DS_ENABLE_NINJA", _TOOLKIT): "",
    },
    "https://pypi.org/project/deepspeed/0.19.8/ accelerator/real_accelerator.py": {
        ("deepspeed", "DS_ACCELERATOR", _TOOLKIT): "",
        ("deepspeed", "DS_ACCELERATOR", _ROCM): "",
        ("deepspeed", "DS_ACCELERATOR", _NO_CUDA): "",
    },
    "https://github.com/thu-ml/SageAttention/blob/0263553c1ab901e2a5e0fa83adfacdfc71a89062/setup.py": {
        ("sageattention", "EXT_PARALLEL", _TOOLKIT): "else MAX_JOBS extensions at once, each with MAX_JOBS compilers",
        ("sageattention", "SAGEATTN_SKIP_CUDA_BUILD", _NO_CUDA): "builds without the CUDA extensions",
    },
    "https://pypi.org/project/vllm/0.33.0/ setup.py": {
        ("vllm", "VLLM_TARGET_DEVICE", _NO_CUDA): "",
    },
    "https://github.com/pytorch/audio/blob/02f42eb0b7316b6200799d04e76d2650c47f1f03/tools/setup_helpers/extension.py": {
        ("torchaudio", "USE_CUDA", _TOOLKIT): "the default is whether the machine that builds has a GPU",
        ("torchaudio", "USE_CUDA", _NO_CUDA): "builds without CUDA",
        ("torchaudio", "USE_ROCM", _ROCM): "the default is whether the machine that builds has a GPU",
    },
    "https://github.com/pytorch/audio/blob/00dad72cbccb0ba5b9564d6b30ddc504a0a1be21/setup.py": {
        ("torchaudio", "PYTORCH_VERSION", _TORCH): "",
    },
    "https://github.com/NVIDIA/apex/blob/25.09/setup.py": {
        ("apex", "APEX_CPP_EXT", _TOOLKIT): "",
        ("apex", "APEX_CUDA_EXT", _TOOLKIT): "",
    },
    "https://pypi.org/project/fairscale/0.4.9/ setup.py": {
        ("fairscale", "BUILD_CUDA_EXTENSIONS", _TOOLKIT): "",
    },
    "https://pypi.org/project/torch-points-kernels/0.7.0/ setup.py": {
        ("torch-points-kernels", "FORCE_ONLY_CPU", _NO_CUDA): "builds without the CUDA extension, even with a toolkit",
    },
    "https://github.com/facebookresearch/pytorch3d/blob/9381c4016376345bb795b97c45a6c2de66db354a/setup.py": {
        ("pytorch3d", "FORCE_CUDA", _ROCM): "the same variable is for ROCm, too",
        ("pytorch3d", "PYTORCH3D_FORCE_NO_CUDA", _NO_CUDA): "builds without the CUDA sources, even with a toolkit",
    },
    "https://pypi.org/project/exllamav2/0.0.4/ setup.py": {
        ("exllamav2", "EXLLAMA_NOCOMPILE", _NO_CUDA): "leaves compiling to the first use",
    },
    "https://pypi.org/project/nerfacc/0.5.3/ setup.py": {
        ("nerfacc", "BUILD_NO_CUDA", _NO_CUDA): _WITHOUT,
    },
    "https://pypi.org/project/gsplat/1.5.3/ setup.py": {
        ("gsplat", "BUILD_NO_CUDA", _NO_CUDA): _WITHOUT,
    },
    "https://pypi.org/project/sam2/1.1.0/ setup.py": {
        ("sam2", "SAM2_BUILD_CUDA", _NO_CUDA): _WITHOUT,
    },
    "https://pypi.org/project/gptqmodel/5.6.0/ setup.py": {
        ("gptqmodel", "BUILD_CUDA_EXT", _NO_CUDA): "builds without the CUDA extensions",
        ("gptqmodel", "BUILD_CUDA_EXT", _TOOLKIT): "the default depends on an nvcc on PATH, or on the driver",
        ("gptqmodel", "GPTQMODEL_FORCE_BUILD", _TOOLKIT): "",
    },
    "https://github.com/k2-fsa/k2/blob/a741ae88abc6995345aa166464a239b7d270dd4c/setup.py": {
        ("k2", "K2_CMAKE_ARGS", _NO_CUDA): "builds without CUDA; otherwise an nvcc turns it on, whatever torch has",
        ("k2", "K2_MAKE_ARGS", _TOOLKIT): "its own number of jobs; by default four, whatever the memory",
    },
    "https://github.com/sgl-project/sglang/blob/00390b8633f913f53d98d3acdbc1ab8f0d62da1b/sgl-kernel/CMakeLists.txt": {
        ("sgl-kernel", "CMAKE_ARGS", _TOOLKIT): "its number of threads per nvcc, by default 32; MAX_JOBS is for one",
    },
    "https://pypi.org/project/auto-gptq/0.7.1/ setup.py": {
        ("auto-gptq", "BUILD_CUDA_EXT", _NO_CUDA): "builds without the CUDA extensions",
    },
}


def reason_of(word: Word) -> tuple[str, str]:
    """Return why a word is set, and the file in which it was seen, as its address and its path in an archive."""
    key = (next(iter(word.packages), ""), word.variable, word.when)
    return next((word.asked or reasons[key], file) for file, reasons in SEEN.items() if key in reasons)
