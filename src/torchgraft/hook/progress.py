"""Say how far a build is: in a file that `torchgraft watch` reads, on the terminal, in the log.

The lines of its output say it: ninja's [17/73], CMake's [ 42%], a compiler's call. May not disturb the build: what
cannot be written is not. A build that is short pays for a thread that sleeps.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..child import say
from ..codec import json_text
from ..errors import ascii_text, shown
from ..files import names_in, read_text
from ..model.observation import Way
from ..own_files import write_own_file
from ..settings.config import Showing
from ..values import dataclass
from .call import Call
from .terminal_line import FROM_HERE, clearing_at_interruption, write_terminal

if TYPE_CHECKING:
    from ..compile.jobserver import BuildJobs

FOLDER = "builds"
# A build that ends before pays nothing for files.
_SHORT_S = 2.0
_ON_TERMINAL_S, _AGAIN_S, _IN_LOG_S = 20.0, 5.0, 60.0
_KEPT = 30
SILENT_S = 60.0
_STEP = re.compile(rb"\[(\d{1,6})/(\d{1,6})\] ")
_PER_CENT = re.compile(rb"\[ *(\d{1,3})%\] ")
# distutils says what it is about to run; ninja and CMake say what they have run, or are running.
_COMPILES = re.compile(rb"\s-c\s+(?:\S+\s+)*?[\"']?([^\s\"']+\.(?:cu|cpp|cc|cxx|c|hip|sycl|mm|f90))\b")
_SOURCE = re.compile(rb"([^\s\"'/]+\.(?:cu|cpp|cc|cxx|c|hip|sycl|mm|f90))(?:\.o|[\s\"']|$)")
_MOST_BYTES = 20_000
_FEW = 3


@contextlib.contextmanager
def counted(call: Call, jobs: BuildJobs | None = None) -> Iterator[Counting]:
    """Yield what counts the lines of a build, which may share `jobs` with others; those are told meanwhile."""
    plan, now = call.plan, time.time()
    state = BuildState(
        name=plan.name or call.source.name,
        source=str(call.source),
        torch=plan.torch.version if plan.torch else "",
        front_end=plan.front_end.command or plan.front_end.name.value,
        process=os.getpid(),
        began_s=now,
        seen_s=now,
        jobs=1 if plan.serial else plan.jobs or 0,
    )
    counting = Counting(state)
    if not plan.hook.builds or plan.way is Way.OFF or call.config.progress is Showing.OFF:
        yield counting
        return
    ended = threading.Event()
    telling = Telling(call, counting, jobs)
    thread = threading.Thread(target=telling.until, args=(ended,), daemon=True)
    thread.start()
    is_made = False
    try:
        with clearing_at_interruption(telling.clear):
            yield counting
        is_made = True
    finally:
        ended.set()
        thread.join(_SHORT_S)
        telling.end(failed=not is_made)


class Telling:
    """Tells of a build, in a thread."""

    def __init__(self, call: Call, counting: Counting, jobs: BuildJobs | None = None) -> None:
        self._counting, self._call, self._jobs = counting, call, jobs
        self._folder = call.cache_folder / FOLDER
        name = "".join(c if c.isalnum() else "-" for c in counting.state.name)[:60]
        self._live, self._last = self._folder / f"{name}.{os.getpid()}.json", self._folder / f"{name}.json"
        self._is_shown = self._is_below = self._is_cleared = False
        self._waited_s = 0.0

    def until(self, ended: threading.Event) -> None:
        """Tell until the build has ended."""
        began, terminal_s, log_s = time.monotonic(), _ON_TERMINAL_S, _IN_LOG_S
        while not ended.wait(_SHORT_S):
            took_s = time.monotonic() - began
            with contextlib.suppress(OSError, ValueError):
                self._write()
            with contextlib.suppress(OSError, ValueError):
                if took_s >= terminal_s:
                    terminal_s = took_s + (_ON_TERMINAL_S if os.isatty(2) else _AGAIN_S)
                    self._on_terminal()
                if took_s >= log_s:
                    log_s = took_s + _IN_LOG_S
                    self._in_log()

    def clear(self) -> None:
        """Take the line on the terminal away, and write none again; where ^C stands now, it is what follows."""
        is_there, self._is_below, self._is_cleared = self._is_below, False, True
        if is_there:
            with contextlib.suppress(OSError):
                write_terminal("", FROM_HERE)

    def end(self, *, failed: bool) -> None:
        """Leave what the next build of the same goes by."""
        if self._is_below:
            with contextlib.suppress(OSError):
                write_terminal("")
        if not self._is_shown:
            return
        now = time.time()
        with contextlib.suppress(OSError):
            self._live.unlink(missing_ok=True)
            state = self._counting.state if failed else self._counting.whole()
            write_own_file(self._last, json_text(replace(state, ended_s=now, seen_s=now, failed=failed)))

    def _write(self) -> None:
        if not self._is_shown:
            sweep(self._folder)
            self._is_shown = True
        write_own_file(self._live, json_text(self.state()))

    def state(self) -> BuildState:
        """Return how far it is, with what the last build of the same sources shows."""
        state, last = replace(self._counting.state, seen_s=time.time()), read_state(self._last)
        number = self._jobs.number if self._jobs else None
        if number is not None:
            if not number and not state.done:
                self._waited_s = state.took_s(state.seen_s)
            state = replace(state, jobs=number, shared=True, waited_s=self._waited_s)
        # Before anything is counted, it may be as many files as last time.
        is_same = last is not None and (last.total == state.total or (not state.total and not state.done))
        if last is None or last.failed or not is_same:
            return state
        # Compilers that are called one after the other do not say how many will come.
        total = last.total or last.done if not state.total and state.per_cent < 0 else state.total
        return replace(state, last_s=last.took_s(last.ended_s), total=total)

    def _text(self) -> str:
        return ascii_text(shown(f"torchgraft: {state_text(self.state(), time.time())}"))

    def _in_log(self) -> None:
        if self._call.config.progress is not Showing.TTY and not (os.isatty(2) and self._tells_terminal()):
            say(self._text())

    def _on_terminal(self) -> None:
        if self._is_cleared or not self._tells_terminal():
            return
        if os.isatty(2):
            say(self._text())
            return
        if sys.platform != "win32" and self._call.plan.front_end.hides_output:
            self._is_below = True
            write_terminal(self._text())

    def _tells_terminal(self) -> bool:
        wanted, variables = self._call.config.progress, self._call.variables
        return wanted is Showing.TTY or (wanted is Showing.AUTO and not variables.get("CI"))


def read_state(path: Path) -> BuildState | None:
    """Return what a file says of a build, None where it says nothing that could be shown."""
    blank = BuildState(name="")
    try:
        data = json.loads(read_text(path))
        state = BuildState(**data)
    except (ValueError, TypeError):
        return None
    types = {key: (int, float) if isinstance(getattr(blank, key), (int, float)) else str for key in data}
    return state if all(isinstance(data[key], kind) for key, kind in types.items()) else None


def sweep(folder: Path) -> None:
    """Remove what is left of builds that were killed, and all but the newest of those that have ended."""
    paths = [folder / name for name in names_in(folder) if name.endswith(".json")]
    states = [(path, state) for path in paths if (state := read_state(path)) is not None]
    gone = [path for path, state in states if not state.ended_s and time.time() - state.seen_s > SILENT_S]
    over = sorted((state.ended_s, path) for path, state in states if state.ended_s)[:-_KEPT]
    for path in (*gone, *(path for _, path in over)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class BuildState:
    """A build, as its file in the cache folder says it; times are those of the clock, in seconds.

    `done` of `total` files are compiled, of which `total` is 0 where nobody knows; `per_cent` where CMake says only
    that, -1 elsewhere. `file` is the last one that was named. `last_s` is what the last build of as many files took, 0
    if there was none. `ended_s` is 0 for a build that is at work; `failed` says that it has not made a wheel.
    Of `jobs` that are `shared` with other builds there are none while it waits for them; `waited_s` is how long it took
    until it had the first.
    """

    name: str
    source: str = ""
    torch: str = ""
    front_end: str = ""
    process: int = 0
    began_s: float = 0
    seen_s: float = 0
    ended_s: float = 0
    failed: bool = False
    done: int = 0
    total: int = 0
    per_cent: int = -1
    file: str = ""
    jobs: int = 0
    shared: bool = False
    waited_s: float = 0
    last_s: float = 0

    def took_s(self, now_s: float) -> float:
        """Return how long it has taken, so far."""
        return max(0.0, (self.ended_s or now_s) - self.began_s)

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1; 0 where that is not known."""
        if self.total:
            return min(1.0, self.done / self.total)
        return max(0, self.per_cent) / 100

    def left_s(self, now_s: float) -> float | None:
        """Return how long it will take: as last time, else at the pace so far; None where neither is known.

        Nor is it where all files are done, and there is only to be linked.
        """
        took = self.took_s(now_s)
        if 0 < self.total <= self.done:
            return None
        if self.last_s:
            return max(self.last_s - took, self.last_s * (1 - self.share) if self.total else 0.0)
        if self.share == 0 or self.done < _FEW:
            return None
        return (took - self.waited_s) * (1 - self.share) / self.share


