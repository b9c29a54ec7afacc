"""Data that is drawn pick by pick, kept as its picks, and made simpler by leaving some out.

A drawer asks for one small number after the other; 0 is the simplest answer.  The numbers alone
are the whole data: reading them again gives the same thing, so that a hunt keeps them as a trial's
values and Hypothesis draws them.  While it is drawn, the data tells which picks belong together, so
that a shrinker knows what may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

Pick = Callable[[int], int]
"""Draws a number in [0, bound); 0 is the simplest choice, so that a shrinker goes there."""

Span = tuple[int, int]
"""Where some picks begin and where they end."""

GOES_ON = 3
"""One in so many lists ends after an element that need not be the last."""


class Drawing:
    """One drawing: the picks so far, and what they are for."""

    __slots__ = ("_lists", "_nodes", "_pick", "picks")

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self.picks: list[int] = []
        self._nodes: list[Span] = []
        self._lists: list[list[Span]] = []

    def __call__(self, bound: int) -> int:
        """The next pick."""
        picked = self._pick(bound)
        self.picks.append(picked)
        return picked

    def node(self, draw: Callable[[], T]) -> T:
        """What ``draw`` draws; something inside of it may stand in its place."""
        start = len(self.picks)
        drawn = draw()
        self._nodes.append((start, len(self.picks)))
        return drawn

    def several(self, draw: Callable[[], T], *, least: int, most: int) -> list[T]:
        """Whether another one follows is asked one by one, so that any of them may be left out."""
        spans: list[Span] = []
        drawn: list[T] = []
        while len(drawn) < least or (len(drawn) < most and self(GOES_ON)):
            start = len(self.picks)
            drawn.append(draw())
            spans.append((start, len(self.picks)))
        if len(drawn) > least:
            # The first ones are not asked for: the question after the last of them goes instead.
            asked = spans[least][0] - 1
            first = [[span, (asked, asked + 1)] for span in spans[:least]]
            self._lists += [*first, *([(start - 1, end)] for start, end in spans[least:])]
        return drawn

    def simpler(self) -> Iterator[tuple[int, ...]]:
        """Picks of simpler data: something left out, replaced by a part of it, or made smaller."""
        picks = tuple(self.picks)
        fewer = [*self._lists, *self._hoisted()]
        for spans in sorted(fewer, key=_size, reverse=True):
            yield _without(picks, spans)
        for start, end in self._nodes:
            if any(picks[start:end]):
                yield (*picks[:start], 0, 0, *picks[end:])
        for index, value in enumerate(picks):
            if value:
                yield (*picks[:index], 0, *picks[index + 1 :])

    def _hoisted(self) -> Iterator[list[Span]]:
        """What to leave out, so that a node inside of another one takes that one's place."""
        for start, end in self._nodes:
            for first, last in self._nodes:
                if (start < first and last <= end) or (start <= first and last < end):
                    yield [(start, first), (last, end)]


def _size(spans: Sequence[Span]) -> int:
    return sum(end - start for start, end in spans)


def _without(picks: tuple[int, ...], spans: Sequence[Span]) -> tuple[int, ...]:
    gone = {index for start, end in spans for index in range(start, end)}
    return tuple(value for index, value in enumerate(picks) if index not in gone)


def reading(picks: Sequence[int]) -> Drawing:
    """A drawing of what was picked before; what is too large is cut, and what is missing is 0."""
    left = iter(picks)
    return Drawing(lambda bound: min(next(left, 0), bound - 1))


def simpler_picks(
    picks: Sequence[int], draw: Callable[[Drawing], object]
) -> Iterator[tuple[int, ...]]:
    """Picks of simpler data than ``picks`` are of, the simplest first; ``draw`` reads them."""
    drawing = reading(picks)
    draw(drawing)
    tried = {tuple(picks)}
    for each in drawing.simpler():
        again = reading(each)
        draw(again)
        found = tuple(again.picks)
        if found not in tried and (sum(found), len(found)) < (sum(picks), len(picks)):
            tried.add(found)
            yield found
