"""What the reference and the JSON schema say of each setting, of the keys of rules and places, and of facts.

May not say what a value may be, nor what the default is: the settings themselves do.
"""

from __future__ import annotations

# By the fields of Config.
SETTINGS = {
    "backend": (
        "The wrapped backend, which does the actual work. `setuptools.build_meta:__legacy__` is for a `setup.py` that "
        "imports modules of its own source tree."
    ),
    "backend_path": "Folders of the source tree that contain the wrapped backend.",
    "match": ("Packages that have to be the same in the build and at run time. torch is always one of them."),
    "borrow": (
        "More packages that the build gets links to, if the consumer has them and the build environment does not."
    ),
    "requires": "More build requirements. The front end installs them to build a wheel, but not for an sdist.",
    "env": (
        "Variables for the wrapped backend. A variable that the user has set keeps the user's value. A value may "
        "contain facts of the plan in braces, such as `{cuda_major}`; double a brace that is meant literally."
    ),
    "when": (
        "Rules: what else is required, set or refused if all conditions of a table are met. [Rules and "
        "facts](rules.md) lists all keys and facts."
    ),
    "prebuilt": (
        "Where to find prebuilt wheels, in the order in which they are tried. `url` and `hashes` may contain facts in"
        " braces. See [prebuilt wheels](../how-to/prebuilt.md)."
    ),
    "use_prebuilt": "Whether to use prebuilt wheels, if the package says where they are.",
    "require_hashes": "Whether to use a prebuilt wheel only if its SHA-256 digest is known in advance.",
    "torch": (
        "The versions of torch that the package supports. Others are refused before anything is compiled. The default"
        " is the package's own dependency on torch."
    ),
    "stored": (
        "Whether to keep a wheel for the next build of the same sources, torch and settings. Use `off` for packages "
        "whose wheels depend on something that torchgraft cannot see: files outside of the source tree, servers, the "
        "time."
    ),
    "store": (
        "Where to keep wheels, and to look for them before anything is compiled: folders and addresses, separated by "
        "spaces. `auto` is the one in the cache folder. `off`: nowhere. See [compile "
        "once](../how-to/compile-once.md)."
    ),
    "store_write": "Whether to upload wheels that are built here to the servers in `store`.",
    "store_token": "A token for the servers in `store` (`Authorization: Bearer`).",
    "told_torch": "The version to build for, whatever is installed. Use it to build wheels for other machines.",
    "consumer": (
        "The environment that the wheel is for: its folder, its Python, or the project whose `.venv` it is. "
        "torchgraft then does not search for it."
    ),
    "trust": (
        "Folders whose owners and groups may change what the build runs. Environments and locks in them are used that"
        " would otherwise be refused. Separate several folders as in `PATH`. See [who may change what the build "
        "runs](../how-it-works.md#who-may-change-what-the-build-runs)."
    ),
    "provide": (
        "How torch gets into the build. `graft`: by links to the consumer's torch. `install`: the front end installs "
        "it into the build environment. `auto`: whichever fits. `off`: not at all, torchgraft only calls the "
        "wrapped backend."
    ),
    "cuda": (
        "Whether the build needs a CUDA toolkit. `auto`: if torch is a CUDA build and the project has CUDA sources, "
        "or its `setup.py` uses CUDAExtension. `off`: no, and the packages in the [vocabulary](vocabulary.md) are "
        "told to leave CUDA out."
    ),
    "cuda_components": (
        "More extras of `cuda-toolkit` that the sources need, such as `curand`, if the toolkit comes from PyPI."
    ),
    "cuda_architectures": (
        "The compute capabilities to compile for if the machine has no GPU. The default is those that torch was built"
        " for and the toolkit knows."
    ),
    "cuda_arch_variable": (
        "A variable of the package itself that gets the same architectures, such as `FLASH_ATTN_CUDA_ARCHS`."
    ),
    "cuda_arch_format": "The format of that variable: `80;90`, `8.0;9.0+PTX`, or `sm_80;sm_90`.",
    "vocabulary": (
        "Packages in the [vocabulary](vocabulary.md) whose variables are set in addition to those of the package with"
        " the project's own name. Use it for a fork with another name, and for variables that are only set on "
        "request. `off`: none."
    ),
    "max_jobs": "How many compilers may run at once. The default is as many as processors and memory allow.",
    "memory_per_job": (
        "How much memory one compiler needs, in `GB` or `GiB`. The default is 4 GB for CUDA, 2 GB for C++, and 7 GB "
        "for flash-attn."
    ),
    "jobserver": (
        "Whether to share memory and processors with your other builds. `auto`: yes, except on Windows. `off`: no. "
        "See [several builds at once](../how-to/compile-once.md#several-builds-at-once)."
    ),
    "compiler_cache": (
        "The compiler cache to use. `auto`: `ccache` or `sccache`, whichever is on `PATH`. `off`: none, not even by "
        "torch itself. See [compile once](../how-to/compile-once.md)."
    ),
    "precompiled_headers": (
        "Whether to precompile `torch/extension.h` and keep the result, if at least four C++ files begin with it. "
        "Only with gcc. See [compile once](../how-to/compile-once.md#precompiled-headers)."
    ),
    "timeout_s": (
        "How long the wrapped backend may take for one hook, such as `90min` or `2h`. Then it is stopped, with "
        "everything that it has started. `off`, the default: no limit."
    ),
    "runtime_torch": (
        "Which requirement on torch to add to the metadata, for the torch that the wheel is built against: "
        "`torch==2.8.0`, `torch==2.8.*` or `torch>=2.8`. The package's dependencies have to be dynamic. See [require "
        "the torch](../how-to/runtime-torch.md)."
    ),
    "guard": (
        "Whether an extension module that does not link with the installed torch says so, with both versions and the "
        "fix, instead of naming an undefined symbol. `auto`: only if the wheel's torch was a [guess](guard.md); such "
        "a module refuses any other torch."
    ),
    "link_check": (
        "Whether to refuse a wheel that does not link with its torch. The [record](record.md) has the result in any "
        "case."
    ),
    "sbom": (
        "Whether the wheel gets a bill of materials (PEP 770) in CycloneDX format: torch, CUDA, compilers and backend."
    ),
    "log": "How much to print to standard error: nothing, one line, or the plan.",
    "progress": (
        "Where to show the progress of a build that takes longer than 20 seconds. See "
        "[progress](../how-to/progress.md)."
    ),
    "cache_dir": (
        "The folder for links, locks and kept wheels. The default is torchgraft's folder in the user's cache."
    ),
    "cache_age_s": (
        "How long to keep links, headers and notes about source trees that no build uses. Those of a torch or source "
        "tree that no longer exists are removed earlier. `off`: for ever."
    ),
    "cache_size_bytes": (
        "How much space links, toolkits, headers and wheels may take. What has not been used for longest is removed "
        "first, but nothing of the last day. `0GB`: no limit."
    ),
}
# By the keys of [[tool.torchgraft.when]] and [[tool.torchgraft.prebuilt]].
KEYS = {
    "torch": "The version of torch. A nightly or vendor build counts as its release too.",
    "cuda": "The CUDA version that torch was built with. Never true for a torch without CUDA.",
    "python": "The version of the interpreter that builds.",
    "gcc": "The version of gcc. Never true with another compiler.",
    "gpu": (
        "The compute capability of any visible GPU, such as `>=9.0`; without a GPU, any of those in "
        "`cuda-architectures`."
    ),
    "accelerator": "What torch is built for.",
    "platform": "Has to match all of `sys.platform`: `linux`, `darwin`, `win32`.",
    "machine": "Has to match all of `platform.machine()`, such as `x86_64|AMD64`.",
    "if-env": (
        "Variables of the user. `true`: set, and not to 0, no, off, false, n or f. `false`: the opposite. A string: "
        "set, and the regular expression matches the whole value."
    ),
    "requires": "More build requirements for a wheel, like the setting `requires`.",
    "env": (
        "Variables to set, like the setting `env`. A later rule overrides an earlier one, and both override the "
        "setting in `pyproject.toml`. `-C torchgraft.env.NAME`, and variables that the user has set, override all."
    ),
    "error": (
        "The build of a wheel stops with this message before anything is compiled. Metadata and sdists can still be "
        "made."
    ),
    "url": "The address of the wheel, with facts in braces.",
    "index": ("A simple index (PEP 503, PEP 691) that lists the wheel and its digest, instead of `url`."),
    "local": (
        "The local part of the wheel's version in that index, with facts in braces, such as "
        "`cu{cuda_digits}torch{torch_minor}`. The default is none."
    ),
    "sha256": "The wheel's SHA-256 digest, or a list of digests, one of which has to match.",
    "hashes": (
        "A file of digests as written by `sha256sum`, in the source tree or at an address. A wheel that is not listed "
        "there is not used."
    ),
}
# Their meaning, and an example.
FACTS = {
    "torch": ("torch's version without its local part", "2.8.0"),
    "torch_minor": ("its first two parts", "2.8"),
    "torch_digits": ("its first two parts without the dot", "28"),
    "torch_local": ("the local part of torch's version", "cu128"),
    "accelerator": ("what torch is built for: `cuda`, `rocm`, `xpu` or `cpu`", "cuda"),
    "cuda": ("the CUDA version that torch was built with", "12.8"),
    "cuda_major": ("its first part", "12"),
    "cuda_digits": ("its first two parts without the dot", "128"),
    "hip": ("the first two parts of the HIP version that torch was built with", "6.3"),
    "cxx11abi": ("whether torch uses the new C++ ABI: `TRUE` or `FALSE`", "TRUE"),
    "python": ("the interpreter, as wheels name it", "cp311"),
    "python_minor": ("the first two parts of its version", "3.11"),
    "abi": ("its ABI, as wheels name it", "cp311"),
    "platform": ("the platform, as wheels name it", "linux_x86_64"),
    "machine": ("the processor, as the system names it", "x86_64"),
    "name": ("the distribution, with underscores as in the names of wheels", "flash_attn"),
    "version": ("the version of the distribution", "2.8.3"),
    "jobs": ("how many compilers run at once", "8"),
    "cuda_home": ("the CUDA toolkit's folder", "/usr/local/cuda-12.8"),
    "nvcc": ("the CUDA toolkit's version", "12.8"),
    "cuda_architectures": ("what TORCH_CUDA_ARCH_LIST is set to", "8.0;9.0"),
}
