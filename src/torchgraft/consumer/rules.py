"""Which environment the wheel is for: the rules, best first. Those of three front ends stand in files of their own.

May not look into the environment further than its pyvenv.cfg and whether it has torch, nor choose among several that
are equally likely: the caller compares their torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..files import is_file, is_folder, joined, real
from ..model.observation import Consumer, FrontEndName, Rule, RuleAnswer
from ..values import dataclass
from .environment import holds_torch, is_environment, is_throw_away, is_tool, prefix_of_interpreter
from .front_end import Caller, RuleVerdict, Scene, consumer_is, consumer_is_among, maker_of, project_venv, venv_upwards
from .processes import HookProcess, Process

_PIP_BUILD_NAME = "pip-build-env-"
_BUILD_NAME = "build-env-"
_TOX_PACKAGING = r"\.pkg.*|\.package"


@dataclass(frozen=True, kw_only=True)
class ConsumerFinding:
    """What the rules found: none, one, or several environments that are equally likely.

    `answers` are those of every rule that was tried, in order.
    """

    found: tuple[Consumer, ...]
    answers: tuple[RuleAnswer, ...]


def find_consumer(
    hook: HookProcess,
    ancestors: tuple[Process, ...],
    *,
    caller: Caller | None,
    told: str | None,
    torch_importable: bool,
) -> ConsumerFinding:
    """Return which environments the wheel may be for.

    :param told: the setting: an environment or an interpreter, relative to where the front end runs
    :param torch_importable: whether the hook's own environment has torch, and not as a build requirement
    """
    scene = Scene(hook=hook, ancestors=ancestors, caller=caller, told=told, torch_importable=torch_importable)
    answers: list[RuleAnswer] = []
    for verdict in (verdict for rule in _RULES for verdict in rule(scene)):
        answers.append(RuleAnswer(rule=verdict.rule, said=verdict.said))
        if verdict.found or verdict.is_last:
            return ConsumerFinding(found=verdict.found, answers=tuple(answers))
    return ConsumerFinding(found=(), answers=tuple(answers))


def _find_told(scene: Scene) -> Iterator[RuleVerdict]:
    if scene.told is None:
        yield RuleVerdict(rule=Rule.TOLD, said="no setting names an environment")
        return
    # Without a front end that is known, the parent's folder is where somebody typed a command, most of the time.
    callers = (scene.caller.process,) if scene.caller else scene.ancestors[:1]
    folders = [*(process.folder for process in callers if process.folder), scene.hook.folder]
    prefixes = [_told_prefix(joined(folder, scene.told)) for folder in folders]
    prefix = next((prefix for prefix in prefixes if is_environment(prefix)), prefixes[0])
    elsewhere = _installed_into(scene)
    is_elsewhere = elsewhere is not None and real(elsewhere) != real(prefix)
    why = f"a setting names it, and the wheel is installed into {elsewhere}" if is_elsewhere else "a setting names it"
    yield consumer_is(Rule.TOLD, prefix, why, certain=not is_elsewhere)


def _installed_into(scene: Scene) -> Path | None:
    """Return where the front end installs, as far as that is certain; None for one that only builds."""
    if scene.caller is None or not scene.caller.front_end.installs:
        return None
    verdicts = (verdict for rule in _RULES[1:] for verdict in rule(scene) if verdict.found)
    found = next((one for verdict in verdicts for one in verdict.found if not is_throw_away(Path(one.prefix))), None)
    return Path(found.prefix) if found and found.certain else None


def _told_prefix(path: Path) -> Path:
    """Return what is meant by a path: the environment of an interpreter, the `.venv` of a project, else itself.

    What is not there means nothing else: /nowhere is not /.
    """
    if is_folder(path):
        likely = project_venv(path) or path / ".venv"
    elif is_file(path) or path.is_symlink():
        likely = prefix_of_interpreter(path)
    else:
        return path
    return likely if not is_environment(path) and is_environment(likely) else path


def _find_importable(scene: Scene) -> Iterator[RuleVerdict]:
    """R0: --no-build-isolation, or uv's match-runtime. Right even where the same command changes torch.

    Not in pip's isolation: the hook's prefix is the consumer there, and the torch that it can import is another one,
    which an earlier hook of ours had asked for.
    """
    if scene.torch_importable and not _is_pip_isolated(scene):
        yield consumer_is(Rule.IMPORTABLE, Path(scene.hook.prefix), "the hook can import its torch", certain=True)
    else:
        said = "its torch was installed for this build" if scene.torch_importable else "the hook cannot import torch"
        yield RuleVerdict(rule=Rule.IMPORTABLE, said=said)


def _find_by_pip_isolation(scene: Scene) -> Iterator[RuleVerdict]:
    """R1: pip, and pdm, run hooks on the consumer's interpreter and hide its site-packages with a sitecustomize.

    That is pip's `BuildEnvironment` (src/pip/_internal/build_env.py). No variable can mislead this rule.
    """
    # In a venv that build made, pip installs what the build requires: that one's consumer is R3's business.
    if not _is_pip_isolated(scene) or is_throw_away(Path(scene.hook.prefix)):
        yield RuleVerdict(rule=Rule.PIP_ISOLATION, said="the hook's own site-packages are not hidden")
        return
    if (tool := _injected_tool(scene)) is not None:
        yield consumer_is(Rule.PIP_ISOLATION, tool, "pipx injects into it, and asks for the name here", certain=True)
        return
    why = "its interpreter runs the hook, and its site-packages are hidden"
    yield consumer_is(Rule.PIP_ISOLATION, Path(scene.hook.prefix), why, certain=True, targets=_pip_targets(scene))


def _injected_tool(scene: Scene) -> Path | None:
    """Return the environment with torch that pipx will inject into, while it only asks for a distribution's name.

    It installs that without its dependencies, into an environment of a moment, and throws both away.
    """
    process = next(
        (one for one in scene.ancestors if one.command_line and one.command_line.text == "pipx inject"), None
    )
    is_asking = scene.caller is not None and scene.caller.command.leaves_dependencies
    if process is None or process.command_line is None or not is_asking or holds_torch(Path(scene.hook.prefix)):
        return None
    named = next(iter(process.command_line.positional), "")
    data = process.variable("XDG_DATA_HOME") or "~/.local/share"
    homes = (process.variable("PIPX_HOME") or f"{data}/pipx", "~/.local/pipx")
    tools = (joined(process.folder, home) / "venvs" / named for home in homes if named)
    return next((tool for tool in tools if holds_torch(tool) and scene.fits(tool)), None)


def _is_pip_isolated(scene: Scene) -> bool:
    importable = {real(Path(entry)) for entry in scene.hook.sys_path if entry}
    entries = (scene.hook.variable("PYTHONPATH") or "").split(os.pathsep)
    is_customised = any(entry and is_file(Path(entry, "sitecustomize.py")) for entry in entries)
    return is_customised and real(Path(scene.hook.purelib)) not in importable


def _pip_targets(scene: Scene) -> tuple[str, ...]:
    """Return the folders of `pip install --target` and `--prefix`."""
    caller = scene.called_by(FrontEndName.PIP)
    if caller is None or caller.command.words not in (("install",), ()):
        return ()
    values = (caller.command.value("--target", "-t"), caller.command.value("--prefix"))
    return tuple(str(caller.path(value)) for value in values if value)


def _find_maker(scene: Scene) -> Iterator[RuleVerdict]:
    """R3: a throw-away venv of pip (venv-isolation) or build, which says who made it."""
    name = Path(scene.hook.prefix).name
    maker = maker_of(scene.hook.pyvenv_cfg)
    if not name.startswith((_PIP_BUILD_NAME, _BUILD_NAME)) or maker is None:
        yield RuleVerdict(rule=Rule.THROWAWAY, said="the hook runs in no throw-away venv of pip or build")
    elif name.startswith(_PIP_BUILD_NAME):
        why = "its pip made the throw-away venv of the hook"
        yield consumer_is(Rule.THROWAWAY, maker, why, certain=True, targets=_pip_targets(scene))
    else:
        yield from _find_for_build(scene, maker)


def _find_for_build(scene: Scene, maker: Path) -> Iterator[RuleVerdict]:
    """Build is for no environment: the one that it runs in is meant, or the activated one, whichever has torch."""
    activated = next((prefix for prefix, _ in _activated(scene) if real(prefix) != real(maker)), None)
    candidates = [(maker, "build runs in it")]
    if activated is not None:
        candidates.append((activated, "build was started in it"))
    chosen = [candidate for candidate in candidates if holds_torch(candidate[0])] or candidates[-1:]
    yield consumer_is_among(Rule.THROWAWAY, chosen, certain=False)


def _find_without_isolation(scene: Scene) -> Iterator[RuleVerdict]:
    """--no-build-isolation where torch is not there yet: pip and build run the hook in the consumer."""
    prefix = Path(scene.hook.prefix)
    front_ends = (FrontEndName.PIP, FrontEndName.BUILD, FrontEndName.PDM)
    if scene.called_by(*front_ends) and not is_throw_away(prefix):
        yield consumer_is(Rule.PIP_ISOLATION, prefix, "the hook runs in it, not isolated", certain=True)


def _find_activated(scene: Scene) -> Iterator[RuleVerdict]:
    """R6: pixi, a shell, and whatever else there is."""
    candidates = list(_activated(scene))
    chosen = [candidate for candidate in candidates if holds_torch(candidate[0])] or candidates[:1]
    if not chosen:
        yield RuleVerdict(rule=Rule.ACTIVATED, said="no environment is activated")
        return
    yield consumer_is_among(Rule.ACTIVATED, [(prefix, f"{name} names it") for prefix, name in chosen], certain=False)


def _activated(scene: Scene) -> Iterator[tuple[Path, str]]:
    """Yield the environments that are activated in the nearest process that has one, without the hook's own.

    The hook's own is activated by a front end that made it; or, where it is kept, by a person. Without torch it may be
    hatch's, which is kept too: then what was activated before counts, if that has it.
    """
    own: list[tuple[Path, str]] = []
    processes: tuple[HookProcess | Process, ...] = (scene.hook, *scene.ancestors)
    for process in processes:
        found: dict[str, tuple[Path, str]] = {}
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            value = process.variable(name)
            prefix = joined(process.folder, value or "")
            is_made = scene.is_own(prefix) and is_throw_away(Path(scene.hook.prefix))
            if value and is_environment(prefix) and not is_made:
                found.setdefault(real(prefix), (prefix, name))
        if not found:
            continue
        if all(scene.is_own(prefix) and not holds_torch(prefix) for prefix, _ in found.values()):
            own = own or [*found.values()]
        elif not own or any(holds_torch(prefix) for prefix, _ in found.values()):
            yield from found.values()
            return
    yield from own


def _find_in_folder(scene: Scene) -> Iterator[RuleVerdict]:
    """No front end at all, as for `torchgraft plan`: the `.venv` above, or the environment of this very process."""
    if scene.caller is not None:
        return
    above = venv_upwards(Path(scene.hook.folder))
    if above is not None:
        yield consumer_is(Rule.ACTIVATED, above, ".venv in or above the working folder", certain=False)
        return
    prefix = Path(scene.hook.prefix)
    if is_throw_away(prefix) or is_tool(prefix):
        said = "and the folders above have no .venv, and torchgraft runs in an environment of its own"
        yield RuleVerdict(rule=Rule.ACTIVATED, said=f"{scene.hook.folder} {said}")
    else:
        yield consumer_is(Rule.ACTIVATED, prefix, "this process runs in it", certain=False)


def _find_by_front_end(scene: Scene) -> Iterator[RuleVerdict]:
    """R2, R4 and R5: those that tell by themselves where they work. Few hooks need to know more than one of them."""
    if scene.called_by(FrontEndName.UV):
        from .uv import find_by_uv

        yield from find_by_uv(scene)
    else:
        yield RuleVerdict(rule=Rule.UV_LOCK, said="uv is not the direct parent")
    if scene.called_by(FrontEndName.POETRY):
        from .poetry_and_tox import find_by_poetry

        yield from find_by_poetry(scene)
    else:
        yield RuleVerdict(rule=Rule.POETRY, said="poetry does not call the hook")
    if re.fullmatch(_TOX_PACKAGING, scene.hook.variable("TOX_ENV_NAME") or "") and scene.hook.variable("TOX_WORK_DIR"):
        from .poetry_and_tox import find_by_tox

        yield from find_by_tox(scene)
    else:
        yield RuleVerdict(rule=Rule.TOX, said="this is no packaging environment of tox")


_RULES: tuple[Callable[[Scene], Iterator[RuleVerdict]], ...] = (
    _find_told,
    _find_importable,
    _find_by_pip_isolation,
    _find_by_front_end,
    _find_maker,
    _find_without_isolation,
    _find_activated,
    _find_in_folder,
)
