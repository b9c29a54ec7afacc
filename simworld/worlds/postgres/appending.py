"""How the SQL world creates with ``pg_writes=append``: one statement per commit.

What is known of a run is kept in memory, a fold of its log; there it is decided what comes next,
and one statement writes it down if nobody was first.  Else the log is read on, and it is decided
again.

* A **success** is decided by the statement alone: it moves the run's row from the position that was
  decided on, so whoever succeeds has decided on all that came before.
* A **refusal** (or an answer without an event) is decided at the end of the log only: behind a look
  at the log that began after the call, or behind others' facts that were then recorded.
* Calls that come while a commit of the same run is under way go together into the next one, in the
  order in which they came; one of them leads, and each gets its own answer.
* Of a leader that fails, nobody knows what it has done.  Those who went with it look for their
  events in the log, by their ids, and else try again; the condition on the position keeps whatever
  is still on its way from being recorded twice.

Hooks are created and disposed of by transactions, as in ``repaired``: tokens concern other runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from simworld.engine import Event, Fact, HookCreated, HookDisposed, RunCreated
from simworld.errors import DefiniteFailure, IndefiniteFailure, WorldError
from simworld.marks import reached
from simworld.ports import Answer, BatchFact, Latch, Row, Statement, Tasks
from simworld.worlds.codec import encode_fact
from simworld.worlds.drafts import Draft
from simworld.worlds.fold import RunFold
from simworld.worlds.moved import check_unmoved
from simworld.worlds.postgres.append_statements import END, OPEN, RECORD, START, packed
from simworld.worlds.postgres.creating import Setup, end_channel
from simworld.worlds.postgres.repaired import create_repaired
from simworld.worlds.postgres.rows import event_of, run_values, step_values, wait_values
from simworld.worlds.postgres.schema import EVENTS, STEPS
from simworld.worlds.postgres.statements import READ_LOG, place
from simworld.worlds.prefixes import Prefixes

FOLDS_MAX = 1_000
"""Runs that an instance remembers."""
TOGETHER_MAX = 32
"""Calls in one commit."""
BYTES_MAX = 1_000_000
"""Of payloads in one commit of several calls, more or less."""
LEAD_MS = 10_000
"""After so long somebody else takes the lead."""


@attrs.define(eq=False)
class _Call:
    """One create or append, and what has become of it."""

    facts: Sequence[Fact]
    after: int | None
    ids: list[str] = attrs.Factory(list)
    """Of its events; the same at every attempt."""
    used: int = 0
    """Ids that the draft under way has used."""
    end_seen: int = -1
    """The end of the log at a look that began after the call."""
    in_doubt: bool = False
    """A commit that it was in has failed."""
    answers: list[Answer] = attrs.Factory(list)
    refusal: Exception | None = None
    done: bool = False

    def settle(self, answers: list[Answer], refusal: WorldError | None) -> None:
        """It is over."""
        self.answers, self.refusal, self.done = answers, refusal, True
        if self.in_doubt and refusal is not None:
            self.refusal = IndefiniteFailure(f"whether it was recorded is not known: {refusal}")
            self.refusal.__cause__ = refusal


_Drawn = tuple[_Call, list[Answer], WorldError | None]
"""A call, and what it comes to: answers or a refusal."""


class _Known:
    """A run: its fold, and the calls that want to change it."""

    __slots__ = ("calls", "fold", "latch")

    def __init__(self, run_id: str) -> None:
        self.fold = RunFold(run_id)
        self.calls: list[_Call] = []
        self.latch: Latch | None = None
        """There while somebody leads."""


class Appender:
    """Creates and appends of one instance of the world."""

    def __init__(self, setup: Setup, tasks: Tasks, prefixes: Prefixes | None) -> None:
        self._setup = setup
        self._tasks = tasks
        self._prefixes = prefixes
        self._known: dict[str, _Known] = {}

    async def create(self, run_id: str, fact: Any) -> Answer:
        """``Storage.create``."""
        if isinstance(fact, HookCreated | HookDisposed):
            answer = await create_repaired(self._setup, run_id, fact)
            if answer.event is not None:
                self.heard(run_id, (answer.event,))
            return answer
        return (await self._record(run_id, _Call((fact,), None)))[0]

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], after: int | None
    ) -> list[Answer]:
        """``Storage.append``."""
        return await self._record(run_id, _Call(facts, after))

    def heard(self, run_id: str, events: Sequence[Event]) -> None:
        """Somebody has read these; they may be what comes next."""
        known = self._known.get(run_id)
        if known is not None and not known.calls:
            known.fold.absorb(events)

    async def _record(self, run_id: str, call: _Call) -> list[Answer]:
        known = self._known.get(run_id)
        if known is None:
            known = self._remember(run_id)
        # Whoever calls asks for them, also where another one leads.
        call.ids += [self._setup.ids.event_id() for _ in call.facts]
        known.calls.append(call)
        try:
            while not call.done:
                if known.latch is not None:
                    await _follow(known, known.latch)
                    continue
                known.latch = latch = self._tasks.latch("see a commit end")
                try:
                    await self._lead(known)
                finally:
                    if known.latch is latch:
                        known.latch = None
                    latch.set()
        finally:
            if not call.done:
                known.calls.remove(call)
        if call.refusal is not None:
            raise call.refusal
        return call.answers

    def _remember(self, run_id: str) -> _Known:
        if len(self._known) >= FOLDS_MAX:
            idle = next((each for each, known in self._known.items() if not known.calls), None)
            if idle is not None:
                del self._known[idle]
        known = self._known[run_id] = _Known(run_id)
        return known

    # One commit.

    async def _lead(self, known: _Known) -> None:
        """Take the calls that wait one commit further."""
        fold = known.fold
        if not fold.count and not isinstance(known.calls[0].facts[0], RunCreated):
            await self._catch_up(known)
        draft, drawn = self._draft(known)
        if not draft.events:
            settled = [each for each in drawn if each[0].end_seen == fold.count]
            self._settle(known, settled)
            if not settled:
                await self._catch_up(known)
            return
        statement, values = _commit(fold, draft)
        values["run_id"] = fold.run_id
        try:
            rows = await self._setup.tables.run(statement, **values)
        except DefiniteFailure:
            raise
        except BaseException:
            _doubt(call for call, _, _ in drawn)
            raise
        if rows:
            draft.settle(fold)
            self._settle(known, drawn)
        else:
            reached("append.beaten")
            await self._catch_up(known)

    def _draft(self, known: _Known) -> tuple[Draft, list[_Drawn]]:
        """What the calls that wait come to, as far as they go together."""
        draft, drawn = Draft(known.fold), list[_Drawn]()
        now_ms, size = self._setup.clock.now_ms(), 0
        for call in known.calls[:TOGETHER_MAX]:
            trial = Draft(draft) if drawn else draft
            refusal: WorldError | None = None
            answers: list[Answer] = []
            try:
                answers = self._answers(trial, call, now_ms)
            except WorldError as error:
                refusal = error
                if trial is draft:
                    draft = Draft(known.fold)
            else:
                if trial is not draft:
                    trial.settle(draft)
            drawn.append((call, answers, refusal))
            size += sum(map(_size, call.facts))
            if draft.ended or not known.fold.count or size > BYTES_MAX:
                break  # what comes behind is decided when it is known of that
        return draft, drawn

    def _answers(self, draft: Draft, call: _Call, now_ms: int) -> list[Answer]:
        check_unmoved(draft.run_id, call.after, draft.count)
        call.used = 0

        def new_id() -> str:
            if call.used == len(call.ids):
                call.ids.append(self._setup.ids.event_id())
            call.used += 1
            return call.ids[call.used - 1]

        run_ended = self._setup.run_ended
        for fact in call.facts:
            _check_texts(fact)
        return [draft.write(fact, now_ms, run_ended, new_id) for fact in call.facts]

    def _settle(self, known: _Known, drawn: Sequence[_Drawn]) -> None:
        for call, answers, refusal in drawn:
            if not call.done:
                call.settle(answers, refusal)
                known.calls.remove(call)

    async def _catch_up(self, known: _Known) -> None:
        """Read to the end of the log."""
        fold, calls = known.fold, list(known.calls)
        rows: list[Row] = []
        if fold.run_id.isprintable():  # no world takes others
            values = {"run_id": fold.run_id, "after": place(fold.count), "limit": None}
            rows = await self._setup.tables.run(READ_LOG, **values)
        events = [event_of(row) for row in rows]
        mine = {call.ids[-1]: call for call in calls if call.in_doubt and call.ids}
        if mine:
            self._find(known, events, mine)
        elif self._prefixes is not None and not fold.count:
            self._prefixes.absorb(fold, events)
        else:
            fold.absorb(events)
        for call in calls:
            call.end_seen = fold.count

    def _find(self, known: _Known, events: Sequence[Event], mine: dict[str, _Call]) -> None:
        """Read on one by one: calls that are in doubt may have been recorded."""
        fold, answers = known.fold, dict[str, Answer]()
        for event in events:
            fold.absorb((event,))
            answers[event.event_id] = fold.answer(event)
            call = mine.get(event.event_id)
            if call is not None and not call.done:
                reached("append.found_recorded")
                found = [answers[each] for each in call.ids[-len(call.facts) :]]
                self._settle(known, [(call, found, None)])


async def _follow(known: _Known, latch: Latch) -> None:
    """Wait for the commit that is under way; who leads it may have been cancelled for ever."""
    reached("append.together")
    if not await latch.wait(LEAD_MS) and known.latch is latch:
        reached("append.leaderless")
        _doubt(known.calls)
        known.latch = None


def _doubt(calls: Iterable[_Call]) -> None:
    for call in calls:
        call.in_doubt = True


def _commit(fold: RunFold, draft: Draft) -> tuple[Statement, dict[str, object]]:
    """The statement that records a draft, and its values but for the run's id."""
    run = draft.run
    assert run is not None
    blobs: list[bytes] = []
    values: dict[str, object] = {
        "last_position": draft.count,
        "events": packed(EVENTS, [_event_row(each) for each in draft.events], blobs),
        "blobs": blobs,
    }
    if fold.run is None:
        return OPEN, {**run_values(run), **values}
    values["after"] = draft.base
    values["steps"] = packed(STEPS, [step_values(each) for each in draft.steps.values()], blobs)
    if draft.ended:
        values["channel"] = end_channel(draft.run_id)
        for name in ("completed_at_ms", "output", "error", "error_code"):
            values[name] = getattr(run, name)
        return END, {**values, "status": run.status.value}
    values["waits"] = tuple(map(wait_values, draft.waits.values()))
    if run.status is fold.run.status:
        return RECORD, values
    return START, {**values, "status": run.status.value, "started_at_ms": run.started_at_ms}


def _event_row(event: Event) -> Row:
    return {
        "run_id": event.run_id,
        "position": place(event.position),
        "event_id": event.event_id,
        "created_at_ms": event.created_at_ms,
        "type": event.type,
        "correlation_id": event.correlation_id,
        "fact": encode_fact(event.fact),
    }


def _size(fact: Any) -> int:
    return sum(len(getattr(fact, name, b"")) for name in ("input", "result", "error", "payload"))


def _check_texts(fact: Any) -> None:
    """``WorldError`` (400) for what no column of text can hold: one call may not spoil others."""
    for name in ("correlation_id", "owner", "code"):
        text = getattr(fact, name, "")
        if text and not text.isascii() and text.encode(errors="replace").decode() != text:
            raise WorldError(f"{name} {text[:40]!a} is not text", status=400)
        if "\0" in text:
            raise WorldError(f"{name} {text[:40]!a} has a NUL, which no text may have", status=400)
