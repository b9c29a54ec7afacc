"""Run twice: the same seed must give the same trial, choice by choice.

A wrapper around any explorer.  In the first trial it notes what it was asked and what the explorer
answered; after ``rewind`` it expects to be asked the same again, and says where not.  A difference
means that something other than the seed decides: the harness can then reproduce nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from simworld.entropy import Stream
from simworld.errors import UncontrolledNondeterminism
from simworld.records import ChoicePoint, Explorer, Profile, TaskView

USUAL_CAUSES = (
    "the real clock, iteration over a set, order by id() or hash(), a random generator without "
    "a seed, state that outlives a trial"
)


@attrs.frozen
class _Asked:
    """One choice: the question and the answer."""

    turn: int
    now_ms: int
    names: tuple[str, ...]
    texts: tuple[str, ...]
    chosen: int

    def __str__(self) -> str:
        tasks = ", ".join(
            f"{name} ({text})" for name, text in zip(self.names, self.texts, strict=True)
        )
        return f"turn {self.turn} at {self.now_ms} ms: {self.names[self.chosen]} out of {tasks}"


class RunTwice:
    """``begin``, trial, ``rewind``, ``begin`` with an identical stream, trial, ``finish``."""

    wants_all = True

    def __init__(self, inner: Explorer) -> None:
        self.name = inner.name
        self._inner = inner
        self._first: list[_Asked] = []
        self._second = -1
        """How many choices of the second trial agreed; -1 during the first."""

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""
        if self._second < 0:
            self._first = []
        self._inner.begin(stream, profile)

    def rewind(self) -> None:
        """The next trial is the second: it is compared with the one just recorded."""
        self._second = 0

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``; the inner one is asked only where it would be without us."""
        ask = len(enabled) > 1 or self._inner.wants_all
        index = self._inner.choose(point, enabled) if ask else 0
        asked = _Asked(
            point.turn,
            point.now_ms,
            tuple(task.name for task in enabled),
            tuple(task.op.text for task in enabled),
            index,
        )
        if self._second < 0:
            self._first.append(asked)
        else:
            self._compare(asked)
        return index

    def finish(self) -> None:
        """After the second trial: it must not have ended before the first one did."""
        if 0 <= self._second < len(self._first):
            raise _differ(self._first[self._second], None)

    def _compare(self, asked: _Asked) -> None:
        known = self._first[self._second] if self._second < len(self._first) else None
        if known != asked:
            raise _differ(known, asked)
        self._second += 1


def _differ(first: _Asked | None, second: _Asked | None) -> UncontrolledNondeterminism:
    turn = min(asked.turn for asked in (first, second) if asked is not None)
    return UncontrolledNondeterminism(
        f"the same seed gave two different trials; they first differ at turn {turn}\n"
        f"  first:  {first or 'had ended'}\n"
        f"  second: {second or 'had ended'}\n"
        f"usual causes: {USUAL_CAUSES}"
    )
