"""Workers: how many deliveries of a queue may be under way at a time (R-72, R-74).

First come, first served: a worker that becomes free is handed to whoever has waited longest, so
nobody who comes later gets in between.
"""

from __future__ import annotations

from simworld.marks import reached
from simworld.ports import Latch, Tasks


class Workers:
    """So many workers, and who has them, by the names of deliveries; 0: no end of them."""

    def __init__(self, count: int, tasks: Tasks) -> None:
        self._count = count
        self._tasks = tasks
        self.busy: dict[str, None] = {}
        """Ordered by when each got its worker."""
        self.wanted: dict[str, Latch] = {}

    def take(self, name: str) -> Latch | None:
        """None if ``name`` has a worker now, else what tells that the wait is over."""
        if name in self.busy or self._is_free():
            self.busy[name] = None
            return None
        reached("worker.awaited")
        latch = self.wanted[name] = self._tasks.latch("get a worker")
        return latch

    def release(self, name: str) -> None:
        """``name`` has, and wants, no worker any more; if it waits, its wait is over."""
        if name in self.busy:
            del self.busy[name]
            self._hand_out()
        elif name in self.wanted:
            self.wanted.pop(name).set()

    def resize(self, count: int) -> None:
        """Have so many workers; 0: as many as are wanted.  Nobody loses one that it has."""
        self._count = count
        self._hand_out()

    def _is_free(self) -> bool:
        return self._count == 0 or len(self.busy) < self._count

    def _hand_out(self) -> None:
        while self.wanted and self._is_free():
            first = next(iter(self.wanted))
            self.busy[first] = None
            self.wanted.pop(first).set()

    def pass_on(self, name: str, heir: str) -> None:
        """The worker of ``name`` now waits for ``heir``."""
        del self.busy[name]
        self.busy[heir] = None
