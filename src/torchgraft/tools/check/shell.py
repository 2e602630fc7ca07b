"""The environment that somebody means who types a command: found as a build would find its consumer.

May not look into it further than where its distributions are, and at its torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...consumer.environment import read_environment
from ...consumer.interpreter import take_python
from ...consumer.processes import take_ancestors, take_hook_process
from ...consumer.rules import find_consumer
from ...errors import Evidence, PlanError, Problem
from ...installed.torch import TorchReading, read_torch
from ...model.observation import Rule

# What the rules say of hooks, in the words of a command.
_WHY = {Rule.TOLD: "as told", Rule.IMPORTABLE: "torchgraft is installed in it"}


@dataclass(frozen=True, kw_only=True)
class ShellEnvironment:
    """An environment: `why` says how it was found, `reading` which torch it has."""

    prefix: str
    why: str
    search_path: tuple[str, ...]
    reading: TorchReading


def take_shell_environment(told: str | None) -> ShellEnvironment:
    """Return an environment: what was told, else the own one if it has torch, the activated one, the nearest `.venv`.

    The rules are those of a build, so that `torchgraft check` looks at what `torchgraft plan` would build for, also
    when torchgraft is a tool of uv or pipx with an environment to itself.

    :param told: its folder, or its interpreter
    :raises PlanError: if there is none
    """
    process, python = take_hook_process(), take_python()
    own = read_torch(tuple(process.sys_path), architectures=False)
    finding = find_consumer(process, take_ancestors(), told=told, torch_importable=own.torch is not None)
    candidates = []
    for found in finding.found:
        environment = read_environment(found.prefix, python=python, targets=found.targets)
        if environment.exists:
            reading = read_torch(environment.search_path, architectures=False)
            candidates.append(
                ShellEnvironment(
                    prefix=found.prefix,
                    why=_WHY.get(found.rule, found.why),
                    search_path=environment.search_path,
                    reading=reading,
                )
            )
    if not candidates:
        said = tuple(Evidence(label=answer.rule.value, text=answer.said) for answer in finding.answers[-3:])
        raise PlanError(
            Problem(
                code="no-environment",
                headline=f"there is no environment at {told}" if told else "there is no environment to look at",
                evidence=said,
                why="an environment has a pyvenv.cfg or an interpreter",
                fixes=("torchgraft check PATH   (its folder, or its interpreter)",),
            )
        )
    return next((candidate for candidate in candidates if candidate.reading.torch), candidates[0])
