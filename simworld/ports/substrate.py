"""The substrate port: the few things a world asks of a disk or of a database (decisions §5.9).

Worlds are written once against these.  In simulation a substrate is in memory, and every operation
on it is a place where others may go first, where a host may die, and whose answer may be lost; in
production it is a directory or a PostgreSQL server.  What cannot be done (a full disk, a lost
connection) is a ``DefiniteFailure`` or an ``IndefiniteFailure`` that says why.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

import attrs

# --- files ----------------------------------------------------------------------------------------


class Files(Protocol):
    """A tree of small files.

    Paths are relative, their pieces joined by ``/``; each piece is made by the world and holds
    ASCII letters, digits and ``-_.=~`` only, at most 200 of them, so no name of a user's can lead
    out of the tree.  Folders come into being with their first file.
    """

    async def create(self, path: str, data: bytes) -> bool:
        """Exclusive create, then write in place: False if it exists.

        Not atomic for readers, and a host that dies may leave a part of it.
        """

    async def link(self, path: str, data: bytes) -> bool:
        """Write a temporary file, then give it its name: complete or absent.  False if taken."""

    async def link_all(self, paths: Sequence[str], parts: Sequence[bytes]) -> int:
        """``link`` in this order, up to the first path that is taken: how many got their names.

        A host that dies, or an error, may leave the first few of them.
        """

    async def replace(self, path: str, data: bytes) -> None:
        """Write a temporary file, then rename it over ``path``: the old content or the new."""

    async def read(self, path: str) -> bytes | None:
        """The content; None if there is no such file."""

    async def read_all(self, paths: Sequence[str]) -> list[bytes | None]:
        """Several files in one operation, which is no snapshot; None for those that are not."""

    async def read_on(self, paths: Sequence[str]) -> list[bytes]:
        """As ``read_all``, but only up to the first that is not there."""

    async def list(self, folder: str) -> list[str]:
        """The names in a folder, files and folders, sorted; empty if there is no such folder."""

    async def unlink(self, path: str) -> bool:
        """Remove a file; False if there is none."""

    async def wait_more(self, folder: str, count: int) -> None:
        """Return once ``folder`` holds more than ``count`` names."""


# --- tables ---------------------------------------------------------------------------------------

Row: TypeAlias = Mapping[str, Any]
"""Column → value: ``str``, ``int``, ``bool``, ``bytes`` or None."""

Predicate: TypeAlias = Callable[[Row], bool]

Key: TypeAlias = tuple[Any, ...]
"""Values of the columns of a primary key, or of its first columns."""


@attrs.frozen
class Index:
    """An index of a table; rows with a None in it are in no unique index's way."""

    name: str
    columns: tuple[str, ...]
    only: tuple[str, tuple[str, ...]] | None = None
    """A partial index: the column, and the texts in it that put a row under the index."""
    unique: bool = True


@attrs.frozen
class Table:
    """A table, as data: a server's DDL is generated from it, and tables in memory obey it."""

    name: str
    columns: Mapping[str, type]
    """Name → ``str``, ``int``, ``bool`` or ``bytes``, in order."""
    key: tuple[str, ...]
    """The columns of the primary key."""
    indexes: tuple[Index, ...] = ()
    nullable: tuple[str, ...] = ()


class TableSession(Protocol):
    """What a statement's twin may do to the tables in memory, under read-committed rules.

    A session is one transaction.  Each call sees what was committed when its statement began, and
    what its own transaction has done.  Whoever meets a row that another open transaction has
    changed waits for its end, and then asks the predicate again of the row as it is by then.

    ``key`` holds the values of the first columns of the primary key, or of all: only such rows are
    looked at.  Rows are never changed in place: who changes one makes a new one.
    """

    async def select(
        self, table: str, where: Predicate | None = None, *, key: Key = (), lock: bool = False
    ) -> list[Row]:
        """Rows in the order of their primary key; ``lock``: FOR UPDATE."""

    async def insert(self, table: str, row: Row, *, on_conflict: str = "error") -> Row | None:
        """The row as stored; ``on_conflict="nothing"``: None if a unique index has it already.

        ``on_conflict="error"``: ``UniqueViolation`` if one has.  ``on_conflict="replace"``: the row
        takes the place of the one with its primary key; of a table without other unique keys.
        """

    async def update(
        self,
        table: str,
        change: Callable[[Row], Row],
        where: Predicate | None = None,
        *,
        key: Key = (),
        among: Sequence[Row] | None = None,
        skips_locked: bool = False,
    ) -> list[Row]:
        """The rows after the change, in the order of their primary key.

        ``among``: the only rows that are looked at; a ``select`` has seen them before the statement
        wrote or waited.  ``skips_locked``: others' rows are left alone instead of waited for.
        """

    async def delete(
        self,
        table: str,
        where: Predicate | None = None,
        *,
        key: Key = (),
        among: Sequence[Row] | None = None,
    ) -> list[Row]:
        """The rows that were deleted; ``among`` as in ``update``."""

    async def advisory_lock(self, key: str) -> None:
        """Until the end of the transaction; whoever wants it meanwhile waits."""

    def notify(self, channel: str, payload: str) -> None:
        """Wake the listeners at commit; nothing if it is rolled back."""


Twin: TypeAlias = Callable[[TableSession, Row], Awaitable[Sequence[Row]]]
"""(session, parameters) → the rows the statement returns."""

Touches: TypeAlias = Callable[[Row], Mapping[str, bool]]
"""Parameters → label of every row the statement touches → whether it writes it."""


@attrs.frozen(eq=False)
class Statement:
    """One statement, twice: as SQL for a server, and as a twin for tables in memory."""

    name: str
    """What it does, in words: ``start the run``."""
    sql: str
    """With ``%(name)s`` for parameters."""
    twin: Twin
    touches: Touches
    """For example ``{"step wrun_1/step_2": True}``; ids are replaced by labels in simulation."""


class Session(Protocol):
    """Statements of one connection."""

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """The rows that the statement returns."""


class Notices(Protocol):
    """What one listener has heard."""

    async def wait(self, timeout_ms: int | None = None) -> bool:
        """True once something was told since the last True (or the start), False at the timeout."""


class Tables(Session, Protocol):
    """A database; ``run`` on it is a transaction of its own (autocommit)."""

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """Begin; commit at the end of the block, roll back if an error leaves it."""

    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        """Hear what commits from the start of the block on.

        So no wake-up is lost: whoever looks at the tables inside the block, and finds nothing,
        waits, and is woken by what committed after the look, also if that was before the wait.
        """
