"""Oldest first with noise: the operation that has waited longest, and now and then any other.

Oldest first moves all tasks in lockstep, which is how a busy queue serves equal handlers and where
races between equals live (design §4: it found a real engine's lockstep race in 26 of 60 schedules,
uniform and PCT in none).  The noise lets the lockstep slip by a turn or two.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.records import ChoicePoint, Profile, TaskView

NOISE = 0.15
"""How often a uniform choice replaces the oldest task."""


class Oldest:
    """Smallest ``since``; the first born of those that wait equally long."""

    name = "oldest"
    wants_all = False

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""
        self._random = stream.random

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        if self._random() < NOISE:
            return int(self._random() * len(enabled))
        best = 0
        oldest = enabled[0]
        since = oldest.since
        for index, task in enumerate(enabled):
            waiting = task.since
            if waiting < since or (waiting == since and task.birth < oldest.birth):
                best, oldest, since = index, task, waiting
        return best
