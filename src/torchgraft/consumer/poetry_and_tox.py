"""The consumer when poetry or tox calls the hook: rules R4 and R5. Both build in environments of their own making.

May start poetry to ask where its environment is, and nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..files import is_file, is_folder, names_in
from ..model.observation import FrontEndName, Rule
from .environment import holds_torch, is_environment, is_venv
from .front_end import Caller, RuleVerdict, Scene, consumer_is, consumer_is_among

# poetry itself needs about a second.
_POETRY_TIMEOUT_S = 20
_NO = frozenset({"0", "false", "no", "off"})
_NOT_PASSED_ON = frozenset({"CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"})


def find_by_poetry(scene: Scene) -> Iterator[RuleVerdict]:
    """R4: the order is that of poetry's EnvManager.get (https://github.com/python-poetry/poetry)."""
    caller = scene.called_by(FrontEndName.POETRY)
    if caller is None:
        return
    active = caller.process.variable("VIRTUAL_ENV") or caller.process.variable("CONDA_PREFIX")
    # poetry leaves conda's base environment alone.
    if active and caller.process.variable("CONDA_DEFAULT_ENV") != "base" and not scene.is_own(caller.path(active)):
        yield consumer_is(Rule.POETRY, caller.path(active), "poetry works in the activated environment", certain=True)
        return
    in_project = (caller.process.variable("POETRY_VIRTUALENVS_IN_PROJECT") or "").lower()
    venv = _project_folder(caller) / ".venv"
    if in_project not in _NO and is_folder(venv):
        yield consumer_is(Rule.POETRY, venv, "poetry works in the project's .venv", certain=True)
        return
    told = _ask_poetry(caller)
    if told is not None:
        yield consumer_is(Rule.POETRY, told, "what 'poetry env info --path' says", certain=True)
    elif in_project and in_project not in _NO:
        yield consumer_is(Rule.POETRY, venv, "where poetry will make the project's .venv", certain=False)
    else:
        yield RuleVerdict(rule=Rule.POETRY, said="poetry has no environment for the project yet", is_last=True)


def _project_folder(caller: Caller) -> Path:
    """Return the project's folder. poetry 2 has changed to --directory by now, poetry 1 has not."""
    named = (caller.command.value("--project", "-P"), caller.command.value("--directory", "-C"))
    candidates = [caller.path(value) for value in named if value]
    start = next((path for path in candidates if is_file(path / "pyproject.toml")), Path(caller.process.folder))
    return next((above for above in (start, *start.parents) if is_file(above / "pyproject.toml")), start)


def _ask_poetry(caller: Caller) -> Path | None:
    """Return what poetry calls the project's environment, None where it says nothing in time."""
    program = caller.command.started_as
    interpreter = str(caller.path(program[0])) if os.path.dirname(program[0]) else program[0]  # noqa: PTH120 - "python" and "./python" differ
    found = shutil.which(interpreter)
    if found is None:
        return None
    variables = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    try:
        answer = subprocess.run(
            [found, *program[1:], "--no-ansi", "env", "info", "--path"],
            cwd=_project_folder(caller),
            env={**variables, **dict(caller.process.variables)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_POETRY_TIMEOUT_S,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    path = Path(answer.stdout.strip())
    return path if answer.returncode == 0 and path.is_absolute() and is_environment(path) else None


def find_by_tox(scene: Scene) -> Iterator[RuleVerdict]:
    """R5: tox builds in `.pkg`, once for all environments of the run; in `.pkg-NAME` for NAME alone."""
    packaging = scene.hook.variable("TOX_ENV_NAME") or ""
    work = scene.hook.variable("TOX_WORK_DIR") or ""
    one = Path(work, packaging.removeprefix(".pkg-"))
    if packaging.startswith(".pkg-") and is_venv(one):
        why = f"tox builds in {packaging} for it alone"
        yield consumer_is(Rule.TOX, one, why, certain=True)
        return
    asked = _asked_environments(scene)
    names = [name for name in asked if is_venv(Path(work, name))] or [
        name for name in names_in(Path(work)) if not name.startswith(".") and is_venv(Path(work, name))
    ]
    fitting = [prefix for prefix in (Path(work, name) for name in names) if scene.fits(prefix)]
    chosen = [prefix for prefix in fitting if holds_torch(prefix)] or fitting
    if not chosen:
        yield RuleVerdict(rule=Rule.TOX, said="no environment of tox is for this Python", is_last=True)
        return
    why = "tox's environment" if len(chosen) == 1 else f"one of {len(chosen)} environments of tox that share a wheel"
    verdict = consumer_is_among(Rule.TOX, [(prefix, why) for prefix in chosen], certain=False)
    yield replace(verdict, said=f"{why}: {', '.join(str(prefix) for prefix in chosen)}")


def _asked_environments(scene: Scene) -> tuple[str, ...]:
    """Return the environments that tox was asked for: `-e a,b`, `-ea`, TOXENV."""
    caller = scene.called_by(FrontEndName.TOX)
    if caller is None:
        return ()
    values = caller.command.values("-e", "--env") or (caller.process.variable("TOXENV") or "",)
    return tuple(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))
