"""What is said of a delegate that cannot do its work, and what is known to help.

May not run one, nor read more of its output than it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ..errors import Problem, install_command, quoted
from ..ladder.torch_problems import OF_PROJECTS
from ..model.decision import Delegate, Plan
from ..model.observation import FrontEndName, Hook, Rule
from .diagnoses import TellingLines

# What setup.py says where torch has no CUDA, or there is no nvcc: torch.version.cuda is None.
_ABOUT_CUDA = re.compile(
    r"cuda|nvcc|nvidia|bare_metal_version|InvalidVersion: .*None|'NoneType' object has no attribute 'split'|"
    r"NoneType.*\bstr\b|expected string or bytes-like object",
    re.IGNORECASE,
)
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_NOT_THERE = re.compile(rf"{_NO_MODULE.pattern}|ImportError: lib[^\s:]+: cannot open shared object file")
# The file of torch that imports what builds need, which torch does not require.
_OF_BUILDS = "cpp_extension.py"
# What setuptools says before 70.1, which has it itself.
_NO_WHEEL = "error: invalid command 'bdist_wheel'"
# What is called as its module is, with dashes. Nothing is guessed from the name of an import.
_OF_ONE_NAME = (
    *("cffi", "cmake", "cmake_build_extension", "Cython", "einops", "expecttest", "extension_helpers", "filelock"),
    *("nanobind", "numpy", "pbr", "psutil", "py_cpuinfo", "pybind11", "requests", "scikit_build_core", "scipy"),
    *("ninja", "packaging", "semver", "setuptools_cpp", "setuptools_git_versioning", "setuptools_rust"),
    *("setuptools_scm", "six", "tabulate", "toml", "tomli", "tomlkit", "tqdm", "typing_extensions", "urllib3", "wheel"),
)
_OF_OTHER_NAMES = {
    "babel": "Babel",
    "cpuinfo": "py-cpuinfo",
    "cv2": "opencv-python-headless",
    "git": "GitPython",
    "jinja2": "Jinja2",
    "mypyc": "mypy",
    "pkg_resources": "setuptools<81",  # gone since setuptools 82
    "pynvml": "nvidia-ml-py",
    "skbuild": "scikit-build",
    "yaml": "PyYAML",
}
# Of modules that build scripts import, the distributions that provide them.
PROVIDERS = {**{name: name.replace("_", "-") for name in _OF_ONE_NAME}, **_OF_OTHER_NAMES}


def too_slow(delegate: Delegate, hook: Hook, limit: timedelta) -> Problem:
    """Return that a delegate was ended for the time that it took."""
    return Problem(
        code="timed-out",
        headline=f"{delegate.backend} was ended in {hook.value}: it took longer than {limit}",
        why="the setting timeout, or TORCHGRAFT_TIMEOUT, allows no more (hours:minutes:seconds)",
        fixes=("-C torchgraft.timeout=off   (or a longer time; what is compiled already is kept where the tree is)",),
    )


def unavailable(delegate: Delegate, said: str) -> Problem:
    """Return that a delegate is not there, and what Python said of it."""
    module = delegate.backend.partition(":")[0].partition(".")[0]
    # Only where the whole package is missing does another requirement bring it.
    is_missing = f"'{module}'" in said
    return Problem.of(
        code="no-delegate",
        headline=f"the backend {delegate.backend} cannot be imported",
        found=said.strip().splitlines()[-1] if said.strip() else "nothing",
        why="torchgraft leaves the work to this backend",
        fixes=(
            f'add "{module}" to requires in [build-system]   (or whatever package has it)'
            if is_missing
            else "correct backend in [tool.torchgraft] of pyproject.toml",
        ),
    )


def lacks_hook(plan: Plan, hook: str, source: Path) -> Problem:
    """Return that a delegate has no hook of that name, where the standards have no substitute for it."""
    front_end, consumer = plan.front_end, plan.consumer.text if plan.consumer else None
    fixes: tuple[str, ...] = ("name another backend in [tool.torchgraft] of pyproject.toml",)
    if "editable" in hook and front_end.command in OF_PROJECTS:
        fixes = (f"{front_end.command} --no-editable",)
    elif "editable" in hook:
        by_uv = front_end.name is FrontEndName.UV
        fixes = (f"{install_command(consumer, [str(source)], by_uv=by_uv)}   (not editable)",)
    return Problem(
        code="delegate-lacks-hook",
        headline=f"the backend {plan.delegate.backend} has no hook {hook}",
        why="PEP 660 has no substitute for it" if "editable" in hook else "PEP 517 makes it mandatory",
        fixes=fixes,
    )


def delegate_failed(plan: Plan, how: str, *, telling: TellingLines | None = None) -> Problem:
    """Return that a delegate has failed.

    :param telling: what of its output says most about it
    """
    said = telling.error or telling.last if telling else ""
    label = "said" if telling and telling.error else "last"
    place = Path(telling.place if telling else "")
    why, fixes = "", tuple(_requiring(plan, said))
    if "torch" in place.parts and _NO_MODULE.match(said) and place.name == _OF_BUILDS:
        why = f"torch itself imports it, in {place}"
    elif "torch" in place.parts and _NOT_THERE.match(said) and plan.torch:
        why = "torch itself cannot be imported: something that it requires is not installed"
        release = plan.torch.version.partition("+")[0]
        fixes = (f"{install_words(plan)} torch=={release}   (that torch stays; it brings what is missing)",)
    return Problem.of(
        code="delegate-failed",
        headline=f"{plan.delegate.backend} failed in {plan.hook.value}: {how}",
        **{label: [said] if said else ()},
        why=why,
        fixes=fixes,
    )


def with_switches(plan: Plan, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return problems of a delegate, the last one with what is known to help: to leave out CUDA, or torch."""
    fixes = []
    if plan.delegate.cuda_off and any(_ABOUT_CUDA.search(said.text) for one in problems for said in one.evidence):
        fixes.append("-C torchgraft.cuda=off   (this torch has no CUDA, and the package can leave its CUDA parts out)")
    elif plan.delegate.torch_off:
        fixes.append("-C torchgraft.provide=off   (setup.py puts up with the absence of torch, and does less then)")
        fixes.append('provide = "off" in [tool.torchgraft]   (for its maintainers)')
    return (*problems[:-1], replace(problems[-1], fixes=(*problems[-1].fixes, *fixes)))


