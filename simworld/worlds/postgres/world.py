"""The SQL world: runs, steps, hooks, waits and logs in tables (spec §2.2).

Written once against ``Tables``: the same statements run on a server, and as twins in memory.
``pg_writes`` chooses what one create consists of: ``repaired`` or ``merged``.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import RUN_ENDED, RUN_ENDED_410, Fact, HookRow, RunRow
from simworld.errors import EntityNotFoundError, HookNotFoundError, UsageError
from simworld.ports import Answer, Clock, Ids, Page, Tables
from simworld.records import (
    LastCursor,
    PostgresPosition,
    PostgresProfile,
    PostgresWrites,
    TerminalCreate,
    WorldProfile,
)
from simworld.worlds.postgres.creating import Setup, before_gap, one
from simworld.worlds.postgres.merged import create_merged
from simworld.worlds.postgres.repaired import create_repaired
from simworld.worlds.postgres.rows import event_of, hook_of, run_of
from simworld.worlds.postgres.schema import POSITION_DIGITS
from simworld.worlds.postgres.statements import ACTIVE_RUNS, FIND_HOOK, READ_LOG, READ_RUN, place


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
    ) -> None:
        gone = world.terminal_create is TerminalCreate.GONE
        self._tables = tables
        self._setup = Setup(tables, clock, ids, profile, RUN_ENDED_410 if gone else RUN_ENDED)
        transaction = profile.pg_writes is PostgresWrites.TRANSACTION
        self._create = create_repaired if transaction else create_merged
        self._page_max = world.page_max
        self._has_gaps = profile.pg_position is PostgresPosition.RESERVED
        self._last_cursor = world.last_cursor is LastCursor.KEPT

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        return await self._create(self._setup, run_id, fact)

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
