"""The atomic world: what every other world is measured against (spec §2).

One ``create`` changes rows and appends the event in one step, and an event's position is its
commit order; a read is a prefix of the log.  Nothing in here awaits, so nothing can come between.

Under ``log_position=mint_at_start`` an event gets its position before others may come between, and
becomes visible after that: readers order by position, so one that was late appears behind the
cursors of those who have read on (R-45), and a refused create leaves a gap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeVar

from simworld.engine import (
    RUN_ENDED,
    RUN_ENDED_410,
    RUN_TERMINAL,
    AttrSet,
    Event,
    Fact,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookFact,
    HookReceived,
    HookRow,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFact,
    RunFailed,
    RunRow,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFact,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    WaitCompleted,
    WaitCreated,
    WaitFact,
    WaitRow,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
    check_attr,
    check_hook,
    check_step,
    check_wait,
    release_hook,
)
from simworld.errors import (
    EntityNotFoundError,
    HookNotFoundError,
    InternalError,
    UsageError,
    WorldError,
)
from simworld.marks import reached
from simworld.ports import Answer, BatchFact, Clock, Ids, Page, Tasks
from simworld.records import LastCursor, LogPosition, TerminalCreate, WorldProfile
from simworld.worlds.ends import Ends
from simworld.worlds.moved import check_batch, check_unmoved
from simworld.worlds.names import check_names

CURSOR_MAX = 20
"""Digits of a cursor."""


T = TypeVar("T")


class _Mint(NamedTuple):
    """What an event is given before it is visible."""

    position: int
    event_id: str


_position = attrgetter("position")


class AtomicWorld:
    """Runs, steps, hooks, waits and logs in memory."""

    def __init__(
        self, *, clock: Clock, ids: Ids, profile: WorldProfile, tasks: Tasks | None = None
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._page_max = profile.page_max
        self._last_cursor = profile.last_cursor is LastCursor.KEPT
        gone = profile.terminal_create is TerminalCreate.GONE
        self._run_ended = RUN_ENDED_410 if gone else RUN_ENDED
        self._minted: dict[str, int] | None = None
        """The last position minted for each run, if positions are minted at the start."""
        if profile.log_position is LogPosition.MINT_AT_START:
            self._minted = {}
        self._tasks = tasks
        self._ends = None if tasks is None else Ends(tasks)
        self.runs: dict[str, RunRow] = {}
        self.steps: dict[tuple[str, str], StepRow] = {}
        self.hooks: dict[tuple[str, str], HookRow] = {}
        self.tokens: dict[str, HookRow] = {}
        """The live hooks, by the token they own."""
        self.waits: dict[tuple[str, str], WaitRow] = {}
        """The waits of runs that have not ended."""
        self.logs: dict[str, list[Event]] = {}
        """Sorted by position."""

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``; atomic."""
        if self._minted is None:
            return self.commit(run_id, fact)
        if self._tasks is None:
            raise InternalError("a world that mints positions at the start needs tasks")
        now_ms, mint = self._clock.now_ms(), self._mint(run_id)
        await self._tasks.checkpoint(f"publish {fact.type}")
        return _COMMITS[type(fact)](self, run_id, fact, now_ms, mint)

    def commit(self, run_id: str, fact: Fact) -> Answer:
        """``create`` without a coroutine around it, and at once."""
        return _COMMITS[type(fact)](self, run_id, fact, self._clock.now_ms(), None)

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``; atomic."""
        if self._minted is not None:
            raise UsageError(
                "a world that mints positions at the start records one event at a time; use "
                "commits=each with log_position=mint_at_start"
            )
        check_batch(facts)
        length = len(self.logs.get(run_id, ()))
        check_unmoved(run_id, after, length)
        before = {}
        for fact in facts:
            key = (run_id, getattr(fact, "correlation_id", ""))
            before[key] = (self.steps.get(key), self.waits.get(key))
        answers: list[Answer] = []
        try:
            for fact in facts:
                answers.append(self.commit(run_id, fact))
        except WorldError:
            # A refused end of the run comes last and has changed nothing.
            for key, (step, wait) in before.items():
                _put_back(self.steps, key, step)
                _put_back(self.waits, key, wait)
            del self.logs.get(run_id, [])[length:]
            raise
        return answers

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``."""
        if self._ends is None:
            raise InternalError("a world whose callers wait needs tasks")
        if run_id not in self.runs or self.runs[run_id].status not in RUN_TERMINAL:
            await self._ends.wait(run_id, timeout_ms)

    def _mint(self, run_id: str) -> _Mint:
        assert self._minted is not None
        position = self._minted[run_id] = self._minted.get(run_id, 0) + 1
        return _Mint(position, self._ids.event_id())

    # What a fact does to the tables.

    def _commit_run(self, run_id: str, fact: RunFact, now_ms: int, mint: _Mint | None) -> Answer:
        before = self.runs.get(run_id)
        after = apply_run(before, run_id, fact, now_ms)
        if after is None:
            assert before is not None
            return Answer(None, before)
        if before is None:
            check_names(run_id, fact)
        self.runs[run_id] = after
        if isinstance(fact, RunStarted):
            if before is None:
                reached("run.created_by_start")
                self._append(run_id, RunCreated(fact.workflow_name, fact.input), "", now_ms, mint)
                mint = None
            event = self._append(run_id, RunStarted(), "", now_ms, mint)
            preload = tuple(self.logs[run_id])
            return Answer(event, after, preload=preload, cursor=str(event.position))
        if after.status in RUN_TERMINAL:
            self._release(run_id)
        event = self._append(run_id, fact, "", now_ms, mint)
        return Answer(event, after, cursor=str(event.position))

    def _release(self, run_id: str) -> None:
        """The run has ended: its tokens are free, its waits are gone, who waits for it is told."""
        if self._ends is not None:
            self._ends.tell(run_id)
        for hook in [each for each in self.tokens.values() if each.run_id == run_id]:
            del self.tokens[hook.token]
            self.hooks[run_id, hook.correlation_id] = release_hook(hook)
        for key in [each for each in self.waits if each[0] == run_id]:
            del self.waits[key]

    def _commit_step(self, run_id: str, fact: StepFact, now_ms: int, mint: _Mint | None) -> Answer:
        run = self.runs.get(run_id)
        key = (run_id, fact.correlation_id)
        row = self.steps.get(key)
        check_step(run, row, fact, now_ms, self._run_ended)
        assert run is not None
        if fact.type == "step_started" and row is not None and row.status == "running":
            reached("start.accepted_while_running")
        if row is None:
            check_names(run_id, fact)
        row = apply_step(row, run_id, fact, now_ms)
        self.steps[key] = row
        event = self._append(run_id, fact, fact.correlation_id, now_ms, mint)
        return Answer(event, run, row, None, str(event.position))

    def _commit_hook(self, run_id: str, fact: HookFact, now_ms: int, mint: _Mint | None) -> Answer:
        run = self.runs.get(run_id)
        key = (run_id, fact.correlation_id)
        row = self.hooks.get(key)
        if isinstance(fact, HookCreated) and row is None and fact.token in self.tokens:
            owner = self.tokens[fact.token].run_id
            fact = HookConflict(fact.correlation_id, fact.token, owner)
        check_hook(run, row, fact, self._run_ended)
        assert run is not None
        if row is None:
            check_names(run_id, fact)
        row = apply_hook(row, run_id, fact, now_ms)
        self.hooks[key] = row
        if isinstance(fact, HookCreated):
            self.tokens[row.token] = row
        elif isinstance(fact, HookDisposed):
            del self.tokens[row.token]
        elif isinstance(fact, HookConflict):
            reached("hook.conflict")
        event = self._append(run_id, fact, fact.correlation_id, now_ms, mint)
        return Answer(event, run, hook=row, cursor=str(event.position))

    def _commit_wait(self, run_id: str, fact: WaitFact, now_ms: int, mint: _Mint | None) -> Answer:
        run = self.runs.get(run_id)
        key = (run_id, fact.correlation_id)
        row = self.waits.get(key)
        check_wait(run, row, fact, self._run_ended)
        assert run is not None
        if row is None:
            check_names(run_id, fact)
        row = self.waits[key] = apply_wait(row, run_id, fact, now_ms)
        event = self._append(run_id, fact, fact.correlation_id, now_ms, mint)
        return Answer(event, run, wait=row, cursor=str(event.position))

    def _commit_attr(self, run_id: str, fact: AttrSet, now_ms: int, mint: _Mint | None) -> Answer:
        run = self.runs.get(run_id)
        check_attr(run, run_id, fact)
        assert run is not None
        event = self._append(run_id, fact, fact.correlation_id, now_ms, mint)
        return Answer(event, run, cursor=str(event.position))

    def _append(
        self, run_id: str, fact: Fact, correlation_id: str, now_ms: int, mint: _Mint | None
    ) -> Event:
        log = self.logs.setdefault(run_id, [])
        if self._minted is not None and (mint is None or (log and mint.position < log[0].position)):
            # Nothing comes before the run's creation, not even what began before it.
            mint = self._mint(run_id)
        if mint is None:
            position, event_id = len(log) + 1, self._ids.event_id()
        else:
            position, event_id = mint.position, mint.event_id
        event = Event(run_id, event_id, position, now_ms, fact.type, correlation_id, fact)
        if not log or log[-1].position < position:
            log.append(event)
        else:
            reached("event.behind_others")
            log.insert(bisect_right(log, position, key=_position), event)
        return event

    # Reading.

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``; the cursor is the position of the last event returned."""
        return self.page(self.logs.get(run_id, ()), cursor)

    def page(self, log: Sequence[Event], cursor: str | None) -> Page:
        """A page of a log, which may lack events of the one that is kept here."""
        start = 0
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= CURSOR_MAX):
                raise UsageError(f"{cursor!r} is not a cursor of this world")
            start = int(cursor)
            if log and log[-1].position != len(log):  # it has gaps
                start = bisect_right(log, start, key=_position)
        end = start + self._page_max
        found = log[start:end]
        has_more = end < len(log)
        with_cursor = found and (has_more or self._last_cursor)
        return Page(found, str(found[-1].position) if with_cursor else None, has_more)

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        row = self.runs.get(run_id)
        if row is None:
            raise EntityNotFoundError(f"there is no run {run_id}")
        return row

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        row = self.tokens.get(token)
        if row is None:
            raise HookNotFoundError(
                f"no live hook has the token {token!r}: it was never made, has been disposed of, "
                "or its run has ended"
            )
        return row

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        return sorted(each for each, row in self.runs.items() if row.status not in RUN_TERMINAL)


def _put_back(rows: dict[tuple[str, str], T], key: tuple[str, str], row: T | None) -> None:
    if row is None:
        rows.pop(key, None)
    else:
        rows[key] = row


_COMMITS: dict[type[Fact], Callable[..., Answer]] = {
    **dict.fromkeys(
        (RunCreated, RunStarted, RunCompleted, RunFailed, RunCancelled), AtomicWorld._commit_run
    ),
    **dict.fromkeys(
        (StepCreated, StepStarted, StepCompleted, StepFailed, StepRetrying),
        AtomicWorld._commit_step,
    ),
    **dict.fromkeys((HookCreated, HookReceived, HookDisposed), AtomicWorld._commit_hook),
    **dict.fromkeys((WaitCreated, WaitCompleted), AtomicWorld._commit_wait),
    AttrSet: AtomicWorld._commit_attr,
}
"""Who records a fact; hook_conflict is not among them: worlds write it, nobody asks for it."""
