"""Children that can be interrupted, wherever the tests run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Give SIGINT back to the processes that are started inside.

    What a shell starts in its background ignores SIGINT, and so does everything that it starts (POSIX, shell command
    language, 2.11). A signal with a handler has its default effect again after exec, an ignored one stays ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
