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
* An **append** is one file with several events, numbered after the first of them (see ``known``);
  under ``local_commits=grouped`` so is what several callers of a process want (see ``lines``).
* Tokens concern several runs: see ``tokens``.

Under ``local_linked_events=false`` an event is written in place: its slot is taken before the event
is whole, and who looks meanwhile, or after its writer has died of it, is told so (R-57).

What was folded is kept in memory, so that a create usually costs one operation and a read two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from simworld.engine import (
    RUN_ENDED,
    RUN_ENDED_410,
    TERMINAL_RUN_EVENTS,
    Event,
    Fact,
    HookCreated,
    HookRow,
    RunRow,
    RunStarted,
)
from simworld.errors import (
    EntityNotFoundError,
    HookNotFoundError,
    SimworldError,
    UsageError,
    WorldError,
)
from simworld.marks import reached
from simworld.ports import Answer, BatchFact, Clock, Files, Ids, Page, Tasks
from simworld.records import LastCursor, LocalCommits, LocalProfile, TerminalCreate, WorldProfile
from simworld.worlds.codec import encode_event, encode_events
from simworld.worlds.drafts import Draft
from simworld.worlds.ends import Ends
from simworld.worlds.fold import RunFold
from simworld.worlds.local.known import Known, KnownRun, decode_slot
from simworld.worlds.local.layout import RUNS, slot_path
from simworld.worlds.local.lines import Asked, Lines, Together
from simworld.worlds.local.tokens import Settled, Tokens, announcement
from simworld.worlds.moved import check_batch, check_unmoved
from simworld.worlds.prefixes import Prefixes

