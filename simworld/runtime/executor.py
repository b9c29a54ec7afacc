"""The step executor: one start, one body, one result (spec §3.7).

L198 and L469 are the two attempt guards; who is right is the guards' affair (engine/attempts).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeAlias

import attrs

from simworld.engine import (
    EXHAUSTED,
    INTERRUPTED,
    CompleteErrors,
    FatalError,
    RetryableError,
    StartedBy,
    Step,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    Unstartable,
    after_error,
    apply_step,
    authoritative_attempt,
    before_body,
    decode_error,
    encode,
    encode_error,
    failure_owner,
    hydrate_args,
    mistake,
    start_condition,
    start_owner,
)
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    InternalError,
    RunExpiredError,
    SimworldError,
    ThrottleError,
    TooEarlyError,
    UsageError,
)
from simworld.marks import reached
from simworld.ports import BodyInfo
from simworld.runtime.context import BodyContext
from simworld.runtime.services import Services
from simworld.runtime.timer import ReplayTimer

COMPLETED, FAILED, SKIPPED, GONE = "completed", "failed", "skipped", "gone"
RETRY, THROTTLED = "retry", "throttled"
RETRY_S = 1
"""Seconds until a body that failed with an ordinary error is tried again."""


Complete: TypeAlias = Callable[[StepCompleted], Awaitable[bool]]
"""Records a step's result with what follows from it; False: it has recorded nothing."""


class StepOutcome(NamedTuple):
    """How an execution ended; ``after_s`` is set for retry and throttled."""

    kind: str
    after_s: int = 0
    pending_ops: bool = False
    """Completed, while some of its stream operations have not ended."""


@attrs.frozen
class _Started:
    """An accepted start: its row, and the step's own code."""

    row: StepRow
    step: Step[Any, Any]


class _Ran(NamedTuple):
    """How a body has ended."""

    result: bytes
    settled: bool
    """None of its stream operations is still under way."""
    error: Exception | None


class RetriesExhausted(Exception):
    """The recorded error of a step whose budget is used up."""


