"""Tokens of hooks over all runs (I-08): who owned which, from when to when.

Logs of several runs have no common order, only times, and those are taken a little before an event
is visible.  So it is the times for which hooks live that are compared, and an overlap that the
grain of clocks may explain is none.
"""

from __future__ import annotations

import bisect
from collections import deque

from simworld.check.law import EPSILON_MS, at
from simworld.records import Anomaly, LogAnomaly, LogPlace

TENURES_MAX = 100_000
"""Tenures that are over and still compared with others."""
NEAR_MAX = 64
"""A tenure is compared with so many that began before it, and so many that began later."""


class Tenure:
    """A hook's time with its token."""

    __slots__ = (
        "event_id",
        "from_ms",
        "hook_id",
        "place",
        "position",
        "run_id",
        "token",
        "until_ms",
    )

    def __init__(
        self,
        *,
        token: str,
        run_id: str,
        hook_id: str,
        from_ms: int,
        position: int,
        event_id: str,
        place: LogPlace,
    ) -> None:
        self.token = token
        self.run_id = run_id
        self.hook_id = hook_id
        self.from_ms = self.until_ms = from_ms
        self.position = position
        self.event_id = event_id
        self.place = place


class Tokens:
    """All tenures that are over; the live ones are known to their runs."""

    def __init__(self) -> None:
        self.dropped = 0
        self._over: deque[Tenure] = deque()
        self._of: dict[str, list[Tenure]] = {}

    def ended(self, tenure: Tenure, until_ms: int) -> LogAnomaly | None:
        """The tenure is over: which one of another run did it overlap with?

        One token may be owned thousands of times, so only the nearest in time are looked at.
        """
        tenure.until_ms = until_ms
        others = self._of.setdefault(tenure.token, [])
        at = bisect.bisect_right(others, tenure.from_ms, key=_from_ms)
        near = [*others[max(at - NEAR_MAX, 0) : at][::-1], *others[at : at + NEAR_MAX]]
        met = next((each for each in near if _overlap(tenure, each)), None)
        others.insert(at, tenure)
        self._over.append(tenure)
        if len(self._over) > TENURES_MAX:
            eldest = self._over.popleft()
            self.dropped += 1
            self._of[eldest.token].remove(eldest)
            if not self._of[eldest.token]:
                del self._of[eldest.token]
        return None if met is None else _told(*sorted((tenure, met), key=_from_ms))


def _from_ms(tenure: Tenure) -> int:
    return tenure.from_ms


def _overlap(one: Tenure, other: Tenure) -> bool:
    both_ms = min(one.until_ms, other.until_ms) - max(one.from_ms, other.from_ms)
    return one.run_id != other.run_id and both_ms > EPSILON_MS


def _told(first: Tenure, second: Tenure) -> LogAnomaly:
    both_ms = min(first.until_ms, second.until_ms) - second.from_ms
    message = (
        f"{second.hook_id} was given the token {second.token!r}, which {first.hook_id} of "
        f"{first.run_id} owned for {both_ms} ms more"
    )
    anomaly = Anomaly("I-08", "token-owned-twice", message, at(second.hook_id), second.position)
    return LogAnomaly(
        anomaly,
        second.run_id,
        second.position,
        "hook_created",
        second.event_id,
        second.place,
    )
