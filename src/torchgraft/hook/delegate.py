"""Run a hook of the delegate in an interpreter of its own, with exactly the variables of the plan.

May not interpret what the delegate says, with one exception: see `_MISLEADING`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyproject_hooks

from ..child import run_child
from ..errors import DelegateError, Evidence, Problem
from ..model.decision import Delegate
from ..model.observation import Hook
from ..project.import_names import PROVIDERS
from ..shell_words import quoted
from .diagnoses import KILLED, codes_of, diagnose

_HOOKS_PREFIX = "_PYPROJECT_HOOKS_"

# uv answers these words with the advice to list torch as a build requirement, which is the wrong one here.
_MISLEADING = b"No module named 'torch'"
_SIGKILL = -9  # as subprocess has it; the module signal has no such name on Windows
_REPHRASED = b"torch cannot be imported here"
# a.cpp:3:10: fatal error: ..., /src/k.cu(12): error: ..., a.cpp(3): error C2065: ..., /usr/bin/ld: cannot find ...
_COMPILER_ERROR = re.compile(
    r"[^\s\"'][^\"']*?(?::\d+:|\(\d+\):) .*?\berror\b[^:]*: |\S*\bld(?:\.\w+)?: (?:cannot|undefined|error)\b"
)
_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception): \S")
_MOST_SAID = 200
# gcc's in a UTF-8 locale.
_PLAIN_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


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
        raise DelegateError(delegate_failed(delegate, hook, "it says that it cannot do this here")) from None
    except (FileNotFoundError, json.JSONDecodeError):
        # pyproject_hooks reads an answer that was never written.
        raise DelegateError(delegate_failed(delegate, hook, "it ended without an answer, as if all was well")) from None
    except subprocess.CalledProcessError as error:
        failed = delegate_failed(delegate, hook, _status_text(error.returncode), said=runner.telling.error)
        # The kernel kills the largest process: that can be setup.py itself, which has no last words.
        killed = [KILLED] if error.returncode == _SIGKILL else []
        raise DelegateError(failed, *diagnose([*runner.telling.lines, *killed])) from None


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


def delegate_failed(delegate: Delegate, hook: Hook, how: str, *, said: str = "") -> Problem:
    """Return that a delegate has failed.

    :param said: the line of its output that says most about it
    """
    return Problem(
        code="delegate-failed",
        headline=f"{delegate.backend} failed in {hook.value}: {how}",
        evidence=(Evidence(label="said", text=said),) if said else (),
        why="see what it said above",
        fixes=tuple(_requiring(said)),
    )


def _requiring(said: str) -> Iterator[str]:
    """Yield what brings a module that an isolated build has not, where that is what was said."""
    match = _NO_MODULE.match(said)
    provider = PROVIDERS.get(match[1].partition(".")[0]) if match else None
    if provider is not None:
        yield f'add "{provider.requirement}" to requires in [build-system]   (for its maintainers)'
        yield f"export TORCHGRAFT_REQUIRES={quoted(provider.requirement)}   (until then)"


def _status_text(status: int) -> str:
    if status < 0:
        return f"killed by signal {-status}"
    return f"exit status {status}"


class _Runner:
    """Starts the child that pyproject_hooks asks for, and keeps the lines that tell why it failed."""

    def __init__(self, variables: Mapping[str, str], *, rephrase: bool) -> None:
        # What an outer pyproject_hooks told this process of us must not reach the child: it is about another backend.
        self._variables = {k: v for k, v in variables.items() if not k.startswith(_HOOKS_PREFIX)}
        self._rephrase = rephrase
        self.telling = TellingLines()

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        environment = {**self._variables, **(extra_environ or {})}
        status = run_child(cmd, folder=cwd, environment=environment, each_line=self._each_line)
        if status:
            raise subprocess.CalledProcessError(status, list(cmd))

    def _each_line(self, line: bytes) -> bytes:
        line = line.replace(_MISLEADING, _REPHRASED) if self._rephrase else line
        self.telling.see(line)
        return line


class TellingLines:
    """Keeps the first line of each failure that is known, from output as it streams by.

    `error` is the first one that a compiler or linker has called an error, else the last exception; "" without either.
    It stands above a hundred lines of how setuptools and torch came to call the compiler.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.error = ""
        self._codes: frozenset[str] = frozenset()
        self._by_compiler = False

    def see(self, line: bytes) -> None:
        """Keep a line if it tells of a failure of which none has told before."""
        text = line.decode("utf-8", errors="replace").rstrip()
        if not self._by_compiler:
            self._by_compiler = bool(_COMPILER_ERROR.match(text))
            if self._by_compiler or _EXCEPTION.match(text):
                self.error = text.translate(_PLAIN_QUOTES)[:_MOST_SAID]
        new = codes_of(text) - self._codes
        if new:
            self._codes |= new
            self.lines.append(text)
