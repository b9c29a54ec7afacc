"""Hooks, waits and attributes: from a row and a fact to the next row, or to the refusal.

The tables decide (``tables``).  Order of checks, as for steps: run row, own row, run terminal.
Who owns a token is for the world to know: it asks with ``HookConflict`` where one is taken.
"""

from __future__ import annotations

from typing import TypeVar

import attrs

from simworld.engine.events import (
    AttrSet,
    HookConflict,
    HookCreated,
    HookFact,
    WaitCreated,
    WaitFact,
)
from simworld.engine.lifecycle.rows import (
    RUN_TERMINAL,
    HookRow,
    HookStatus,
    RunRow,
    WaitRow,
    WaitStatus,
)
from simworld.engine.lifecycle.tables import (
    ATTR_MOVES,
    HOOK_MOVES,
    MISSING,
    RUN_ENDED,
    WAIT_MOVES,
    Refusal,
    RunEnded,
)

S = TypeVar("S", HookStatus, WaitStatus)


def check_hook(
    run: RunRow | None, row: HookRow | None, fact: HookFact, run_ended: RunEnded = RUN_ENDED
) -> HookStatus:
    """The hook's next status, or the refusal as an exception."""
    move = HOOK_MOVES[fact.type][MISSING if row is None else row.status]
    return _checked(move, run, row, fact, run_ended)


def check_wait(
    run: RunRow | None, row: WaitRow | None, fact: WaitFact, run_ended: RunEnded = RUN_ENDED
) -> WaitStatus:
    """The wait's next status, or the refusal as an exception."""
    move = WAIT_MOVES[fact.type][MISSING if row is None else row.status]
    return _checked(move, run, row, fact, run_ended)


def _checked(
    move: S | Refusal,
    run: RunRow | None,
    row: HookRow | WaitRow | None,
    fact: HookFact | WaitFact,
    run_ended: RunEnded,
) -> S:
    state = MISSING if row is None else row.status
    if run is None:
        raise Refusal.MISSING.error(fact.type, f"run of {fact.correlation_id}", MISSING)
    if isinstance(move, Refusal):
        kind = fact.type.partition("_")[0]
        raise move.error(fact.type, f"{kind} {fact.correlation_id}", state)
    if run.status in RUN_TERMINAL:
        refusal = run_ended.get(fact.type, {}).get(state)
        if refusal is not None:
            raise refusal.error(fact.type, f"run {run.run_id}", run.status)
    return move


def check_attr(run: RunRow | None, run_id: str, fact: AttrSet) -> None:
    """Raise the refusal, if there is one."""
    state = MISSING if run is None else run.status
    refusal = ATTR_MOVES[state]
    if refusal is not None:
        raise refusal.error(fact.type, f"run {run_id}", state)


def apply_hook(row: HookRow | None, run_id: str, fact: HookFact, now_ms: int) -> HookRow:
    """The hook's next row for a fact that ``check_hook`` has admitted."""
    if isinstance(fact, HookCreated):
        return HookRow(
            run_id,
            fact.correlation_id,
            fact.token,
            HookStatus.LIVE,
            now_ms,
            fact.metadata,
            fact.is_webhook,
            fact.is_system,
        )
    if isinstance(fact, HookConflict):
        return HookRow(run_id, fact.correlation_id, fact.token, HookStatus.CONFLICT, now_ms)
    assert row is not None
    return release_hook(row) if fact.type == "hook_disposed" else row


def release_hook(row: HookRow) -> HookRow:
    """The row of a live hook once its token is free: disposed of, or its run has ended."""
    return attrs.evolve(row, status=HookStatus.DISPOSED)


def apply_wait(row: WaitRow | None, run_id: str, fact: WaitFact, now_ms: int) -> WaitRow:
    """The wait's next row for a fact that ``check_wait`` has admitted."""
    if isinstance(fact, WaitCreated):
        return WaitRow(run_id, fact.correlation_id, WaitStatus.WAITING, fact.resume_at_ms, now_ms)
    assert row is not None
    return attrs.evolve(row, status=WaitStatus.COMPLETED, completed_at_ms=now_ms)
