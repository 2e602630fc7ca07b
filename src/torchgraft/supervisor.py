"""A program of its own: it runs a command, and ends all that this has started once the hook is gone.

`child.py` starts it by its path, so that it may not import the package. It alone holds the locks of the hook besides
the hook itself: while something of a hook that was killed may still write, nobody else has them.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# What ninja needs to end its compilers, each of which has a process group of its own.
GRACE_S = 3.0
_POLL_S = 0.02
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def supervise(descriptors: list[int], command: list[str]) -> int:
    """Return the status of a command, negative for a signal; in a session of which this process is the leader.

    :param descriptors: first a pipe that is closed when the hook ends in whatever way; then those of its locks
    """
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no keyword
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *ENDING):
        # nohup ignores SIGHUP.
        if number is signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    ours = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD]
    try:
        child = os.posix_spawnp(command[0], command, os.environ, setpgroup=0, setsigdef=ours)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")
    poll = select.poll()
    for descriptor in (descriptors[0], woken):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        signals = os.read(woken, 64) if woken in ready else b""
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended and (descriptors[0] in ready or set(signals) & set(ENDING)):
            end_session(os.getpid(), group=child)
            ended, status = os.waitpid(child, 0)
        if ended:
            if status:  # what a compiler has started that a person killed; servers have a session of their own
                end_session(os.getpid(), group=child)
            return os.waitstatus_to_exitcode(status)


def end_session(session: int, *, group: int | None = None) -> None:
    """End all processes of a session but this one: first politely, then not.

    :param group: the process group that is ended instead where processes have no folder in /proc
    """
    for number, patience_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 1.0)):
        until = time.monotonic() + patience_s
        for process in _members(session, group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        while any(_members(session, group)):
            if time.monotonic() > until:
                break
            time.sleep(_POLL_S)
        else:
            return


def _members(session: int, group: int | None) -> Iterator[int]:
    """Yield what `kill` has to be given to reach all of a session."""
    if sys.platform == "linux":
        for entry in os.listdir("/proc"):  # noqa: PTH208 - only names are wanted
            with contextlib.suppress(OSError, ValueError, IndexError):
                # After the name, which may hold anything: state, parent, process group, session.
                facts = Path("/proc", str(int(entry)), "stat").read_bytes().rpartition(b")")[2].split()
                if int(facts[3]) == session and facts[0] not in {b"Z", b"X"} and int(entry) != os.getpid():
                    yield int(entry)
    elif group is not None:
        with contextlib.suppress(OSError):
            os.kill(-group, 0)
            yield -group


def main() -> None:
    """End as the command has ended."""
    status = supervise([int(number) for number in sys.argv[1].split(",")], sys.argv[2:])
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
