"""How far a build is, as the lines of its output say it: ninja's [17/73], CMake's [ 42%], a compiler's call.

May not look at anything: it is given lines, and the time.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..values import dataclass

_STEP = re.compile(rb"\[(\d{1,6})/(\d{1,6})\] ")
_PER_CENT = re.compile(rb"\[ *(\d{1,3})%\] ")
# distutils says what it is about to run; ninja and CMake say what they have run, or are running.
_COMPILES = re.compile(rb"\s-c\s+(?:\S+\s+)*?[\"']?([^\s\"']+\.(?:cu|cpp|cc|cxx|c|hip|sycl|mm|f90))\b")
_SOURCE = re.compile(rb"([^\s\"'/]+\.(?:cu|cpp|cc|cxx|c|hip|sycl|mm|f90))(?:\.o|[\s\"']|$)")
SOURCE_NAME = re.compile(r"\.(?:cu|cpp|cc|cxx|c|hip|sycl|mm|f90)$")
_MOST_BYTES = 20_000
_FEW = 3


@dataclass(frozen=True, kw_only=True)
class BuildState:
    """A build, as its file in the cache folder says it; times are those of the clock, in seconds.

    `done` of `total` files are compiled, of which `total` is 0 where nobody knows; `per_cent` where CMake says only
    that, -1 elsewhere. `file` is the last one that was named. `last_s` is what the last build of as many files took, 0
    if there was none. `ended_s` is 0 for a build that is at work; `failed` says that it has not made a wheel.
    Of `jobs` that are `shared` with other builds there are none while it waits for them.
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
        """Return how long it will take: as last time, else at the pace so far; None where neither is known."""
        took = self.took_s(now_s)
        if self.last_s:
            return max(self.last_s - took, self.last_s * (1 - self.share) if self.total else 0.0)
        if self.share == 0 or self.done < _FEW:
            return None
        return took * (1 - self.share) / self.share


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
    """Return how much is done: 17 of 73 files, or 42 %, or what is compiled now."""
    if state.total:
        return f"{state.done} of {state.total} files"
    if state.per_cent >= 0:
        return f"{state.per_cent} %"
    return f"{state.done} file{'' if state.done == 1 else 's'}" if state.done else "at work"


def state_text(state: BuildState, now_s: float) -> str:
    """Return how far a build is, in a line."""
    count = count_text(state)
    is_counted = state.total or state.per_cent >= 0
    at_once = f"{state.jobs} at once" if state.jobs > 1 and is_counted else ""
    if state.shared:
        at_once = f"{state.jobs} at once (shared)" if is_counted else ""
        at_once = at_once if state.jobs else "waiting for other builds"
    now = f"at {state.file}" if state.file and not state.total else ""
    left, took = state.left_s(now_s), duration_text(state.took_s(now_s))
    more = f"; about {duration_text(left)} left" if left else ""
    last = f" ({duration_text(state.last_s)} last time)" if state.last_s else ""
    return f"{state.name}: " + ", ".join(filter(None, (count, at_once, now, took))) + more + last
