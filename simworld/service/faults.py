"""Faults of the world while a worker works: a line per kind in the log, and bad health.

A delivery that gives up on such a fault comes again, so nobody else would ever hear of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from simworld.errors import (
    Deadlock,
    InternalError,
    SimworldError,
    UniqueViolation,
    UsageError,
    WorldError,
)
from simworld.ports import Notices, Row, Session, Statement, Tables
from simworld.service.log import ServiceLog, cut

MISTAKES = (UsageError, InternalError)
"""Of the program's author, or ours: another delivery does not mend them."""
IN_A_ROW = 3
"""So many faults without a success between them are bad health."""
FRESH_S = 60.0
"""A fault that is older says nothing about now."""
QUIET_S = 10.0
"""One kind of fault is told at most so often."""
KINDS_MAX = 100
"""Further kinds share a line."""

_VARIES = re.compile(r"[\w-]*\d[\w-]*")
"""Ids, numbers and times: two faults that differ in nothing else are of one kind."""


def is_fault(error: Exception) -> bool:
    """Whether the world does not work; a refusal that it gives with good reason is no fault."""
    if isinstance(error, WorldError):
        return error.status == 429 or error.status >= 500
    refusals = (*MISTAKES, UniqueViolation, Deadlock)
    return isinstance(error, SimworldError) and not isinstance(error, refusals)


class Faults:
    """Those of one kind of work."""

    def __init__(
        self, log: ServiceLog, doing: str, now_s: Callable[[], float] = trio.current_time
    ) -> None:
        self._log = log
        self._doing = doing
        self._now_s = now_s
        self._in_a_row = 0
        self._last, self._last_s = "", 0.0
        self._untold: dict[str, int] = {}
        self._told_s: dict[str, float] = {}

    def failed(self, error: Exception) -> None:
        """The work has given up; it is told unless its kind has just been."""
        now_s, text = self._now_s(), cut(f"{type(error).__name__}: {error}")
        self._in_a_row += 1
        self._last, self._last_s = text, now_s
        kind = _VARIES.sub("", text)
        if kind not in self._told_s and len(self._told_s) >= KINDS_MAX:
            kind = ""
        count = self._untold.get(kind, 0) + 1
        if kind in self._told_s and now_s < self._told_s[kind] + QUIET_S:
            self._untold[kind] = count
            return
        self._untold[kind], self._told_s[kind] = 0, now_s
        self._log.say(f"{self._doing} failed, it is tried again", why=text, count=count)

    def worked(self) -> None:
        """The work has been done."""
        self._in_a_row = 0

    @property
    def current(self) -> str:
        """The last fault, while the work does nothing but fail; else empty."""
        fresh = self._in_a_row >= IN_A_ROW and self._now_s() < self._last_s + FRESH_S
        return self._last if fresh else ""


class WatchedTables:
    """``ports.Tables`` of a queue, which asks again and again and never says that it fails."""

    def __init__(self, tables: Tables, faults: Faults) -> None:
        self._tables = tables
        self._faults = faults

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """See ``ports.Session``."""
        try:
            rows = await self._tables.run(statement, **values)
        except Exception as error:
            if is_fault(error):
                self._faults.failed(error)
            raise
        self._faults.worked()
        return rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """See ``ports.Tables``."""
        async with self._tables.transaction() as session:
            yield session

    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        """See ``ports.Tables``."""
        return self._tables.listen(channel)
