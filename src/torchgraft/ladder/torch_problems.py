"""What is said where there is no right torch, and what cures it, as this reader has to type it.

May not decide which of them it is: `plan_problems` does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ..consumer.environment import is_throw_away
from ..errors import Problem, install_command, quoted
from ..model.observation import Consumer, FrontEndName, Rung, Snapshot
from ..model.torch_values import Locked, Torch, torch_among, without_marker
from .plan_torch import Choice, applying
from .plan_way import Reach

# The indexes of torch are named as the local parts of its versions are (https://pytorch.org/get-started/locally/).
_INDEX = r"cpu|cu\d+|rocm[\d.]+|xpu"
# Where uv installs what belongs to a project, and what only this command asks for.
OF_PROJECTS = frozenset({"uv sync", "uv run", "uv add"})
_OF_TOOLS = frozenset({"uv tool run", "uv tool install"})


def not_installed(snapshot: Snapshot, choice: Choice) -> Problem:
    """Return that the front end did not install the torch that it was asked for."""
    return Problem.of(
        code="torch-not-installed",
        headline=f"the front end did not install {_text(choice)} for the build",
        build=f"{snapshot.build.prefix} has no torch that fits",
        wanted=_rung_text(choice),
        why="without build isolation, a front end installs nothing for a build",
        fixes=(install_fix(snapshot, snapshot.consumer, _text(choice)), "leave out --no-build-isolation"),
    )


def undecided(snapshot: Snapshot, locked: Locked, choice: Choice) -> Problem:
    """Return that a lock stands against every torch but its own, and does not say which that is."""
    name = snapshot.project.name or "this package"
    version = locked.choices[0][0] if len(locked.choices) == 1 else "VERSION"
    command = snapshot.front_end.command
    # The arguments of a command that works without a project are more than its name.
    again, same = (f"{command} ", "") if command in OF_PROJECTS else ("", "with the same command, ")
    guessed = f" ({_rung_text(choice)})" if choice.rung else ""
    return Problem.of(
        code="torch-unclear",
        headline=f"the lock does not decide which torch {name} has to be built for",
        lock=f"{locked.file}: {locked.said}",
        **{"else": f"'{_text(choice)}' would be a guess{guessed}"},
        why="the wheel would be built for that one, and may meet another",
        fixes=(
            *(
                f"{again}{option}   ({same}for torch {one})"
                for one, option in locked.choices[:4]
                if option.startswith("-")  # pip has none for the extras of a lock
            ),
            f"-C torchgraft.torch={version}   (the one that will be installed)",
        ),
    )


def unclear(snapshot: Snapshot, choice: Choice) -> Problem:
    """Return that the command says which torch in a place that cannot be read."""
    name = snapshot.project.name or "this package"
    return Problem.of(
        code="torch-unclear",
        headline=f"cannot tell which torch {name} has to be built for",
        found=snapshot.asked_faults[:3],
        **{"else": f"the newest that '{_text(choice)}' allows would be a guess"},
        why="the wheel would be built for that one, and may meet another",
        fixes=(
            "-C torchgraft.torch=VERSION   (the one that will be installed, such as 2.8.0+cu128)",
            f"{install_fix(snapshot, snapshot.consumer, 'torch==VERSION')}   (first, with the version that you want)",
        ),
    )


def required_twice(snapshot: Snapshot, torch: Torch, choice: Choice) -> Problem:
    """Pip never replaces what [build-system] requires brought in (pip, `BuildEnvironment.check_requirements`)."""
    return Problem.of(
        code="torch-required-twice",
        headline=f"pip builds with torch {torch.version}, and installs {_text(choice)}",
        build=f"torch {torch.version}, for 'torch' in [build-system] requires",
        wanted=_rung_text(choice),
        why="pip cannot replace a build requirement once it is there",
        fixes=(
            f"{install_fix(snapshot, snapshot.consumer, _text(choice))}   (first; then the same command)",
            "leave torch out of [build-system] requires in pyproject.toml   (for its maintainers)",
        ),
    )


def broken_torch(snapshot: Snapshot, consumer: Consumer) -> Problem:
    """Return that the torch of the consumer is there by halves."""
    path = snapshot.python.path
    # The very one that its metadata tells of: another would come with other requirements.
    found = next((d for d in consumer.distributions if d.name == "torch"), None)
    version = found.version if found else ""
    local = version.partition("+")[2]
    index = f"https://download.pytorch.org/whl/{'nightly/' * ('.dev' in version)}{local}"
    words = ["--index-url", index] if re.fullmatch(_INDEX, local) else []
    words.append(f"torch=={version}" if version else "torch")
    # What comes before the environment, such as the folders of PYTHONPATH, is not mended by installing into that.
    prefix = path(consumer.prefix)
    before = itertools.takewhile(lambda folder: prefix not in path(folder).parents, consumer.search_path)
    folders = (*consumer.targets, *before)
    places = path(str(consumer.torch_fault)).parents  # it begins with the path of what is missing
    target = next((folder for folder in folders if path(folder) in places), None)
    option = "--target" if target in consumer.search_path else "--prefix"
    # What is in a target pip replaces for this alone.
    anew = "--reinstall" if _is_uv(snapshot) else "--upgrade" if option == "--target" else "--force-reinstall"
    again = [*([option, target] if target else []), anew, "--no-deps"]
    again += found.source if found and found.source else words
    if found and found.is_local:
        # Both front ends install a folder anew in any case.
        again = ["--no-build-isolation", "--no-deps", *found.source]
    return Problem.of(
        code="broken-torch",
        headline=f"the torch in {consumer.prefix} is broken",
        found=str(consumer.torch_fault),
        because=consumer.why,
        why="half of an installation cannot be built against",
        fixes=("--reinstall" if snapshot.front_end.command in _OF_TOOLS else install_fix(snapshot, consumer, *again),),
    )


def customized(snapshot: Snapshot, consumer: Consumer, choice: Choice) -> Problem:
    """Return that the consumer may have a torch that only running its interpreter shows."""
    name = snapshot.python.path(consumer.customized)
    module = name.parent.name if name.name == "__init__.py" else name.name.removesuffix(".py")
    return Problem.of(
        code="customized-consumer",
        headline=f"a {module} may add a torch that cannot be seen from here",
        found=f"{consumer.customized}, and no torch in {consumer.prefix}",
        wanted=_rung_text(choice),
        why="it runs when Python starts, but not here, so a guess could be wrong",
        fixes=(
            "-C torchgraft.torch=VERSION   (the one that 'import torch' finds there, or is to find)",
            "-C torchgraft.consumer=PATH   (if another environment is meant)",
        ),
    )


def mismatch(snapshot: Snapshot, consumer: Consumer, reach: Reach) -> Problem:
    """Return that the consumer has another interpreter than the build."""
    project = snapshot.project
    # What came from an index lies in a folder of this build alone.
    what = project.name if project.in_metadata and project.name else project.folder
    command = install_command(consumer.prefix, [what], by_uv=_is_uv(snapshot))
    return Problem.of(
        code="python-mismatch",
        headline=reach.obstacle,
        consumer=f"{consumer.prefix} ({consumer.why})",
        torch=torch_text(consumer),
        build=f"Python {snapshot.python.version} ({snapshot.python.extension_suffix})",
        why="an extension is made for one version of Python, and torch must have been made for the same",
        fixes=(
            f"{command}   (build with the consumer's own Python)",
            "-C torchgraft.consumer=PATH   (if another environment is meant)",
        ),
    )


def no_torch(snapshot: Snapshot, choice: Choice, reach: Reach) -> Problem:
    """Return that nothing says which torch, or none can be had."""
    consumer = snapshot.consumer
    shown = (answer for answer in choice.rungs if answer.rung is not Rung.TOLD or choice.rung is Rung.TOLD)
    return Problem.of(
        code="no-torch",
        headline=f"no torch to build {snapshot.project.name or 'this package'} against",
        **{answer.rung.value: answer.said for answer in shown},
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
        yield install_fix(snapshot, consumer, *map(without_marker, required))
        yield f"{install_fix(snapshot, consumer, 'torch')}   (only if none of these brings it)"
    else:
        yield install_fix(snapshot, consumer, "torch")


def _rung_text(choice: Choice) -> str:
    return next((one.said for one in choice.rungs if one.rung is choice.rung), "none")


def _text(choice: Choice) -> str:
    return choice.requirement.text if choice.requirement else "torch"


def torch_text(consumer: Consumer) -> str:
    """Return the torch of a consumer, for people."""
    return f"torch {consumer.torch.version}" if consumer.torch else "no torch"


def install_fix(snapshot: Snapshot, consumer: Consumer | None, *words: str) -> str:
    """Return what brings requirements; words that start with `-` are added to the same command.

    uv keeps nothing in a project or a tool that was not asked for there, nor does `poetry sync` or `pdm sync --clean`.
    """
    command = snapshot.front_end.command
    place = snapshot.python.path(consumer.prefix) if consumer and consumer.exists else None
    is_passing = place is None or is_throw_away(place) or place.parent.name.startswith("environments-")  # a script's
    if command in _OF_TOOLS or (command == "uv run" and is_passing):
        return " ".join(f"--with {quoted(word)}" for word in words)
    program = command.partition(" ")[0]
    keeps_none = command in OF_PROJECTS or (snapshot.front_end.removes_others and program in {"poetry", "pdm"})
    if keeps_none and not words[0].startswith("-"):
        return f"{program} add {' '.join(map(quoted, words))}"
    return install_command(consumer.prefix if consumer else None, words, by_uv=_is_uv(snapshot))


def _is_uv(snapshot: Snapshot) -> bool:
    return snapshot.front_end.name is FrontEndName.UV
