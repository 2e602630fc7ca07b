"""Run a hook of the delegate in an interpreter of its own, with exactly the variables of the plan.

May not interpret what the delegate says, with one exception: see `_rephrase`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyproject_hooks

from ..errors import DelegateError, Evidence, Problem
from ..model import Hook
from ..planned import Delegate

_GRACE_S = 5
_HOOKS_PREFIX = "_PYPROJECT_HOOKS_"

# uv answers these words with the advice to list torch as a build requirement, which is the wrong one here.
_MISLEADING = b"No module named 'torch'"
_REPHRASED = b"torch cannot be imported here"


def run_delegate(
    delegate: Delegate,
    hook: Hook,
    arguments: Sequence[object],
    *,
    source: Path,
    variables: Mapping[str, str],
    rephrase: bool,
) -> Any:
    """Return what the delegate's hook returns, its output streamed to ours as it comes.

    A hook that the delegate lacks is handled as the standards tell a front end: no requirements, metadata from a
    built wheel.

    :param variables: the whole environment of the child, not additions
    :param rephrase: whether words that front ends answer with wrong advice are put differently
    :raises DelegateError: if the delegate is not there, lacks a mandatory hook, or fails
    """
    runner = _Runner(variables, rephrase=rephrase)
    caller = pyproject_hooks.BuildBackendHookCaller(
        str(source),
        delegate.backend,
        backend_path=list(delegate.backend_path) or None,
        runner=runner,
        python_executable=sys.executable,
    )
    try:
        return getattr(caller, hook.value)(*arguments)
    except pyproject_hooks.BackendUnavailable as error:
        raise DelegateError(_unavailable(delegate, str(getattr(error, "message", None) or error))) from None
    except pyproject_hooks.HookMissing as error:
        raise DelegateError(_lacks(delegate, str(error.hook_name))) from None
    except pyproject_hooks.UnsupportedOperation:
        raise DelegateError(_failed(delegate, hook, "it says that it cannot do this here")) from None
    except subprocess.CalledProcessError as error:
        raise DelegateError(_failed(delegate, hook, _status_text(error.returncode))) from None


def _unavailable(delegate: Delegate, said: str) -> Problem:
    module = delegate.backend.partition(":")[0]
    return Problem(
        code="no-delegate",
        headline=f"the delegate {delegate.backend} cannot be imported",
        evidence=(Evidence(label="found", text=said.strip().splitlines()[-1] if said.strip() else "nothing"),),
        why="torchgraft wraps it, and leaves the work to it",
        fixes=(f"add the distribution of {module.partition('.')[0]} to [build-system] requires",),
    )


def _lacks(delegate: Delegate, hook: str) -> Problem:
    return Problem(
        code="delegate-lacks-hook",
        headline=f"the delegate {delegate.backend} has no hook {hook}",
        why="PEP 660 has no substitute for it" if "editable" in hook else "PEP 517 makes it mandatory",
        fixes=("pip install .   (not editable)",) if "editable" in hook else ("name another backend",),
    )


def _failed(delegate: Delegate, hook: Hook, how: str) -> Problem:
    return Problem(
        code="delegate-failed",
        headline=f"{delegate.backend} failed in {hook.value}: {how}",
        why="see what it said above",
    )


def _status_text(status: int) -> str:
    if status < 0:
        return f"killed by signal {-status}"
    return f"exit status {status}"


class _Runner:
    """Starts the child that pyproject_hooks asks for."""

    def __init__(self, variables: Mapping[str, str], *, rephrase: bool) -> None:
        # What an outer pyproject_hooks told this process of us must not reach the child: it is about another backend.
        self._variables = {k: v for k, v in variables.items() if not k.startswith(_HOOKS_PREFIX)}
        self._rephrase = rephrase

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        environment = {**self._variables, **(extra_environ or {})}
        _flush()
        # No timeout: compiling takes as long as it takes, and the front end's user can interrupt it.
        with subprocess.Popen(
            cmd, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=_stderr_target()
        ) as process:
            try:
                with _streamed(process, _rephrase if self._rephrase else bytes):
                    status = process.wait()
            except BaseException:
                _end(process)
                raise
        if status:
            raise subprocess.CalledProcessError(status, list(cmd))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _stderr_target() -> int:
    """Return one pipe for both streams where both of ours go to one place, so that their order is kept."""
    try:
        one, other = os.fstat(1), os.fstat(2)
    except OSError:
        return subprocess.PIPE
    same = (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    return subprocess.STDOUT if same else subprocess.PIPE


@contextlib.contextmanager
def _streamed(process: subprocess.Popen[bytes], say: Callable[[bytes], bytes]) -> Iterator[None]:
    pairs = [(process.stdout, 1), (process.stderr, 2)]
    threads = [
        threading.Thread(target=_pump, args=(pipe, descriptor, say), daemon=True)
        for pipe, descriptor in pairs
        if pipe is not None
    ]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def _pump(pipe: IO[bytes], descriptor: int, say: Callable[[bytes], bytes]) -> None:
    """Copy lines to one of our own file descriptors; go on reading when nobody listens, or the child would block."""
    open_ = True
    for line in pipe:
        if open_:
            try:
                _write_all(descriptor, say(line))
            except OSError:
                open_ = False


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _rephrase(line: bytes) -> bytes:
    return line.replace(_MISLEADING, _REPHRASED)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End an interrupted child: it has had the signal too, from the terminal, and gets a moment to clean up."""
    try:
        process.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=_GRACE_S)
