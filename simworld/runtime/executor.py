"""The step executor: one start, one body, one result (spec §3.7).

L198 and L469 are the two attempt guards; who is right is the guards' affair (engine/attempts).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

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
    StepContext,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    after_error,
    authoritative_attempt,
    before_body,
    decode,
    decode_error,
    encode,
    encode_error,
    start_condition,
    start_owner,
)
from simworld.errors import (
    EntityConflictError,
    InternalError,
    RunExpiredError,
    SimworldError,
    ThrottleError,
    TooEarlyError,
    UsageError,
)
from simworld.marks import reached
from simworld.ports import BodyInfo
from simworld.runtime.services import Services

COMPLETED, FAILED, SKIPPED, GONE = "completed", "failed", "skipped", "gone"
RETRY, THROTTLED = "retry", "throttled"
RETRY_S = 1
"""Seconds until a body that failed with an ordinary error is tried again."""


@attrs.frozen
class StepOutcome:
    """How an execution ended; ``after_s`` is set for retry and throttled."""

    kind: str
    after_s: int = 0


@attrs.frozen
class _Started:
    """An accepted start: its row, who made it, and the owner it was stamped with."""

    row: StepRow
    step: Step[Any, Any]
    by: StartedBy
    owner: str


class RetriesExhausted(Exception):
    """The recorded error of a step whose budget is used up."""


class StepExecutor:
    """Runs one step for one delivery."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._create = services.storage.create

    async def execute(
        self, run_id: str, step_id: str, step_name: str, by: StartedBy
    ) -> StepOutcome:
        """Start the step, run its body, record the result.

        Answers that belong to the step's own lifecycle become an outcome; other world faults are
        raised, so that the queue delivers the message again.
        """
        policy = self._services.policy
        step = self._services.program.steps.get(step_name)
        if step is None:
            known = ", ".join(sorted(self._services.program.steps))
            missing = FatalError(f"no step is called {step_name!r} here; known: {known}")
            return await self._fail(run_id, step_id, encode_error(missing, kind="fatal"), "")
        owner = start_owner(policy, by)
        lease_until_ms = self._services.clock.now_ms() + policy.lease_ms if owner else 0
        fact = StepStarted(step_id, step_name, owner, lease_until_ms, start_condition(policy))
        try:
            row = (await self._create(run_id, fact)).step
        except (ThrottleError, TooEarlyError, RunExpiredError, EntityConflictError) as refusal:
            return _refused(refusal)
        assert row is not None
        why = before_body(policy, row, by, step.max_retries)
        if why:
            return await self._fail(run_id, step_id, _give_up(why, row, step), owner)
        return await self._run_body(_Started(row, step, by, owner))

    async def _run_body(self, started: _Started) -> StepOutcome:
        policy, bodies = self._services.policy, self._services.bodies
        row, step = started.row, started.step
        run_id, step_id = row.run_id, row.correlation_id
        attempt = authoritative_attempt(policy, row, started.by)
        body = BodyInfo(run_id, step_id, step.name, attempt, row.attempt, row.lease_until_ms)
        try:
            await bodies.began(body)
            args, kwargs = decode(row.input)
            effect = partial(bodies.effect, body)
            context = StepContext(run_id, step_id, attempt, self._services.clock.sleep_ms, effect)
            result = encode(await step.function(context, *args, **kwargs))
        except (UsageError, InternalError):
            raise
        except FatalError as error:
            await bodies.ended(body, "fatal", error)
            return await self._fail(
                run_id, step_id, encode_error(error, kind="fatal"), started.owner
            )
        except Exception as error:
            await bodies.ended(body, "error", error)
            return await self._body_failed(started, error)
        await bodies.ended(body, "ok")
        try:
            await self._create(run_id, StepCompleted(step_id, result))
        except EntityConflictError:
            return StepOutcome(SKIPPED)
        except RunExpiredError:
            return StepOutcome(GONE)
        except SimworldError as error:
            if policy.complete_errors is CompleteErrors.RETHROW:
                raise
            return await self._body_failed(started, error)
        return StepOutcome(COMPLETED)

    async def _body_failed(self, started: _Started, error: Exception) -> StepOutcome:
        row, owner = started.row, started.owner
        run_id, step_id = row.run_id, row.correlation_id
        if after_error(self._services.policy, row, started.by, started.step.max_retries):
            return await self._fail(run_id, step_id, encode_error(error, kind=EXHAUSTED), owner)
        after_ms, until_ms = RETRY_S * 1_000, 0
        if isinstance(error, RetryableError):
            after_ms = error.retry_after_ms
            until_ms = self._services.clock.now_ms() + after_ms
        fact = StepRetrying(step_id, encode_error(error, kind="error"), until_ms, owner)
        try:
            await self._create(run_id, fact)
        except EntityConflictError:
            return StepOutcome(SKIPPED)
        reached("retry.after_error")
        return StepOutcome(RETRY, max(1, math.ceil(after_ms / 1_000)))

    async def _fail(self, run_id: str, step_id: str, error: bytes, owner: str) -> StepOutcome:
        try:
            await self._create(run_id, StepFailed(step_id, error, owner))
        except EntityConflictError:
            return StepOutcome(SKIPPED)
        except RunExpiredError:
            return StepOutcome(GONE)
        return StepOutcome(FAILED)


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


def _give_up(why: str, row: StepRow, step: Step[Any, Any]) -> bytes:
    if why == INTERRUPTED:
        killed = row.attempt - 1 - row.retries
        return encode_error(
            RetriesExhausted(f"interrupted: {killed} starts of {step.name} ended without a result"),
            kind=INTERRUPTED,
        )
    cause = f"; last error: {decode_error(row.error)['message']}" if row.error else ""
    return encode_error(
        RetriesExhausted(f"{step.name} exceeded max retries ({step.max_retries}){cause}"),
        kind=EXHAUSTED,
    )
