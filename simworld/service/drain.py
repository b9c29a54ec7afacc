"""Stopping in good order: what is under way goes on to its end, and nothing new begins.

A handler may go on for minutes, from step to step.  So what may go on is the step: its start is the
thing that is refused from then on, which ends the handler, and its message comes again elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from simworld.engine import Fact, HookRow, RunRow, StepStarted
from simworld.errors import DefiniteFailure
from simworld.ports import Answer, BatchFact, Delivery, Handler, Message, Page, Redeliver, Storage
from simworld.service.faults import Faults, is_fault


class Drain:
    """Counts the deliveries under way, and lets none begin once it is closed."""

    def __init__(self) -> None:
        self.closed = False
        self.active = 0
        self._idle = trio.Event()

    def check(self) -> None:
        """``DefiniteFailure`` once it is closed."""
        if self.closed:
            raise DefiniteFailure("this worker is stopping; another one will do it")

    async def close(self, grace_s: float) -> bool:
        """Let nothing begin from now on; True once nothing is under way, False after a while."""
        self.closed = True
        if self.active:
            with trio.move_on_after(grace_s):
                await self._idle.wait()
        return not self.active

    def handler(self, handler: Handler, faults: Faults) -> Handler:
        """The handler, watched; what it gives up on is told to ``faults``."""

        async def handle(message: Message, delivery: Delivery) -> Redeliver | None:
            self.check()
            self.active += 1
            try:
                answer = await handler(message, delivery)
            except Exception as error:
                if is_fault(error) and not self.closed:
                    faults.failed(error)
                raise
            else:
                faults.worked()
                return answer
            finally:
                self.active -= 1
                if self.closed and not self.active:
                    self._idle.set()

        return handle


class DrainedStorage:
    """``ports.Storage`` that starts no step once the drain is closed."""

    def __init__(self, storage: Storage, drain: Drain) -> None:
        self._storage = storage
        self._drain = drain

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        if isinstance(fact, StepStarted):
            self._drain.check()
        return await self._storage.create(run_id, fact)

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``."""
        if any(isinstance(fact, StepStarted) for fact in facts):
            self._drain.check()
        return await self._storage.append(run_id, facts, after=after)

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``."""
        await self._storage.wait_end(run_id, timeout_ms)

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``."""
        return await self._storage.events(run_id, cursor)

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        return await self._storage.run(run_id)

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        return await self._storage.hook(token)

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        return await self._storage.active_runs()
