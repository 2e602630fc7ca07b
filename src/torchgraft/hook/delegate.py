"""Run a hook of the delegate in an interpreter of its own: torch linked, with exactly the variables of the plan.

May not interpret what the delegate says, with one exception: see `_MISLEADING`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyproject_hooks

from .. import ladder
from ..child import interruptions_raised, run_child, say
from ..errors import ActError, DelegateError, LacksHookError, Problem, UnsupportedOperation
from ..files import is_file, is_folder, read_text
from ..ladder.graft import link_graft
from ..model.decision import Plan
from ..model.observation import Hook, Way
from .call import Call
from .delegate_problems import delegate_failed, install_words, lacks_hook, too_slow, unavailable, with_switches
from .diagnoses import CUDA_HOME_UNSET, KILLED, OUT_OF_MEMORY, TellingLines, diagnose
from .progress import Counting, counted
from .source_lock import hold_source, lock_path, noted_build

_FEWEST_TO_HALVE = 2
_READ_ONLY = Path(ladder.__file__).with_name("read_only")
_HOOKS_PREFIX = "_PYPROJECT_HOOKS_"

# uv answers these words with the advice to list torch as a build requirement, which is the wrong one here.
_MISLEADING = b"No module named 'torch'"
_MOST_SAID = 200
_MOST_HELD_BYTES = 100_000
_SIGKILL = -9  # as subprocess has it; the module signal has no such name on Windows
_REPHRASED = b"torch cannot be imported here"


def run_hook(call: Call, arguments: Sequence[object]) -> Any:
    """Return what the delegate's hook returns, run as the plan says; again where it fails of what can be helped."""
    plan = call.plan
    graft = None if plan.graft is None else link_graft(plan.graft, trusted=call.config.trust)
    variables = delegate_variables(plan, call.variables, graft)
    if plan.toolkit is not None:
        from ..compile.cuda_home import assemble_cuda_home

        assemble_cuda_home(plan.toolkit, compiler=variables.get("CC", "cc"))
    with contextlib.ExitStack() as stack:
        if plan.precompiled is not None:
            from ..compile.precompiled_header import through_header

            variables = stack.enter_context(through_header(variables, call.cache_folder))
        if plan.compiler_cache is not None:
            from ..compile.compiler_cache import through_cache

            variables = through_cache(plan, variables, call.cache_folder / "compilers")
        jobs = None
        if plan.budget is not None:
            from ..compile.jobserver import BuildJobs

            jobs = BuildJobs(plan, plan.budget, variables)
        stack.enter_context(interruptions_raised(call.caller))
        more, locks = stack.enter_context(_source_held(call))
        counting = stack.enter_context(counted(call, jobs))
        if jobs:
            stack.enter_context(jobs.taken(call.cache_folder))
        variables = {**(jobs.variables if jobs else variables), **more}
        held = (*locks, *(jobs.locks if jobs else ()))
        while True:
            try:
                return _run_delegate(call, arguments, _Runner(call, variables, held, counting))
            except DelegateError as error:
                if graft is not None and not is_folder(graft):
                    from ..disks import removed_meanwhile

                    raise DelegateError(*error.problems, removed_meanwhile(graft)) from None
                told = jobs.told(variables) if jobs else variables
                changed = _fewer_jobs(plan, told, error) or _named_home(call, variables, error)
                if changed is None:
                    raise
                variables = changed


