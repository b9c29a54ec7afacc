"""A run's first delivery that does not wait for run_started (R-63).

Nothing can have happened to a run that nobody has started, so its first pass needs no more of the
log than run_created.  What it asks for is written at once, or (``gated``) once the run has started;
the body of a step that is created by its start runs beside that start.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from simworld.engine import (
    EarlyStart,
    Fact,
    IdScheme,
    RunCreated,
    RunStarted,
    Seed,
    apply_run,
)
from simworld.errors import SimworldError
from simworld.marks import reached
from simworld.ports import Answer, BatchFact, Delivery, Message
from simworld.runtime.replay_loop import Replay
from simworld.runtime.services import Services


class EarlyRun:
    """The storage of such a delivery, which it goes on with."""

    @classmethod
    def of(cls, services: Services, message: Message, delivery: Delivery) -> EarlyRun | None:
        """None for all others; where ids tell when the run has started, there is no such one."""
        policy = services.policy
        if policy.early_start is EarlyStart.OFF:
            return None
        if policy.seed is not Seed.RUN_ID or policy.ids is not IdScheme.CALL_SITE:
            return None
        data = message.run_input
        if data is None or delivery.number > 1:
            return None
        fact = RunStarted(data.workflow_name, data.input)
        return cls(services, message.run_id, fact)

    def __init__(self, services: Services, run_id: str, fact: RunStarted) -> None:
        storage = services.storage
        self._storage = storage
        self._tasks = services.tasks
        self._run_id = run_id
        self._fact = fact
        self._holds = services.policy.early_start is EarlyStart.GATED
        self._over = services.tasks.latch("hear that the run has started")
        self._started = False
        self.is_early = False
        """The first pass has not waited, nor may the body of its inline step."""
        self.events, self.run, self.hook = storage.events, storage.run, storage.hook
        self.active_runs, self.wait_end = storage.active_runs, storage.wait_end

    async def begin(self, replay: Replay) -> bool:
        """Send run_started on its way; False where the run is not as new as the message says."""
        log = (await self._storage.events(self._run_id)).events
        self.is_early = len(log) == 1 and isinstance(log[0].fact, RunCreated)
        if not self.is_early:
            self._started = True  # or will be, by who goes on as usual
            self._over.set()
            return False
        reached("run.begun_early")
        created = log[0]
        assert isinstance(created.fact, RunCreated)
        run = apply_run(None, self._run_id, created.fact, created.created_at_ms)
        assert run is not None
        replay.of_run(run, log)
        self._tasks.start("start the run", self._start())
        return True

    async def _start(self) -> None:
        with suppress(SimworldError):  # who writes next, hears that the run has ended
            await self._start_run()
        self._over.set()

    async def _start_run(self) -> None:
        await self._storage.create(self._run_id, self._fact)
        self._started = True

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``; waits for the run's start, if it is to."""
        await self._wait_started()
        return await self._storage.create(run_id, fact)

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``; waits as ``create`` does."""
        await self._wait_started()
        return await self._storage.append(run_id, facts, after=after)

    async def _wait_started(self) -> None:
        if self._holds:
            await self._over.wait()
            if not self._started:
                await self._start_run()
