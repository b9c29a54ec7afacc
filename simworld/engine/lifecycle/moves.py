"""Lifecycles: which event may follow which state, and the exact error of each illegal move.

Two tables (spec §1.3, decisions §5.13) decide everything; a move is illegal because the table has
a refusal in its cell.  ``apply_run`` and ``apply_step`` turn a row and a fact into the next row.
Order of checks for step events: run row, step row, step terminal, run terminal, retryAfter.
"""

from __future__ import annotations

import enum

from simworld.engine.events import (
    RunCompleted,
    RunCreated,
    RunFact,
    RunFailed,
    StepCompleted,
    StepCreated,
    StepFact,
    StepFailed,
    StepRetrying,
    StepStarted,
)
from simworld.engine.lifecycle.rows import (
    RUN_TERMINAL,
    RunRow,
    RunStatus,
    StepRow,
    StepStatus,
)
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    RunExpiredError,
    TooEarlyError,
)
from simworld.marks import reached


class Refusal(enum.Enum):
    """Why a cell of a table refuses: (status, reason)."""

    EXISTS = (409, "exists")
    TERMINAL = (409, "terminal")
    EXPIRED = (410, "run ended")
    MISSING = (404, "missing")


MISSING = "missing"
TERMINAL = "terminal"

RUN_MOVES: dict[str, dict[str, RunStatus | Refusal | None]] = {
    # event → state → next state; None: accepted without event (idempotent)
    "run_created": {
        MISSING: RunStatus.PENDING,
        RunStatus.PENDING: Refusal.EXISTS,
        RunStatus.RUNNING: Refusal.EXISTS,
        RunStatus.COMPLETED: Refusal.EXISTS,
        RunStatus.FAILED: Refusal.EXISTS,
        RunStatus.CANCELLED: Refusal.EXISTS,
    },
    "run_started": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.RUNNING,
        RunStatus.RUNNING: None,
        RunStatus.COMPLETED: Refusal.EXPIRED,
        RunStatus.FAILED: Refusal.EXPIRED,
        RunStatus.CANCELLED: Refusal.EXPIRED,
    },
    "run_completed": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.COMPLETED,
        RunStatus.RUNNING: RunStatus.COMPLETED,
        RunStatus.COMPLETED: Refusal.TERMINAL,
        RunStatus.FAILED: Refusal.TERMINAL,
        RunStatus.CANCELLED: Refusal.TERMINAL,
    },
    "run_failed": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.FAILED,
        RunStatus.RUNNING: RunStatus.FAILED,
        RunStatus.COMPLETED: Refusal.TERMINAL,
        RunStatus.FAILED: Refusal.TERMINAL,
        RunStatus.CANCELLED: Refusal.TERMINAL,
    },
    "run_cancelled": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.CANCELLED,
        RunStatus.RUNNING: RunStatus.CANCELLED,
        RunStatus.COMPLETED: Refusal.TERMINAL,
        RunStatus.FAILED: Refusal.TERMINAL,
        RunStatus.CANCELLED: RunStatus.CANCELLED,
    },
}

STEP_MOVES: dict[str, dict[str, StepStatus | Refusal]] = {
    "step_created": {
        MISSING: StepStatus.PENDING,
        StepStatus.PENDING: Refusal.EXISTS,
        StepStatus.RUNNING: Refusal.EXISTS,
        StepStatus.COMPLETED: Refusal.EXISTS,
        StepStatus.FAILED: Refusal.EXISTS,
    },
    "step_started": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.RUNNING,
        StepStatus.RUNNING: StepStatus.RUNNING,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
    "step_completed": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.COMPLETED,
        StepStatus.RUNNING: StepStatus.COMPLETED,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
    "step_failed": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.FAILED,
        StepStatus.RUNNING: StepStatus.FAILED,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
    "step_retrying": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.PENDING,
        StepStatus.RUNNING: StepStatus.PENDING,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
}

RUN_ENDED: dict[str, dict[str, Refusal]] = {
    # what a terminal run adds to STEP_MOVES: event → step state → refusal
    "step_created": {MISSING: Refusal.TERMINAL},
    "step_started": {StepStatus.PENDING: Refusal.EXPIRED},
}


def _refuse(refusal: Refusal, event_type: str, entity: str, state: str) -> Exception:
    status, reason = refusal.value
    text = f"{event_type} refused: {entity} is {state}"
    if status == 410:
        return RunExpiredError(text)
    if status == 404:
        return EntityNotFoundError(text)
    return EntityConflictError(text, reason=str(reason))


