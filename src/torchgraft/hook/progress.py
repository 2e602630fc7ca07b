"""Say how far a build is: in a file that `torchgraft watch` reads, on the terminal, in the log.

May not disturb the build: what cannot be written is not. A build that is short pays for a thread that sleeps.
"""

from __future__ import annotations

import contextlib
import json
import os
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
from .build_state import BuildState, Counting, state_text
from .call import Call

if TYPE_CHECKING:
    from ..compile.jobserver import BuildJobs

FOLDER = "builds"
# A build that ends before pays nothing for files.
_SHORT_S = 2.0
_ON_TERMINAL_S, _AGAIN_S, _IN_LOG_S = 20.0, 5.0, 60.0
_KEPT = 30
SILENT_S = 60.0
# A line below all that a front end draws, in place of what stands there: how many lines are drawn again and again, for
# packages that are built or downloaded, nobody else knows. Down and up again, for where the cursor is in the last line
# of the screen; keep the place; the text; back.
_BELOW = "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[J{}\x1b8"


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
        self._is_shown = self._is_below = False

    def until(self, ended: threading.Event) -> None:
        """Tell until the build has ended."""
        began, terminal_s, log_s = time.monotonic(), _ON_TERMINAL_S, _IN_LOG_S
        while not ended.wait(_SHORT_S):
            took_s = time.monotonic() - began
            with contextlib.suppress(OSError, ValueError):
                self._write()
            with contextlib.suppress(OSError, ValueError):
                if took_s >= terminal_s:
                    terminal_s = took_s + (_ON_TERMINAL_S if self._is_on_stderr() else _AGAIN_S)
                    self._on_terminal()
                if took_s >= log_s:
                    log_s = took_s + _IN_LOG_S
                    self._in_log()

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
            state = replace(state, jobs=number, shared=True)
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
        if self._call.config.progress is not Showing.TTY and not (self._is_on_stderr() and self._tells_terminal()):
            say(self._text())

    def _on_terminal(self) -> None:
        if not self._tells_terminal():
            return
        if self._is_on_stderr():
            say(self._text())
            return
        if sys.platform != "win32" and self._call.plan.front_end.hides_output:
            self._is_below = True
            write_terminal(self._text())

    def _tells_terminal(self) -> bool:
        wanted, variables = self._call.config.progress, self._call.variables
        return wanted is Showing.TTY or (wanted is Showing.AUTO and not variables.get("CI"))

    @staticmethod
    def _is_on_stderr() -> bool:
        return os.isatty(2)


def write_terminal(text: str) -> None:
    """Write a line onto the terminal of this session, below what the front end draws there."""
    descriptor = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        # In the background, writing would stop us, or disturb what is at work there.
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return
        width = os.get_terminal_size(descriptor).columns
        if width > 20:
            # What it took last time matters least.
            text = text if len(text) < width else text.rpartition(" (")[0][: width - 1] or text[: width - 1]
            os.write(descriptor, _BELOW.format(text).encode("ascii", errors="replace"))
    finally:
        os.close(descriptor)


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
