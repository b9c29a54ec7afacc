"""Tasks and time of a real process: what the simulator's kernel is, on trio.

A ``TrioHost`` is one process.  What the ports start runs in its nursery, so nothing outlives it.
Names are not causal paths in here: every task of a process has a number of its own, which is all
that a log needs, and which does not grow with the history of a run.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, TypeVar

import trio

from simworld.errors import InternalError, SimworldError, UsageError

T = TypeVar("T")

OnError = Callable[[str, Exception], None]
"""Told of a task that has failed with what nobody expects: its name, and the error."""

MISTAKES = (UsageError, InternalError)
"""Of an author, or ours: no faults of the world."""
KILLED = 70
"""Exit code of a process that has ended itself as if it had died."""

_task_name: ContextVar[str] = ContextVar("task_name", default="")


def task_name() -> str:
    """The name of the running task; empty outside of tasks."""
    return _task_name.get()


def wall_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


def exit_now(_why: str) -> NoReturn:
    """End this process at once: no clean-up, as if it had been killed."""
    os._exit(KILLED)


class TrioClock:
    """``ports.Clock``: the machine's time, except that it never goes backwards."""

    def __init__(self, wall: Callable[[], int] = wall_ms) -> None:
        self._wall = wall
        self._last_ms = 0

    def now_ms(self) -> int:
        """See ``ports.Clock``; while the machine's clock is set back, time stands still."""
        self._last_ms = max(self._last_ms, self._wall())
        return self._last_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        """See ``ports.Clock``."""
        await trio.sleep(duration_ms / 1_000)


class TrioLatch:
    """``ports.Latch``."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """See ``ports.Latch``."""
        self._event.set()

    async def wait(self, timeout_ms: int | None = None) -> bool:
        """See ``ports.Latch``."""
        if timeout_ms is None:
            await self._event.wait()
        else:
            with trio.move_on_after(max(0, timeout_ms) / 1_000):
                await self._event.wait()
        return self._event.is_set()


class TrioJob:
    """``ports.Job``."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self._done = False

    @property
    def done(self) -> bool:
        """See ``ports.Job``."""
        return self._done or self.scope.cancel_called

    def finished(self) -> None:
        """It does nothing more."""
        self._done = True

    def cancel(self) -> None:
        """See ``ports.Job``."""
        self.scope.cancel()


class TrioPending:
    """``ports.Pending``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.delay = trio.CancelScope()
        """Around all that comes before the beginning."""

    def cancel(self) -> None:
        """See ``ports.Pending``."""
        self.delay.cancel()


class TrioTasks:
    """``ports.Tasks`` in one nursery."""

    def __init__(
        self, nursery: trio.Nursery, *, on_error: OnError, die: Callable[[str], object]
    ) -> None:
        self._nursery = nursery
        self._on_error = on_error
        self._die = die
        self._numbers = itertools.count(1)

    def child_name(self, part: str) -> str:
        """See ``ports.Tasks``."""
        return f"{part}.{next(self._numbers)}"

    def spawn(
        self,
        name: str,
        start: Callable[[], Coroutine[Any, Any, None]],
        *,
        delay_ms: int,
        on_lost: Callable[[], None],
    ) -> TrioPending:
        """See ``ports.Tasks``.

        A real host takes its queue along when it dies; ``on_lost`` is called for a task that fails
        with what it should not have raised, so that its message is delivered again.
        """
        pending = TrioPending(name)

        async def run() -> None:
            _task_name.set(name)
            with pending.delay:
                await trio.sleep(delay_ms / 1_000)
            if pending.delay.cancel_called:
                return
            try:
                await start()
            except Exception as error:
                self._on_error(name, error)
                on_lost()

        self._nursery.start_soon(run, name=name)
        return pending

    async def checkpoint(self, doing: str) -> None:
        """See ``ports.Tasks``."""
        await trio.lowlevel.checkpoint()

    async def gather(self, parts: Sequence[tuple[str, Coroutine[Any, Any, T]]]) -> list[T]:
        """See ``ports.Tasks``."""
        results: dict[int, T] = {}
        errors: dict[int, Exception] = {}

        async def run(index: int, name: str, coroutine: Coroutine[Any, Any, T]) -> None:
            _task_name.set(f"{task_name()}/{name}")
            try:
                results[index] = await coroutine
            except Exception as error:
                errors[index] = error

        async with trio.open_nursery() as nursery:
            for index, (name, coroutine) in enumerate(parts):
                nursery.start_soon(run, index, name, coroutine, name=name)
        if errors:
            raise errors[min(errors)]
        return [results[index] for index in range(len(parts))]

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> TrioJob:
        """See ``ports.Tasks``."""
        job = TrioJob()

        async def run() -> None:
            _task_name.set(f"{task_name()}/{name}")
            with job.scope:
                if job.scope.cancel_called:
                    coroutine.close()
                    return
                try:
                    await coroutine
                except Exception as error:
                    fault = isinstance(error, SimworldError) and not isinstance(error, MISTAKES)
                    if not fault:
                        self._on_error(name, error)
            job.finished()

        self._nursery.start_soon(run, name=name)
        return job

    def latch(self, wish: str) -> TrioLatch:
        """See ``ports.Tasks``."""
        return TrioLatch()

    async def kill_host(self, why: str) -> None:
        """See ``ports.Tasks``."""
        self._die(why)
        await trio.sleep_forever()


class TrioHost:
    """One process: its tasks and its clock; made by ``open_host``."""

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        on_error: OnError,
        die: Callable[[str], object] = exit_now,
        wall: Callable[[], int] = wall_ms,
    ) -> None:
        self.nursery = nursery
        self.tasks = TrioTasks(nursery, on_error=on_error, die=die)
        self.clock = TrioClock(wall)


@asynccontextmanager
async def open_host(
    *,
    on_error: OnError,
    die: Callable[[str], object] = exit_now,
    wall: Callable[[], int] = wall_ms,
) -> AsyncIterator[TrioHost]:
    """A host for as long as the block lasts; whatever still runs in it then is cancelled.

    What the block raises comes out as it is, not inside a group.
    """
    failed: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield TrioHost(nursery, on_error=on_error, die=die, wall=wall)
        except Exception as error:
            failed = error
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed
