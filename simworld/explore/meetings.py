"""Meetings: two operations of a trace that conflict and could have come in the other order.

An operation *happens before* another if its task performs it earlier, if it has made the other's
task, if both touch an object that one of them writes, and so on along such pairs.  Two that
conflict meet if nothing but their own conflict orders them (Flanagan and Godefroid, "Dynamic
Partial-Order Reduction", 2005).  Time stands still while anybody can run, so they are of the same
virtual time, too.

``exchanged`` is the schedule in which the second goes first and all else stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from simworld.records import Advance, Schedule, Turn

Clock = dict[str, int]
"""Task → how many of its operations have happened before."""

NEAR = 100
"""Turns between two that are still worth naming together."""
_QUEUED = "queued as "
"""How the outcome of a send begins."""
_GOES_ON = ("go on: ", "get the answer: ")
"""How operations begin that wait for others of the same handler."""


@attrs.frozen
class Meeting:
    """Two places in a trace."""

    first: int
    second: int
    object: str
    """The label of what both touch."""
    before: Mapping[str, int] = attrs.Factory(dict)
    """The clock of the second without the first, where it matters."""


def meetings(trace: Sequence[Turn]) -> list[Meeting]:
    """Every pair that meets, in the order of the second operations."""
    found: list[Meeting] = []
    numbers = [number for _, number, _ in _identities(trace)]
    past = _Past()
    clocks: list[Clock] = []
    touched: dict[str, list[int]] = {}
    """Label → who has written it last, and who has read it since."""
    for second, turn in enumerate(trace):
        clock = past.of(turn)
        meets = {index for label in turn.labels for index in _conflicting(trace, touched, label)}
        for first in sorted(meets, reverse=True):
            other = trace[first]
            if clock.get(other.task, 0) >= numbers[first]:
                continue
            if other.now_ms == turn.now_ms:
                found.append(Meeting(first, second, common_object(other, turn), dict(clock)))
            _join(clock, clocks[first])
        clock[turn.task] = numbers[second]
        clocks.append(clock)
        past.add(turn, clock)
        for label, writes in turn.labels:
            if writes:
                touched[label] = [second]
            else:
                touched.setdefault(label, []).append(second)
    return found


class _Past:
    """What happens before a task's next operation, whatever that touches."""

    def __init__(self) -> None:
        self._last: dict[str, Clock] = {}
        """Of one that has performed nothing: the clock of who has sent it."""
        self._below: dict[str, list[str]] = {}
        """Task → its branches, jobs and requests."""

    def of(self, turn: Turn) -> Clock:
        """The clock of a turn that comes next; no operation is in it yet."""
        task = turn.task
        known = self._last.get(task)
        if known is None:
            above, _, part = task.rpartition("/")
            if "~" in part:  # a message that is delivered again was sent once
                return dict(self._last.get(task.rpartition("~")[0], {}))
            self._below.setdefault(above, []).append(task)
            return dict(self._last.get(above, {}))
        clock = dict(known)
        if turn.op.startswith(_GOES_ON):
            for each in self._below.get(task, ()):
                _join(clock, self._last[each])
        return clock

    def add(self, turn: Turn, clock: Clock) -> None:
        """The turn has been performed."""
        self._last[turn.task] = clock
        if turn.outcome.startswith(_QUEUED):
            self._last[turn.outcome.removeprefix(_QUEUED).split(",")[0]] = clock


def _join(clock: Clock, other: Mapping[str, int]) -> None:
    for task, count in other.items():
        clock[task] = max(count, clock.get(task, 0))


def _conflicting(
    trace: Sequence[Turn], touched: Mapping[str, list[int]], label: tuple[str, bool]
) -> Iterator[int]:
    """Those before whom an operation that touches ``label`` conflicts with."""
    name, writes = label
    for index in touched.get(name, ()):
        if writes or (name, True) in trace[index].labels:
            yield index


