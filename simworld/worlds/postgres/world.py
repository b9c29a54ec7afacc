"""The SQL world: runs, steps, hooks, waits and logs in tables (spec §2.2).

Written once against ``Tables``: the same statements run on a server, and as twins in memory.
``pg_writes`` chooses what one create consists of: ``appending``, ``repaired`` or ``merged``.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import RUN_ENDED, RUN_ENDED_410, RUN_TERMINAL, Fact, HookRow, RunRow
from simworld.errors import EntityNotFoundError, HookNotFoundError, InternalError, UsageError
from simworld.ports import Answer, BatchFact, Clock, Ids, Page, Tables, Tasks
from simworld.records import (
    LastCursor,
    PostgresPosition,
    PostgresProfile,
    PostgresWrites,
    TerminalCreate,
    WorldProfile,
)
from simworld.worlds.moved import check_batch
from simworld.worlds.postgres.appending import Appender
from simworld.worlds.postgres.creating import Setup, before_gap, end_channel, one
from simworld.worlds.postgres.merged import create_merged
from simworld.worlds.postgres.repaired import append_repaired, create_repaired
from simworld.worlds.postgres.rows import event_of, hook_of, run_of
from simworld.worlds.postgres.schema import POSITION_DIGITS
from simworld.worlds.postgres.statements import ACTIVE_RUNS, FIND_HOOK, READ_LOG, READ_RUN, place
from simworld.worlds.prefixes import Prefixes


class PostgresWorld:
    """``ports.Storage``."""

    def __init__(
        self,
        tables: Tables,
        *,
        clock: Clock,
        ids: Ids,
        profile: PostgresProfile,
        world: WorldProfile,
        tasks: Tasks | None = None,
        prefixes: Prefixes | None = None,
    ) -> None:
        """``tasks``: for ``pg_writes=append``, whose callers wait for one another."""
        gone = world.terminal_create is TerminalCreate.GONE
        self._tables = tables
        self._setup = Setup(tables, clock, ids, profile, RUN_ENDED_410 if gone else RUN_ENDED)
        self._merged = profile.pg_writes is PostgresWrites.AUTOCOMMIT
        self._slots = profile.pg_position is PostgresPosition.SLOTS
        self._appender: Appender | None = None
        if profile.pg_writes is PostgresWrites.APPEND:
            if not self._slots:
                raise UsageError(
                    f"pg_writes=append compares positions; use pg_position=slots with it, not "
                    f"{profile.pg_position}"
                )
            if tasks is None:
                raise InternalError("a world whose callers wait for one another needs tasks")
            self._appender = Appender(self._setup, tasks, prefixes)
        self._page_max = world.page_max
        self._has_gaps = profile.pg_position is PostgresPosition.RESERVED
        self._last_cursor = world.last_cursor is LastCursor.KEPT

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        if self._appender is not None:
            return await self._appender.create(run_id, fact)
        create = create_merged if self._merged else create_repaired
        return await create(self._setup, run_id, fact)

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``."""
        if self._merged or not self._slots:
            raise UsageError(
                "a world of autocommit statements, or one whose positions are taken before the "
                "commit, records one event at a time; use commits=each, or "
                "pg_writes=transaction with pg_position=slots"
            )
        check_batch(facts)
        if self._appender is not None:
            return await self._appender.append(run_id, facts, after)
        return await append_repaired(self._setup, run_id, facts, after)

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``; whoever ends the run tells it in the same commit."""
        async with self._tables.listen(end_channel(run_id)) as notices:
            # What was told before we listened is heard by nobody: look.
            row = await one(self._tables, READ_RUN, run_id=run_id)
            if row is None or row["status"] not in RUN_TERMINAL:
                await notices.wait(timeout_ms)

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``; one SELECT, the cursor is the position of the last event."""
        after = "" if cursor is None else _place(cursor)
        if not run_id.isprintable():
            return Page((), None, has_more=False)
        limit = self._page_max + 1
        rows = await self._tables.run(READ_LOG, run_id=run_id, after=after, limit=limit)
        if self._has_gaps:
            rows = before_gap(rows, int(after or 0))
        has_more = len(rows) == limit
        found = [event_of(each) for each in rows[: self._page_max]]
        if self._appender is not None:
            self._appender.heard(run_id, found)
        with_cursor = found and (has_more or self._last_cursor)
        return Page(found, str(found[-1].position) if with_cursor else None, has_more)

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        row = await one(self._tables, READ_RUN, run_id=run_id)
        if row is None:
            raise EntityNotFoundError(f"there is no run {run_id}")
        return run_of(row)

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        row = await one(self._tables, FIND_HOOK, token=token)
        if row is None:
            raise HookNotFoundError(
                f"no live hook has the token {token!r}: it was never made, has been disposed of, "
                "or its run has ended"
            )
        return hook_of(row)

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        return [row["run_id"] for row in await self._tables.run(ACTIVE_RUNS)]


def _place(cursor: str) -> str:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= POSITION_DIGITS):
        raise UsageError(f"{cursor[:80]!r} is not a cursor of this world")
    return place(int(cursor))
