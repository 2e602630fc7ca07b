"""`torchgraft watch`: the builds of this user that are at work, and the last ones with how long they took."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..codec import json_text
from ..errors import shown
from ..files import names_in
from ..hook.progress import FOLDER, SILENT_S, BuildState, count_text, duration_text, read_state
from ..settings.sources import take_shell_settings
from ..values import dataclass
from .cache.plan_prune import age_text
from .terminal import Colour, line_width, painted

DESCRIPTION = """Show all of this user's running builds, whichever front end started them: how much is done, what is
being compiled, how long it has taken and will take, and how much memory it uses; and the last
builds, with how long they took. Nothing is changed. Ctrl-C ends it, but does not stop any build."""
EPILOG = """examples:
  torchgraft watch           in a second terminal, while pip or uv is building
  torchgraft watch --once    once, for scripts; the default if standard output is not a terminal
"""
_EACH_S = 1.0
_MOST_LAST = 8
_BAR = 12
_SOURCE_NAME = re.compile(r"\.(?:cu|cpp|cc|cxx|c|hip|sycl|mm|f90)$")


@dataclass(frozen=True, kw_only=True)
class SeenBuild:
    """A build, with what its processes show: the files that are compiled now, and the memory of all of them."""

    state: BuildState
    files: tuple[str, ...] = ()
    memory_bytes: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--once", action="store_true", help="show it once, and exit")
    parser.add_argument("--json", action="store_true", help="print the same as JSON, once")


def run(arguments: argparse.Namespace) -> int:
    """Show the builds, again and again on a terminal."""
    folder = take_shell_settings({}, os.environ).cache_folder / FOLDER
    drawn = 0
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            now_s = time.time()
            builds = read_builds(folder, now_s=now_s)
            text = json_text(builds) if arguments.json else f"{watch_text(builds, now_s=now_s, width=line_width())}\n"
            sys.stdout.write((f"\x1b[{drawn}A\r\x1b[J" if drawn else "") + text)
            sys.stdout.flush()
            if arguments.json or arguments.once or not sys.stdout.isatty():
                return 0
            drawn = text.count("\n")
            time.sleep(_EACH_S)
    return 0


def read_builds(folder: Path, *, now_s: float) -> tuple[SeenBuild, ...]:
    """Return the builds that are at work, then those that have ended, the newest first."""
    states = [read_state(folder / name) for name in names_in(folder) if name.endswith(".json")]
    known = [state for state in states if state is not None]
    live = sorted((s for s in known if not s.ended_s and now_s - s.seen_s < SILENT_S), key=lambda s: s.began_s)
    ended = sorted((s for s in known if s.ended_s), key=lambda s: -s.ended_s)
    return (*map(_with_processes, live), *(SeenBuild(state=state) for state in ended[:_MOST_LAST]))


def watch_text(builds: tuple[SeenBuild, ...], *, now_s: float, width: int) -> str:
    """Return what is shown; no line is longer than the width."""
    live = [build for build in builds if not build.state.ended_s]
    ended = [build.state for build in builds if build.state.ended_s]
    lines = [line for build in live for line in _live_lines(build, now_s)] or ["no build is running"]
    if ended:
        names = max(len(state.name) for state in ended)
        lines += ["", painted("last builds", Colour.BOLD), *(_ended_line(state, now_s, names) for state in ended)]
    return "\n".join(line if "\x1b" in line else shown(line)[: width - 1].rstrip() for line in lines)


def _live_lines(build: SeenBuild, now_s: float) -> Iterator[str]:
    state = build.state
    yield painted(shown(state.name), Colour.BOLD)
    done = round(_BAR * state.share)
    bar = count_text(state)
    if state.total or state.per_cent >= 0:
        bar = f"[{'#' * done}{'.' * (_BAR - done)}] {state.share:4.0%}  {bar}"
    left = state.left_s(now_s)
    times = duration_text(state.took_s(now_s)) + (f", ~{duration_text(left)} left" if left else "")
    last = f"{duration_text(state.last_s)} last time" if state.last_s else ""
    yield "  " + "  ".join(filter(None, (bar, times, last)))
    files = ", ".join(build.files) or state.file
    if files:
        yield f"  compiling {files}"
    jobs = f"{state.jobs} job{'' if state.jobs == 1 else 's'}" if state.jobs else ""
    if state.shared:
        jobs = f"{jobs}, shared" if jobs else "waiting for other builds"
    memory = f"{build.memory_bytes / 1e9:.1f} GB" if build.memory_bytes else ""
    torch = f"torch {state.torch}" if state.torch else ""
    front_end = state.front_end if state.front_end != "unknown" else ""
    yield "  " + ", ".join(filter(None, (jobs, memory, torch, front_end)))
    yield f"  {state.source}"


def _ended_line(state: BuildState, now_s: float, names: int) -> str:
    took, ago = duration_text(state.took_s(now_s)), age_text(now_s - state.ended_s)
    is_counted = state.total or state.done or state.per_cent >= 0
    came = "failed" if state.failed else count_text(state) if is_counted else "done"
    return f"  {state.name:<{names}}  {took:>10}  {ago:<16}  {came}"


def _with_processes(state: BuildState) -> SeenBuild:
    """Return a build with what its processes show, as far as they are there and may be looked at."""
    import psutil

    files: dict[str, None] = {}
    memory = 0
    with contextlib.suppress(psutil.Error):
        hook = psutil.Process(state.process)
        for process in (hook, *hook.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                memory += process.memory_info().rss
                words = process.cmdline()
                names = (word.rpartition("/")[2] for word in words if "-c" in words and _SOURCE_NAME.search(word))
                files.update(dict.fromkeys(name for name in names if not name.startswith("tmpxft")))
    return SeenBuild(state=state, files=tuple(files), memory_bytes=memory)
