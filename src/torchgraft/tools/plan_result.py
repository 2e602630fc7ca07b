"""What `torchgraft plan` says first: what comes of a build in two lines, then what needs attention.

May not decide anything, nor show how it was decided: `hook/plan_text.py` does.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..compile.plan_compiler_cache import cache_name
from ..errors import problems_text
from ..hook.plan_text import SERIAL
from ..model.decision import Plan
from ..model.observation import Way
from ..redaction import shown_value
from .terminal import wrapped

_MORE = "torchgraft plan -v   (how this torch was found, and all that is decided)"


def result_text(plan: Plan, *, folder: str, width: int) -> str:
    """Return what comes of a build, what needs attention, what it gets; paths in `folder` are shown as typed there."""
    blocks = ["\n".join(line for text in _result(plan, folder) for line in wrapped(text, width))]
    blocks += [problems_text(plan.problems)] if plan.problems else []
    notes = [line for text in _attention(plan) for line in wrapped(f"note: {text}", width, "      ")]
    blocks += ["\n".join(notes)] if notes else []
    if not plan.problems:
        requires = (f"requires {line.text}  ({line.reason})" for line in plan.requirements)
        asked = [line for text in requires for line in wrapped(text, width, "    ")]
        blocks += ["\n".join(asked)] if asked else []
        variables = [f"{v.name}{_value(v.name, v.value, width)}  ({v.reason})" for v in plan.variables]
        lines = [line for text in variables for line in wrapped(f"  {text}", width, "      ")]
        blocks += ["\n".join(["variables", *lines])] if lines else []
    return "\n\n".join([*blocks, _MORE])


def _result(plan: Plan, folder: str) -> Iterator[str]:
    if plan.way is Way.OFF:
        yield f"torchgraft does nothing here: {plan.way_reason}."
        return
    if plan.problems:
        count = len(plan.problems)
        yield f"Cannot build here, for {'the reason' if count == 1 else f'the {count} reasons'} below."
        return
    yield _torch(plan, folder)
    jobs = 1 if plan.serial else plan.jobs
    parts = [f"{jobs} compiler{'' if jobs == 1 else 's at once'}"] if jobs else []
    if plan.ninja is not None:
        parts.append("ninja" if plan.ninja.text else "one file after the other")
    if plan.compiler_cache is not None and plan.compiler_cache.text:
        parts.append(cache_name(plan.compiler_cache.text))
    text = ", ".join([*parts, _cuda(plan)])
    yield f"{text[0].upper()}{text[1:]}."


def _torch(plan: Plan, folder: str) -> str:
    if plan.way is Way.INSTALL:
        wanted = next((line.text for line in plan.requirements if line.text.startswith("torch")), "torch")
        said = next((answer.said for answer in plan.rungs if answer.rung is plan.rung), "")
        return f"Will build against {wanted}, installed for this build{f': {said}' if said else ''}."
    if plan.torch is None:
        return f"Will build without torch: {plan.way_reason}."
    if plan.way is Way.PRESENT:
        return f"Will build against torch {plan.torch.version}, which the build environment has."
    prefix = plan.consumer.text if plan.consumer else ""
    place = prefix.removeprefix(f"{folder.rstrip('/')}/")
    return f"Will build against torch {plan.torch.version}{f' of {place}' if place else ''}, through links."


def _cuda(plan: Plan) -> str:
    asked = next((line.text for line in plan.requirements if line.text.startswith("cuda-toolkit")), "")
    if asked:
        return f"CUDA from PyPI ({asked})"
    names = {variable.name: variable.value for variable in plan.variables}
    if plan.toolkit is not None:
        architectures = names.get("TORCH_CUDA_ARCH_LIST")
        return f"CUDA {plan.toolkit.version}{f' for {architectures}' if architectures else ''}"
    return "ROCm" if "ROCM_HOME" in names else "no CUDA"


def _value(name: str, value: str | None, width: int) -> str:
    """Return what a variable is set to; a path that does not fit is shown from site-packages on, and whole with -v."""
    if value is None:
        return ""
    value = shown_value(name, value)
    head, folder, rest = value.partition("/site-packages/")
    is_short = len(name) + len(value) + 3 <= width or not folder or " " in head
    return f"={value}" if is_short else f"=...{folder}{rest}"


def _attention(plan: Plan) -> Iterator[str]:
    # Where it is the environment that was guessed, a note says how.
    if plan.guess and not any(note.startswith("the consumer ") for note in plan.notes):
        yield f"this torch is a guess: {plan.guess}"
    if plan.serial:
        yield f"{SERIAL}: {plan.serial}"
    yield from plan.overrides
    yield from plan.notes
    for problem in plan.compile_problems:
        yield f"compiling is impossible here: {problem.headline}"
    if plan.prebuilt:
        yield f"wheels that are built already are tried first: {', '.join(wheel.file for wheel in plan.prebuilt[:3])}"
