"""Latches and jobs: what a task may wait for, and what may run beside it."""

from __future__ import annotations

from simworld.sim.kernel import HAPPENED, Kernel
from simworld.sim.labels import Labels, checkpoint_op
from simworld.sim.parking import PARK
from simworld.sim.tasks import Task


class SimLatch:
    """``ports.Latch``: who waits cannot be chosen; of a set and a timeout the first one counts."""

    __slots__ = ("_is_set", "_kernel", "_labels", "_waiting", "_wish")

    def __init__(self, kernel: Kernel, labels: Labels, wish: str) -> None:
        self._kernel = kernel
        self._labels = labels
        self._wish = wish
        self._is_set = False
        self._waiting: list[Task] = []

    def set(self) -> None:
        """See ``ports.Latch``."""
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self._kernel.wake(task)

    async def wait(self, timeout_ms: int | None = None) -> bool:
        """See ``ports.Latch``; no choice point where there is nothing to wait for."""
        if self._is_set or (timeout_ms is not None and timeout_ms <= 0):
            return self._is_set
        wish = checkpoint_op(self._labels.reworded(self._wish))
        task = self._kernel.suspend(self, wish, timeout_ms)
        self._waiting.append(task)
        await PARK
        return task.op is HAPPENED

    def forget(self, task: Task) -> None:
        """See ``tasks.Waiters``."""
        self._waiting.remove(task)


class SimJob:
    """``ports.Job``."""

    __slots__ = ("_kernel", "_task")

    def __init__(self, kernel: Kernel, task: Task) -> None:
        self._kernel = kernel
        self._task = task

    @property
    def done(self) -> bool:
        """See ``ports.Job``."""
        return self._task.ended

    def cancel(self) -> None:
        """See ``ports.Job``."""
        self._kernel.cancel_job(self._task)
