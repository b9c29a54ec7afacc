"""Ids of a real process: ULIDs, rising within the process and unique among processes."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from simworld.engine import ulid

_RANDOM_BITS = 80


class RealIds:
    """``ports.Ids``: 48 bits of time, then 80 of chance.

    Ids of one millisecond are counted up from the first one, so that a later id is always the
    larger one; of two processes' ids the clocks decide.
    """

    def __init__(
        self, now_ms: Callable[[], int], *, bits: Callable[[int], int] = secrets.randbits
    ) -> None:
        self._now_ms = now_ms
        self._bits = bits
        self._last = 0

    def _next(self) -> str:
        now = self._now_ms() << _RANDOM_BITS
        fresh = now | self._bits(_RANDOM_BITS - 1)  # one bit less leaves room for counting up
        later = now >> _RANDOM_BITS > self._last >> _RANDOM_BITS
        self._last = fresh if later else self._last + 1
        return ulid(self._last)

    def run_id(self) -> str:
        """See ``ports.Ids``."""
        return f"wrun_{self._next()}"

    def message_id(self) -> str:
        """See ``ports.Ids``."""
        return f"msg_{self._next()}"

    def event_id(self) -> str:
        """See ``ports.Ids``."""
        return f"evnt_{self._next()}"
