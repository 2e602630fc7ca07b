"""When there is no right build, and why.

May not decide anything else. How it is said of torch itself stands in `torch_problems`.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import SpecifierSet

from ..errors import Problem, quoted
from ..model.observation import Consumer, Exposure, FrontEndName, Rule, Rung, Snapshot, Way
from ..model.torch_values import Locked, Torch, TorchRequirement
from ..settings.config import Config
from .plan_torch import Choice, own_dependency, supported_range
from .plan_way import Reach


def plan_problems(config: Config, snapshot: Snapshot, choice: Choice, reach: Reach) -> tuple[Problem, ...]:
    """Return every reason against this build at once; none if it can go on."""
    told, trust = _about_the_told_consumer(config, snapshot), _about_trust(snapshot, choice, reach.way)
    # Metadata and sdists must be had without torch (locking on a laptop, CI that makes sdists).
    if not (snapshot.hook.asks or snapshot.hook.builds) or (snapshot.front_end.resolves and not snapshot.hook.builds):
        # The delegate imports what is linked.
        return (*told, *trust)
    against = (
        *(*told, *_about_rivals(snapshot), *_about_support(config, snapshot, reach.torch)),
        *(*_about_contradiction(snapshot, reach.torch), *trust, *_about_the_source(config, snapshot)),
    )
    return against or tuple(_about_torch(snapshot, choice, reach))


def _about_the_told_consumer(config: Config, snapshot: Snapshot) -> Iterator[Problem]:
    consumer = snapshot.consumer
    if consumer is None or consumer.rule is not Rule.TOLD or consumer.exists:
        return
    yield Problem.of(
        code="no-consumer",
        headline=f"there is no environment at {consumer.prefix}",
        named=f"{config.consumer} ({config.origin('consumer')})",
        why="an environment has a pyvenv.cfg or an interpreter",
        fixes=("-C torchgraft.consumer=PATH   (the folder of an environment, or its interpreter)",),
    )


def _about_rivals(snapshot: Snapshot) -> Iterator[Problem]:
    rivals = snapshot.rivals
    if not rivals or snapshot.consumer is None:
        return
    from .torch_problems import torch_text

    everyone = (snapshot.consumer, *rivals)
    yield Problem.of(
        code="ambiguous-consumer",
        headline=f"{len(everyone)} environments may be meant, and they have different torches",
        found=[f"{torch_text(rival)} in {rival.prefix} ({rival.why})" for rival in everyone],
        why="an extension works only with the torch that it was compiled against",
        fixes=tuple(dict.fromkeys(_fix_of_rivals(snapshot, one) for one in everyone[:3])),
    )


def _fix_of_rivals(snapshot: Snapshot, one: Consumer) -> str:
    if one.rule is Rule.TOX:
        return "set package = sdist in the tox configuration"
    if snapshot.front_end.command == "uv tool upgrade":
        return f"uv tool upgrade {snapshot.python.path(one.prefix).name}   (one after the other)"
    return f"-C {quoted(f'torchgraft.consumer={one.prefix}')}"


def _about_support(config: Config, snapshot: Snapshot, torch: Torch | None) -> Iterator[Problem]:
    if torch is None or not config.torch or supported_range(config).accepts(torch.version):
        return
    from .torch_problems import install_fix

    yield Problem.of(
        code="unsupported-torch",
        headline=f"{snapshot.project.name or 'this package'} does not support torch {torch.version}",
        torch=f"{torch.version} in {torch.folder}",
        wanted=f"{config.torch} (pyproject.toml: [tool.torchgraft] torch)",
        why="its maintainers say that it does not work with this one",
        fixes=(install_fix(snapshot, snapshot.consumer, supported_range(config).text),),
    )


def _about_contradiction(snapshot: Snapshot, torch: Torch | None) -> Iterator[Problem]:
    """Yield that the wheel would require another torch than it is built for: it would meet that one everywhere.

    Who names the environment means it, and so does who installs there without dependencies.
    """
    consumer, required, front_end = snapshot.consumer, own_dependency(snapshot), snapshot.front_end
    if torch is None or required is None or consumer is None or consumer.rule is Rule.TOLD:
        return
    if front_end.installs and front_end.leaves_dependencies and consumer.certain:
        return
    if required.url or required.accepts(torch.version):
        return
    from .torch_problems import install_fix

    name = snapshot.project.name or "this package"
    yield Problem.of(
        code="torch-contradicted",
        headline=f"{name} requires {required.text}, and would be built for {torch.version}",
        torch=f"{torch.version} in {torch.folder}",
        wanted=f"{required.text}, the package's own dependency",
        why="wherever the wheel is installed, it would meet another torch than the one it was compiled against",
        fixes=(
            install_fix(snapshot, consumer, required.text),
            f"-C {quoted(f'torchgraft.consumer={consumer.prefix}')}   (to build for that torch anyway)",
        ),
    )


def _about_trust(snapshot: Snapshot, choice: Choice, way: Way) -> tuple[Problem, ...]:
    """Return why what others can change is not used; none where it is, or where nobody else can change it.

    What everybody can change is not used. What certain users or groups can change is used where it was named, or is
    the front end's own, and not where it is a guess: who puts a `.venv` above a project must not have his code run.
    """
    consumer, locked, found = snapshot.consumer, snapshot.locked, list[Problem]()
    if way is Way.GRAFT and consumer is not None:
        # It was named, is the front end's, or is where the hook runs anyway.
        is_given = consumer.is_named or consumer.prefix == snapshot.build.prefix
        guess = "" if is_given else f"that {consumer.prefix} is meant is a guess ({consumer.why})"
        cure = f"-C {quoted(f'torchgraft.consumer={consumer.prefix}')}   (if that is meant)" if guess else ""
        found += _exposed(consumer.writable_by_others, "import", consumer.prefix, guess, cure)
    if choice.rung is Rung.LOCKED and locked is not None:
        guess = f"that {locked.file} is meant is a guess: it was found upwards" if locked.guessed else ""
        found += _exposed(snapshot.lock_exposures, "install", locked.file, guess, "")
    return tuple(found)


def _exposed(exposures: tuple[Exposure, ...], verb: str, place: str, guess: str, cure: str) -> list[Problem]:
    open_ = [exposure for exposure in exposures if exposure.by == Exposure.EVERYBODY]
    shown = list(dict.fromkeys(open_ or (exposures if guess else ())))[:3]
    if not shown:
        return []
    # Trust in a folder is trust in whoever can replace it. What is imported may also lie elsewhere (.pth, PYTHONPATH).
    trusted = dict.fromkeys(place if _is_around(exposure.path, place) else exposure.path for exposure in exposures)
    problem = Problem.of(
        code="writable-by-others",
        headline=f"{shown[0].by} of this machine can change what the build would {verb}",
        open=[f"{exposure.path} ({exposure.by})" for exposure in shown],
        why="; ".join(filter(None, (guess, "the build would run what somebody else may have put there"))),
        fixes=(
            *(f"chmod o-w {quoted(exposure.path)}" for exposure in shown if open_),
            *([cure] if cure and not open_ else []),
            f"export TORCHGRAFT_TRUST={quoted(':'.join(trusted))}   (if they may)",
        ),
    )
    return [problem]


def _is_around(path: str, place: str) -> bool:
    return f"{place}/".startswith(f"{path.rstrip('/')}/") or path.startswith(f"{place}/")


def _about_the_source(config: Config, snapshot: Snapshot) -> Iterator[Problem]:
    if not snapshot.hook.builds or snapshot.project.writable or not config.backend.startswith("setuptools."):
        return
    yield Problem(
        code="source-read-only",
        headline=f"setuptools cannot build in {snapshot.project.folder}: it is read-only",
        why="it writes build/ and *.egg-info beside setup.py",
        fixes=(f"cp -r {quoted(snapshot.project.folder)} NEW_FOLDER   (and build that)",),
    )


def _about_torch(snapshot: Snapshot, choice: Choice, reach: Reach) -> Iterator[Problem]:
    consumer, locked = snapshot.consumer, snapshot.locked
    is_undecided = locked is not None and locked.undecided
    if choice.rung is Rung.INSTALLED and reach.way in {Way.GRAFT, Way.PRESENT} and not is_undecided:
        return
    from .torch_problems import (
        broken_torch,
        customized,
        mismatch,
        no_torch,
        not_installed,
        required_twice,
        unclear,
        undecided,
    )

    if locked is not None and is_undecided and _is_undecided(locked, snapshot, choice):
        yield undecided(snapshot, locked, choice)
        return
    is_replaced = snapshot.front_end.ignores_installed and consumer is not None and not consumer.targets
    broken = consumer is not None and consumer.torch_fault is not None and reach.way is not Way.PRESENT
    if consumer is not None and broken and not is_replaced and choice.rung in {None, Rung.DECLARED}:
        yield broken_torch(snapshot, consumer)
    elif consumer is not None and consumer.customized and not consumer.torch and choice.rung in {None, Rung.DECLARED}:
        yield customized(snapshot, consumer, choice)
    elif consumer is not None and reach.obstacle:
        yield mismatch(snapshot, consumer, reach)
    elif reach.way is Way.ABSENT:
        yield no_torch(snapshot, choice, reach)
    elif (
        snapshot.asked_faults
        and _takes_newest(choice)
        and reach.way is Way.INSTALL
        and (snapshot.hook.asks or snapshot.installer is not None)
    ):
        yield unclear(snapshot, choice)
    elif reach.way is Way.INSTALL and snapshot.hook.builds and snapshot.installer is None:
        yield not_installed(snapshot, choice)
    elif reach.way is Way.INSTALL and snapshot.build.torch and snapshot.front_end.name is FrontEndName.PIP:
        yield required_twice(snapshot, snapshot.build.torch, choice)


def _takes_newest(choice: Choice) -> bool:
    """Return whether the front end would take the newest torch of a range, and may install another one afterwards."""
    is_range = choice.requirement is not None and not choice.requirement.pinned and not choice.requirement.url
    return choice.rung in {Rung.DECLARED, Rung.ASKED_FOR} and is_range


def _is_undecided(locked: Locked, snapshot: Snapshot, choice: Choice) -> bool:
    """Return whether a lock says that torch is going to be another one, or may be, and not which."""
    consumer = snapshot.consumer
    if choice.rung is Rung.INSTALLED and consumer is not None and consumer.torch is not None:
        is_left = consumer.rule in {Rule.TOLD, Rule.IMPORTABLE} or not snapshot.front_end.installs
        held = [TorchRequirement(specifier=SpecifierSet(f"=={version}")) for version, _ in locked.choices]
        installed = consumer.torch.version
        return not is_left and bool(held) and not any(one.accepts(installed) for one in held)
    return choice.rung in {None, Rung.DECLARED} or _takes_newest(choice)
