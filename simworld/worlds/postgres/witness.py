"""Which rows there were right after an event, told at its commit: for the harness.

The tables hold what a commit has left.  Of several events of one commit all but the last one of
each row are followed by what the log makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from simworld.engine import Event
from simworld.ports import Key, Row
from simworld.worlds.fold import KINDS, RunFold
from simworld.worlds.postgres.rows import Peeks, RowsAfter, event_of, rows_after


class Looks(Peeks, Protocol):
    """Tables whose rows can be listed, too."""

    def under(self, table: str, key: Key) -> Sequence[Row]:
        """The committed rows whose primary key begins so, in its order."""


class TableWitness:
    """Looks at tables after every commit."""

    def __init__(self, tables: Looks) -> None:
        self._tables = tables
        self._folds: dict[str, RunFold] = {}
        """Of the runs that have had a commit of several events."""

    def published(self, rows: Sequence[tuple[str, Row]]) -> Iterator[tuple[Event, RowsAfter]]:
        """The events among the rows that a commit has added, each with the rows right after it."""
        events = [event_of(row) for table, row in rows if table == "events"]
        if len(events) > 1:
            yield from self._several(events)
            return
        for event in events:
            yield event, rows_after(self._tables, event)

    def _several(self, events: Sequence[Event]) -> Iterator[tuple[Event, RowsAfter]]:
        run_id = events[0].run_id
        fold = self._folds.setdefault(run_id, RunFold(run_id))
        for row in self._tables.under("events", (run_id,)):
            event = event_of(row)
            if fold.count < event.position < events[0].position:
                fold.apply(event)
        for number, event in enumerate(events):
            fold.apply(event)
            later = events[number + 1 :]
            found = rows_after(self._tables, event)
            name, kind = event.correlation_id, KINDS[event.type]
            if any(KINDS[each.type] == "run" for each in later):
                found = found._replace(run=fold.run)
            if any((KINDS[each.type], each.correlation_id) == (kind, name) for each in later):
                found = found._replace(step=fold.steps.get(name), wait=fold.waits.get(name))
            yield event, found
