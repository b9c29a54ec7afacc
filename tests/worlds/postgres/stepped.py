"""Sessions that are driven by hand: one statement at a time, in any order the test wants."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager

import attrs

from simworld.errors import DefiniteFailure
from simworld.substrates import MemoryTables


class Latch:
    """``ports.Latch``: whoever waits yields it until it is set."""

    def __init__(self, wish):
        self.wish = wish
        self.is_set = False

    def set(self):
        self.is_set = True

    async def wait(self, timeout_ms=None):
        while not self.is_set:
            await self
        return True

    def __await__(self):
        yield self


class Tasks:
    """The one thing tables in memory ask of ``ports.Tasks``."""

    def latch(self, wish):
        return Latch(wish)


class Point:
    """A place just before a statement or a commit."""

    def __init__(self, doing):
        self.doing = doing

    def __await__(self):
        yield self


def memory(tables, **options):
    """Tables in memory whose waits are latches of this module."""
    return MemoryTables(tables, tasks=Tasks(), **options)


class SteppedTables:
    """``ports.Tables`` with a point before every operation; ``log`` is what was done."""

    def __init__(self, inner):
        self.inner = inner
        self.log = []
        self.on_run = lambda statement, values: None

    async def run(self, statement, **values):
        return await self.statement(self.inner, statement, values)

    def transaction(self):
        return _SteppedBlock(self)

    @asynccontextmanager
    async def listen(self, channel):
        await Point(f"listen to {channel}")
        async with self.inner.listen(channel) as notices:
            yield notices

    async def statement(self, session, statement, values):
        self.on_run(statement, values)
        return await self.do(statement.name, session.run(statement, **values))

    async def do(self, doing, coroutine):
        try:
            await Point(doing)
            self.log.append(doing)
        except BaseException:
            coroutine.close()
            raise
        return await coroutine


class _SteppedBlock:
    def __init__(self, tables):
        self._tables = tables
        self._block = tables.inner.transaction()

    async def __aenter__(self):
        self._tables.log.append("begin")
        self._session = await self._block.__aenter__()
        return self

    async def __aexit__(self, *error):
        if error[0] is None:
            await self._tables.do("commit", self._block.__aexit__(*error))
        else:
            self._tables.log.append("roll back")
            await self._block.__aexit__(*error)

    async def run(self, statement, **values):
        return await self._tables.statement(self._session, statement, values)


@attrs.define
class Session:
    """A coroutine and how far it has come; its refusals are results."""

    coroutine: object
    at: object = None
    result: object = None
    is_over: bool = False

    @property
    def waits(self):
        """It waits for somebody else's transaction, or for news."""
        return isinstance(self.at, Latch) and not self.at.is_set

    def step(self):
        """Go on to the next point, wait or end."""
        try:
            self.at = self.coroutine.send(None)
        except StopIteration as stop:
            self.result, self.is_over = stop.value, True
        except DefiniteFailure as failure:
            self.result, self.is_over = failure, True

    def finish(self):
        """Go on to the end; it must not wait."""
        while not self.is_over:
            assert not self.waits, f"waits to {self.at.wish}"
            self.step()
        return self.result


def play(coroutines, choose) -> Mapping[str, Session]:
    """Run sessions to their ends; ``choose(count)`` says who goes on, of those who can.

    All begin at once: what they do before their first statement is done in the order they are in.
    """
    sessions = {name: Session(each) for name, each in coroutines.items()}
    for each in sessions.values():
        each.step()
    while True:
        ready = [name for name, each in sessions.items() if not (each.is_over or each.waits)]
        if not ready:
            break
        sessions[ready[choose(len(ready)) if len(ready) > 1 else 0]].step()
    stuck = [name for name, each in sessions.items() if not each.is_over]
    assert not stuck, f"they wait for ever: {stuck}"
    return sessions


def every_order(trial):
    """Call ``trial(choose)`` once for every way in which its choices can go."""
    path, trials = [], 0
    while True:
        depth = 0

        def choose(count):
            nonlocal depth
            if depth == len(path):
                path.append([0, count])
            depth += 1
            return path[depth - 1][0]

        trial(choose)
        trials += 1
        while path and path[-1][0] == path[-1][1] - 1:
            path.pop()
        if not path:
            return trials
        path[-1][0] += 1