ALONE = frozenset({"hook_created", "hook_conflict", "hook_disposed", *TERMINAL_RUN_EVENTS})
"""What may concern tokens: it is not decided together with what others want."""
WATCH_MS = 50
"""For so long nothing may happen here before somebody looks whether it does elsewhere."""
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
        tasks: Tasks,
        profile: LocalProfile,
        world: WorldProfile,
        prefixes: Prefixes | None = None,
    ) -> None:
        linked = profile.local_linked_events
        self._files = files
        self._put = files.link if linked else files.create
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._page_max = world.page_max
        self._last_cursor = world.last_cursor is LastCursor.KEPT
        gone = world.terminal_create is TerminalCreate.GONE
        self._run_ended = RUN_ENDED_410 if gone else RUN_ENDED
        self._tokens = Tokens(files)
        self._ends = Ends(tasks)
        known = Known(
            files, self._ends, prefixes=prefixes, linked=linked, keeps=profile.local_memory
        )
        self._known = known
        self._helped = known.helped
        self.fold = known.fold
        self.catch_up = known.catch_up
        self.expect = known.expect
        grouped = profile.local_commits is LocalCommits.GROUPED
        self._lines = Lines(tasks, known.expect) if grouped else None

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        event_id = self._ids.event_id()
        answer: Answer | None
        try:
            if isinstance(fact, HookCreated):
                await self._admit(run_id, fact)
                fact = await self._tokens.take(self, run_id, fact, event_id)
            if self._lines is None:
                answer = await self.record(run_id, fact, event_id, no_settling)
            else:
                answer = await self._in_line(self._lines, run_id, fact, event_id)
        finally:
            if self._helped:
                self._helped.pop(event_id, None)
        assert answer is not None
        return answer

    async def _in_line(self, lines: Lines, run_id: str, fact: Fact, event_id: str) -> Answer:
        event_ids = [event_id]
        if isinstance(fact, RunStarted) and fact.workflow_name:
            event_ids.append(self._ids.event_id())
        asked = Asked((fact,), event_ids, after=None, alone=fact.type in ALONE)

        async def lead(together: Together) -> None:
            if asked.in_doubt or len(together()) > 1:
                await self._decide(run_id, together)
                return
            answer = await self.record(run_id, fact, event_id, no_settling)
            assert answer is not None
            asked.answers = (answer,)

        try:
            await lines.decide(run_id, asked, lead)
        finally:
            self._forget(event_ids)
        return asked.result()[-1]

    def _forget(self, event_ids: Sequence[str]) -> None:
        """Their caller has heard of them, or does not want to."""
        if self._helped:
            for event_id in event_ids:
                self._helped.pop(event_id, None)

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``."""
        check_batch(facts)
        event_ids = [self._ids.event_id() for _ in facts]
        asked = Asked(facts, event_ids, after=after, alone=facts[-1].type in ALONE)
        try:
            if self._lines is None:
                await self._decide(run_id, lambda: [asked])
            else:
                await self._lines.decide(run_id, asked, partial(self._decide, run_id))
        finally:
            self._forget(event_ids)
        return asked.result()

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
                await self._tokens.release(self, hook, (announcement(run_id, fact, event_id),))
            if fold.count != count:
                continue
            name = getattr(stored, "correlation_id", "")
            event = Event(run_id, event_id, count + 1, now_ms, stored.type, name, stored)
            if not await self._put(slot_path(run_id, count + 1), encode_event(event)):
                at_end = await self.catch_up(fold)
                continue
            self._known.absorb(fold, (event,))
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
            fold.absorb(await self._known.first_events(run_id, position))
        return fold.answer(event)

    # Several events in one commit.

    async def _decide(self, run_id: str, together: Together) -> None:
        """Record what they ask for as one file, as far as it is not refused.

        A refusal counts once the events beside it are linked, for they were at the end of the log
        then; or if there are none, of whoever was here when the log was last read to its end.
        """
        fold, at_end, leader = self.fold(run_id), -1, object()
        here: list[Asked] = []
        """Those who were, then."""
        while True:
            asked = together()
            for each in asked:
                each.leader = leader
            if self._helped:
                found = [each for each in asked if await self._is_helped(fold, each)]
                if asked[0].done:
                    return
                if found:
                    continue
            count = fold.count
            draft = self._judge(fold, asked)
            events = draft.events
            if not events and at_end == count:
                _finish(here, leader)
                return
            if events and asked[0].alone:
                for hook in fold.frees(events[-1].fact):
                    await self._tokens.release(self, hook, events)
                if fold.count != count:
                    continue
            if events and await self._link(run_id, asked, events):
                self._known.linked(fold, events, draft)
                if len(asked) > 1:
                    reached("slots.grouped")
                _finish(asked, leader)
                return
            here = asked
            at_end = await self.catch_up(fold)

    async def _link(self, run_id: str, asked: Sequence[Asked], events: Sequence[Event]) -> bool:
        """Link the slot of the first one; what fails fails for all."""
        try:
            return await self._put(slot_path(run_id, events[0].position), encode_events(events))
        except SimworldError as error:
            for each in asked[1:]:
                if each.leader is asked[0].leader:
                    each.fail(type(error)(str(error)))
            raise

    def _judge(self, fold: RunFold, asked: Sequence[Asked]) -> Draft:
        """What is to be recorded for them, one after the other; each is told its own answer."""
        now_ms, draft = self._clock.now_ms(), Draft(fold)
        for each in asked:
            each.answers, each.error = (), None
            trial, event_ids = Draft(draft), iter(each.event_ids)
            try:
                check_unmoved(fold.run_id, each.after, draft.count)
                each.answers = [
                    trial.write(fact, now_ms, self._run_ended, event_ids.__next__)
                    for fact in each.facts
                ]
            except (WorldError, UsageError) as refusal:
                each.error = refusal.with_traceback(None)
            else:
                trial.settle(draft)
        return draft

    async def _is_helped(self, fold: KnownRun, asked: Asked) -> bool:
        """Whether others have recorded its events."""
        events = [self._helped.get(event_id) for event_id in asked.event_ids]
        last = events[-1]
        if last is None:
            return False
        log = await self._known.first_events(fold.run_id, last.position)
        before = RunFold(fold.run_id)
        before.absorb(log[: -len(events)])
        answers = []
        for event in log[-len(events) :]:
            before.apply(event)
            answers.append(before.answer(event))
        asked.answers, asked.error = answers, None
        asked.finish()
        return True

    async def place(self, events: Sequence[Event]) -> None:
        """Record events where they belong, unless their slot is taken."""
        run_id, slot = events[0].run_id, events[0].position
        fold = self.fold(run_id)
        if fold.count < slot - 1:
            await self.catch_up(fold)
        if fold.count != slot - 1:
            return
        for hook in fold.frees(events[-1].fact):
            await self._tokens.release(self, hook, events)
        if fold.count != slot - 1:
            return
        if await self._put(slot_path(run_id, slot), encode_events(events)):
            reached("slots.placed_for_another")
            self._known.linked(fold, events)
        else:
            await self.catch_up(fold)

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``: who ends it here tells so, and files tell of other processes."""
        fold = self.fold(run_id)
        await self.catch_up(fold)
        if not fold.ended and timeout_ms > 0:
            watch = self._tasks.start("watch", self._watch(fold))
            try:
                await self._ends.wait(run_id, timeout_ms)
            finally:
                watch.cancel()

    async def _watch(self, fold: KnownRun) -> None:
        """Look for what other processes record, until the run has ended."""
        while not fold.ended:
            count = fold.count
            await self._clock.sleep_ms(WATCH_MS)
            if fold.count == count:  # else it is this process that goes on with the run
                await self._known.wait_more(fold)
                await self.catch_up(fold)

    # Reading.

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``; the cursor is the slot of the last event returned."""
        start = 0
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= CURSOR_MAX):
                raise UsageError(f"{cursor[:80]!r} is not a cursor of this world")
            start = int(cursor)
        found = await self._known.events(run_id, start, self._page_max + 1)
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


def _finish(asked: Sequence[Asked], leader: object) -> None:
    """Those whom nobody else has decided for meanwhile may go on."""
    for each in asked:
        if each.leader is leader:
            each.finish()


async def run_of(files: Files, name: str) -> str | None:
    """The run whose folder is called so; None if it has no event yet."""
    if not name.startswith("="):
        return name
    data = await files.read(f"{RUNS}/{name}/000000/00000001")
    return None if data is None else decode_slot(data, name, 1)[0].run_id