def common_object(left: Turn, right: Turn) -> str:
    """An object both touch and one writes; a run's whole log only where there is nothing finer, a
    file or folder only where there is no other name for it."""
    others = dict(right.labels)
    shared = [
        label
        for label, writes in left.labels
        if (other := others.get(label)) is not None and (writes or other)
    ]
    return min(shared, key=lambda label: (" " not in label, label.startswith("log ")), default="")


def overtakings(trace: Sequence[Turn]) -> list[Meeting]:
    """Conflicting pairs that do not meet, for what one has done in between bears on the other; of
    equal ones by one task the first."""
    met = {(each.first, each.second) for each in meetings(trace)}
    numbers = [number for _, number, _ in _identities(trace)]
    found: dict[tuple[int, str, str], Meeting] = {}
    for second, turn in enumerate(trace):
        for first in range(max(second - NEAR, 0), second):
            other = trace[first]
            if (
                other.now_ms == turn.now_ms
                and (first, second) not in met
                and not _of_one(other.task, turn.task)
                and (label := common_object(other, turn))
            ):
                own = {turn.task: numbers[second]}
                found.setdefault((first, turn.task, label), Meeting(first, second, label, own))
    return list(found.values())


def _of_one(task: str, other: str) -> bool:
    """Whether one is the other, or has caused it."""
    return f"{task}/".startswith(f"{other}/") or f"{other}/".startswith(f"{task}/")


def exchanged(trace: Sequence[Turn], meeting: Meeting, *, running_on: bool = False) -> Schedule:
    """The trace's own order, but the second operation, with all it needs, before the first.

    ``running_on``: and after it whatever else its task can do by then.
    """
    first, second = meeting.first, meeting.second
    needed: list[str] = []
    later: list[str] = []
    for index, (task, number, _) in enumerate(_identities(trace[: second + 1])):
        if index >= first:
            is_needed = index == second or meeting.before.get(task, 0) >= number
            (needed if is_needed else later).append(task)
    blocks = _Blocks()
    blocks.add(turn.task for turn in trace[:first])
    blocks.add(needed)
    if running_on:
        blocks.entries.append(Advance(trace[second].task, len(trace) + 1))
    blocks.add(later)
    blocks.add(turn.task for turn in trace[second + 1 :])
    return Schedule(tuple(blocks.entries))


class _Blocks:
    """A schedule that is made operation by operation."""

    def __init__(self) -> None:
        self.entries: list[Advance] = []
        self._done: Clock = {}

    def add(self, tasks: Iterable[str]) -> None:
        """Each of these performs an operation, in this order."""
        for task in tasks:
            until = self._done[task] = self._done.get(task, 0) + 1
            if self.entries and self.entries[-1] == Advance(task, until - 1):
                self.entries.pop()
            self.entries.append(Advance(task, until))


def turned_round(trace: Sequence[Turn], other: Sequence[Turn]) -> list[Meeting]:
    """Conflicting pairs of a trace that another one has in the other order, near ones only.

    What lies between them may order them, too, so they need not have met.
    """
    places = {name: index for index, name in enumerate(_names(other))}
    at = [places.get(name, -1) for name in _names(trace)]
    found = []
    for first, turn in enumerate(trace):
        for second in range(first + 1, min(first + NEAR, len(trace))):
            later = trace[second]
            if (
                later.task != turn.task
                and 0 <= at[second] < at[first]
                and later.now_ms == turn.now_ms
                and (label := common_object(turn, later))
            ):
                found.append(Meeting(first, second, label))
    return found


def _identities(trace: Sequence[Turn]) -> Iterator[tuple[str, int, str]]:
    """What an operation is in every trace: whose, which one of its task, and what."""
    done: Clock = {}
    for turn in trace:
        number = done[turn.task] = done.get(turn.task, 0) + 1
        yield turn.task, number, turn.op


def _names(trace: Sequence[Turn]) -> Iterator[tuple[str, str, int]]:
    """What an operation is in every trace, whatever else its task does: whose, what, and which one
    of these."""
    done: dict[tuple[str, str], int] = {}
    for turn in trace:
        kind = turn.task, turn.op
        number = done[kind] = done.get(kind, 0) + 1
        yield *kind, number
