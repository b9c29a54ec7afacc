"""The combined flow handler: one delivery of one message (spec §3.2–3.6).

A flow message replays the workflow in a loop and runs one owned step inline between passes; a
step message runs its step in the background and then continues as the variant says.  Returning
None acknowledges; raising has the queue deliver the message again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from simworld.engine import (
    RUN_TERMINAL,
    TERMINAL_RUN_EVENTS,
    TERMINAL_STEP_EVENTS,
    BackgroundAfter,
    Completed,
    Event,
    Failed,
    LoopErrors,
    RunCompleted,
    RunFailed,
    RunIdentity,
    RunRow,
    RunStarted,
    RunStatus,
    StartedBy,
    StatusCheck,
    StepCreated,
    StepRequest,
    Suspension,
    encode,
    encode_error,
    run_pass,
)
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    InternalError,
    ReplayDivergence,
    RunExpiredError,
    SimworldError,
    UsageError,
)
from simworld.ports import Delivery, Message, Redeliver
from simworld.runtime.executor import COMPLETED, FAILED, RETRY, SKIPPED, THROTTLED, StepExecutor
from simworld.runtime.services import Services


class FlowHandler:
    """Handles every message of the combined queue."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._executor = StepExecutor(services)

    def handle(self, message: Message, delivery: Delivery) -> Awaitable[Redeliver | None]:
        """One delivery; see ``ports.Handler``."""
        if delivery.number > self._services.policy.deliveries_max:
            return self._give_up(message)
        invocation = _Invocation(self._services, self._executor, message, delivery)
        return invocation.run_step() if message.step_id else invocation.run_flow()

    async def _give_up(self, message: Message) -> None:
        limit = self._services.policy.deliveries_max
        error = RuntimeError(f"a message of this run was delivered more than {limit} times")
        fact = RunFailed(encode_error(error, kind="runtime"), "MAX_DELIVERIES_EXCEEDED")
        try:
            await self._services.storage.create(message.run_id, fact)
        except SimworldError as refusal:
            self._services.log.note(message.run_id, f"run_failed was not recorded: {refusal}")


