"""Which cells are made at the same time: the first of a torch alone, then the others by what its compilers left.

May not know how one is made.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from .plan_cells import Cell

Made = TypeVar("Made")
# What a cell does inside is its build; what it does before, it does while others are built.
Turn = AbstractContextManager[None]


def made_at_once(cells: Sequence[Cell], make: Callable[[Cell, Turn], Made], *, builders: int) -> Iterator[Made]:
    """Yield what is made of each cell, as it is done. One more than is built is prepared.

    :param make: is called in a thread; what it raises is raised here
    :param builders: how many are built at once
    """
    waiting, results = queue.SimpleQueue[Cell](), queue.SimpleQueue[Made | BaseException]()
    turns = _Turns(cells, builders)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                cell = waiting.get_nowait()
                try:
                    results.put(make(cell, turns.turn_of(cell)))
                except BaseException as error:  # noqa: BLE001 - it is raised where results are taken
                    results.put(error)
                turns.end(cell)

    for cell in cells:
        waiting.put(cell)
    for _ in range(builders + 1):
        # Who interrupts does not wait for them, and what they have started ends with this process.
        threading.Thread(target=work, daemon=True).start()
    for _ in cells:
        result = results.get()
        if isinstance(result, BaseException):
            raise result
        yield result


class _Turns:
    def __init__(self, cells: Sequence[Cell], builders: int) -> None:
        self._building = threading.Semaphore(builders)
        self._first = {torch_of(cell): cell for cell in reversed(cells)}
        self._first_ended = {torch: threading.Event() for torch in self._first}

    @contextlib.contextmanager
    def turn_of(self, cell: Cell) -> Iterator[None]:
        if self._first[torch_of(cell)] != cell:
            self._first_ended[torch_of(cell)].wait()
        with self._building:
            yield

    def end(self, cell: Cell) -> None:
        if self._first[torch_of(cell)] == cell:
            self._first_ended[torch_of(cell)].set()


def torch_of(cell: Cell) -> tuple[str, str]:
    """Return the torch of a cell: its version, and the index that has it."""
    return cell.torch, cell.index
