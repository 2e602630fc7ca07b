"""One budget for the compilers of all builds of a user: each waits for its share, has it, and gives it back.

A share stands in a file that is locked while its build, or anything that this has started, lives: what a build had that
was killed is free once its compilers have ended. ninja is given a jobserver of GNU's protocol, a fifo with a byte for
each job but the first, fed with what is free. May not decide who gets how much: `plan_jobserver` does.
"""

from __future__ import annotations

import array
import contextlib
import hashlib
import json
import os
import re
import secrets
import select
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote

from ..child import say
from ..codec import json_text
from ..errors import shown
from ..files import read_text
from ..model.decision import Budget, Plan
from ..own_files import FileLock, is_file_locked, make_own_folder, remove_lock_file
from ..programs import ask_program
from ..settings.config import variable_name
from ..settings.vocabulary import JOB_LIMITS, JOB_VARIABLES
from .compiler_cache import fixed_folder, kept_script
from .plan_jobserver import Share, first_jobs, next_jobs, waiting_text, whole_memory

if sys.platform != "win32":
    import fcntl
    import termios

_TICK_S = 0.2
_SILENCE_S = 1.0
# Jobs that ninja has not taken for so long go to others, and are not asked for again for as long, then twice as long.
_IDLE_S, _LONGEST_REST_S = 15.0, 60.0
# A build that hangs does not stop all others for ever.
_PATIENCE_S = 3600.0
_ASKING_NINJA = (1, 13)
_JOBS, _JOBSERVER = "_TORCHGRAFT_JOBS", "_TORCHGRAFT_JOBSERVER"
# ninja asks a jobserver only where nobody tells it a number: torch tells it what MAX_JOBS says. make before 4.4 stops
# at a MAKEFLAGS with a fifo, so that it does not get to see it. What CMake has noted works without a hook, too.
_SCRIPT = f"""#!/bin/sh
[ -n "${_JOBSERVER}" ] || exec {{ninja}} "$@"
export MAKEFLAGS="${_JOBSERVER}"
flag=
for word do
  shift
  if [ "$flag$word" = "-j${_JOBS}" ]; then flag=; continue; fi
  [ -z "$flag" ] || set -- "$@" "$flag"
  flag=
  if [ "$word" = -j ]; then flag=-j; else set -- "$@" "$word"; fi
done
exec {{ninja}} "$@"
"""


class Pool:
    """The shares of all builds that have the budget of this name, each in a file."""

    def __init__(self, name: str, own: Share) -> None:
        self._folder, self._name = fixed_folder() / "jobs", name
        make_own_folder(self._folder)
        self.own = own
        self._mutex = FileLock(self._folder / f"{name}.lock")
        self.lock = FileLock(self._folder / f"{name}-{own.process}-{secrets.token_hex(4)}.json")

    @contextlib.contextmanager
    def seen(self) -> Iterator[list[Share]]:
        """Yield the shares of the others, which stay so until ours is written; raise OSError if they cannot be had."""
        if not self._mutex.acquire(timeout_s=_IDLE_S):
            raise TimeoutError(f"{self._mutex.path} is locked")
        try:
            yield list(self._others())
            if self.lock.descriptor is None:
                self.lock.acquire(timeout_s=0)
            if self.lock.descriptor is not None:
                text = json_text(self.own).encode()
                os.pwrite(self.lock.descriptor, text, 0)
                os.ftruncate(self.lock.descriptor, len(text))
        finally:
            self._mutex.release()

    def leave(self) -> None:
        """Let others have what we had."""
        _remove(self.lock.path)
        self.lock.release()
        for lock in self._folder.glob("*.lock"):
            if not any(self._folder.glob(f"{lock.stem}-*.json")):
                with contextlib.suppress(OSError):
                    remove_lock_file(lock)

    def _others(self) -> Iterator[Share]:
        for path in self._folder.glob("*.json"):
            if path == self.lock.path:
                continue
            if not is_file_locked(path):
                _remove(path)
            elif path.name.startswith(f"{self._name}-"):
                with contextlib.suppress(ValueError, TypeError):
                    yield Share(**json.loads(read_text(path)))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.with_suffix(".fifo").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


