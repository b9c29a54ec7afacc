"""Partial order sampling (Yuan, Yang, Gu: "Partial Order Aware Concurrency Sampling", CAV 2018).

Every pending operation has a random priority and the highest runs.  Then the priorities of the
pending operations that conflict with it are drawn anew; those that do not conflict keep theirs,
because running them earlier or later would be the same partial order.  So the draws go to races
instead of to orders nobody can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.records import ChoicePoint, Profile, TaskView


class Pos:
    """Random priorities for operations; conflicts are by fine labels."""

    name = "pos"
    wants_all = False

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""
        self._random = stream.random
        self._drawn: dict[str, tuple[int, float]] = {}
        """task name → (its operation count, priority of the operation that is pending there)."""

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        drawn = self._drawn
        best, highest = 0, -1.0
        for index, task in enumerate(enabled):
            entry = drawn.get(task.name)
            if entry is None or entry[0] != task.ops:
                entry = drawn[task.name] = (task.ops, self._random())
            if entry[1] > highest:
                best, highest = index, entry[1]
        # What conflicts with the chosen operation forgets its priority, to be drawn anew at the
        # next choice.  This is ``records.conflict`` written out, since its calls would cost more
        # than all the rest; the chosen task may lose its own, as its next operation is a new one.
        for label, writes in enabled[best].op.fine.items():
            for task in enabled:
                other = task.op.fine.get(label)
                if other is not None and (writes or other):
                    drawn.pop(task.name, None)
        return best
