"""What the runtime tells about a run while it works on it."""

from __future__ import annotations

from typing import Protocol

from simworld.engine import PassResult


class RunLog(Protocol):
    """Listens; never answers, never fails, never waits."""

    def pass_ended(self, run_id: str, prefix_length: int, result: PassResult) -> None:
        """A pass over the first ``prefix_length`` events of the run's log has ended."""

    def note(self, run_id: str, message: str) -> None:
        """Something a person reading the run's log would want to know."""