def _fewer_jobs(plan: Plan, variables: Mapping[str, str], error: DelegateError) -> dict[str, str] | None:
    """Return the variables with half the jobs; None where that cannot help.

    Each is halved by itself: the user may have set one of them.
    """
    killed = any(problem.code == OUT_OF_MEMORY.code for problem in error.problems)
    if plan.jobs is None or not killed:
        return None
    from ..settings.vocabulary import JOB_LIMITS, JOB_VARIABLES

    names = (*JOB_LIMITS, *JOB_VARIABLES)
    counts = {name: int(variables[name]) for name in names if variables.get(name, "").isdecimal()}
    if max(counts.values(), default=0) < _FEWEST_TO_HALVE:
        return None
    fewer = {name: str(max(1, count // 2)) for name, count in counts.items()}
    # ninja resumes what is done.
    jobs = max(map(int, fewer.values()))
    say(f"torchgraft: a compiler was killed for lack of memory; going on with {jobs} jobs")
    return {**variables, **fewer}


def _named_home(call: Call, variables: Mapping[str, str], error: DelegateError) -> dict[str, str] | None:
    """Return the variables with a CUDA_HOME where there is none, if only torch's CUDAExtension wants to hear of one.

    Metadata and sdists can then be had without a toolkit: nothing is compiled for them.
    """
    unset = any(problem.code == CUDA_HOME_UNSET.code for problem in error.problems)
    # A CPU build of torch does not look at it.
    useless = call.plan.torch is not None and call.plan.torch.accelerator == "cpu"
    if call.plan.hook.builds or not unset or useless or variables.get("CUDA_HOME"):
        return None
    say("torchgraft: there is no CUDA toolkit, and nothing is compiled here; once more with a CUDA_HOME that is none")
    return {**variables, "CUDA_HOME": str(call.cache_folder / "no-cuda-toolkit")}


def delegate_variables(plan: Plan, inherited: Mapping[str, str], graft: Path | None) -> dict[str, str]:
    """Return all variables of the delegate's process."""
    variables = dict(inherited)
    variables.update({v.name: v.value for v in plan.variables if v.value is not None})
    if plan.toolkit is not None:
        path = [str(Path(plan.toolkit.home) / "bin"), variables.get("PATH", "")]
        variables["PATH"] = os.pathsep.join(filter(None, path))
    if plan.ninja is not None and os.path.isabs(plan.ninja.text):  # noqa: PTH117
        # Behind all that is there: of an environment that is not activated, torch sees no programs.
        folders = [*variables.get("PATH", "").split(os.pathsep), str(Path(plan.ninja.text).parent)]
        variables["PATH"] = os.pathsep.join(dict.fromkeys(filter(None, folders)))
    if graft is None:
        return variables
    with_graft = with_import_path(variables, graft)
    # Where the user wants no bytecode at all, there is none.
    is_planned = any(v.name == "PYTHONDONTWRITEBYTECODE" and v.value == "1" for v in plan.variables)
    return with_import_path(with_graft, _READ_ONLY) if is_planned else with_graft


def with_import_path(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return variables with which a child imports from a folder first; raise ActError if it can stand on no path."""
    if os.pathsep in str(folder):
        raise ActError.of(
            code="machine-refuses",
            headline=f"nothing can be imported from {folder}",
            why=f"{os.pathsep} is between the folders of Python's import path, and in the name of this one",
            fixes=("export TORCHGRAFT_CACHE_DIR=FOLDER TMPDIR=FOLDER   (whichever has such a name)",),
        )
    # In front of everything: pip's isolation keeps its own sitecustomize in PYTHONPATH, which is found all the same.
    others = [variables["PYTHONPATH"]] if variables.get("PYTHONPATH") else []
    return {**variables, "PYTHONPATH": os.pathsep.join([str(folder), *others])}


@contextlib.contextmanager
def _source_held(call: Call) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """Yield further variables of the delegate, and locks, with the source tree held while it is written into."""
    plan = call.plan
    if plan.way is Way.OFF or not (plan.hook.builds or plan.hook is Hook.BUILD_SDIST):
        yield {}, ()
        return
    with contextlib.ExitStack() as stack:
        locks = stack.enter_context(hold_source(call.source, cache_folder=call.cache_folder))
        _sweep(call)
        in_place = plan.hook is Hook.BUILD_EDITABLE
        anew = plan.hook is not Hook.BUILD_SDIST and stack.enter_context(
            noted_build(call.source, plan.rebuild, cache_folder=call.cache_folder, in_place=in_place)
        )
        yield {"DIST_EXTRA_CONFIG": plan.rebuild.config} if plan.rebuild and anew else {}, locks


def _sweep(call: Call) -> None:
    from .cache_sweep import sweep_cache

    graft, toolkit = call.plan.graft, call.plan.toolkit
    used = [lock_path(call.cache_folder, call.source.resolve()), *([Path(graft.folder)] if graft else [])]
    if toolkit is not None:
        used += [Path(toolkit.home), *(Path(copy.name) for copy in toolkit.copies)]
    config = call.config
    sweep_cache(call.cache_folder, used=tuple(used), keep_s=config.cache_age_s, most_bytes=config.cache_size_bytes)


def _run_delegate(call: Call, arguments: Sequence[object], runner: _Runner) -> Any:
    """Return what the delegate's hook returns, its output streamed to ours as it comes.

    A hook that the delegate lacks is handled as the standards tell a front end: no requirements, metadata from a
    built wheel.

    :raises DelegateError: if the delegate is not there, lacks a mandatory hook, fails, or takes too long
    """
    plan, delegate, hook = call.plan, call.plan.delegate, call.plan.hook
    caller = pyproject_hooks.BuildBackendHookCaller(
        str(call.source),
        delegate.backend,
        backend_path=list(delegate.backend_path) or None,
        runner=runner,
        python_executable=sys.executable,
    )
    try:
        with warnings.catch_warnings():
            # pyproject_hooks passes on the child's, where the user's filters have had their say already.
            warnings.simplefilter("default")
            answer = getattr(caller, hook.value)(*arguments)
    except pyproject_hooks.BackendUnavailable as error:
        raise DelegateError(unavailable(delegate, str(getattr(error, "message", None) or error))) from None
    except pyproject_hooks.HookMissing as error:
        raise LacksHookError(lacks_hook(plan, str(error.hook_name), call.source)) from None
    except pyproject_hooks.UnsupportedOperation as error:
        raise UnsupportedOperation(f"{delegate.backend} makes no sdist here:\n{error.traceback}") from None
    except (FileNotFoundError, json.JSONDecodeError):
        # pyproject_hooks reads an answer that was never written.
        raise DelegateError(delegate_failed(plan, "it ended without an answer, as if all was well")) from None
    except subprocess.CalledProcessError as error:
        if runner.lacks_hook():
            raise LacksHookError(lacks_hook(plan, hook.value, call.source)) from None
        status = error.returncode
        how = f"exit status {status}" if status >= 0 else f"killed by signal {-status}"
        failed = delegate_failed(plan, how, telling=runner.telling)
        told = diagnose(runner.telling_lines(status), install=install_words(plan))
        known = (_with_disks(problem, call, arguments) for problem in told)
        raise DelegateError(*with_switches(plan, (failed, *known))) from None
    except subprocess.TimeoutExpired:
        raise DelegateError(too_slow(delegate, hook, timedelta(seconds=call.config.timeout_s))) from None
    wanted = _fault_of(hook, answer, arguments[0])
    if wanted:
        raise DelegateError(delegate_failed(plan, f"it answered {str(answer)[:_MOST_SAID]!r}, not {wanted}"))
    return answer


def _fault_of(hook: Hook, answer: object, directory: object) -> str:
    """Return what an answer should have been, "" if it is that (PEP 517, PEP 660)."""
    if hook.value.startswith("get_requires"):
        is_list = isinstance(answer, list) and all(isinstance(one, str) for one in answer)
        return "" if is_list else "a list of requirements"
    if not isinstance(answer, str) or answer in {"", ".", ".."} or {"/", "\\"} & set(answer):
        return "the name of what it has made"
    made = Path(str(directory), answer)
    if hook.value.startswith("prepare_metadata"):
        return "" if is_file(made / "METADATA") else "the name of a folder that has METADATA in it"
    return "" if is_file(made) else "the name of a file that it has made"


def _with_disks(problem: Problem, call: Call, arguments: Sequence[object]) -> Problem:
    if problem.code != "disk-full":
        return problem
    from ..disks import with_disks, written_in_a_build

    # All hooks but those that ask for requirements get the folder to write into first.
    written = [Path(argument) for argument in arguments[:1] if isinstance(argument, str)]
    written += written_in_a_build(call.source, call.cache_folder)
    return with_disks(problem, written, source=call.source, cache_folder=call.cache_folder)


def _read_killings() -> int:
    """Return how many processes the kernel has killed for lack of memory; 0 where it does not count."""
    match = re.search(r"^oom_kill (\d+)$", read_text(Path("/proc/vmstat")), re.MULTILINE)
    return int(match[1]) if match else 0


class _Runner:
    """Starts the child that pyproject_hooks asks for, and keeps the lines that tell why it failed."""

    def __init__(self, call: Call, variables: Mapping[str, str], locks: tuple[int, ...], counting: Counting) -> None:
        # What an outer pyproject_hooks told this process of us must not reach the child: it is about another backend.
        self._variables = {k: v for k, v in variables.items() if not k.startswith(_HOOKS_PREFIX)}
        self._call, self._locks, self._counting = call, locks, counting
        self._killings = _read_killings()
        self.telling = TellingLines()
        self._held = b""

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        environment = {**self._variables, **(extra_environ or {})}
        status = run_child(
            cmd,
            folder=cwd,
            environment=environment,
            each_line=self._each_line,
            locks=self._locks,
            timeout_s=self._call.config.timeout_s or None,
        )
        if self._held:
            say(self._held.decode("utf-8", errors="replace").rstrip())
        if status:
            raise subprocess.CalledProcessError(status, list(cmd))

    def lacks_hook(self) -> bool:
        """Return whether it ended for want of a hook that is mandatory: pyproject_hooks does not look for those."""
        is_hooks = Path(self.telling.place).name == "_in_process.py"
        return is_hooks and self.telling.error.endswith(f" has no attribute '{self._call.plan.hook.value}'")

    def telling_lines(self, status: int) -> list[str]:
        """Return the lines that tell why it ended with a status."""
        if not self._call.plan.hook.builds:  # nothing is compiled, whatever was killed
            return [line for line in self.telling.lines if not OUT_OF_MEMORY.pattern.search(line)]
        # The kernel kills the largest process: that can be setup.py itself, which has no last words.
        by_kernel = status == _SIGKILL and _read_killings() > self._killings
        return [*self.telling.lines, *([KILLED] if by_kernel else [])]

    def _each_line(self, line: bytes) -> bytes:
        line = line.replace(_MISLEADING, _REPHRASED) if self._call.plan.way is not Way.OFF else line
        self.telling.see(line)
        self._counting.see(line)
        # A traceback is held until it has said what was raised: of a hook that is not there, our message says it.
        held, self._held = self._held + line, b""
        if line.startswith(b"Traceback (most ") or (line[:1] == b" " and len(line) < len(held) < _MOST_HELD_BYTES):
            self._held = held
            return b""
        return b"" if len(line) < len(held) and self.lacks_hook() else held
