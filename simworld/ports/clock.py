"""Time, in whole milliseconds."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """A host's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return after ``duration_ms`` (≥ 0)."""
