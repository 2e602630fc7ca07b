"""When there is no right build, why, and what cures it.

May not decide anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.specifiers import SpecifierSet

from ..consumer.environment import is_throw_away
from ..errors import Evidence, Problem, install_command, quoted
from ..model.observation import Consumer, FrontEndName, Rule, Rung, Snapshot, Way
from ..model.torch_values import Locked, Torch, TorchRequirement, torch_among, without_marker
from ..settings.config import Config
from .plan_torch import Choice, applying, own_dependency, supported_range
from .plan_way import Reach

# The indexes of torch are named as the local parts of its versions are (https://pytorch.org/get-started/locally/).
_INDEX = re.compile(r"cpu|cu\d+|rocm[\d.]+|xpu")


# Where uv installs what belongs to a project, and what only this command asks for.
_OF_PROJECTS = frozenset({"uv sync", "uv run", "uv add"})
_OF_TOOLS = frozenset({"uv tool run", "uv tool install"})


def plan_problems(config: Config, snapshot: Snapshot, choice: Choice, reach: Reach) -> tuple[Problem, ...]:
    """Return every reason against this build at once; none if it can go on."""
    # Metadata and sdists must be had without torch (locking on a laptop, CI that makes sdists).
    if not (snapshot.hook.asks or snapshot.hook.builds) or (snapshot.front_end.resolves and not snapshot.hook.builds):
        # The delegate imports what is linked.
        return (*_about_the_told_consumer(config, snapshot), *_about_trust(snapshot, choice, reach.way))
    problems = [
        *_about_the_told_consumer(config, snapshot),
        *_about_rivals(snapshot),
        *_about_support(config, snapshot, reach.torch),
        *_about_contradiction(snapshot, reach.torch),
        *_about_trust(snapshot, choice, reach.way),
        *_about_the_source(config, snapshot),
    ]
    if problems:
        return tuple(problems)
    return tuple(_about_torch(snapshot, choice, reach))


def _about_the_told_consumer(config: Config, snapshot: Snapshot) -> Iterator[Problem]:
    consumer = snapshot.consumer
    if consumer is None or consumer.rule is not Rule.TOLD or consumer.exists:
        return
    yield Problem(
        code="no-consumer",
        headline=f"there is no environment at {consumer.prefix}",
        evidence=(Evidence(label="told", text=f"{config.consumer} ({config.origin('consumer')})"),),
        why="the consumer that was named has neither a pyvenv.cfg nor an interpreter",
        fixes=("name the folder of an environment, or its interpreter, or leave it out",),
    )


def _about_rivals(snapshot: Snapshot) -> Iterator[Problem]:
    rivals = snapshot.rivals
    if not rivals or snapshot.consumer is None:
        return
    everyone = (snapshot.consumer, *rivals)
    yield Problem(
        code="ambiguous-consumer",
        headline=f"{len(everyone)} environments may be the consumer, and their torch differs",
        evidence=tuple(
            Evidence(label=rival.rule.value, text=f"{_version(rival)} in {rival.prefix} ({rival.why})")
            for rival in everyone
        ),
        why="an extension works only with the torch that it was compiled against",
        fixes=(_fix_of_rivals(snapshot, everyone[0]),),
    )


def _fix_of_rivals(snapshot: Snapshot, one: Consumer) -> str:
    if one.rule is Rule.TOX:
        return "set package = sdist in the tox configuration"
    if snapshot.front_end.command == "uv tool upgrade":
        return f"uv tool upgrade {snapshot.python.path(one.prefix).name}   (and the others, one by one)"
    return f"-C {quoted(f'torchgraft.consumer={one.prefix}')}"


def _about_support(config: Config, snapshot: Snapshot, torch: Torch | None) -> Iterator[Problem]:
    if torch is None or not config.torch or supported_range(config).accepts(torch.version):
        return
    yield Problem(
        code="unsupported-torch",
        headline=f"{snapshot.project.name or 'this package'} does not support torch {torch.version}",
        evidence=(
            Evidence(label="torch", text=f"{torch.version} in {torch.folder}"),
            Evidence(label="wanted", text=f"{config.torch} (pyproject.toml: [tool.torchgraft] torch)"),
        ),
        why="its maintainers say that it does not work with this one",
        fixes=(_install(snapshot, snapshot.consumer, supported_range(config).text),),
    )


def _about_contradiction(snapshot: Snapshot, torch: Torch | None) -> Iterator[Problem]:
    """Yield that the wheel would require another torch than it is built for: it would meet that one everywhere.

    Who names the environment means it.
    """
    consumer, required = snapshot.consumer, own_dependency(snapshot)
    if torch is None or required is None or consumer is None or consumer.rule is Rule.TOLD:
        return
    if required.url or required.accepts(torch.version):
        return
    name = snapshot.project.name or "this package"
    yield Problem(
        code="torch-contradicted",
        headline=f"the wheel of {name} would require {required.text} and be built for torch {torch.version}",
        evidence=(
            Evidence(label="torch", text=f"{torch.version} in {torch.folder}"),
            Evidence(label="wanted", text=f"{required.text}, the package's own dependency"),
        ),
        why="wherever the wheel is installed, it would meet another torch than the one it was compiled against",
        fixes=(
            _install(snapshot, consumer, required.text),
            f"-C {quoted(f'torchgraft.consumer={consumer.prefix}')}   (to build for that torch all the same)",
        ),
    )


def _about_trust(snapshot: Snapshot, choice: Choice, way: Way) -> tuple[Problem, ...]:
    if not (snapshot.lock_exposures or (snapshot.consumer and snapshot.consumer.writable_by_others)):
        return ()
    from .plan_trust import plan_trust

    return plan_trust(snapshot, choice, way)


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
    consumer = snapshot.consumer
    locked = snapshot.locked
    if locked is not None and locked.undecided and _is_undecided(locked, snapshot, choice):
        yield _undecided(snapshot, locked, choice)
        return
    broken = consumer is not None and consumer.torch_fault is not None and reach.way is not Way.PRESENT
    if consumer is not None and broken and choice.rung in {None, Rung.DECLARED}:
        yield _broken(snapshot, consumer)
    elif consumer is not None and consumer.customized and choice.rung in {None, Rung.DECLARED}:
        yield _customized(snapshot, consumer, choice)
    elif consumer is not None and reach.obstacle:
        yield _mismatch(snapshot, consumer, reach)
    elif reach.way is Way.ABSENT:
        yield _no_torch(snapshot, choice, reach)
    elif (
        snapshot.asked_faults
        and _is_guess(choice)
        and reach.way is Way.INSTALL
        and (snapshot.hook.asks or snapshot.installer is not None)
    ):
        yield _unclear(snapshot, choice)
    elif reach.way is Way.INSTALL and snapshot.hook.builds and snapshot.installer is None:
        yield Problem(
            code="torch-not-installed",
            headline=f"the front end did not install {_text(choice)} for the build",
            evidence=(
                Evidence(label="build", text=f"{snapshot.build.prefix} has no torch that fits"),
                Evidence(label="rung", text=_rung_text(choice)),
            ),
            why="get_requires_for_build_wheel asked for it; without build isolation nothing is installed",
            fixes=(_install(snapshot, consumer, _text(choice)), "leave out --no-build-isolation"),
        )
    elif reach.way is Way.INSTALL and snapshot.build.torch and snapshot.front_end.name is FrontEndName.PIP:
        yield _required_twice(snapshot, snapshot.build.torch, choice)


def _is_guess(choice: Choice) -> bool:
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
    return choice.rung in {None, Rung.DECLARED} or _is_guess(choice)


def _undecided(snapshot: Snapshot, locked: Locked, choice: Choice) -> Problem:
    name = snapshot.project.name or "this package"
    version = locked.choices[0][0] if len(locked.choices) == 1 else "VERSION"
    return Problem(
        code="torch-unclear",
        headline=f"the lock does not decide which torch {name} has to be built for",
        evidence=(
            Evidence(label="lock", text=f"{locked.file}: {locked.said}"),
            Evidence(label="else", text=f"'{_text(choice)}' would be a guess ({_rung_text(choice)})"),
        ),
        why="the wheel would be built for that one, and may meet another",
        fixes=(
            *(f"{snapshot.front_end.command} {option}   (for torch {v})" for v, option in locked.choices[:4] if option),
            f"-C torchgraft.torch={version}   (the one that will be installed)",
        ),
    )


def _unclear(snapshot: Snapshot, choice: Choice) -> Problem:
    name = snapshot.project.name or "this package"
    return Problem(
        code="torch-unclear",
        headline=f"which torch {name} has to be built for stands where it cannot be read",
        evidence=(
            *(Evidence(label="unread", text=fault) for fault in snapshot.asked_faults[:3]),
            Evidence(label="else", text=f"the newest that '{_text(choice)}' allows would be a guess"),
        ),
        why="the wheel would be built for that one, and may meet another",
        fixes=(
            "-C torchgraft.torch=VERSION   (the one that will be installed, such as 2.8.0+cu128)",
            f"{_install(snapshot, snapshot.consumer, 'torch==VERSION')}   (the one that is wanted, first)",
        ),
    )


def _required_twice(snapshot: Snapshot, torch: Torch, choice: Choice) -> Problem:
    """Pip never replaces what [build-system] requires brought in (pip, `BuildEnvironment.check_requirements`)."""
    return Problem(
        code="torch-required-twice",
        headline=f"pip put torch {torch.version} into the build, and {_text(choice)} will be installed",
        evidence=(
            Evidence(label="build", text=f"torch {torch.version}, for 'torch' in [build-system] requires"),
            Evidence(label="rung", text=_rung_text(choice)),
        ),
        why="pip cannot replace a build requirement once it is there",
        fixes=(
            f"{_install(snapshot, snapshot.consumer, _text(choice))}   (first; then the same command)",
            "leave torch out of [build-system] requires in pyproject.toml   (for its maintainers)",
        ),
    )


def _broken(snapshot: Snapshot, consumer: Consumer) -> Problem:
    # The very one that its metadata tells of: another would come with other requirements.
    found = next((d for d in consumer.distributions if d.name == "torch"), None)
    version = found.version if found else ""
    local = version.partition("+")[2]
    index = f"https://download.pytorch.org/whl/{'nightly/' * ('.dev' in version)}{local}"
    words = [*(["--index-url", index] if _INDEX.fullmatch(local) else []), f"torch=={version}" if version else "torch"]
    again = ["--reinstall" if _is_uv(snapshot) else "--force-reinstall", "--no-deps"]
    again += found.source if found and found.source else words
    if found and found.is_local:
        # Both front ends install a folder anew in any case.
        again = ["--no-build-isolation", "--no-deps", *found.source]
    return Problem(
        code="broken-torch",
        headline=f"the torch in {consumer.prefix} is broken",
        evidence=(
            Evidence(label="found", text=str(consumer.torch_fault)),
            Evidence(label="rule", text=f"{consumer.rule.value}: {consumer.why}"),
        ),
        why="half of an installation cannot be built against",
        fixes=(_install(snapshot, consumer, *again),),
    )


def _customized(snapshot: Snapshot, consumer: Consumer, choice: Choice) -> Problem:
    name = snapshot.python.path(consumer.customized)
    module = name.parent.name if name.name == "__init__.py" else name.name.removesuffix(".py")
    return Problem(
        code="customized-consumer",
        headline=f"which torch {consumer.prefix} has cannot be seen: it has a {module}",
        evidence=(
            Evidence(label="found", text=f"{consumer.customized}, and no torch where it can be seen"),
            Evidence(label="rung", text=_rung_text(choice)),
        ),
        why="it may add folders as Python starts, and it is not run here: a guess could be wrong",
        fixes=(
            "-C torchgraft.torch=VERSION   (the one that 'import torch' finds there, or is to find)",
            "-C torchgraft.consumer=PATH   (if another environment is meant)",
        ),
    )


def _mismatch(snapshot: Snapshot, consumer: Consumer, reach: Reach) -> Problem:
    return Problem(
        code="python-mismatch",
        headline=reach.obstacle,
        evidence=(
            Evidence(label="consumer", text=f"{consumer.prefix} ({consumer.rule.value}: {consumer.why})"),
            Evidence(label="torch", text=_version(consumer)),
            Evidence(label="build", text=f"Python {snapshot.python.version} ({snapshot.python.extension_suffix})"),
        ),
        why="an extension is made for one version of Python, and torch must have been made for the same",
        fixes=(
            f"{_install(snapshot, consumer, '.')}   (build with the consumer's own Python)",
            "-C torchgraft.consumer=PATH   (if another environment is meant)",
        ),
    )


def _no_torch(snapshot: Snapshot, choice: Choice, reach: Reach) -> Problem:
    consumer = snapshot.consumer
    return Problem(
        code="no-torch",
        headline=f"no torch to build {snapshot.project.name or 'this package'} against",
        evidence=tuple(Evidence(label=answer.rung.value, text=answer.said) for answer in choice.rungs),
        why=reach.reason,
        fixes=(
            *_first_fixes(snapshot, consumer if consumer and consumer.exists else None),
            "-C torchgraft.consumer=PATH   (if an environment that has torch is meant)",
        ),
    )


def _first_fixes(snapshot: Snapshot, consumer: Consumer | None) -> Iterator[str]:
    """Yield what brings torch: where the package names none, one of its dependencies may decide which one it is."""
    required = applying(snapshot.project.dependencies or (), snapshot.python)
    if required and torch_among(required) is None:
        yield _install(snapshot, consumer, *map(without_marker, required))
        yield f"{_install(snapshot, consumer, 'torch')}   (only if none of these brings it)"
    else:
        yield _install(snapshot, consumer, "torch")


def _rung_text(choice: Choice) -> str:
    return next((f"{one.rung.value}: {one.said}" for one in choice.rungs if one.rung is choice.rung), "none")


def _text(choice: Choice) -> str:
    return choice.requirement.text if choice.requirement else "torch"


def _version(consumer: Consumer) -> str:
    return f"torch {consumer.torch.version}" if consumer.torch else "no torch"


def _install(snapshot: Snapshot, consumer: Consumer | None, *words: str) -> str:
    """Return what brings requirements; words that start with `-` are added to the same command.

    uv keeps nothing in a project or a tool that was not asked for there.
    """
    command = snapshot.front_end.command
    is_passing = consumer is None or not consumer.exists or is_throw_away(snapshot.python.path(consumer.prefix))
    if command in _OF_TOOLS or (command == "uv run" and is_passing):
        return " ".join(f"--with {quoted(word)}" for word in words)
    if command in _OF_PROJECTS and not words[0].startswith("-"):
        return f"uv add {' '.join(map(quoted, words))}"
    return install_command(consumer.prefix if consumer else None, words, by_uv=_is_uv(snapshot))


def _is_uv(snapshot: Snapshot) -> bool:
    return snapshot.front_end.name is FrontEndName.UV
