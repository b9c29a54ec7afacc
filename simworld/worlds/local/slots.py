"""The file world whose log is the truth (``local_log=slots``).

A run's log is a row of numbered files.  A create folds the run's rows from it, decides, and links
the next slot; if somebody was first, it reads on and decides again.

* A **success** is decided by the link alone: a slot is linked only by who has seen the one before
  it, so slots have no gaps, and whoever gets slot n + 1 has decided on all that came before.
* A **refusal** (or an answer without an event) is decided at the end of the log only: what was
  read before the call may be old, so it is read on and decided again.
* Rows and event are one file, so a process may die anywhere: either the event is there or it
  is not.  run_started on a missing run is two events; between them the run is pending, which is
  legal, and whoever comes next goes on.
* Tokens concern several runs: see ``tokens``.

Under ``local_linked_events=false`` an event is written in place: its slot is taken before the event
is whole, and who looks meanwhile, or after its writer has died of it, is told so (R-57).

What was folded is kept in memory, so that a create usually costs one operation and a read two.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import (
    RUN_ENDED,
    RUN_ENDED_410,
    Event,
    Fact,
    HookCreated,
    HookRow,
    RunRow,
    RunStarted,
)
from simworld.errors import EntityNotFoundError, HookNotFoundError, UsageError, WorldError
from simworld.marks import reached
from simworld.ports import Answer, Clock, Files, Ids, Page
from simworld.records import LastCursor, TerminalCreate, WorldProfile
from simworld.worlds.codec import decode_event, encode_event
from simworld.worlds.fold import RunFold
from simworld.worlds.local.layout import RUNS, slot_path, slot_paths
from simworld.worlds.local.tokens import Settled, Tokens
from simworld.worlds.prefixes import Prefixes

FOLDS_MAX = 1_000
"""Runs that an instance remembers."""
FIRST_READ = 8
"""Slots that are asked for at once, where it is not known how many there are."""
CURSOR_MAX = 12
"""Digits of a cursor."""


def no_settling(fold: RunFold) -> bool:
    """A create of one's own goes on until it is recorded or refused."""
    return False


