"""Runs and steps: from a row and a fact to the next row, or to the error of the illegal move.

The tables decide (``tables``); ``apply_run`` and ``apply_step`` make the rows.  Order of checks for
step events (spec §1.3): run row, step row, step terminal, run terminal, retryAfter.
"""

from __future__ import annotations

from simworld.engine.events import (
    RunCompleted,
    RunCreated,
    RunFact,
    RunFailed,
    RunStarted,
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
from simworld.engine.lifecycle.tables import (
    LAZY_START,
    MISSING,
    RESILIENT_START,
    RUN_ENDED,
    RUN_ENDED_LEASED,
    RUN_MOVES,
    STEP_MOVES,
    Refusal,
    RunEnded,
)
from simworld.errors import EntityConflictError, EntityNotFoundError, TooEarlyError
from simworld.marks import reached

FAILURES = (StepFailed, StepRetrying)
"""What only the owner of the latest start may say."""


def apply_run(row: RunRow | None, run_id: str, fact: RunFact, now_ms: int) -> RunRow | None:
    """The run's next row; None when the fact is accepted without an event (already running).

    A missing run whose data run_started carries is created and started in one.  Raises
    ``EntityConflictError`` (409), ``RunExpiredError`` (410) or ``EntityNotFoundError`` (404) as the
    table says.
    """
    state = MISSING if row is None else row.status
    moves = RUN_MOVES[fact.type]
    if isinstance(fact, RunStarted) and fact.workflow_name:
        moves = RESILIENT_START
    move = moves[state]
    if isinstance(move, Refusal):
        raise move.error(fact.type, f"run {run_id}", state)
    if move is None:
        return None
    if row is None:
        assert isinstance(fact, RunCreated | RunStarted)
        started_at_ms = now_ms if move is RunStatus.RUNNING else 0
        return RunRow(run_id, move, fact.workflow_name, fact.input, now_ms, started_at_ms)
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


def check_step(
    run: RunRow | None,
    row: StepRow | None,
    fact: StepFact,
    now_ms: int,
    run_ended: RunEnded = RUN_ENDED,
) -> StepStatus:
    """The step's next status, or the refusal of spec §1.3 as an exception.

    Beyond the tables: a start may carry a condition (``StepStarted.admit``), a retry may not be
    early (425), and a failure told by a delivery that no longer owns the start is refused (409
    ``not_owner``), because whoever took the expired lease now answers for the step.
    """
    if run is None:
        raise EntityNotFoundError(f"{fact.type} refused: run of {fact.correlation_id} is missing")
    state = MISSING if row is None else row.status
    if isinstance(fact, StepStarted) and fact.input:
        move = LAZY_START[state]
    else:
        move = STEP_MOVES[fact.type][state]
    if isinstance(move, Refusal):
        raise move.error(fact.type, f"step {fact.correlation_id}", state)
    if run.status in RUN_TERMINAL:
        refusal = run_ended.get(fact.type, {}).get(state)
        if refusal is None and isinstance(fact, StepStarted) and fact.admit != "always":
            refusal = RUN_ENDED_LEASED.get(state)
        if refusal is not None:
            raise refusal.error(fact.type, f"run {run.run_id}", run.status)
    if row is not None:
        if isinstance(fact, StepStarted):
            _check_start(row, fact, now_ms)
        elif isinstance(fact, FAILURES) and fact.owner and fact.owner != row.owner:
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
    if row is None:
        assert isinstance(fact, StepStarted)  # lazy creation
        return StepRow(
            run_id,
            fact.correlation_id,
            fact.step_name,
            StepStatus.RUNNING,
            fact.input,
            now_ms,
            attempt=1,
            started_at_ms=now_ms,
            owner=fact.owner,
            lease_until_ms=fact.lease_until_ms,
            starts=(fact.owner,),
        )
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