class StepExecutor:
    """Runs steps of one run for one delivery."""

    def __init__(self, services: Services, run_id: str, by: StartedBy, timer: ReplayTimer) -> None:
        self._services = services
        self._policy = services.policy
        self._create = services.storage.create
        self._run_id = run_id
        self._by = by
        self._timer = timer

    async def execute(
        self,
        step_id: str,
        step_name: str,
        *,
        inline: bool,
        lazy_input: bytes = b"",
        early: bool = False,
        row: StepRow | None = None,
        complete: Complete | None = None,
    ) -> StepOutcome:
        """Start the step, run its body, record the result.

        ``inline``: between two passes of this delivery; ``lazy_input``: the start creates the step;
        ``early``: and the body does not wait for it; ``row``: it is started already; ``complete``
        may record the result with what follows from it.
        Answers that belong to the step's own lifecycle become an outcome; other world faults are
        raised, so that the queue delivers the message again.
        """
        policy = self._policy
        step = self._services.program.steps.get(step_name)
        if step is None:
            known = ", ".join(sorted(self._services.program.steps))
            missing = FatalError(
                f"no step is called {step_name!r} in this program; known: {known or 'none'}; pass "
                "it to Program.of(workflow, *steps)"
            )
            return await self._fail(step_id, missing, kind="fatal", owner="")
        if row is None:
            fact = self.start(step_id, step_name, inline=inline, lazy_input=lazy_input)
            if early:
                return await self._execute_early(step, fact)
            answer = await self._start(fact)
            if isinstance(answer, StepOutcome):
                return answer
            row = answer
        why = before_body(policy, row, self._by, step.max_retries)
        if why:
            error = _give_up(why, row, step)
            return await self._fail(step_id, error, kind=why, owner=self._failure_owner())
        started = _Started(row, step)
        return await self._record(started, await self._run_body(started), complete)

    def start(
        self, step_id: str, step_name: str, *, inline: bool, lazy_input: bytes = b""
    ) -> StepStarted:
        """The start of a step by this delivery, now."""
        owner = start_owner(self._policy, self._by, inline=inline)
        lease_until_ms = self._services.clock.now_ms() + self._policy.lease_ms if owner else 0
        admit = start_condition(self._policy)
        return StepStarted(step_id, step_name, owner, lease_until_ms, admit, lazy_input)

    async def _start(self, fact: StepStarted) -> StepRow | StepOutcome:
        """The started step's row, or what it means that the start was refused."""
        try:
            row = (await self._create(self._run_id, fact)).step
        except (ThrottleError, TooEarlyError, RunExpiredError, EntityConflictError) as refusal:
            return _refused(refusal)
        except EntityNotFoundError:
            reached("start.before_creation")
            if self._policy.unstartable is Unstartable.RETRY:
                raise
            return StepOutcome(SKIPPED)
        assert row is not None
        return row

    async def _execute_early(self, step: Step[Any, Any], fact: StepStarted) -> StepOutcome:
        """The body runs beside its start; what it has done counts if that is accepted (R-63)."""
        assumed = apply_step(None, self._run_id, fact, self._services.clock.now_ms())
        started = _Started(assumed, step)
        parts: list[tuple[str, Coroutine[Any, Any, object]]] = [
            ("start", self._start(fact)),
            ("body", self._run_body(started)),
        ]
        row, ran = await self._services.tasks.gather(parts)
        if isinstance(row, StepOutcome):
            return row
        assert isinstance(ran, _Ran)
        return await self._record(started, ran)

    async def _run_body(self, started: _Started) -> _Ran:
        services, step_id = self._services, started.row.correlation_id
        row, step = started.row, started.step
        attempt = authoritative_attempt(self._policy, row, self._by)
        body = BodyInfo(
            self._run_id, step_id, step.name, attempt, row.attempt, row.lease_until_ms, row.input
        )
        context = BodyContext(services, body)
        self._timer.body_begins()
        error: Exception | None = None
        result, settled = b"", True
        try:
            await services.bodies.began(body)
            result = await self._call(step, context, row)
            settled = await context.settle()
        except (UsageError, InternalError):
            raise
        except Exception as raised:
            error = raised
        self._timer.body_ended()
        if error is not None:
            fatal = isinstance(error, FatalError)
            await services.bodies.ended(body, "fatal" if fatal else "error", error)
        else:
            await services.bodies.ended(body, "ok", None, result)
        return _Ran(result, settled, error)

    async def _record(
        self, started: _Started, ran: _Ran, complete: Complete | None = None
    ) -> StepOutcome:
        if ran.error is not None:
            return await self._body_failed(started, ran.error)
        fact = StepCompleted(started.row.correlation_id, ran.result)
        try:
            if complete is None or not ran.settled or not await complete(fact):
                await self._create(self._run_id, fact)
        except EntityConflictError:
            return StepOutcome(SKIPPED)
        except SimworldError as refusal:
            if self._policy.complete_errors is CompleteErrors.RETHROW and not isinstance(
                refusal, RunExpiredError
            ):
                raise
            return await self._body_failed(started, refusal)
        return StepOutcome(COMPLETED, pending_ops=not ran.settled)

    async def _call(self, step: Step[Any, Any], context: BodyContext, row: StepRow) -> bytes:
        """The body's result, encoded; what does not fit the step or cannot be stored is told."""
        place = f"step {step.name} ({row.correlation_id}, run {self._run_id})"
        try:
            args, kwargs = hydrate_args(step.function, row.input, skip=1)
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from error
        try:
            body = step.function(context, *args, **kwargs)
        except TypeError as error:
            raise FatalError(f"{place} was called with the wrong arguments: {error}") from error
        try:
            result = await body
        except UsageError as error:
            raise mistake(place, error) from error
        try:
            return encode(result)
        except UsageError as error:
            raise UsageError(f"the result of {place} cannot be stored: {error}") from error

    async def _body_failed(self, started: _Started, error: Exception) -> StepOutcome:
        row, step_id = started.row, started.row.correlation_id
        if isinstance(error, RunExpiredError):
            return StepOutcome(GONE)
        if isinstance(error, FatalError):
            return await self._fail(step_id, error, kind="fatal", owner=self._failure_owner())
        if after_error(self._policy, row, self._by, started.step.max_retries):
            return await self._fail(step_id, error, kind=EXHAUSTED, owner=self._failure_owner())
        after_ms, until_ms = RETRY_S * 1_000, 0
        if isinstance(error, RetryableError):
            after_ms = error.retry_after_ms
            until_ms = self._services.clock.now_ms() + after_ms
        fact = StepRetrying(
            step_id, encode_error(error, kind="error"), until_ms, self._failure_owner()
        )
        try:
            await self._create(self._run_id, fact)
        except EntityConflictError:
            return StepOutcome(SKIPPED)
        reached("retry.after_error")
        self._note("step failed, it is tried again", step_id, error)
        return StepOutcome(RETRY, max(1, math.ceil(after_ms / 1_000)))

    async def _fail(self, step_id: str, error: Exception, *, kind: str, owner: str) -> StepOutcome:
        try:
            await self._create(
                self._run_id, StepFailed(step_id, encode_error(error, kind=kind), owner)
            )
        except EntityConflictError:
            return StepOutcome(SKIPPED)
        except RunExpiredError:
            return StepOutcome(GONE)
        self._note("step failed", step_id, error)
        return StepOutcome(FAILED)

    def _failure_owner(self) -> str:
        return failure_owner(self._policy, self._by)

    def _note(self, message: str, step_id: str, error: Exception) -> None:
        self._services.log.note(self._run_id, message, step=step_id, error=repr(error))


def _refused(refusal: Exception) -> StepOutcome:
    """What a refused start means: one row per status and reason."""
    if isinstance(refusal, ThrottleError):
        return StepOutcome(THROTTLED, max(1, math.ceil(refusal.retry_after_s)))
    if isinstance(refusal, TooEarlyError):
        reached("start.refused_early")
        return StepOutcome(RETRY, max(1, math.ceil(refusal.retry_after_s)))
    if isinstance(refusal, RunExpiredError):
        return StepOutcome(GONE)
    return StepOutcome(SKIPPED)


def _give_up(why: str, row: StepRow, step: Step[Any, Any]) -> RetriesExhausted:
    if why == INTERRUPTED:
        killed = row.attempt - 1 - row.retries
        return RetriesExhausted(
            f"step {step.name}: {killed} starts ended without a result (their hosts died, or they "
            "outlived lease_ms); give it a larger crashes_max, or find what kills it"
        )
    cause = f"; last error: {decode_error(row.error)['message']}" if row.error else ""
    return RetriesExhausted(
        f"step {step.name} has used up its {step.max_retries} retries{cause}; raise max_retries, "
        "or catch StepFailedError in the workflow"
    )
