"""What the runtime tells about a run while it works on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from simworld.engine import EnginePolicy, Event, PassResult, Program, RunIdentity


class PassReport(NamedTuple):
    """A pass that has ended, with all it was a function of."""

    program: Program
    identity: RunIdentity
    log: Sequence[Event]
    """What it has seen; the invocation goes on adding to it, so look at it now or copy it."""
    policy: EnginePolicy
    now_ms: int
    result: PassResult
    retained: bool
    """It went on from an earlier pass of this invocation instead of starting anew."""


class RunLog(Protocol):
    """Listens; never answers, never fails, never waits."""

    def pass_ended(self, report: PassReport) -> None:
        """A pass has ended."""

    def note(self, run_id: str, message: str, **fields: object) -> None:
        """Something a person reading the run's log would want to know.

        ``message`` is a short fixed phrase ("step failed"); what varies goes into ``fields``.
        """
