"""Replay: follow a recorded schedule.

An entry *(T, until k)* means: as soon as T can run, choose it until it has performed k operations
or cannot go on; then the next entry.  While T is not born or blocked, and after the list: index 0.
So an entry needs none before it that only bring T about, and shrunk schedules stay short.

Two readings of one list.  *Loose*, for the shrinker: an entry whose task has ended or is past k
when its turn comes is skipped, and ``applied`` lists the entries that took effect.  *Strict*, for
a repro: the task must be about to do what was recorded; anything else is ``DidNotReproduce``, with
the number of the entry (decisions §4.8).
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.errors import DidNotReproduce
from simworld.records import Advance, ChoicePoint, Profile, Schedule, TaskView


class Replay:
    """Follows ``schedule``; after a trial ``applied`` is what it came to."""

    name = "replay"
    wants_all = True  # a block may begin or end where only one task is enabled

    def __init__(self, schedule: Schedule, *, strict: bool) -> None:
        self._entries = schedule.entries
        self._strict = strict
        self._reset()

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``; draws nothing."""
        self._reset()

    def _reset(self) -> None:
        self.applied: list[Advance] = []
        """The entries that took effect, each with the text of its first operation."""
        self._head = 0
        self._under_way = False
        """Whether the entry at the head has been applied."""
        self._seen: dict[str, TaskView] = {}

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        entries, seen = self._entries, self._seen
        for each in enabled:
            seen[each.name] = each
        while self._head < len(entries):
            entry = entries[self._head]
            task = seen.get(entry.task)
            index = _place(task, enabled)
            if task is not None and index >= 0 and task.ops < entry.until:
                if not self._under_way:
                    self._apply(entry, task)
                return index
            if not self._under_way:
                if task is None or not (task.ended or task.ops >= entry.until):
                    return 0  # it will come
                if self._strict:
                    raise self._misfit(entry, task)
            self._head += 1
            self._under_way = False
        return 0

    def _apply(self, entry: Advance, task: TaskView) -> None:
        op = task.op.text
        if self._strict and entry.op and entry.op != op:
            raise self._misfit(entry, task)
        self._under_way = True
        self.applied.append(Advance(entry.task, entry.until, op))

    def unfollowed(self) -> Advance | None:
        """The first entry the trial never came to; None when the whole list was followed."""
        first = self._head + self._under_way
        return self._entries[first] if first < len(self._entries) else None

    def _misfit(self, entry: Advance, task: TaskView) -> DidNotReproduce:
        doing = f", about to {entry.op!r}" if entry.op else ""
        wanted = f"entry {self._head + 1} of {len(self._entries)} wants {entry.task!r}{doing}"
        if task.ops >= entry.until:
            found = f"it has performed {task.ops} operations already"
        elif task.ended:
            found = f"it has ended after {task.ops} operations"
        else:
            found = f"it is about to {task.op.text!r}"
        return DidNotReproduce(
            f"the schedule does not fit the program: {wanted}, until its operation {entry.until}, "
            f"but {found}"
        )


def _place(wanted: TaskView | None, enabled: Sequence[TaskView]) -> int:
    """The task's index, or -1."""
    for index, task in enumerate(enabled):
        if task is wanted:
            return index
    return -1
