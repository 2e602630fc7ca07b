"""A line on the terminal of a front end that hides what its builds say, and that draws there by itself.

May not know what the line says.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

# A line below all that a front end draws, in place of what stands there: how many lines are drawn again and again, for
# packages that are built or downloaded, nobody else knows. Down and up again, for where the cursor is in the last line
# of the screen; keep the place; the text; back.
BELOW = "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[J{}\x1b8"
FROM_HERE = "\x1b[J{}"


def write_terminal(text: str, where: str = BELOW) -> None:
    """Write a line onto the terminal of this session; what stood there goes.

    :raises OSError: if there is none
    """
    descriptor = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        # In the background, writing would stop us, or disturb what is at work there.
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return
        width = os.get_terminal_size(descriptor).columns
        if width > 20:
            os.write(descriptor, where.format(fitted(text, width - 1)).encode("ascii", errors="replace"))
    finally:
        os.close(descriptor)


def fitted(text: str, width: int) -> str:
    """Return a line without the parts at its end that do not fit; its first part is cut where it must be."""
    parts = re.split(r"(?=, |; | \()", text)
    while len(parts) > 1 and sum(map(len, parts)) > width:
        parts.pop()
    return "".join(parts)[:width]


@contextlib.contextmanager
def clearing_at_interruption(clear: Callable[[], None]) -> Iterator[None]:
    """Call `clear` as soon as Ctrl-C is typed inside: the front end or the shell then writes where the line stands."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        clear()
        before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handle:  # `before` may have had enough of them
            signal.signal(signal.SIGINT, before)
