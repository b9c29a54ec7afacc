"""What logs fold to, for processes that begin with nothing: simulated ones do so all the time.

Equal files are decoded to one event (``codec.decode_event`` remembers), so a log that has been read
before is a known chain of known objects, and what it folds to need not be worked out again.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import Event
from simworld.worlds.fold import RunFold

PREFIXES_MAX = 20_000
"""Prefixes that are remembered; then it begins anew."""


class _Prefix:
    """A log up to an event, by its number; the fold, if a process has read just so far."""

    __slots__ = ("event", "fold", "number")

    def __init__(self, event: Event, number: int) -> None:
        self.event = event  # kept, so that nothing else gets its identity
        self.number = number
        self.fold: RunFold | None = None


class Prefixes:
    """Shared by instances of one world, or of many."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], _Prefix] = {}
        """(number of the prefix before, identity of the event) → the prefix with it."""
        self._count = 0

    def absorb(self, fold: RunFold, events: Sequence[Event]) -> None:
        """Move a fold that has seen nothing on by a log from its beginning."""
        if len(self._known) > PREFIXES_MAX:
            self._known.clear()
        number, last, folded, at = 0, None, None, 0
        for index, event in enumerate(events, start=1):
            key = (number, id(event))
            last = self._known.get(key)
            if last is None:
                self._count += 1
                last = self._known[key] = _Prefix(event, self._count)
            number = last.number
            if last.fold is not None:
                folded, at = last.fold, index
        if folded is not None:
            fold.become(folded)
        fold.absorb(events[at:])
        if last is not None and at < len(events):
            last.fold = RunFold(fold.run_id)
            last.fold.become(fold)
