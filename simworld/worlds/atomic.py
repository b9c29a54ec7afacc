"""The atomic world: what every other world is measured against (spec §2).

One ``create`` changes rows and appends the event in one step, and an event's position is its
commit order; a read is a prefix of the log.  Nothing in here awaits, so nothing can come between.
"""

from __future__ import annotations

from simworld.engine import (
    RUN_FACTS,
    Event,
    Fact,
    RunFact,
    RunRow,
    StepRow,
    apply_run,
    apply_step,
    check_step,
)
from simworld.errors import EntityNotFoundError, UsageError
from simworld.marks import reached
from simworld.ports import Answer, Clock, Ids, Page
from simworld.records import WorldProfile


class AtomicWorld:
    """Runs, steps and logs in memory."""

    def __init__(self, *, clock: Clock, ids: Ids, profile: WorldProfile) -> None:
        self._clock = clock
        self._ids = ids
        self._page_max = profile.page_max
        self.runs: dict[str, RunRow] = {}
        self.steps: dict[tuple[str, str], StepRow] = {}
        self.logs: dict[str, list[Event]] = {}

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``; atomic."""
        return self.commit(run_id, fact)

    def commit(self, run_id: str, fact: Fact) -> Answer:
        """``create`` without a coroutine around it."""
        now_ms = self._clock.now_ms()
        if isinstance(fact, RUN_FACTS):
            return self._commit_run(run_id, fact, now_ms)
        run = self.runs.get(run_id)
        key = (run_id, fact.correlation_id)
        row = self.steps.get(key)
        check_step(run, row, fact, now_ms)
        assert run is not None
        if fact.type == "step_started" and row is not None and row.status == "running":
            reached("start.accepted_while_running")
        row = apply_step(row, run_id, fact, now_ms)
        self.steps[key] = row
        return Answer(self._append(run_id, fact, fact.correlation_id, now_ms), run, row)

    def _commit_run(self, run_id: str, fact: RunFact, now_ms: int) -> Answer:
        before = self.runs.get(run_id)
        after = apply_run(before, run_id, fact, now_ms)
        if after is None:
            assert before is not None
            return Answer(None, before)
        self.runs[run_id] = after
        event = self._append(run_id, fact, "", now_ms)
        preload = tuple(self.logs[run_id]) if fact.type == "run_started" else None
        return Answer(event, after, None, preload)

    def _append(self, run_id: str, fact: Fact, correlation_id: str, now_ms: int) -> Event:
        log = self.logs.setdefault(run_id, [])
        event = Event(
            run_id, self._ids.event_id(), len(log) + 1, now_ms, fact.type, correlation_id, fact
        )
        log.append(event)
        return event

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``; the cursor is the position of the last event returned."""
        log = self.logs.get(run_id, [])
        start = 0
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit()):
                raise UsageError(f"{cursor!r} is not a cursor of this world")
            start = int(cursor)
        end = start + self._page_max
        found = log[start:end]
        return Page(found, str(start + len(found)) if found else None, end < len(log))

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        row = self.runs.get(run_id)
        if row is None:
            raise EntityNotFoundError(f"there is no run {run_id}")
        return row
