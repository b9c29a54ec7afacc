"""What the workers of a pool are given, and their answers put back into the order of the trials.

Everything here is bookkeeping of one hunt: no process is started, nothing is waited for.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import attrs

from simworld.campaign.tally import Key, Tally, Told, told_variant
from simworld.campaign.variants import Variant
from simworld.records import FaultBudget, Finding

CHUNK_S = 0.2
"""How long a chunk of trials should take: handing one out costs a millisecond."""
CHUNK_FIRST, GROWTH = 4, 8
"""Trials of the first chunk, and how many times larger the next one may be."""


@attrs.frozen
class Order:
    """A hunt, as a worker is told of it."""

    scenario: str
    variant: Variant
    seed: int
    explorer: str
    case: str
    run_twice: bool
    faults: FaultBudget


@attrs.frozen
class Task:
    """Something for one worker to do."""

    order: Order
    first: int
    count: int
    key: Key | None = None
    """Shrink this failure of trial ``first``; None: run the trials."""
    deaths: int = 0
    """How many workers have died over it."""

    def __str__(self) -> str:
        where = f"of {self.order.scenario} on {told_variant(self.order.variant)}"
        if self.key is not None:
            return f"the shrinking of trial {self.first} {where}"
        if self.count == 1:
            return f"trial {self.first} {where}"
        return f"trials {self.first} to {self.first + self.count - 1} {where}"


class Answer(NamedTuple):
    """What a worker has done of a task."""

    told: list[Told]
    """Of its trials in order, up to the first that went wrong."""
    marks: Mapping[str, int]
    seconds: float
    finding: Finding | None
    error: BaseException | None


@attrs.define(eq=False)
class Search:
    """One hunt: what is to be done next, and what came of it so far."""

    order: Order
    tally: Tally
    trials: int
    seconds: float | None
    jobs: int = attrs.field(kw_only=True)
    shrink_seconds: float = 0.0
    _began: float = attrs.field(init=False, factory=time.perf_counter)
    _stopped: bool = attrs.field(init=False, default=False)
    _given: int = attrs.field(init=False, default=0)
    """The first trial that nobody was given."""
    _again: deque[Task] = attrs.field(init=False, factory=deque)
    """What comes before further trials: shrinking, and what somebody has died over."""
    _out: int = attrs.field(init=False, default=0)
    """Tasks under way."""
    _answers: dict[int, Answer] = attrs.field(init=False, factory=dict)
    """First trial of a chunk → its answer, where an earlier chunk's is missing."""
    _read: int = attrs.field(init=False, default=0)
    """The first trial that is not among ``_known``; -1 behind one that went wrong."""
    _known: deque[Told | BaseException | Mapping[str, int]] = attrs.field(init=False, factory=deque)
    """Trials in order, not counted yet: a finding of the first of them is still being shrunk.

    Behind the trials of a chunk the marks they have reached; at the end what went wrong, if so.
    """
    _shrunk: dict[Key, Finding | BaseException | None] = attrs.field(init=False, factory=dict)
    """Kinds of failure seen so far, with what came of shrinking them."""
    _speed: float = attrs.field(init=False, default=0.0)
    """Trials per second of one worker."""
    _size: int = attrs.field(init=False, default=CHUNK_FIRST)

    @property
    def done(self) -> bool:
        """Everything was run and counted."""
        return not (self._out or self._again or self._known or self._more())

    def _more(self) -> bool:
        if self._stopped or self._given >= self.trials:
            return False
        return self.seconds is None or not self._given or self._left_s() > 0

    def _left_s(self) -> float:
        assert self.seconds is not None
        return self.seconds - (time.perf_counter() - self._began)

    def next_task(self) -> Task | None:
        """What the next idle worker does; None where there is nothing."""
        if self._again:
            task = self._again.popleft()
        elif self._more():
            task = Task(self.order, self._given, self._next_size())
            self._given += task.count
        else:
            return None
        self._out += 1
        return task

    def _next_size(self) -> int:
        """Trials of the next chunk: ``CHUNK_S`` long, shorter where the hunt comes to its end."""
        left = self.trials - self._given
        fair = left // (2 * self.jobs)
        size = max(min(self._size, max(fair, self._size // 2)), 1)
        if self.seconds is not None and self._speed:
            size = min(size, max(int(self._speed * self._left_s()), 1))
        return min(size, left)

    def give_back(self, task: Task) -> None:
        """A task that was not done."""
        self._out -= 1
        if not (self._stopped and task.key is not None):
            self._again.appendleft(task)

    def take(self, task: Task, answer: Answer) -> None:
        """What a worker has done; everything that can be counted now is counted."""
        self._out -= 1
        if task.key is not None:
            self.shrink_seconds += answer.seconds
            self._shrunk[task.key] = answer.finding if answer.error is None else answer.error
        else:
            self._measure(answer)
            self._answers[task.first] = answer
            self._read_on()
        self._count()

    def _measure(self, answer: Answer) -> None:
        done = len(answer.told)
        if done:
            self._speed = done / max(answer.seconds, 1e-6)
            self._size = min(int(self._speed * CHUNK_S), self._size * GROWTH)

    def _read_on(self) -> None:
        """Put answers in order, and let new kinds of failure be shrunk."""
        while (answer := self._answers.pop(self._read, None)) is not None:
            for number, told in enumerate(answer.told, start=self._read):
                self._known.append(told)
                for key in told.keys:
                    if key not in self._shrunk:
                        self._shrunk[key] = None
                        if not self._stopped:  # else it is kept as it was found
                            self._again.append(Task(self.order, number, 1, key))
            self._known.append(answer.marks)
            self._read += len(answer.told)
            if answer.error is not None:
                self._known.append(answer.error)
                self.trials, self._read = self._given, -1  # what comes after it does not count
                return

    def _count(self) -> None:
        """Count trials in their order, as far as their findings are there."""
        while self._known:
            first = self._known[0]
            if isinstance(first, Told) and any(
                self._shrunk[key] is None for key in first.keys if key not in self.tally.findings
            ):
                return
            self._count_one(self._known.popleft())

    def _count_one(self, item: Told | BaseException | Mapping[str, int]) -> None:
        tally = self.tally
        if isinstance(item, BaseException):
            tally.number = tally.trials
            raise item
        if not isinstance(item, Told):
            tally.add_marks(item)
            return
        tally.number = tally.trials
        for key in tally.add(item):
            found = self._shrunk[key]
            if isinstance(found, BaseException):
                raise found
            assert found is not None
            tally.findings[key] = found

    def stop(self) -> None:
        """Nothing new is begun."""
        self._stopped = True
        self._again = deque(task for task in self._again if task.key is None)

    def finish(self, unshrunk: Callable[[int, Key], Finding]) -> None:
        """Count what is known; what nobody has shrunk is kept as it was found."""
        for item in self._known:
            if isinstance(item, Told):
                number = self.tally.trials
                for key in item.keys:
                    if self._shrunk.get(key) is None:
                        self._shrunk[key] = unshrunk(number, key)
            self._count_one(item)
        self._known.clear()
