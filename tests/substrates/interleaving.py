"""Two sessions, interleaved the same way on tables in memory and on a server, and compared.

After every step both sides must agree: who has answered and with what, who was refused and why,
and who waits for a lock.  At the end they must agree on the rows and on who was notified.

A session that closes a circle of waits is refused; PostgreSQL leaves it to chance which of a circle
that is (the first whose ``deadlock_timeout`` runs out), so the harness gives the closer no time and
the other one for ever.
"""

from __future__ import annotations

import contextlib
from collections import Counter

import attrs
import psycopg
import trio

from simworld.errors import InternalError, SimworldError
from simworld.ports import Statement
from simworld.substrates import MemoryTables, open_postgres
from simworld.worlds.postgres.schema import ddl
from tests.substrates.pg_statements import statement
from tests.worlds.doubles import now

PID = statement("SELECT pg_backend_pid() AS pid", writes=False)
PATIENT = statement("SET deadlock_timeout = '1h'")
HASTY = statement("SET deadlock_timeout = '1ms'")
_STILL_OPEN = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s) AND xact_start IS NOT NULL"
"""A server takes a while to see that somebody whom it let wait has hung up."""
END = "the_end"
"""What the watcher tells itself, to know that it has heard everything before."""
WAITS = "waits for a lock"


@attrs.frozen
class Step:
    """What a session does next; ``action`` is ``begin``, ``commit``, ``rollback`` or ``run``."""

    session: int
    action: str
    statement: Statement | None = None
    values: dict = attrs.field(factory=dict)

    def __str__(self):
        what = self.action if self.statement is None else f"{self.statement.name} {self.values}"
        return f"{'AB'[self.session]}: {what}"


class RolledBack(Exception):
    """Leaves a transaction on purpose."""


class OutsideError(Exception):
    """Tables in memory refuse what has no rule there; then there is nothing to compare."""


class Session:
    """One session of one side."""

    def __init__(self, tables):
        self.tables = tables
        self.inner = None
        """The transaction that is open."""
        self.answer = "not asked yet"
        """What the last step came to; None while it waits."""
        self.busy = False
        self._block = None

    async def perform(self, step):
        """Act, and leave the transaction if it refuses, as ``async with`` does."""
        self.busy = True
        try:
            self.answer = await self._act(step)
        except InternalError as error:
            raise OutsideError(str(error)) from error
        except SimworldError as error:
            if self.inner is not None:
                await self._leave(error)
            self.answer = type(error).__name__
        finally:
            self.busy = False

    async def _act(self, step):
        if step.action == "begin":
            self._block = self.tables.transaction()
            self.inner = await self._block.__aenter__()
        elif step.action == "run":
            rows = await (self.inner or self.tables).run(step.statement, **step.values)
            found = [dict(row) for row in rows]
            return found if "ORDER BY" in step.statement.sql else sorted(found, key=repr)
        else:
            await self._leave(None if step.action == "commit" else RolledBack())
        return step.action

    async def leave(self):
        """Roll back what is open."""
        if self._block is not None:
            with contextlib.suppress(RolledBack, SimworldError):
                await self._leave(RolledBack())

    async def _leave(self, error):
        block, self._block, self.inner = self._block, None, None
        await block.__aexit__(error and type(error), error, None)


class _Latch:
    """``ports.Latch`` for coroutines that are driven by hand."""

    def __init__(self):
        self.is_set = False

    def set(self):
        self.is_set = True

    async def wait(self, timeout_ms=None):
        if timeout_ms is None and not self.is_set:
            await self
        return self.is_set

    def __await__(self):
        while not self.is_set:
            yield


class _Tasks:
    """As much of ``ports.Tasks`` as tables need."""

    def latch(self, wish):
        return _Latch()


class Memory:
    """The side of the twins."""

    def __init__(self, schema, channels):
        self.tables = MemoryTables(schema, tasks=_Tasks())
        self.sessions = (Session(self.tables), Session(self.tables))
        self.heard = Counter()
        self._notices = {each: self.tables.listen(each) for each in channels}
        for each in self._notices.values():
            now(each.__aenter__())
        self._under_way = []

    async def settle(self, step):
        """Begin a step, and go on until nobody can."""
        self.sessions[step.session].answer = None
        self._under_way.append(self.sessions[step.session].perform(step))
        going = True
        while going:
            going = False
            for coroutine in list(self._under_way):
                try:
                    coroutine.send(None)
                except StopIteration:
                    self._under_way.remove(coroutine)
                    going = True
                for channel, notices in self._notices.items():
                    self.heard[channel] += now(notices.wait(0))

    async def rows(self, table):
        return [dict(row) for row in self.tables.rows(table)]