class SlotsWorld:
    """``ports.Storage``."""

    def __init__(
        self,
        files: Files,
        *,
        clock: Clock,
        ids: Ids,
        world: WorldProfile,
        prefixes: Prefixes | None = None,
        linked: bool = True,
    ) -> None:
        self._files = files
        self._linked = linked
        self._put = files.link if linked else files.create
        self._prefixes = prefixes
        self._clock = clock
        self._ids = ids
        self._page_max = world.page_max
        self._last_cursor = world.last_cursor is LastCursor.KEPT
        gone = world.terminal_create is TerminalCreate.GONE
        self._run_ended = RUN_ENDED_410 if gone else RUN_ENDED
        self._folds: dict[str, RunFold] = {}
        self._helped: dict[str, Event | None] = {}
        """Events of ours that others can see coming, by id: the event, if they have recorded it."""
        self._tokens = Tokens(files)

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        event_id = self._ids.event_id()
        try:
            if isinstance(fact, HookCreated):
                await self._admit(run_id, fact)
                fact = await self._tokens.take(self, run_id, fact, event_id)
            answer = await self.record(run_id, fact, event_id, no_settling)
        finally:
            if self._helped:
                self._helped.pop(event_id, None)
        assert answer is not None
        return answer

    async def _admit(self, run_id: str, fact: Fact) -> None:
        """Raise the refusal that ``fact`` would meet."""
        fold, at_end = self.fold(run_id), -1
        while True:
            try:
                fold.decide(fact, self._clock.now_ms(), self._run_ended)
            except WorldError:
                if at_end == fold.count:
                    raise
                at_end = await self.catch_up(fold)
            else:
                return

    async def record(
        self, run_id: str, fact: Fact, event_id: str, settled: Settled
    ) -> Answer | None:
        """Record ``fact`` or raise its refusal; None as soon as it is ``settled`` without us."""
        fold, at_end = self.fold(run_id), -1
        while not settled(fold):
            if self._helped and (helped := self._helped.get(event_id)) is not None:
                return await self._answer(fold, helped)
            count, now_ms = fold.count, self._clock.now_ms()
            try:
                stored = fold.decide(fact, now_ms, self._run_ended)
            except WorldError:
                if at_end == count:
                    raise
                at_end = await self.catch_up(fold)
                continue
            if stored is None:
                if at_end == count:
                    return fold.answer(None)
                at_end = await self.catch_up(fold)
                continue
            for hook in fold.frees(stored):
                await self._tokens.release(self, hook, fact, event_id)
            if fold.count != count:
                continue
            name = getattr(stored, "correlation_id", "")
            event = Event(run_id, event_id, count + 1, now_ms, stored.type, name, stored)
            if not await self._put(slot_path(run_id, count + 1), encode_event(event)):
                at_end = await self.catch_up(fold)
                continue
            self._absorb(fold, (event,))
            if not (isinstance(fact, RunStarted) and stored.type == "run_created"):
                return await self._answer(fold, event)
            reached("run.created_by_start")
            event_id = self._ids.event_id()
        return None

    async def _answer(self, fold: RunFold, event: Event) -> Answer:
        """The rows right after an event, though others of this process may have read on."""
        if fold.count != event.position:
            reached("slots.read_on_meanwhile")
            run_id, position = fold.run_id, event.position
            fold = RunFold(run_id)
            fold.absorb(await self._read(run_id, 0, position))
        return fold.answer(event)

    # What is known of the logs.

    def fold(self, run_id: str) -> RunFold:
        """What this instance knows of a run; it may be old."""
        fold = self._folds.get(run_id)
        if fold is None:
            if len(self._folds) >= FOLDS_MAX:
                del self._folds[next(iter(self._folds))]
            fold = self._folds[run_id] = RunFold(run_id)
        return fold

    async def catch_up(self, fold: RunFold) -> int:
        """Read to the end of the log; where that was, though others may have read on since."""
        start = fold.count
        found = await self._read(fold.run_id, start)
        self._absorb(fold, found)
        return found[-1].position if found else start

    def expect(self, event_id: str) -> None:
        """Others may record our event from now on."""
        self._helped[event_id] = None

    def _absorb(self, fold: RunFold, events: Sequence[Event]) -> None:
        if self._prefixes is not None and fold.count == 0:
            self._prefixes.absorb(fold, events)
        else:
            fold.absorb(events)
        if self._helped:
            for event in events:
                if event.event_id in self._helped:
                    self._helped[event.event_id] = event

    async def _read(self, run_id: str, after: int, count_max: int = 0) -> list[Event]:
        """The events behind a slot; all, or the first ``count_max``."""
        found: list[Event] = []
        size = max(FIRST_READ, self.fold(run_id).count - after + FIRST_READ)
        while True:
            if count_max:
                size = min(size, count_max - len(found))
            paths = slot_paths(run_id, after + len(found) + 1, size)
            for data in await self._files.read_all(paths):
                if data is None:
                    return found
                found.append(self._whole(data, run_id, after + len(found) + 1))
            if len(found) == count_max:
                return found
            size *= 4

    def _whole(self, data: bytes, run_id: str, slot: int) -> Event:
        try:
            return decode_slot(data, run_id, slot)
        except UsageError as error:
            if self._linked:
                raise
            reached("event.torn")
            where = slot_path(run_id, slot)
            why = f"{where} holds half an event: its writer has not done, or has died of it"
            raise WorldError(why, status=500) from error

    # Reading.

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``; the cursor is the slot of the last event returned."""
        start = 0
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= CURSOR_MAX):
                raise UsageError(f"{cursor[:80]!r} is not a cursor of this world")
            start = int(cursor)
        found = await self._read(run_id, start, self._page_max + 1)
        self._absorb(self.fold(run_id), found)
        has_more = len(found) > self._page_max
        if has_more:
            found.pop()
        with_cursor = found and (has_more or self._last_cursor)
        return Page(found, str(found[-1].position) if with_cursor else None, has_more)

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        fold = self.fold(run_id)
        await self.catch_up(fold)
        if fold.run is None:
            raise EntityNotFoundError(f"there is no run {run_id}")
        return fold.run

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        row = await self._tokens.owner(self, token)
        if row is None:
            raise HookNotFoundError(
                f"no live hook has the token {token!r}: it was never made, has been disposed of, "
                "or its run has ended"
            )
        return row

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        found = []
        for name in await self._files.list(RUNS):
            run_id = await run_of(self._files, name)
            if run_id is not None:
                fold = self.fold(run_id)
                await self.catch_up(fold)
                if fold.run is not None and not fold.ended:
                    found.append(run_id)
        return sorted(found)


def decode_slot(data: bytes, run_id: str, slot: int) -> Event:
    """The event in a slot; ``UsageError`` if somebody else has written the file."""
    try:
        return decode_event(data)
    except UsageError as error:
        where = slot_path(run_id, slot)
        raise UsageError(f"{where} holds no event: {error}; restore it from a copy") from error


async def run_of(files: Files, name: str) -> str | None:
    """The run whose folder is called so; None if it has no event yet."""
    if not name.startswith("="):
        return name
    data = await files.read(f"{RUNS}/{name}/000000/00000001")
    return None if data is None else decode_slot(data, name, 1).run_id