class BuildJobs:
    """How many compilers a build may have at once, and the variables that tell it."""

    def __init__(self, plan: Plan, budget: Budget, variables: Mapping[str, str]) -> None:
        self.variables = dict(variables)
        self._plan, self._budget = plan, budget
        self._pool: Pool | None = None
        self._fifo: int | None = None
        self._idle_since = self._asks_from = time.monotonic()
        self._rest_s = _IDLE_S
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    @property
    def number(self) -> int | None:
        """How many it has, 0 while it waits; None where nothing can be shared."""
        return self._pool.own.jobs if self._pool else None

    @property
    def locks(self) -> tuple[int, ...]:
        """What stays locked while any of its processes lives."""
        descriptor = self._pool.lock.descriptor if self._pool else None
        return () if descriptor is None else (descriptor,)

    @contextlib.contextmanager
    def taken(self, cache_folder: Path) -> Iterator[None]:
        """Wait for a share of what builds with this cache folder have; without a place for one, have all."""
        try:
            try:
                self._take(cache_folder)
            except OSError:  # no place, or a file system without locks
                self._leave()
            yield
        finally:
            self._leave()

    def told(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return variables that say how many it has now, and leave it at that: ninja is told a number again."""
        self._stop()
        if _JOBSERVER not in variables:
            return dict(variables)
        return self._telling({name: value for name, value in variables.items() if name != _JOBSERVER})

    def _take(self, cache_folder: Path) -> None:
        name = hashlib.sha256(os.fsencode(f"{cache_folder}\n{self._budget.limit}")).hexdigest()[:16]
        own = Share(
            name=self._plan.name or "a build",
            process=os.getpid(),
            since_s=time.time(),
            job_bytes=self._budget.job_bytes,
            wants=True,
        )
        pool = Pool(name, own)
        with pool.seen() as others:
            pool.own = replace(own, memory_bytes=whole_memory(self._budget.memory_bytes, others))
        self._pool = pool
        self._wait(pool)
        # What is built by a part of this build has what this one has.
        self.variables[variable_name("jobserver")] = "off"
        ninja = _asking_ninja(self.variables, cache_folder) if self._budget.asked else None
        if ninja is None:
            self.variables = self._telling(self.variables)
        else:
            self._serve(pool, ninja)

    def _wait(self, pool: Pool) -> None:
        began, is_said = time.monotonic(), False
        while True:
            waited_s = time.monotonic() - began
            with pool.seen() as others:
                jobs = first_jobs(self._budget, pool.own, others) or int(waited_s > _PATIENCE_S)
                pool.own = replace(pool.own, jobs=jobs, wants=not jobs)
            if jobs:
                return
            if waited_s > _SILENCE_S and not is_said:
                is_said = True
                say(shown(waiting_text(others)))
            time.sleep(_TICK_S)

    def _telling(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return variables of which those of the plan say how many there are."""
        told, jobs = dict(variables), self.number or 1
        planned = {v.name for v in self._plan.variables if v.value is not None}
        for name in planned.intersection((*JOB_LIMITS, *JOB_VARIABLES)):
            value = told.get(name, "")
            # What compiles one file after the other has no use for them.
            if value.isdecimal() and self._budget.most != 1:
                told[name] = str(jobs if name in JOB_LIMITS else min(jobs, int(value)))
        return told

    def _serve(self, pool: Pool, ninja: Path) -> None:
        """Give ninja what this build has and gets."""
        path = pool.lock.path.with_suffix(".fifo")
        os.mkfifo(path, 0o600)
        self._fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._fifo, b"+" * (pool.own.jobs - 1))
        jobs = self.variables.get("MAX_JOBS", "1")
        self.variables |= {
            _JOBS: jobs,
            _JOBSERVER: f"-j{jobs} --jobserver-auth=fifo:{path}",
            "PATH": os.pathsep.join([str(ninja.parent), self.variables.get("PATH", "")]),
        }
        self._thread.start()

    def _feed(self) -> None:
        gives = False
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                gives = self._tick()
            if gives and self._fifo is not None:
                # ninja puts a job back and takes it again within a millisecond.
                select.select([self._fifo], [], [], _TICK_S)
            else:
                self._ended.wait(_TICK_S)

    def _tick(self) -> bool:
        """Take what is free, or give what others need more; return whether there is something that could be given."""
        pool, fifo, now = self._pool, self._fifo, time.monotonic()
        if pool is None or fifo is None:
            return False
        unread = _unread(fifo)
        self._idle_since = self._idle_since if unread else now
        is_idle = now - self._idle_since > _IDLE_S
        with pool.seen() as others:
            own = pool.own
            jobs = next_jobs(self._budget, own, others, unread=unread, is_idle=is_idle)
            if jobs < own.jobs:
                with contextlib.suppress(BlockingIOError):
                    os.read(fifo, 1)
                    own = replace(own, jobs=jobs)
                if is_idle:
                    self._asks_from = now + self._rest_s
                    self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
            elif jobs > own.jobs and now >= self._asks_from:
                os.write(fifo, b"+" * (jobs - own.jobs))
                own = replace(own, jobs=jobs)
            is_full = self._budget.most and own.jobs >= self._budget.most
            pool.own = replace(own, wants=not unread and not is_full and now >= self._asks_from)
        return any(share.wants and share.jobs + 1 < own.jobs for share in others)

    def _stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._fifo is not None:
            os.close(self._fifo)
            self._fifo = None

    def _leave(self) -> None:
        self._stop()
        if self._pool is not None:
            self._pool.leave()
            self._pool = None


def _unread(fifo: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(fifo, termios.FIONREAD, count)
    return count[0]


def _asking_ninja(variables: Mapping[str, str], cache_folder: Path) -> Path | None:
    """Return what stands for the ninja of a build, where that asks a jobserver; None where it does not."""
    ninja = shutil.which("ninja", path=variables.get("PATH"))
    version = re.match(r"(\d+)\.(\d+)", ask_program([ninja, "--version"], variables) or "") if ninja else None
    if ninja is None or version is None or tuple(map(int, version.groups())) < _ASKING_NINJA:
        return None
    script = kept_script(cache_folder / "compilers", _SCRIPT.format(ninja=quote(ninja)), "ninja")
    return script if os.access(script, os.X_OK) else None  # not where nothing may be run