class _Invocation:
    """The state of one delivery: its run, its cached log and cursor."""

    def __init__(
        self, services: Services, executor: StepExecutor, message: Message, delivery: Delivery
    ) -> None:
        self._services = services
        self._storage = services.storage
        self._executor = executor
        self._message = message
        self._run_id = message.run_id
        self._by = StartedBy(delivery.message_id, delivery.receipt, delivery.number)
        self._began_ms = services.clock.now_ms()
        self._identity: RunIdentity
        self._cached: list[Event] | None = None
        self._cursor: str | None = None
        self._preloaded: Sequence[Event] | None = None

    async def run_flow(self) -> Redeliver | None:
        """A flow message (spec §3.3)."""
        try:
            answer = await self._storage.create(self._run_id, RunStarted())
        except (EntityConflictError, RunExpiredError):
            return None
        except EntityNotFoundError:
            self._services.log.note(self._run_id, "a message came for a run nobody created")
            return None
        if answer.run.status is not RunStatus.RUNNING:
            return None
        self._preloaded = answer.preload
        return await self._replay_loop(answer.run)

    async def run_step(self) -> Redeliver | None:
        """A step message (spec §3.5)."""
        message, policy = self._message, self._services.policy
        try:
            run = await self._storage.run(self._run_id)
        except EntityNotFoundError:
            self._services.log.note(self._run_id, "a step message came for a run nobody created")
            return None
        if policy.bg_status_check is StatusCheck.EQ_RUNNING:
            if run.status is not RunStatus.RUNNING:
                return None
        elif run.status in RUN_TERMINAL:
            return None
        outcome = await self._executor.execute(
            self._run_id, message.step_id, message.step_name, self._by
        )
        if outcome.kind in (RETRY, THROTTLED):
            return Redeliver(outcome.after_s)
        if outcome.kind not in (COMPLETED, FAILED, SKIPPED):
            return None
        if policy.bg_after is BackgroundAfter.ALWAYS_CONTINUE:
            await self._services.queue.send(Message(self._run_id))
            return None
        await self._load_all()
        if self._steps_pending():
            return None  # the last completer replays
        return await self._replay_loop(run)

    async def _replay_loop(self, run: RunRow) -> Redeliver | None:
        services = self._services
        self._identity = RunIdentity(run.run_id, run.workflow_name, run.started_at_ms)
        while True:
            if services.clock.now_ms() - self._began_ms >= services.policy.inline_limit_ms:
                await services.queue.send(Message(self._run_id))
                return None
            try:
                suspension = await self._advance()
            except (UsageError, InternalError):
                raise
            except SimworldError as error:
                if services.policy.loop_errors is LoopErrors.RETHROW:
                    raise
                await self._fail_run(error, "USER_ERROR")
                return None
            if suspension is None:
                return None
            done, answer = await self._handle_suspension(suspension)
            if done:
                return answer

    async def _advance(self) -> Suspension | None:
        """Load, pass, and record the run's end if the pass reached it (spec §3.4)."""
        log = await self._load()
        for event in log:
            if event.type in TERMINAL_RUN_EVENTS:
                return None
        result = run_pass(self._services.program, self._identity, log, self._services.policy)
        self._services.log.pass_ended(self._run_id, len(log), result)
        outcome = result.outcome
        if isinstance(outcome, Suspension):
            return outcome
        if isinstance(outcome, Completed):
            await self._end_run(RunCompleted(encode(outcome.output)))
        elif isinstance(outcome, Failed):
            if isinstance(outcome.error, UsageError):
                raise outcome.error
            await self._fail_run(outcome.error, "USER_ERROR")
        else:
            await self._fail_run(ReplayDivergence(outcome.message), "RUNTIME_ERROR")
        return None

    async def _load(self) -> Sequence[Event]:
        """The log, as far as this invocation must know it; incremental where a cursor is held."""
        if self._cached is None:
            if self._preloaded is not None:
                self._cached = list(self._preloaded)
            else:
                await self._load_all()
        elif self._cursor is None:
            await self._load_all()  # after a preload there is no cursor yet
        else:
            known = {event.event_id for event in self._cached}
            await self._load_after(self._cursor, self._cached, known)
        assert self._cached is not None
        return self._cached

    async def _load_all(self) -> None:
        self._cached = []
        await self._load_after(None, self._cached, set())

    async def _load_after(self, cursor: str | None, into: list[Event], known: set[str]) -> None:
        while True:
            page = await self._storage.events(self._run_id, cursor)
            if known:
                into.extend(event for event in page.events if event.event_id not in known)
            else:
                into.extend(page.events)
            cursor = page.cursor or cursor
            if not page.has_more:
                break
        self._cursor = cursor

    def _steps_pending(self) -> bool:
        assert self._cached is not None
        created = sum(1 for event in self._cached if event.type == "step_created")
        ended = sum(1 for event in self._cached if event.type in TERMINAL_STEP_EVENTS)
        return ended < created

    async def _end_run(self, fact: RunCompleted | RunFailed) -> None:
        try:
            await self._storage.create(self._run_id, fact)
        except (EntityConflictError, RunExpiredError):
            return  # somebody else has ended the run

    async def _fail_run(self, error: BaseException, code: str) -> None:
        await self._end_run(RunFailed(encode_error(error, kind="run"), code))

    async def _handle_suspension(self, suspension: Suspension) -> tuple[bool, Redeliver | None]:
        """Record what the pass asked for, dispatch it, run one owned step (spec §3.6).

        (True, answer) ends the delivery; (False, None) asks for the next pass.
        """
        owned = await self._create_steps(suspension)
        if not suspension.requests:
            return True, None
        inline = next((each for each in suspension.requests if each.correlation_id in owned), None)
        send = self._services.queue.send
        for request in suspension.requests:
            if request is not inline:
                step_id = request.correlation_id
                await send(Message(self._run_id, step_id, request.step_name), key=step_id)
        if inline is None:
            return True, None
        outcome = await self._executor.execute(
            self._run_id, inline.correlation_id, inline.step_name, self._by
        )
        if outcome.kind == RETRY:
            message = Message(self._run_id, inline.correlation_id, inline.step_name)
            await self._services.queue.send(message, delay_s=outcome.after_s)
            return True, None
        if outcome.kind == THROTTLED:
            return True, Redeliver(outcome.after_s)
        return False, None

    async def _create_steps(self, suspension: Suspension) -> list[str]:
        """Create the new steps side by side; the ids whose creation was accepted are ours."""
        new = [each for each in suspension.requests if not each.created]
        parts = [(f"create.{each.label}", self._create_step(each)) for each in new]
        accepted = await self._services.tasks.gather(parts)
        return [each.correlation_id for each, mine in zip(new, accepted, strict=True) if mine]

    async def _create_step(self, request: StepRequest) -> bool:
        fact = StepCreated(request.correlation_id, request.step_name, request.input)
        try:
            await self._storage.create(self._run_id, fact)
        except EntityConflictError:
            return False
        return True