class Server:
    """The side of a real server, inside a nursery; ``control`` watches who waits."""

    def __init__(self, tables, pids, control, nursery):
        self.sessions = tuple(Session(each) for each in tables)
        self._pids = pids
        self._control = control
        self._nursery = nursery

    async def settle(self, step):
        """Begin a step, and wait until everybody has answered or waits for a lock."""
        me, other = self.sessions[step.session], self.sessions[1 - step.session]
        if step.action == "run":
            await (me.inner or me.tables).run(PATIENT if other.answer is not None else HASTY)
        me.answer = None
        self._nursery.start_soon(me.perform, step)
        while True:
            waiting = self._waiting()
            silent = [n for n in (0, 1) if self.sessions[n].answer is None]
            if not silent or (len(silent) == 1 and silent == waiting):
                return
            await trio.sleep(0.000_3)

    async def leave(self):
        """Whatever is open is rolled back."""
        self._nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            for session in self.sessions:
                while session.busy:
                    await trio.sleep(0.001)
                await session.leave()
            while self._control.execute(_STILL_OPEN, (list(self._pids),)).fetchone() != (0,):
                await trio.sleep(0.001)

    def _waiting(self):
        """Whose connection waits for the other one; not for a vacuum, which is soon over."""
        question = (
            "SELECT pg_blocking_pids(pid) && %(pids)s::int[] FROM unnest(%(pids)s::int[]) pid"
        )
        found = self._control.execute(question, {"pids": list(self._pids)}).fetchall()
        return [number for number, (waits,) in enumerate(found) if waits]


@attrs.frozen
class Comparison:
    """A schema on both sides, with a database of its own at the server."""

    schema: tuple
    dsn: str
    channels: tuple[str, ...] = ()
    counts: Counter = attrs.field(factory=Counter)
    """What the interleavings so far held: statements, waits, refusals."""

    def run(self, steps):
        """Run the steps on both sides; an AssertionError tells the first difference."""
        with psycopg.connect(self.dsn, autocommit=True) as control:
            trio.run(self._compare, steps, control)
        self.counts["interleavings"] += 1

    async def _compare(self, steps, control):
        async with contextlib.AsyncExitStack() as stack:
            text = ddl(self.schema, "test")
            opened = [
                await stack.enter_async_context(
                    open_postgres(self.dsn, ddl=text, version="test", connections=1)
                )
                for _ in range(2)
            ]
            for table in self.schema:
                control.execute(f"DELETE FROM {table.name}".encode())
            for channel in (*self.channels, END):
                control.execute(f'LISTEN "{channel}"'.encode())
            pids = [(await each.run(PID))[0]["pid"] for each in opened]
            nursery = await stack.enter_async_context(trio.open_nursery())
            stack.enter_context(trio.fail_after(60))
            memory = Memory(self.schema, self.channels)
            server = Server(opened, pids, control, nursery)
            try:
                await self._walk(memory, server, steps)
                await self._finish(memory, server, control)
            except OutsideError as error:
                self.counts[f"outside the rules: {error}"] += 1
            finally:
                await server.leave()

    async def _walk(self, memory, server, steps):
        told = []
        for step in steps:
            session = memory.sessions[step.session]
            fits = step.action == "run" or (step.action == "begin") == (session.inner is None)
            if session.answer is None or not fits:
                continue
            await self._settle(memory, server, step, told)

    async def _finish(self, memory, server, control):
        told = ["… at the end"]
        for number in (0, 1, 0):
            session = memory.sessions[number]
            if session.answer is not None and session.inner is not None:
                await self._settle(memory, server, Step(number, "commit"), told)
        for table in self.schema:
            key = ", ".join(table.key)
            cursor = control.execute(f"SELECT * FROM {table.name} ORDER BY {key}".encode())
            names = [each.name for each in cursor.description]
            there = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            here = await memory.rows(table.name)
            assert here == there, f"table {table.name}: in memory {here}, at the server {there}"
        control.execute(f"NOTIFY {END}".encode())
        heard = Counter()
        for notice in control.notifies(timeout=60):
            if notice.channel == END:
                break
            heard[notice.channel] += 1
        assert +memory.heard == heard, f"heard in memory {+memory.heard}, at the server {heard}"

    async def _settle(self, memory, server, step, told):
        told.append(str(step))
        waited = [each.answer is None for each in memory.sessions]
        await memory.settle(step)
        await server.settle(step)
        here = [each.answer for each in memory.sessions]
        there = [each.answer for each in server.sessions]
        assert here == there, "\n".join(
            [*told, f"in memory:     {_shown(here)}", f"at the server: {_shown(there)}"]
        )
        self.counts["steps"] += 1
        if step.statement is not None:
            self.counts[step.statement.name] += 1
        if here[step.session] is None:
            self.counts["waits"] += 1
        for number in (0, 1):
            if isinstance(here[number], str) and (waited[number] or number == step.session):
                self.counts[here[number]] += 1


def _shown(answers):
    return ", ".join(
        f"{'AB'[number]} {WAITS if answer is None else answer}"
        for number, answer in enumerate(answers)
    )
