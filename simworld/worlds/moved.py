"""The condition of an append: nothing has happened to the run since its caller looked."""

from __future__ import annotations

from simworld.errors import EntityConflictError


def check_unmoved(run_id: str, after: int | None, last: int) -> None:
    """``EntityConflictError`` (``moved``) unless ``last`` is the position the caller knows."""
    if after is not None and after != last:
        raise EntityConflictError(
            f"append refused: the log of run {run_id} ends at position {last}, not at {after}",
            reason="moved",
        )
