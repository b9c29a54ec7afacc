"""Replay: follow a recorded schedule.

An entry *(T, until k)* means: choose T while it is enabled and has performed fewer than k
operations; then the next entry.  After the list: index 0.

Two readings of one list.  *Loose*, for the shrinker: an entry whose task cannot run when its turn
comes is skipped, and ``applied`` lists the entries that took effect.  *Strict*, for a repro: the
task must be enabled and about to do what was recorded; anything else is ``DidNotReproduce``, with
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

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        entries = self._entries
        while self._head < len(entries):
            entry = entries[self._head]
            index = _place(entry.task, enabled)
            if index >= 0 and enabled[index].ops < entry.until:
                if not self._under_way:
                    self._apply(entry, enabled[index], enabled)
                return index
            if self._strict and not self._under_way:
                task = enabled[index] if index >= 0 else None
                raise self._misfit(entry, task, enabled)
            self._head += 1
            self._under_way = False
        return 0

    def _apply(self, entry: Advance, task: TaskView, enabled: Sequence[TaskView]) -> None:
        op = task.op.text
        if self._strict and entry.op and entry.op != op:
            raise self._misfit(entry, task, enabled)
        self._under_way = True
        self.applied.append(Advance(entry.task, entry.until, op))

    def unfollowed(self) -> Advance | None:
        """The first entry the trial never came to; None when the whole list was followed."""
        first = self._head + self._under_way
        return self._entries[first] if first < len(self._entries) else None

    def _misfit(
        self, entry: Advance, task: TaskView | None, enabled: Sequence[TaskView]
    ) -> DidNotReproduce:
        doing = f", about to {entry.op!r}" if entry.op else ""
        wanted = f"entry {self._head + 1} of {len(self._entries)} wants {entry.task!r}{doing}"
        if task is None:
            could = ", ".join(f"{other.name!r} ({other.op.text})" for other in enabled)
            found = f"it is not enabled; enabled: {could}"
        elif task.ops >= entry.until:
            found = f"it has performed {task.ops} operations already"
        else:
            found = f"it is about to {task.op.text!r}"
        return DidNotReproduce(
            f"the schedule does not fit the program: {wanted}, until its operation {entry.until}, "
            f"but {found}"
        )


def _place(name: str, enabled: Sequence[TaskView]) -> int:
    """The task's index, or -1."""
    for index, task in enumerate(enabled):
        if task.name == name:
            return index
    return -1
