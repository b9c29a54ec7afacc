"""The combined flow handler: one delivery of one message (spec §3.2–3.6).

A flow message replays the workflow in a loop and runs owned steps inline between passes; a step
message runs its step in the background and then continues as the variant says.  Returning None
acknowledges; raising has the queue deliver the message again.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress

import attrs

from simworld.engine import (
    RUN_TERMINAL,
    BackgroundAfter,
    Commits,
    EnginePolicy,
    HookRequest,
    RefusedResult,
    RunFailed,
    RunRow,
    RunStarted,
    RunStatus,
    StartedBy,
    StatusCheck,
    StepRequest,
    Suspension,
    WaitDispatch,
    WaitRequest,
    encode_error,
)
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    RunExpiredError,
    SimworldError,
)
from simworld.marks import reached
from simworld.ports import Delivery, Message, Redeliver
from simworld.runtime.dispatch import Dispatcher
from simworld.runtime.early import EarlyRun
from simworld.runtime.executor import GONE, RETRY, SKIPPED, THROTTLED, StepExecutor, StepOutcome
from simworld.runtime.log_view import LogView
from simworld.runtime.replay_loop import Replay
from simworld.runtime.requests import Recorded, Recorder
from simworld.runtime.runs import have_looked_at
from simworld.runtime.services import Services
from simworld.runtime.timer import ReplayTimer
from simworld.runtime.together import SeenStorage, Together


class FlowHandler:
    """Handles every message of the combined queue."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def handle(self, message: Message, delivery: Delivery) -> Awaitable[Redeliver | None]:
        """One delivery; see ``ports.Handler``."""
        if delivery.number > self._services.policy.deliveries_max:
            return give_up(self._services, message)
        return _Invocation(self._services, message, delivery).run()


async def give_up(services: Services, message: Message) -> None:
    """The message was delivered too often: the whole run fails, also for a step message."""
    run_id, limit = message.run_id, services.policy.deliveries_max
    what = f"run {run_id}{f', step {message.step_id}' if message.step_id else ''}"
    error = RuntimeError(
        f"a message of {what} was delivered more than {limit} times; its handler fails or dies "
        "every time: see the run's log"
    )
    fact = RunFailed(encode_error(error, kind="runtime"), "MAX_DELIVERIES_EXCEEDED")
    services.log.note(run_id, "delivered too often", step=message.step_id, deliveries_max=limit)
    try:
        await services.storage.create(run_id, fact)
    except SimworldError as refusal:
        services.log.note(run_id, "run_failed not recorded", why=str(refusal))


async def begin_run(services: Services, message: Message, replay: Replay) -> RunRow | None:
    """run_started (spec §3.3); None where there is nothing to do for the run any more."""
    run_id, data = message.run_id, message.run_input
    fact = RunStarted() if data is None else RunStarted(data.workflow_name, data.input)
    try:
        answer = await services.storage.create(run_id, fact)
    except (EntityConflictError, RunExpiredError):
        return None
    except EntityNotFoundError as missing:
        services.log.note(run_id, "run failed", code="RUNTIME_ERROR", error=repr(missing))
        failed = RunFailed(encode_error(missing, kind="run"), "RUNTIME_ERROR")
        # It may have ended by now, and if nobody has created it there is nothing to fail.
        with suppress(EntityConflictError, RunExpiredError, EntityNotFoundError):
            await services.storage.create(run_id, failed)
        return None
    if answer.run.status is not RunStatus.RUNNING:
        return None
    replay.of_run(answer.run, answer.preload)
    return answer.run


def wake(policy: EnginePolicy, recorded: Recorded, now_ms: int) -> Redeliver | None:
    """What a delivery answers so that the soonest wait is looked at in time."""
    after_s = recorded.wake_after_s(now_ms)
    if after_s is None or policy.wait_dispatch is WaitDispatch.MESSAGE:
        return None
    return Redeliver(after_s)


def trusts_another(policy: EnginePolicy, outcome: StepOutcome) -> bool:
    """Whether the run's going on is left to whoever has recorded the step's result (R-83)."""
    return outcome.kind == SKIPPED and policy.on_409 is RefusedResult.ACKNOWLEDGE