def _requiring(plan: Plan, said: str) -> Iterator[str]:
    """Yield what brings a module that an isolated build has not, where that is what was said."""
    match = _NO_MODULE.match(said)
    module = match[1].partition(".")[0] if match else "wheel" if said == _NO_WHEEL else ""
    provider = PROVIDERS.get(module)
    if provider is None:
        return
    wanted = quoted(provider)
    yield f'add "{provider}" to requires in [build-system]   (for its maintainers)'
    if plan.rule is Rule.IMPORTABLE and plan.consumer is not None:
        yield f"{install_words(plan)} {wanted}"
    elif plan.front_end.name is FrontEndName.PIP and "<" in provider:
        # pip never replaces what [build-system] requires brought in; before 25.3 it knew no PIP_BUILD_CONSTRAINT.
        yield f'echo {wanted} > c.txt; export PIP_CONSTRAINT="$PWD/c.txt" PIP_BUILD_CONSTRAINT="$PWD/c.txt"'
    else:
        yield f"export TORCHGRAFT_REQUIRES={wanted}   (until then)"


def install_words(plan: Plan) -> str:
    """Return the command that installs what follows it, for the environment and by the front end of the reader."""
    prefix = plan.consumer.text if plan.consumer else None
    return install_command(prefix, (), by_uv=plan.front_end.name is FrontEndName.UV).rstrip()
