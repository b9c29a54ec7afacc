"""One thread hop for many: what is asked for while a hop is under way is done in the next one.

A job is a generator of stages, so that the jobs of one hop go side by side: all of them write, then
all of them sync, and a folder that several of them have changed is synced once.  There is no task
of its own: of those who wait, one leads, and hands on when its hop is over.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import trio

T = TypeVar("T")

Stages: TypeAlias = Generator[str, None, T]
"""Yields the folder that must be synced before the next stage, or nothing but the end of one."""

FILES_MAX = 128
"""In one hop: they are open side by side, and those that come first wait for the others."""


class _Job(Generic[T]):
    """What one task waits for."""

    __slots__ = ("answer", "error", "files", "is_over", "stages", "turn", "wants")

    def __init__(self, stages: Stages[T], files: int) -> None:
        self.stages = stages
        self.files = files
        self.wants = ""
        self.answer: T
        self.error: Exception | None = None
        self.is_over = False
        self.turn = trio.Event()
        """It is over, or its task is to lead."""

    def advance(self, error: OSError | None) -> None:
        """Do the next stage; ``error``: what was wanted for it cannot be had."""
        try:
            self.wants = next(self.stages) if error is None else self.stages.throw(error)
        except StopIteration as stop:
            self.answer = stop.value
            self.is_over = True
        except Exception as failure:
            self.fail(failure)

    def fail(self, error: Exception) -> None:
        """It ends with this error."""
        self.error = error
        self.is_over = True

    def result(self) -> T:
        """The answer, or the error."""
        if self.error is not None:
            raise self.error
        return self.answer


class Hops:
    """Does jobs in threads, one hop after the other; ``sync`` makes a folder durable."""

    def __init__(self, sync: Callable[[str], None]) -> None:
        self._sync = sync
        self._waiting: list[_Job[Any]] = []
        self._led = False

    async def do(self, stages: Stages[T], *, files: int) -> T:
        """The answer of a job that concerns so many files, once all its stages are done.

        Who is cancelled takes back a job that has not begun, and waits for the end of one that has.
        """
        job = _Job(stages, files)
        self._waiting.append(job)
        while not job.is_over:
            await (self._follow(job) if self._led else self._lead(job))
        return job.result()

    async def _follow(self, job: _Job[Any]) -> None:
        try:
            await job.turn.wait()
        except trio.Cancelled:
            if job in self._waiting:
                self._take_back(job)
                raise
            with trio.CancelScope(shield=True):
                await job.turn.wait()
        if not job.is_over:
            job.turn = trio.Event()

    async def _lead(self, job: _Job[Any]) -> None:
        self._led = True
        try:
            try:
                await trio.lowlevel.checkpoint()  # whoever is about to ask may come along
            except trio.Cancelled:
                self._take_back(job)
                raise
            await self._hop(self._next())
        finally:
            self._led = False
            self._hand_on()

    async def _hop(self, jobs: Sequence[_Job[Any]]) -> None:
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(carry_out, jobs, self._sync)
        except Exception as error:  # there was no thread to be had
            for job in jobs:
                job.fail(error)
        for job in jobs:
            job.turn.set()

    def _next(self) -> list[_Job[Any]]:
        """One at least, and as many more as may go together."""
        files, count = 0, 0
        while count < len(self._waiting):
            files += self._waiting[count].files
            if count and files > FILES_MAX:
                break
            count += 1
        jobs, self._waiting = self._waiting[:count], self._waiting[count:]
        return jobs

    def _take_back(self, job: _Job[Any]) -> None:
        self._waiting.remove(job)
        job.stages.close()
        if not self._led:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._waiting:
            self._waiting[0].turn.set()


def carry_out(jobs: Sequence[_Job[Any]], sync: Callable[[str], None]) -> None:
    """All of them, stage by stage; what one of them meets is its own error."""
    found: dict[str, OSError | None] = {"": None}
    while jobs:
        for job in jobs:
            job.advance(found[job.wants])
        jobs = [job for job in jobs if not job.is_over]
        found = {"": None}
        for job in jobs:
            if job.wants not in found:
                found[job.wants] = _error_of(sync, job.wants)


def _error_of(sync: Callable[[str], None], folder: str) -> OSError | None:
    try:
        sync(folder)
    except OSError as error:
        return error
    return None


def at_once(stages: Stages[T], sync: Callable[[str], None]) -> T:
    """Do a job here and now."""
    try:
        while True:
            if folder := next(stages):
                sync(folder)
    except StopIteration as stop:
        answer: T = stop.value
        return answer
