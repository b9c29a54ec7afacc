"""Tables on a PostgreSQL server: a pool of connections, transactions, notifications.

What is lost with a connection did not happen as long as its transaction was open, and may have
happened once the commit was on its way.  A task that is cancelled takes its statement with it: the
server is asked to cancel it, and the transaction is rolled back.  Whoever is in a transaction must
not ask the tables themselves: that would take a second connection of a pool that may have none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from simworld.errors import (
    DefiniteFailure,
    IndefiniteFailure,
    SimworldError,
    UsageError,
)
from simworld.ports import Notices, Row, Session, Statement
from simworld.substrates.pg_listener import Listener
from simworld.substrates.pg_wire import (
    Compiled,
    Connection,
    LostError,
    NotAllowed,
    checked_dsn,
    compiled,
)

CONNECTIONS = 10
"""How many of the pool's connections may be in use at a time."""
ROLLBACK_S = 2.0
"""A server that has not rolled back after so long is hung up on."""

_SESSION = b"""
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET plan_cache_mode = force_generic_plan;
SET jit = off;
SET client_min_messages = warning
"""


class PostgresTables:
    """``ports.Tables``; made by ``open_postgres``."""

    def __init__(self, conninfo: str, *, connections: int = CONNECTIONS) -> None:
        self._conninfo = conninfo
        self._room = trio.Semaphore(connections)
        self._idle: list[Connection] = []
        self._statements: dict[Statement, Compiled] = {}
        self._listener = Listener(self._connect)

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """See ``ports.Session``."""
        connection = await self._take()
        try:
            return await connection.run(self._compiled(statement), values)
        except LostError as error:
            if not any(statement.touches(values).values()):
                raise DefiniteFailure(f"cannot {statement.name}: {error}") from error
            raise IndefiniteFailure(
                f"whether it did {statement.name} is not known: {error}"
            ) from error
        finally:
            self._give_back(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """See ``ports.Tables``."""
        connection = await self._take()
        try:
            session = _Transaction(connection, self._compiled)
            await session.command(b"BEGIN")
            try:
                yield session
            except BaseException:
                await _roll_back(connection)
                raise
            await _commit(connection)
        finally:
            self._give_back(connection)

    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        """See ``ports.Tables``; all listeners share one connection, which stays."""
        return self._listener.listen(channel)

    async def prepare(self, ddl: str, version: str) -> None:
        """Create the schema, or check that it is there; see ``open_postgres``."""
        try:
            connection = await self._connect()
        except LostError as error:
            raise UsageError(
                f"cannot open the PostgreSQL database: {error}; check that the server runs and "
                "that the DSN names its host, port, user and an existing database"
            ) from error
        try:
            await _prepare(connection, ddl, version)
        except LostError as error:
            raise UsageError(f"the database went away while it was opened: {error}") from error
        finally:
            connection.close()

    def close(self) -> None:
        """Hang up on everything."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        self._listener.close()

    async def _take(self) -> Connection:
        """One connection of the pool, to oneself until it is given back."""
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            await self._room.acquire()
        try:
            while self._idle:
                connection = self._idle.pop()
                if connection.alive():
                    return connection
            return await self._connect()
        except BaseException as error:
            self._room.release()
            if isinstance(error, LostError):
                raise DefiniteFailure(f"the database cannot be reached: {error}") from error
            raise

    def _give_back(self, connection: Connection) -> None:
        if not connection.closed:
            self._idle.append(connection)
        self._room.release()

    async def _connect(self) -> Connection:
        connection = await Connection.open(self._conninfo)
        try:
            await connection.command(_SESSION)
        except BaseException:
            connection.close()
            raise
        return connection

    def _compiled(self, statement: Statement) -> Compiled:
        found = self._statements.get(statement)
        if found is None:
            name = f"s{len(self._statements)}"
            found = self._statements[statement] = compiled(statement, name)
        return found


class _Transaction:
    """``ports.Session``: statements of one transaction."""

    def __init__(self, connection: Connection, compile_: Callable[[Statement], Compiled]) -> None:
        self._connection = connection
        self._compile = compile_

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """See ``ports.Session``."""
        try:
            return await self._connection.run(self._compile(statement), values)
        except LostError as error:
            raise DefiniteFailure(f"cannot {statement.name}: {error}") from error

    async def command(self, text: bytes) -> None:
        """Plain SQL."""
        try:
            await self._connection.command(text)
        except LostError as error:
            raise DefiniteFailure(f"the database went away: {error}") from error


async def _commit(connection: Connection) -> None:
    if not connection.alive():
        raise DefiniteFailure("the database went away before the commit, so nothing was done")
    try:
        done = await connection.command(b"COMMIT")
    except LostError as error:
        raise IndefiniteFailure(f"whether it was committed is not known: {error}") from error
    if done != b"COMMIT":
        raise DefiniteFailure("nothing was committed: a statement before had been refused")


async def _roll_back(connection: Connection) -> None:
    """Nothing of the transaction stays, and its locks are free, also for a cancelled task."""
    with trio.move_on_after(ROLLBACK_S, shield=True):
        if connection.alive():
            try:
                await connection.command(b"ROLLBACK")
            except (LostError, SimworldError):
                connection.close()
            return
    connection.close()


# --- opening --------------------------------------------------------------------------------------


_LOCK = b"SELECT pg_advisory_xact_lock(7306092911)"
"""Whoever else opens the database now waits until the schema is there."""
_READ_ONLY = b"SHOW transaction_read_only"
_FIND = b"SELECT to_regclass('schema_version')::text"
_VERSION = b"SELECT version FROM schema_version"
_REFUSED = b"""
SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class
WHERE relkind = 'r' AND relname <> 'schema_version'
AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_version'))
AND NOT has_table_privilege(oid, 'INSERT')
"""
"""The world's tables that the role may only read."""


async def _prepare(connection: Connection, ddl: str, version: str) -> None:
    await connection.command(b"BEGIN")
    await connection.command(_LOCK)
    if await connection.value(_READ_ONLY) == "on":
        raise UsageError("the database takes no writes; use the primary server, or a role that may")
    if await connection.value(_FIND) is None:
        try:
            await connection.command(ddl.encode())
        except NotAllowed as error:
            raise UsageError(
                "the role may not create the world's tables: let it (GRANT CREATE ON SCHEMA …), or "
                "open the database once as a role that may"
            ) from error
        except UsageError as error:
            raise UsageError(f"the database holds tables of something else: {error}") from error
    else:
        found = await connection.value(_VERSION)
        if found != version:
            raise UsageError(
                f"the database holds schema {found!r}, this needs {version!r}; "
                "use an empty database, or the release that made this one"
            )
        refused = await connection.value(_REFUSED)
        if refused is not None:
            raise UsageError(
                f"the role may not write to {refused}; grant it SELECT, INSERT, UPDATE and DELETE "
                "on the world's tables"
            )
    await connection.command(b"COMMIT")


@asynccontextmanager
async def open_postgres(
    dsn: str, *, ddl: str, version: str, connections: int = CONNECTIONS
) -> AsyncIterator[PostgresTables]:
    """A database whose schema is ``ddl``, which is created if the database is empty.

    ``ddl`` also makes the table ``schema_version``, whose one row says ``version``.  ``UsageError``
    if there is no such database, or if it holds another schema, in which case nothing is written.
    """
    conninfo = checked_dsn(dsn)
    tables = PostgresTables(conninfo, connections=connections)
    try:
        await tables.prepare(ddl, version)
        yield tables
    finally:
        tables.close()
