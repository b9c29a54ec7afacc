"""Workers: how many deliveries of a queue may be under way at a time (R-72, R-74).

First come, first served: a worker that becomes free is handed to whoever has waited longest, so
nobody who comes later gets in between.
"""

from __future__ import annotations

from simworld.marks import reached
from simworld.ports import Latch, Tasks


class Workers:
    """So many workers, and who has them, by the names of deliveries."""

    def __init__(self, count: int, tasks: Tasks) -> None:
        self._count = count
        self._tasks = tasks
        self.busy: dict[str, None] = {}
        """Ordered by when each got its worker."""
        self.wanted: dict[str, Latch] = {}

    def take(self, name: str) -> Latch | None:
        """None if ``name`` has a worker now, else what tells that the wait is over."""
        if name in self.busy or len(self.busy) < self._count:
            self.busy[name] = None
            return None
        reached("worker.awaited")
        latch = self.wanted[name] = self._tasks.latch("get a worker")
        return latch

    def release(self, name: str) -> None:
        """``name`` has, and wants, no worker any more; if it waits, its wait is over."""
        if name in self.busy:
            del self.busy[name]
            if self.wanted:
                first = next(iter(self.wanted))
                self.busy[first] = None
                self.wanted.pop(first).set()
        elif name in self.wanted:
            self.wanted.pop(name).set()

    def pass_on(self, name: str, heir: str) -> None:
        """The worker of ``name`` now waits for ``heir``."""
        del self.busy[name]
        self.busy[heir] = None
