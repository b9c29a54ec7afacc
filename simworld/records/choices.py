"""Choices: what can be chosen, who chooses, and how a choice is written down.

A *schedule* is an advance list: ``(task, until its own k-th operation)`` entries, followed in
order, each as soon as its task can run; between and after them the default, which stays with the
current task and, when that one cannot go on, takes the lowest (first born).  Deleting an entry
shifts nothing else, which is why shrinking works.
A fault is a value beside the schedule (``records.faults``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from simworld.entropy import Stream


@attrs.define(eq=False, repr=False)
class Op:
    """One operation a task is about to perform; made once per (kind, entity) and shared.

    ``fine`` and ``coarse`` map an object's label to whether the operation writes it.  Coarse
    labels (a run's whole log) may be ignored by sampling explorers, never by proofs.
    """

    text: str
    """What it does, in words that are the same in every run of the same seed."""
    fine: dict[str, bool] = attrs.Factory(dict)
    coarse: dict[str, bool] = attrs.Factory(dict)

    def __repr__(self) -> str:
        return f"Op({self.text})"


def conflict(left: Op, right: Op, *, coarse: bool = False) -> bool:
    """Whether the two touch one object and at least one of them writes it."""
    if _meet(left.fine, right.fine):
        return True
    return coarse and _meet(left.coarse, right.coarse)


def _meet(left: dict[str, bool], right: dict[str, bool]) -> bool:
    for label, writes in left.items():
        other = right.get(label)
        if other is not None and (writes or other):
            return True
    return False


class TaskView(Protocol):
    """What an explorer sees of a task."""

    name: str
    """Its causal path, for example ``start/flow/work#3~2``."""
    birth: int
    """Order of creation in this trial; the lowest is the oldest task."""
    op: Op
    """The operation it performs next."""
    ops: int
    """How many operations it has performed so far."""
    since: int
    """The turn at which ``op`` became pending."""

    @property
    def ended(self) -> bool:
        """It has finished or its host is dead: it will never run again."""


class ChoicePoint(Protocol):
    """Where a choice is made."""

    turn: int
    """Operations performed so far in this trial, by all tasks."""
    now_ms: int
    """Virtual time."""
    staying: bool
    """Whether ``enabled[0]`` is the task that ran last, so that index 0 means *stay*."""


@attrs.frozen
class Profile:
    """What an undisturbed trial looks like; for explorers that weigh by expected work."""

    labels: tuple[str, ...] = ()
    """Fine labels that two or more tasks touch, in order of appearance."""
    counts: Mapping[str, Mapping[str, int]] = attrs.Factory(dict)
    """label → task name → how many operations of that task touch the label."""


class Explorer(Protocol):
    """Chooses the next task at every choice point."""

    name: str
    wants_all: bool
    """Ask also where only one task is enabled (replay does)."""

    def begin(self, stream: Stream, profile: Profile) -> None:
        """A new trial; ``stream`` is its own and fixes every draw of the trial."""

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """An index into ``enabled``; index 0 is the default (stay; else the lowest)."""


@attrs.frozen
class Advance:
    """Run ``task`` until it has performed ``until`` operations (or cannot go on)."""

    task: str
    until: int
    op: str = ""
    """Text of the first operation of this block: strict replay compares it."""


@attrs.frozen
class Schedule:
    """The recorded choices of a trial."""

    entries: tuple[Advance, ...] = ()
