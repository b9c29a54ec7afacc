"""What is asked of every append: what may be in it, and that nothing has happened meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from simworld.engine import TERMINAL_RUN_EVENTS
from simworld.errors import EntityConflictError, UsageError
from simworld.ports import BatchFact

_BATCH_FACTS: tuple[type[BatchFact], ...] = get_args(BatchFact)


def check_batch(facts: Sequence[BatchFact]) -> None:
    """``UsageError`` unless such facts can be recorded together."""
    if not facts:
        raise UsageError("an append of no facts records nothing; give at least one")
    for fact in facts:
        if not isinstance(fact, _BATCH_FACTS):
            raise UsageError(f"{fact.type} cannot be appended together with others; create it")
    for fact in facts[:-1]:
        if fact.type in TERMINAL_RUN_EVENTS:
            raise UsageError(f"{fact.type} is the run's end; append it last")


def check_unmoved(run_id: str, after: int | None, last: int) -> None:
    """``EntityConflictError`` (``moved``) unless ``last`` is the position the caller knows."""
    if after is not None and after != last:
        raise EntityConflictError(
            f"append refused: the log of run {run_id} ends at position {last}, not at {after}",
            reason="moved",
        )