class Counting:
    """Counts what is done. ninja may be run several times, once for each extension."""

    def __init__(self, state: BuildState) -> None:
        self.state = state
        self._before = self._of_run = self._calls = 0

    def see(self, line: bytes) -> None:
        """Look at a line of output."""
        line = line[:_MOST_BYTES].lstrip()
        if line.startswith(b"["):
            step, per_cent = _STEP.match(line), _PER_CENT.match(line)
            if step:
                self._step(int(step[1]), int(step[2]), line)
            elif per_cent:
                self.state = replace(self.state, per_cent=min(100, int(per_cent[1])), file=_file(line))
        elif b" -c " in line and not self._of_run:
            compiles = _COMPILES.search(line)
            if compiles:
                # One begins where the one before is done.
                self.state = replace(self.state, done=self._calls, file=_name(compiles[1]))
                self._calls += 1

    def whole(self) -> BuildState:
        """Return the state of a build that has made a wheel."""
        return replace(self.state, done=max(self.state.total, self._calls, self.state.done))

    def _step(self, done: int, total: int, line: bytes) -> None:
        if done < self.state.done - self._before or total != self._of_run:
            self._before = self.state.done if self._of_run else 0
            self._of_run = total
        file = _file(line) or self.state.file
        self.state = replace(self.state, done=self._before + done, total=self._before + total, file=file)


