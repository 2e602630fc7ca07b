"""What a project needs, as those who look and those who plan have to know: nothing is looked at for nothing.

May not decide more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import install_command
from ..model.decision import Planned, PlannedVariable
from ..model.hardware_values import Toolkit
from ..model.observation import FrontEndName, Hook, Rule, Snapshot
from ..model.source_tree import Project
from ..model.torch_values import Torch
from ..settings.config import Config, Cuda, Source

# Variables by which the user names a toolkit.
TOOLKIT_VARIABLES = ("CUDA_HOME", "CUDA_PATH", "CUDACXX")
# What is left alone when memory is given to compilers.
RESERVE_BYTES = 1_000_000_000
ASKED_NINJA = Planned(text="ninja", reason="torch compiles several files at once with it, and there is no working one")


class Looking(NamedTuple):
    """What of the machine is looked at besides processors and memory, and where.

    `cuda`, `rocm` and `sycl` say what is compiled, `gpus` and `compilers` that a rule of the package is about them.
    `search_paths` are where distributions are looked for, of which `build_paths` are the build environment's;
    `prefixes` are environments that conda may have made. `cudas` are versions of CUDA that may be compiled for: only an
    nvcc that would be taken for one of them is started (3 ms; from a network drive more), the next one where it does
    not; all of them where it is empty. `guess` says that what is not the build environment's is a guess, `trusting` who
    may change what is run without being named, as `who_may` returns it.
    """

    search_paths: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    cuda: bool = False
    rocm: bool = False
    sycl: bool = False
    gpus: bool = False
    compilers: bool = False
    cudas: tuple[str, ...] = ()
    build_paths: tuple[str, ...] = ()
    guess: bool = False
    trusting: Mapping[str, Any] = MappingProxyType({})


def users_switch(config: Config, project: Project, variables: Mapping[str, str]) -> str:
    """Return the user's variable that tells the package to leave CUDA out; "" if none, or a setting says otherwise."""
    is_users = config.origin("cuda") not in {"default", Source.TOML.value}
    if is_users or config.cuda is Cuda.OFF or not has_vocabulary(config, project):
        return ""
    from ..settings.vocabulary import switch_of

    return switch_of(project.name, config.vocabulary, variables)


def with_users_switch(config: Config, switched_off: str) -> Config:
    """Return the settings with what the user has said in the package's own words: that means cuda = "off"."""
    if not switched_off:
        return config
    return replace(config, cuda=Cuda.OFF, origins={**config.origins, "cuda": switched_off})


def asks_for_gpus(config: Config) -> bool:
    """Return whether a rule of the package is about GPUs."""
    return any(rule.gpu for rule in config.when)


def asks_for_compilers(config: Config) -> bool:
    """Return whether a rule of the package is about the host compiler."""
    return any(rule.gcc for rule in config.when)


def outlives_build(config: Config, hook: Hook) -> bool:
    """Return whether the folder of a build goes on naming its programs: those of editable wheels of Meson and CMake do.

    They are built again without us, also as they are imported. No script of the cache folder may stand for a program.
    """
    return hook is Hook.BUILD_EDITABLE and not config.backend.startswith("setuptools.")


def concerns_compilers(config: Config, project: Project, hook: Hook) -> bool:
    """Return whether a hook may have to know anything of compilers, toolkits or GPUs: it compiles, or gets ready to."""
    if hook.builds or config.cuda is Cuda.REQUIRED or asks_for_gpus(config) or asks_for_compilers(config):
        return True
    return bool(project.cuda_sources or (project.setup_script and project.setup_script.names_sycl))


def cuda_need(config: Config, project: Project, torch: Torch | None) -> str:
    """Return why a CUDA toolkit is needed; "" if it is not."""
    if config.cuda is Cuda.OFF:
        return ""
    if config.cuda is Cuda.REQUIRED:
        return f"cuda = required ({config.origin('cuda')})"
    if torch is None or not torch.cuda:
        return ""
    return project.cuda_sources