class _Invocation:
    """The state of one delivery."""

    def __init__(self, services: Services, message: Message, delivery: Delivery) -> None:
        run_id = message.run_id
        by = StartedBy(delivery.message_id, delivery.receipt, delivery.number)
        self._early = EarlyRun.of(services, message, delivery)
        if self._early is not None:
            services = attrs.evolve(services, storage=self._early)
        self._services = services
        self._policy = services.policy
        self._message = message
        self._run_id = run_id
        self._began_ms = services.clock.now_ms()
        self._by = by
        self._delivery = delivery
        self._timer = ReplayTimer(services, run_id, delivery)
        self._replay = Replay(services, run_id, message.recoveries)
        self._recording = services
        if services.policy.commits is Commits.TOGETHER:
            seen = SeenStorage(services.storage, run_id, self._replay)
            self._recording = attrs.evolve(services, storage=seen)
        self._executor = StepExecutor(self._recording, run_id, by, self._timer)
        self._dispatcher: Dispatcher | None = None
        """From the first suspension on; most deliveries never get there."""
        self._together: Together | None = None
        """As the dispatcher, where several events are recorded at once."""
        self._carried: set[str] = set()
        """Steps created in an iteration that went on at once: still ours in the next one."""

    async def run(self) -> Redeliver | None:
        """The whole delivery."""
        message, policy, replay = self._message, self._policy, self._replay
        self._timer.start()
        try:
            if message.step_id:
                proceeds, answer = await self._run_step()
                if not proceeds:
                    return answer
            elif self._early is not None and await self._early.begin(replay):
                pass  # run_started is on its way
            elif await begin_run(self._services, message, replay) is None:
                return None
            only_if_new = bool(message.step_id) and (
                policy.bg_after is BackgroundAfter.REPLAY_IF_NEW
            )
            while True:
                now_ms = self._services.clock.now_ms()
                if not replay.is_ahead and now_ms - self._began_ms >= policy.inline_limit_ms:
                    await self._go_on_later()
                    return None
                suspension = await replay.advance()
                if suspension is None or (only_if_new and not self._asks_for_more(suspension)):
                    return None
                only_if_new = False
                proceeds, answer = await self._handle_suspension(suspension)
                if not proceeds:
                    return answer
        finally:
            self._timer.stop()
            replay.close()

    async def _run_step(self) -> tuple[bool, Redeliver | None]:
        """A step message (spec §3.5); True: go on into the loop with a loaded log."""
        message, policy, services = self._message, self._policy, self._services
        run = None
        if policy.bg_status_check is not StatusCheck.START_TELLS:
            run = await self._run_that_goes_on()
            if run is None:
                return False, None
        outcome = await self._executor.execute(message.step_id, message.step_name, inline=False)
        if outcome.kind in (RETRY, THROTTLED):
            return False, Redeliver(outcome.after_s)
        if outcome.kind == GONE or trusts_another(policy, outcome):
            return False, None
        if outcome.pending_ops or policy.bg_after is BackgroundAfter.ALWAYS_CONTINUE:
            await have_looked_at(services, self._run_id)
            return False, None
        view = await self._replay.load_all()
        if policy.bg_after is BackgroundAfter.LAST_COMPLETER and view.pending_steps:
            return False, None  # the last completer replays
        self._replay.of_run(run or await services.storage.run(self._run_id))
        return True, None

    async def _run_that_goes_on(self) -> RunRow | None:
        """The run's row; None where no step of it may run any more."""
        services = self._services
        try:
            run = await services.storage.run(self._run_id)
        except EntityNotFoundError:
            services.log.note(self._run_id, "a step message came for a run nobody created")
            return None
        if self._policy.bg_status_check is StatusCheck.EQ_RUNNING:
            return run if run.status is RunStatus.RUNNING else None
        return None if run.status in RUN_TERMINAL else run

    async def _handle_suspension(self, suspension: Suspension) -> tuple[bool, Redeliver | None]:
        """Record what the pass asked for, queue it, run what is ours (spec §3.6).

        (True, None) asks for the next pass; (False, answer) ends the delivery.
        """
        dispatcher = self._dispatcher
        if dispatcher is None:
            dispatcher = Dispatcher(self._services, self._run_id, self._by)
            self._dispatcher = dispatcher
        recorded = await self._record(suspension, dispatcher)
        if recorded.conflict:
            return False, Redeliver(0)
        recorded.owned |= self._carried
        self._carried = recorded.owned if recorded.again else set()
        if recorded.again:
            return True, None
        if not (recorded.steps or recorded.waits):
            return False, None
        view = self._replay.view
        assert view is not None
        if recorded.started:
            inline = [each for each in recorded.steps if each.correlation_id in recorded.started]
        else:
            inline = dispatcher.choose_inline(recorded, view)
        try:
            answer = await self._send(recorded, inline, dispatcher, view)
        except SimworldError:
            if recorded.started:  # nobody else may run them before their leases end
                reached("dispatch.refused_behind_start")
                await self._run_inline(inline, recorded, dispatcher, None)
            raise
        if not inline:
            return False, answer
        owned = [each.correlation_id for each in inline if each.correlation_id not in recorded.lazy]
        if owned:  # who creates a step by starting it owns it once that is accepted
            self._services.log.owned_inline(self._run_id, owned)
        return await self._run_inline(inline, recorded, dispatcher, answer)

    async def _send(
        self,
        recorded: Recorded,
        inline: list[StepRequest],
        dispatcher: Dispatcher,
        view: LogView,
    ) -> Redeliver | None:
        """The messages of what does not run here; what the delivery answers to be woken in time."""
        await dispatcher.send_steps(recorded, inline, view)
        now_ms = self._services.clock.now_ms()
        woken_for = self._message.wait_id
        again = await dispatcher.send_wait(recorded, now_ms, woken_for=woken_for)
        return wake(self._policy, recorded, now_ms) or again

    async def _record(self, suspension: Suspension, dispatcher: Dispatcher) -> Recorded:
        carried = len(self._carried)
        if self._recording is self._services:
            recorder = Recorder(self._services, self._run_id, publish=dispatcher.publish)
            return await recorder.record(suspension, carried=carried)
        if self._together is None:
            self._together = Together(
                self._recording,
                self._run_id,
                self._replay,
                dispatcher,
                self._executor,
                storage=self._services.storage,
                until_ms=self._began_ms + self._policy.inline_limit_ms,
            )
        return await self._together.record(suspension, carried=carried)

    async def _run_inline(
        self,
        inline: list[StepRequest],
        recorded: Recorded,
        dispatcher: Dispatcher,
        answer: Redeliver | None,
    ) -> tuple[bool, Redeliver | None]:
        """Run the bodies side by side, then go on as their results say."""
        self._services.queue.let_pass(self._delivery)
        if len(inline) == 1:
            outcomes = [await self._execute(inline[0], recorded)]
        else:
            parts = [(f"inline.{each.label}", self._execute(each, recorded)) for each in inline]
            outcomes = await self._services.tasks.gather(parts)
        if self._early is not None:
            self._early.is_early = False
        view = self._replay.view
        assert view is not None
        for step, outcome in zip(inline, outcomes, strict=True):
            if outcome.kind == RETRY:
                await dispatcher.send_retry(step, view, outcome.after_s)
        throttled = [each.after_s for each in outcomes if each.kind == THROTTLED]
        if throttled:
            return False, Redeliver(max(throttled))
        if any(each.pending_ops for each in outcomes):
            await self._go_on_later()
            return False, None
        return (False, answer) if all(each.kind == RETRY for each in outcomes) else (True, None)

    async def _go_on_later(self) -> None:
        """Hand over to a new message, which is what this one was."""
        if self._message.wait_id:  # it stands for the wait, too, as no other message does
            message = Message(self._run_id, wait_id=self._message.wait_id)
            await self._services.queue.send(message)
        else:
            await have_looked_at(self._services, self._run_id)

    async def _execute(self, step: StepRequest, recorded: Recorded) -> StepOutcome:
        lazy_input = step.input if step.correlation_id in recorded.lazy else b""
        early = self._early is not None and self._early.is_early
        return await self._executor.execute(
            step.correlation_id,
            step.step_name,
            inline=True,
            lazy_input=lazy_input,
            early=early and bool(lazy_input),
            row=recorded.started.get(step.correlation_id),
            complete=None if self._together is None else self._together.complete,
        )

    def _asks_for_more(self, suspension: Suspension) -> bool:
        """Whether a pass wants what is not in the log yet, or a timer that this message carries."""
        timers = self._policy.wait_dispatch is WaitDispatch.RETURN_VALUE
        for request in suspension.requests:
            if not request.created or (timers and isinstance(request, WaitRequest)):
                return True
            if isinstance(request, HookRequest) and (request.dispose or request.abort is not None):
                return True
        return False
