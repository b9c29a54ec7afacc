"""What a process knows of the logs of slots: it reads on from there, and folds them to rows.

A file holds the events of one commit, and is numbered after the first of them; the next one is
numbered after its last.  So only who knows what a file holds knows where the next one is, and a
place inside of a file is found again by ``inside``.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import Event
from simworld.errors import UsageError, WorldError
from simworld.marks import reached
from simworld.ports import Files
from simworld.worlds.codec import decode_events
from simworld.worlds.drafts import Draft
from simworld.worlds.ends import Ends
from simworld.worlds.fold import RunFold
from simworld.worlds.local.layout import BUCKET, slot_folder, slot_path, slot_paths
from simworld.worlds.prefixes import Prefixes

FOLDS_MAX = 1_000
"""Runs that an instance remembers."""
KEPT_MAX = 200_000
"""Events of all of them that it keeps, if it keeps any."""
FIRST_READ = 8
"""Slots that are asked for at once, where it is not known how many there are."""


class KnownRun(RunFold):
    """A run as far as its log has been read."""

    __slots__ = ("inside", "log")

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.inside: dict[int, int] = {}
        """Position of an event that is not the first one of its file → that of the first one."""
        self.log: list[Event] = []
        """All of it, if it is kept."""


class Known:
    """The runs that one instance of the world has seen."""

    def __init__(
        self, files: Files, ends: Ends, *, prefixes: Prefixes | None, linked: bool, keeps: bool
    ) -> None:
        self._files = files
        self._ends = ends
        self._prefixes = prefixes
        self._linked = linked
        self._keeps = keeps
        self._kept = 0
        self._folds: dict[str, KnownRun] = {}
        self.helped: dict[str, Event | None] = {}
        """Events of ours that others can see coming, by id: the event, if they have recorded it."""

    def fold(self, run_id: str) -> KnownRun:
        """What is known of a run; it may be old."""
        fold = self._folds.get(run_id)
        if fold is None:
            while len(self._folds) >= FOLDS_MAX or (self._kept > KEPT_MAX and self._folds):
                self._kept -= len(self._folds.pop(next(iter(self._folds))).log)
            fold = self._folds[run_id] = KnownRun(run_id)
        return fold

    def expect(self, event_id: str) -> None:
        """Others may record our event from now on."""
        self.helped.setdefault(event_id, None)

    async def catch_up(self, fold: KnownRun) -> int:
        """Read to the end of the log; where that was, though others may have read on since."""
        start = fold.count
        found = await self._read(fold, start)
        self.absorb(fold, found)
        return found[-1].position if found else start

    def absorb(self, fold: KnownRun, events: Sequence[Event], draft: Draft | None = None) -> None:
        """Move on by those of ``events`` that come next; ``draft``: what they come to."""
        before = fold.count
        if self._prefixes is not None and before == 0:
            self._prefixes.absorb(fold, events)
        elif draft is not None:
            draft.settle(fold)
        else:
            fold.absorb(events)
        if self._keeps and fold.count > before:
            new = [event for event in events if before < event.position]
            fold.log += new
            if self._folds.get(fold.run_id) is fold:
                self._kept += len(new)
        if self.helped:
            for event in events:
                if event.event_id in self.helped:
                    self.helped[event.event_id] = event
        if fold.ended:
            self._ends.tell(fold.run_id)

    def linked(self, fold: KnownRun, events: Sequence[Event], draft: Draft | None = None) -> None:
        """We have linked these, as one file; ``draft``: where they were decided on."""
        _note_inside(fold, events)
        self.absorb(fold, events, draft)

    async def events(self, run_id: str, start: int, count_max: int) -> list[Event]:
        """The events behind a position, at most so many of them."""
        fold = self.fold(run_id)
        if self._keeps:
            found = fold.log[start : start + count_max]
            if len(found) < count_max:
                await self.catch_up(fold)
                found = fold.log[start : start + count_max]
            return found
        if fold.count < start:
            if (behind := await self._behind(fold, start, count_max)) is not None:
                return behind
            await self.catch_up(fold)
        before = fold.inside.get(start + 1, start + 1) - 1
        found = await self._read(fold, before, start - before + count_max)
        self.absorb(fold, found)
        return found[start - before : start - before + count_max]

    async def first_events(self, run_id: str, count: int) -> Sequence[Event]:
        """The first events of a log that has as many."""
        fold = self.fold(run_id)
        if len(fold.log) >= count:
            return fold.log[:count]
        return (await self._read(fold, 0, count))[:count]

    async def wait_more(self, fold: KnownRun) -> None:
        """Until there may be more than what is known."""
        count = fold.count
        first = count // BUCKET * BUCKET + 1
        files = sum(slot not in fold.inside for slot in range(first, count + 1))
        await self._files.wait_more(slot_folder(fold.run_id, count + 1), files)

    async def _behind(self, fold: KnownRun, start: int, count_max: int) -> list[Event] | None:
        """The events behind a position of which nothing is known; None: it is inside of a file.

        The event in that position is asked for, too: if it is alone in its file, it is not.
        """
        paths = slot_paths(fold.run_id, start + 1, min(FIRST_READ, count_max))
        *contents, last = await self._files.read_all([*paths, slot_path(fold.run_id, start)])
        if contents[0] is None:
            if last is not None and len(self._whole(last, fold.run_id, start)) == 1:
                return []
            return None
        found, more = self._taken(fold, start, contents)
        if more and len(found) < count_max:
            found += await self._read(fold, start + len(found), count_max - len(found))
        return found[:count_max]

    async def _read(self, fold: KnownRun, after: int, count_max: int = 0) -> list[Event]:
        """The events behind the last one of a file; all, or at least ``count_max`` of them."""
        found: list[Event] = []
        size = max(FIRST_READ, fold.count - after + FIRST_READ)
        while True:
            if count_max:
                size = min(size, count_max - len(found))
            paths = slot_paths(fold.run_id, after + len(found) + 1, size)
            contents = await self._files.read_all(paths)
            events, more = self._taken(fold, after + len(found), contents)
            found += events
            if not more or (count_max and len(found) >= count_max):
                return found
            size *= 4

    def _taken(
        self, fold: KnownRun, after: int, contents: Sequence[bytes | None]
    ) -> tuple[list[Event], bool]:
        """What the files behind a position hold, and whether there may be more of them."""
        found: list[Event] = []
        for slot, data in enumerate(contents, start=after + 1):
            if slot <= after + len(found):
                continue  # inside of the file before
            if data is None:
                return found, False
            events = self._whole(data, fold.run_id, slot)
            _note_inside(fold, events)
            found += events
        return found, True

    def _whole(self, data: bytes, run_id: str, slot: int) -> Sequence[Event]:
        try:
            return decode_slot(data, run_id, slot)
        except UsageError as error:
            if self._linked:
                raise
            reached("event.torn")
            where = slot_path(run_id, slot)
            why = f"{where} holds half an event: its writer has not done, or has died of it"
            raise WorldError(why, status=500) from error


def _note_inside(fold: KnownRun, events: Sequence[Event]) -> None:
    first = events[0].position
    for event in events[1:]:
        fold.inside[event.position] = first


def decode_slot(data: bytes, run_id: str, slot: int) -> Sequence[Event]:
    """The events in a file; ``UsageError`` if somebody else has written it."""
    try:
        return decode_events(data)
    except UsageError as error:
        where = slot_path(run_id, slot)
        raise UsageError(f"{where} holds no event: {error}; restore it from a copy") from error