def rocm_need(config: Config, project: Project, torch: Torch | None) -> str:
    """Return why a ROCm toolkit is needed; "" if it is not. torch has it compile what is written for CUDA."""
    if config.cuda is Cuda.OFF or torch is None or not torch.hip:
        return ""
    required = f"cuda = required ({config.origin('cuda')})" if config.cuda is Cuda.REQUIRED else ""
    return project.cuda_sources or required


def sycl_need(config: Config, project: Project, torch: Torch | None) -> str:
    """Return why a SYCL compiler is needed; "" if it is not."""
    if config.cuda is Cuda.OFF or torch is None or not torch.xpu:
        return ""
    return "SyclExtension in setup.py" if project.setup_script and project.setup_script.names_sycl else ""


def has_vocabulary(config: Config, project: Project) -> bool:
    """Return whether words of the vocabulary may apply: each is about a toolkit, about cuda = off, or asked for."""
    return bool(project.cuda_sources or config.vocabulary) or config.cuda is not Cuda.AUTO


def of_machine(name: str, value: str, reason: str) -> PlannedVariable:
    """Return a variable that follows from what the machine has."""
    return PlannedVariable(name=name, value=value, reason=reason, of_machine=True)


def uses_ninja(project: Project) -> bool:
    """Return whether torch would have ninja compile several sources of one extension at once."""
    script = project.setup_script
    return script is not None and script.torch_sources > 1 and not script.refuses_ninja


def plan_ninja(snapshot: Snapshot) -> Planned | None:
    """Return which program lets torch compile several files at once: "" if none does; None where it would be no use.

    It is asked for where builds are isolated. Elsewhere the front end installs nothing, and some refuse to begin.
    """
    project, consumer = snapshot.project, snapshot.consumer
    if not (snapshot.hook.builds or (snapshot.hook.asks and not snapshot.front_end.resolves)):
        return None
    if not uses_ninja(project):
        refused = project.setup_script is not None and project.setup_script.torch_sources > 1
        return Planned(text="", reason="setup.py says use_ninja=False") if refused else None
    if snapshot.ninja:
        return Planned(text=snapshot.ninja, reason="ninja works")
    # Where the build environment is an imaginary one.
    if not snapshot.build.prefix and snapshot.build.version_of("ninja") is not None:
        return Planned(text="ninja", reason="[build-system] requires it")
    is_isolated = consumer is None or consumer.rule is not Rule.IMPORTABLE or snapshot.passing is not None
    if snapshot.hook.asks and is_isolated:
        return ASKED_NINJA
    by_uv = snapshot.front_end.name is FrontEndName.UV
    command = install_command(consumer.prefix if consumer else None, ["ninja"], by_uv=by_uv)
    return Planned(text="", reason=f"there is no working ninja: {command}")


def toolkits_for(toolkits: Iterable[Toolkit], cuda: str) -> tuple[Toolkit, ...]:
    """Return the toolkits of the major version of torch's CUDA, in the order in which they are to be taken.

    First the user's own, then one that was asked for from PyPI, then the nearest minor version.
    """
    return tuple(sorted((t for t in toolkits if major(t.version) == major(cuda)), key=lambda t: _rank(t, cuda)))


def _rank(toolkit: Toolkit, cuda: str) -> tuple[bool, bool, int, int]:
    distance = _minor(toolkit.version) - _minor(cuda)
    return (
        toolkit.source not in TOOLKIT_VARIABLES,
        "in the build environment" not in toolkit.source,
        abs(distance),
        -distance,
    )


def major(version: str) -> int:
    """Return the major part of a version of CUDA, 0 where there is none."""
    head = version.partition(".")[0]
    return int(head) if head.isdigit() else 0


def _minor(version: str) -> int:
    part = [*version.split("."), "0"][1]
    return int(part) if part.isdigit() else 0