def apply_run(row: RunRow | None, run_id: str, fact: RunFact, now_ms: int) -> RunRow | None:
    """The run's next row; None when the fact is accepted without an event (already running).

    Raises ``EntityConflictError`` (409), ``RunExpiredError`` (410) or ``EntityNotFoundError``
    (404) as the table says.
    """
    state = MISSING if row is None else row.status
    move = RUN_MOVES[fact.type][state]
    if isinstance(move, Refusal):
        raise _refuse(move, fact.type, f"run {run_id}", state)
    if move is None:
        return None
    if row is None:
        assert isinstance(fact, RunCreated)
        return RunRow(run_id, move, fact.workflow_name, fact.input, now_ms)
    ended = move in RUN_TERMINAL
    return RunRow(
        run_id,
        move,
        row.workflow_name,
        row.input,
        row.created_at_ms,
        row.started_at_ms if ended else now_ms,
        now_ms if ended else 0,
        fact.output if isinstance(fact, RunCompleted) else b"",
        fact.error if isinstance(fact, RunFailed) else b"",
        fact.code if isinstance(fact, RunFailed) else "",
    )


def check_step(run: RunRow | None, row: StepRow | None, fact: StepFact, now_ms: int) -> StepStatus:
    """The step's next status, or the refusal of spec §1.3 as an exception.

    Beyond the tables: a start may carry a condition (``StepStarted.admit``), a retry may not be
    early (425), and a failure told by a delivery that no longer owns the start is refused (409
    ``not_owner``), because whoever took the expired lease now answers for the step.
    """
    if run is None:
        raise EntityNotFoundError(f"{fact.type} refused: run of {fact.correlation_id} is missing")
    state = MISSING if row is None else row.status
    move = STEP_MOVES[fact.type][state]
    if isinstance(move, Refusal):
        raise _refuse(move, fact.type, f"step {fact.correlation_id}", state)
    if run.status in RUN_TERMINAL:
        refusal = RUN_ENDED.get(fact.type, {}).get(state)
        if refusal is not None:
            raise _refuse(refusal, fact.type, f"run {run.run_id}", run.status)
    if row is not None:
        if isinstance(fact, StepStarted):
            _check_start(row, fact, now_ms)
        elif isinstance(fact, StepFailed | StepRetrying) and fact.owner and fact.owner != row.owner:
            raise EntityConflictError(
                f"{fact.type} refused: step {fact.correlation_id} is owned by {row.owner!r}",
                reason="not_owner",
            )
    return move


def _check_start(row: StepRow, fact: StepStarted, now_ms: int) -> None:
    if row.retry_after_ms > now_ms:
        raise TooEarlyError(
            f"step {row.correlation_id} may not start before {row.retry_after_ms}",
            retry_after_s=(row.retry_after_ms - now_ms) / 1000,
        )
    if row.status is not StepStatus.RUNNING or fact.admit == "always":
        return
    if fact.admit == "not_running":
        reached("start.refused_running")
        raise EntityConflictError(f"step {row.correlation_id} is running", reason="running")
    if row.lease_until_ms > now_ms and fact.owner != row.owner:
        reached("start.refused_leased")
        raise TooEarlyError(
            f"step {row.correlation_id} is leased to {row.owner}",
            retry_after_s=(row.lease_until_ms - now_ms) / 1000,
        )


def apply_step(row: StepRow | None, run_id: str, fact: StepFact, now_ms: int) -> StepRow:
    """The step's next row for a fact that ``check_step`` has admitted."""
    if isinstance(fact, StepCreated):
        return StepRow(
            run_id, fact.correlation_id, fact.step_name, StepStatus.PENDING, fact.input, now_ms
        )
    assert row is not None
    if isinstance(fact, StepStarted):
        return StepRow(
            run_id,
            row.correlation_id,
            row.step_name,
            StepStatus.RUNNING,
            row.input,
            row.created_at_ms,
            row.attempt + 1,
            row.error,
            b"",
            0,
            row.started_at_ms or now_ms,
            0,
            fact.owner,
            fact.lease_until_ms,
            row.retries,
            (*row.starts, fact.owner),
        )
    ended = not isinstance(fact, StepRetrying)
    return StepRow(
        run_id,
        row.correlation_id,
        row.step_name,
        _AFTER[fact.type],
        row.input,
        row.created_at_ms,
        row.attempt,
        row.error if isinstance(fact, StepCompleted) else fact.error,
        fact.result if isinstance(fact, StepCompleted) else b"",
        fact.retry_after_ms if isinstance(fact, StepRetrying) else row.retry_after_ms,
        row.started_at_ms,
        now_ms if ended else 0,
        row.owner if ended else "",
        row.lease_until_ms if ended else 0,
        row.retries if ended else row.retries + 1,
        row.starts,
    )


_AFTER = {
    "step_completed": StepStatus.COMPLETED,
    "step_failed": StepStatus.FAILED,
    "step_retrying": StepStatus.PENDING,
}
