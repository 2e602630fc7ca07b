"""Children that can be interrupted, wherever the tests run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Give SIGINT and SIGHUP back to the processes that are started inside.

    What a shell starts in its background ignores SIGINT, what `nohup` starts SIGHUP, and so does everything that these
    start (POSIX, shell command language, 2.11). A signal with a handler has its default effect again after exec, an
    ignored one stays ignored.
    """
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
