"""What a delivery does next, in one commit (``commits=together``).

What a pass asks for is recorded with the start of the steps that run here.  And once the body of
the only one has ended well, the retained pass goes ahead: it is fed the result before that is
recorded, and the result is recorded with what the pass asks for then, on the condition that nothing
else has happened to the run.  Where something has, the pass has seen what did not come about: it is
thrown away, and the result is recorded by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from simworld.engine import (
    Completed,
    Fact,
    PassResult,
    StepCompleted,
    StepStarted,
    Suspension,
)
from simworld.errors import DefiniteFailure, SimworldError, UsageError
from simworld.marks import reached
from simworld.ports import Answer, BatchFact, Storage
from simworld.runtime.dispatch import Dispatcher
from simworld.runtime.executor import StepExecutor
from simworld.runtime.replay_loop import Replay
from simworld.runtime.requests import Batch, Recorded, Recorder
from simworld.runtime.services import Services


class SeenStorage:
    """``ports.Storage`` that tells the replay what this delivery records of its run."""

    def __init__(self, storage: Storage, run_id: str, replay: Replay) -> None:
        self._storage = storage
        self._run_id = run_id
        self._replay = replay
        self.events, self.run, self.hook = storage.events, storage.run, storage.hook
        self.active_runs, self.wait_end = storage.active_runs, storage.wait_end

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        try:
            answer = await self._storage.create(run_id, fact)
        except SimworldError:
            self._replay.missed()
            raise
        if run_id == self._run_id:
            self._replay.saw([answer])
        return answer

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``."""
        try:
            answers = await self._storage.append(run_id, facts, after=after)
        except SimworldError:
            self._replay.missed()
            raise
        if run_id == self._run_id:
            self._replay.saw(answers)
        return answers


class Together:
    """The commits of one delivery, from its first suspension on."""

    def __init__(
        self,
        services: Services,
        run_id: str,
        replay: Replay,
        dispatcher: Dispatcher,
        executor: StepExecutor,
        *,
        storage: Storage,
        until_ms: int,
    ) -> None:
        """``services``: their storage tells the replay what is recorded, ``storage`` does not.

        ``until_ms``: from then on the delivery starts nothing.
        """
        self._services = services
        self._storage = storage
        self._until_ms = until_ms
        self._run_id = run_id
        self._replay = replay
        self._dispatcher = dispatcher
        self._executor = executor
        self._recorder = Recorder(services, run_id)
        self._recorded: Recorded | None = None
        """What the last pass ahead has asked for, if that is in the log."""

    async def record(self, suspension: Suspension, *, carried: int) -> Recorded:
        """What a pass asks for is in the log; see ``Recorder.record``."""
        recorded, self._recorded = self._recorded, None
        if recorded is not None:
            return recorded
        return await self._recorder.record(suspension, carried=carried, starter=self)

    def starts(self, recorded: Recorded) -> list[StepStarted]:
        """See ``requests.Starter``."""
        view, steps = self._replay.view, self._services.program.steps
        assert view is not None
        inline = self._dispatcher.choose_inline(recorded, view)
        if not all(step.step_name in steps for step in inline):
            return []  # there is nothing to start
        return [
            self._executor.start(
                step.correlation_id,
                step.step_name,
                inline=True,
                lazy_input=step.input if step.correlation_id in recorded.lazy else b"",
            )
            for step in inline
        ]

    async def complete(self, fact: StepCompleted) -> bool:
        """Record the result of the step that ran here with what follows from it, or nothing.

        Only a fault that leaves open whether it is recorded is raised.
        """
        replay = self._replay
        if self._services.clock.now_ms() >= self._until_ms:
            return False
        result = replay.feed_ahead(fact)
        if result is None:
            return False
        facts: list[BatchFact] = [fact]
        position = replay.position
        recorded, batch = self._follows(result, facts)
        if batch is not None:
            facts += batch.facts
            creations = batch.creations(position + 2)
            self._services.log.asked_ahead(self._run_id, creations)
        try:
            answers = await self._storage.append(self._run_id, facts, after=position)
        except SimworldError as refusal:
            replay.missed()
            replay.drop_pass()
            if not isinstance(refusal, DefiniteFailure):
                raise
            reached("pass.ahead_in_vain")
            return False
        reached("pass.ahead")
        if batch is not None:
            batch.accepted(answers[1:])
            self._recorded = recorded
        replay.settle(result, answers)
        return True

    def _follows(
        self, result: PassResult, facts: list[BatchFact]
    ) -> tuple[Recorded | None, Batch | None]:
        """What else goes into the commit: the run's end, or the new steps that are asked for."""
        outcome = result.outcome
        if isinstance(outcome, Suspension):
            return self._recorder.follow(outcome, self)
        if isinstance(outcome, Completed):
            with suppress(UsageError):  # its author is told once the result is recorded
                facts.append(self._replay.end_of(outcome))
        return None, None
