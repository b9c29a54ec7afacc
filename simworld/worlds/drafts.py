"""A draft of what comes next in a run's log: decided on and folded, but not yet recorded.

A draft lies over a fold, or over another draft, and leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from simworld.engine import Event, Fact, RunEnded, RunRow, RunStarted, RunStatus
from simworld.marks import reached
from simworld.ports import Answer
from simworld.worlds.fold import RunFold

T = TypeVar("T")


class _Over(dict[str, T]):
    """The rows that are new; for all others it asks the rows below."""

    __slots__ = ("_below",)

    def __init__(self, below: dict[str, T]) -> None:
        self._below = below

    def get(self, key: str, default: Any = None) -> Any:
        """The newest row."""
        found = dict.get(self, key)
        return self._below.get(key, default) if found is None else found

    def __missing__(self, key: str) -> T:
        return self._below[key]


class Draft(RunFold):
    """The rows of a run as they would be after ``events``."""

    __slots__ = ("base", "events")

    def __init__(self, below: RunFold) -> None:
        self.run_id = below.run_id
        self.base = self.count = below.count
        self.run: RunRow | None = below.run
        self.steps = _Over(below.steps)
        self.hooks = _Over(below.hooks)
        self.waits = _Over(below.waits)
        opened = self.run is not None and self.run.status is not RunStatus.PENDING
        self.opening = below.opening if opened else below.opening.copy()
        self.events: list[Event] = []

    def _release(self) -> None:
        """Nothing comes behind a run's end in one draft."""

    def write(
        self, fact: Fact, now_ms: int, run_ended: RunEnded, new_id: Callable[[], str]
    ) -> Answer:
        """Decide on ``fact`` and add its event, or two; or raise its refusal."""
        while True:
            stored = self.decide(fact, now_ms, run_ended)
            if stored is None:
                return self.answer(None)
            name, place = getattr(stored, "correlation_id", ""), self.count + 1
            event = Event(self.run_id, new_id(), place, now_ms, stored.type, name, stored)
            self.apply(event)
            self.events.append(event)
            if not (isinstance(fact, RunStarted) and stored.type == "run_created"):
                return self.answer(event)
            reached("run.created_by_start")

    def settle(self, fold: RunFold) -> None:
        """Move on what it lies over: it has been recorded, or is a part of the draft below."""
        if isinstance(fold, Draft):
            fold.events += self.events
        elif self.ended or fold.count != self.base:
            fold.absorb(self.events)
            return
        fold.count, fold.run, fold.opening = self.count, self.run, self.opening
        fold.steps.update(self.steps)
        fold.hooks.update(self.hooks)
        fold.waits.update(self.waits)
