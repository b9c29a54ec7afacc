"""PCT (Burckhardt et al.: "A Randomized Scheduler with Probabilistic Guarantees", ASPLOS 2010).

Tasks get random priorities and the highest runs, until one of d − 1 random change points makes the
running task the lowest of all.  A bug that needs d ordered events is found with a probability of at
least 1 / (n·k^(d−1)) for n tasks and k points.  To keep k small, only *conflicting* points count:
those where the task is about to touch what several tasks touch in an undisturbed run; a change
anywhere else is the same as one at its next such operation.

It does not ask whether a rival is *about to* touch the same: under strict priorities the rivals
stand at their beginnings, and a lost update would have no change point at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.records import ChoicePoint, Op, Profile, TaskView

POINTS_ASSUMED = 60
"""Conflicting points of a trial about which nothing is known; there, every label counts."""


class Pct:
    """PCT for bugs of depth ``depth``: d − 1 change points."""

    wants_all = False

    def __init__(self, depth: int) -> None:
        self.name = f"pct{depth}"
        self._depth = depth
        self._profile: Profile | None = None
        self._shared: dict[str, None] = {}
        self._expected = POINTS_ASSUMED

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""
        if profile is not self._profile:
            self._learn(profile)
        self._random = stream.random
        self._priorities: dict[str, float] = {}
        self._lowest = 0.0
        self._seen = 0
        changes = [stream.between(1, self._expected) for _ in range(self._depth - 1)]
        self._changes = sorted(changes, reverse=True)
        """Numbers of the conflicting points still to be change points; the next one is last."""

    def _learn(self, profile: Profile) -> None:
        self._profile = profile
        self._shared = dict.fromkeys(profile.labels)
        points = sum(sum(profile.counts[label].values()) for label in profile.labels)
        self._expected = points or POINTS_ASSUMED

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        index = self._highest(enabled)
        changes = self._changes
        if changes and self._conflicting(enabled[index].op):
            self._seen += 1
            while changes and changes[-1] <= self._seen:
                changes.pop()
                self._lowest -= 1.0
                self._priorities[enabled[index].name] = self._lowest
                index = self._highest(enabled)
        return index

    def _highest(self, enabled: Sequence[TaskView]) -> int:
        """Where the task with the highest priority is; new tasks draw theirs here."""
        priorities = self._priorities
        best, highest = 0, float("-inf")
        for index, task in enumerate(enabled):
            priority = priorities.get(task.name)
            if priority is None:
                priority = priorities[task.name] = self._random()
            if priority > highest:
                best, highest = index, priority
        return best

    def _conflicting(self, op: Op) -> bool:
        """Whether it touches what several tasks touch."""
        shared = self._shared
        if not shared:
            return bool(op.fine)
        return any(label in shared for label in op.fine)