def _file(line: bytes) -> str:
    found = _SOURCE.search(line)
    return _name(found[1]) if found else ""


def _name(path: bytes) -> str:
    return path.rpartition(b"/")[2].decode("utf-8", errors="replace")


def duration_text(seconds: float) -> str:
    """Return a time as one says it: 40 s, 3 min, 1 h 20 min."""
    whole = int(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = (whole + 30) // 60
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def count_text(state: BuildState) -> str:
    """Return how much is done: 17 of 73 files, or 42 %; "" where it waits to begin."""
    if state.total:
        return f"{state.done} of {state.total} files"
    if state.per_cent >= 0:
        return f"{state.per_cent} %"
    if state.done:
        return f"{state.done} file{'' if state.done == 1 else 's'}"
    return "" if _waits(state) else "at work"


def _waits(state: BuildState) -> bool:
    return state.shared and not state.jobs


def state_text(state: BuildState, now_s: float) -> str:
    """Return how far a build is, in a line."""
    count = count_text(state)
    is_counted = state.total or state.per_cent >= 0
    at_once = f"{state.jobs} at once" if state.jobs > 1 and is_counted else ""
    if state.shared:
        at_once = f"{at_once or 'one at a time'} (shared)" if is_counted else ""
        at_once = "waiting for other builds" if _waits(state) else at_once
    now = f"at {state.file}" if state.file and not state.total else ""
    left, took = state.left_s(now_s), duration_text(state.took_s(now_s))
    more = f"; about {duration_text(left)} left" if left else ""
    last = f" ({duration_text(state.last_s)} last time)" if state.last_s else ""
    return f"{state.name}: " + ", ".join(filter(None, (count, at_once, now, took))) + more + last
