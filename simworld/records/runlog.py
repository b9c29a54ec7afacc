"""What the runtime notes about a run while it works on it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class RunLogLine:
    """One line of a run's log (``ports.RunLog.note``)."""

    turn: int | None
    """The turn during which it was noted, as stories count them; None: on a real host."""
    now_ms: int
    run: str
    task: str
    """The delivery or client that noted it; empty outside of tasks."""
    message: str
    """A short fixed phrase."""
    fields: Mapping[str, object]
    """What varies."""
