"""Waiting for the end of a run, as far as one process knows of it."""

from __future__ import annotations

from simworld.ports import Latch, Tasks


class Ends:
    """Who waits here for the end of which run."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiting: dict[str, list[Latch]] = {}

    def tell(self, run_id: str) -> None:
        """The run has ended."""
        if self._waiting:
            for latch in self._waiting.get(run_id, ()):
                latch.set()

    async def wait(self, run_id: str, timeout_ms: int) -> None:
        """Until somebody tells it, or for so long."""
        latch = self._tasks.latch("hear of the run's end")
        waiting = self._waiting.setdefault(run_id, [])
        waiting.append(latch)
        try:
            await latch.wait(timeout_ms)
        finally:
            waiting.remove(latch)
            if not waiting and self._waiting.get(run_id) is waiting:
                del self._waiting[run_id]
