"""Rendezvous: let everyone come to one place, and only then let them go on.

Whoever is about to touch one randomly chosen label is parked there until nobody else can move;
then all of them go through, one directly after the other, in random order.  A race of m handlers
that all must do one thing before any of them does the next has depth m, which PCT finds in 0 of
200 000 schedules and this in 7 to 27 (design §4).

The first arrivals at the label may be let through (the creation of a step is no part of the race
for its start), so it parks from the k-th arrival on, with k drawn.  After a release it may arm
again, at the same label (for the same tasks' next meeting there) or at another.  Whenever it has
no opinion, an inner explorer chooses.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.explore.watched import LabelPool, pending_label
from simworld.records import ChoicePoint, Explorer, Profile, TaskView

FROM_PENDING = 0.5
"""How often the label is one that an enabled task is just about to touch, not the profile's."""
PENDING_AFTER_MAX = 40
"""Such a label is taken after up to so many choices."""
PASS_NONE = 0.5
"""How often the very first arrival is parked; otherwise up to ``PASSES_MAX`` are let through."""
PASSES_MAX = 6
REARM = 0.6
"""How often it parks once more after a release."""
SAME_LABEL = 0.5
"""How often it then parks at the same label."""


class Rendezvous:
    """Parks at one label over ``inner``, which must not mind that index 0 is not *stay* for it."""

    wants_all = False

    def __init__(self, inner: Explorer) -> None:
        self.name = "rendezvous" if inner.name == "uniform" else f"rendezvous_{inner.name}"
        self._inner = inner
        self._pool = LabelPool()

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``; the inner explorer draws from the same stream."""
        self._stream = stream
        self._pool.learn(profile)
        self._inner.begin(stream, profile)
        self._released: list[tuple[TaskView, int]] = []
        """Who still has to go through, and its operation count when it was released."""
        self._arm("" if stream.chance(FROM_PENDING) else self._pool.draw(stream))

    def _arm(self, label: str) -> None:
        """Park at ``label``, or, when it is "", at one that is pending some choices later."""
        stream = self._stream
        self._armed = True
        self._label = label
        self._wait = 0 if label else stream.below(PENDING_AFTER_MAX)
        self._passes = 0 if stream.chance(PASS_NONE) else stream.between(1, PASSES_MAX)

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        if self._released:
            index = self._next_released(enabled)
            if index >= 0:
                return index
        if not self._armed or not (self._label or self._find_label(enabled)):
            return self._inner.choose(point, enabled)
        label = self._label
        if self._passes:
            index = self._inner.choose(point, enabled)
            if label in enabled[index].op.fine:
                self._passes -= 1
            return index
        free = [task for task in enabled if label not in task.op.fine]
        if len(free) == len(enabled):
            return self._inner.choose(point, enabled)
        if free:
            chosen = free[self._inner.choose(point, free) if len(free) > 1 else 0]
            return enabled.index(chosen)
        return self._release(enabled)

    def _find_label(self, enabled: Sequence[TaskView]) -> bool:
        if self._wait:
            self._wait -= 1
            return False
        self._label = pending_label(self._stream, enabled)
        return bool(self._label)

    def _release(self, enabled: Sequence[TaskView]) -> int:
        """Nobody else can move: all go through; and perhaps they meet again."""
        stream = self._stream
        self._released = [(task, task.ops) for task in stream.shuffled(enabled)]
        self._armed = stream.chance(REARM)
        if self._armed:
            fresh = "" if stream.chance(FROM_PENDING) else self._pool.draw(stream)
            self._arm(self._label if stream.chance(SAME_LABEL) else fresh)
        return self._next_released(enabled)

    def _next_released(self, enabled: Sequence[TaskView]) -> int:
        """The next one to go through, or -1 when no more can."""
        while self._released:
            task, ops = self._released.pop()
            if task.ops == ops:  # else it went through when nobody had to be asked
                for index, other in enumerate(enabled):
                    if other is task:
                        return index
        return -1
