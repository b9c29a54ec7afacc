"""Tables in memory: the twins of statements, run under PostgreSQL's READ COMMITTED rules.

* A statement sees what was committed when it began, and what its own transaction has done.
* Who wants to change or lock a row that another open transaction has changed or locked waits for
  that transaction's end, and then asks its predicate again of the newest version.
* Who inserts a row under a unique key that an open transaction is about to take or to give up
  waits for its end; then it is a conflict, or there is none.  A lock alone is no reason to wait.
* Rollback undoes, notifications and locks last to the end, a circle of waits is refused at once to
  whoever closes it.

Everything else is refused with ``InternalError``: a rule that is not here would be simulated wrong.
Nothing waits but for a lock, so without contention a statement is one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from simworld.errors import Deadlock, InternalError, UniqueViolation
from simworld.ports import Key, Latch, Predicate, Row, Statement, Table, Tasks
from simworld.substrates.stored_table import StoredTable, UniqueIndex

Inserted = list[tuple[str, Row]]
"""The rows that a transaction has added: (table, row), in order."""


class MemoryTables:
    """``ports.Tables``."""

    def __init__(
        self,
        tables: Sequence[Table],
        *,
        tasks: Tasks,
        owner: Callable[[], object] = lambda: None,
        on_commit: Callable[[Inserted], None] | None = None,
    ) -> None:
        self.tasks = tasks
        self._stored = {each.name: StoredTable(each) for each in tables}
        self.advisory: dict[str, Transaction] = {}
        """Key → who holds it."""
        self.births = 0
        """How many rows have come into being so far."""
        self.on_commit = on_commit
        """Called at each commit that has added rows, before anybody else goes on."""
        self._owner = owner
        """Who begins a transaction, for ``abandon``: a task in simulation."""
        self._open: dict[Transaction, object] = {}
        self._listeners: dict[str, list[_Listener]] = {}

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """See ``ports.Tables``."""
        session = self._begin()
        try:
            rows = await session.run(statement, **values)
        except BaseException:
            session.rollback()
            raise
        session.commit()
        return rows

    def transaction(self) -> _Block:
        """See ``ports.Tables``."""
        return _Block(self._begin)

    def listen(self, channel: str) -> _Listener:
        """See ``ports.Tables``."""
        return _Listener(self.tasks, channel, self._listeners.setdefault(channel, []))

    def abandon(self, owner: object) -> None:
        """It will never go on: roll back what it has left open, and free what it has locked."""
        for session in [each for each, whose in self._open.items() if whose == owner]:
            session.rollback()

    def peek(self, table: str, key: Key) -> Row | None:
        """The committed row with this primary key, at once: for the harness."""
        return self.stored_table(table).rows.get(key)

    def under(self, table: str, key: Key) -> list[Row]:
        """The committed rows whose primary key begins so, in its order: for the harness."""
        rows = self.stored_table(table).under(key)
        return [rows[each] for each in sorted(rows)]

    def rows(self, table: str) -> list[Row]:
        """All committed rows in the order of their primary key, at once: for the harness."""
        rows = self.stored_table(table).rows
        return [rows[key] for key in sorted(rows)]

    def stored_table(self, table: str) -> StoredTable:
        found = self._stored.get(table)
        if found is None:
            raise InternalError(f"there is no table {table!r}")
        return found

    def _begin(self) -> Transaction:
        session = Transaction(self)
        self._open[session] = self._owner()
        return session

    def ended(self, session: Transaction, inserted: Inserted, told: Sequence[str]) -> None:
        """The transaction is over: tell what it has done."""
        del self._open[session]
        if inserted and self.on_commit is not None:
            self.on_commit(inserted)
        for channel in told:
            for listener in self._listeners.get(channel, ()):
                listener.hear()


class _Block:
    """``async with``: one transaction, committed at the end or rolled back by an error."""

    __slots__ = ("_begin", "_session")

    def __init__(self, begin: Callable[[], Transaction]) -> None:
        self._begin = begin

    async def __aenter__(self) -> Transaction:
        self._session = self._begin()
        return self._session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._session.commit()
        else:
            self._session.rollback()


class _Listener:
    """``ports.Notices``, and the block in which it hears."""

    def __init__(self, tasks: Tasks, channel: str, others: list[_Listener]) -> None:
        self._tasks = tasks
        self._channel = channel
        self._others = others
        self._heard = False
        self._latch: Latch | None = None

    async def __aenter__(self) -> _Listener:
        self._others.append(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._others.remove(self)

    def hear(self) -> None:
        """A notification has committed."""
        self._heard = True
        if self._latch is not None:
            self._latch.set()

    async def wait(self, timeout_ms: int | None = None) -> bool:
        """See ``ports.Notices``."""
        if not self._heard:
            self._latch = self._tasks.latch(f"hear of {self._channel}")
            await (self._latch.wait() if timeout_ms is None else self._latch.wait(timeout_ms))
            self._latch = None
        heard, self._heard = self._heard, False
        return heard


class Transaction:
    """``ports.Session`` towards the world, ``ports.TableSession`` towards the twins."""

    __slots__ = (
        "_began", "_done", "_is_open", "_latch", "_locks", "_told", "_usable", "_waits", "_wrote",
        "tables", "waits_for",
    )  # fmt: skip

    def __init__(self, tables: MemoryTables) -> None:
        self.tables = tables
        self.waits_for: Transaction | None = None
        self._done: dict[StoredTable, dict[Key, Row | None]] = {}
        """What this transaction has made of rows (None: deleted)."""
        self._locks: list[tuple[dict[Any, Any], Any]] = []
        """(who holds what, what) for everything that is given back at the end."""
        self._told: dict[str, None] = {}
        self._latch: Latch | None = None
        self._is_open = True
        self._usable = True
        """False while a statement is under way, and after one has failed."""
        self._waits = 0
        """How often the statement under way has waited."""
        self._began = 0
        """How many rows there had been when it began."""
        self._wrote = False

    # Towards the world.

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """See ``ports.Session``."""
        if not (self._usable and self._is_open):
            raise InternalError(f"'{statement.name}': its transaction has failed, ended or is busy")
        self._waits, self._began = 0, self.tables.births
        self._wrote = self._usable = False
        rows = list(await statement.twin(self, values))
        self._usable = True
        return rows

    def commit(self) -> None:
        """Everything at once; then whoever waits for this transaction goes on."""
        if not (self._usable and self._is_open):
            raise InternalError("a transaction that has failed or ended cannot commit")
        inserted: Inserted = []
        for table, done in self._done.items():
            for key, row in done.items():
                if table.put(key, row):
                    assert row is not None
                    self.tables.births += 1
                    table.births[key] = self.tables.births
                    inserted.append((table.name, row))
        self._end(inserted, list(self._told))

    def rollback(self) -> None:
        """As if it had never been; nothing if it has ended."""
        if self._is_open:
            self._end([], ())

    def _end(self, inserted: Inserted, told: Sequence[str]) -> None:
        self._is_open = False
        for holders, what in self._locks:
            holders.pop(what, None)
        self.waits_for = None
        self.tables.ended(self, inserted, told)
        if self._latch is not None:
            self._latch.set()

    # Towards the twins.

    async def select(
        self, table: str, where: Predicate | None = None, *, key: Key = (), lock: bool = False
    ) -> list[Row]:
        """See ``ports.TableSession``."""
        stored, candidates = self._look(table, where, key, None)
        if lock:
            candidates = await self._take_all(stored, candidates, where)
        return [row for _, row in candidates]

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
        """See ``ports.TableSession``."""
        stored, candidates = self._look(table, where, key, among)
        changed = []
        for each, row in candidates:
            if skips_locked and stored.holders.get(each, self) is not self:
                continue
            before = await self._take(stored, each, row, where)
            if before is None:
                continue
            after = change(before)
            if stored.key_of(after) != each or len(after) != len(before):
                raise InternalError(f"an update of {table} may change no primary key and no shape")
            for index in stored.unique:
                if index.key_of(after) != index.key_of(before):
                    await self._claim(stored, index, each, after)
            self._write(stored, each, after)
            changed.append(after)
        self._wrote = True
        return changed

    async def delete(
        self,
        table: str,
        where: Predicate | None = None,
        *,
        key: Key = (),
        among: Sequence[Row] | None = None,
    ) -> list[Row]:
        """See ``ports.TableSession``."""
        stored, candidates = self._look(table, where, key, among)
        deleted = []
        for each, row in await self._take_all(stored, candidates, where):
            self._write(stored, each, None)
            deleted.append(row)
        self._wrote = True
        return deleted

    async def insert(self, table: str, row: Row, *, on_conflict: str = "error") -> Row | None:
        """See ``ports.TableSession``."""
        stored = self.tables.stored_table(table)
        if row.keys() != stored.columns:
            raise InternalError(f"a row of {table} has other columns: {', '.join(row)}")
        key = stored.key_of(row)
        if self._done.get(stored, {}).get(key, row) is None:
            raise InternalError(f"a transaction may not delete a row of {table} and insert it anew")
        self._wrote = True
        if on_conflict == "nothing":
            waits = -1
            while waits != self._waits:  # what was free before a wait may be taken after it
                waits = self._waits
                if await self._key_is_taken(stored, key):
                    return None
                for index in stored.unique:
                    if await self._is_taken(stored, index, key, row):
                        return None
        elif on_conflict == "replace":
            return await self._replace(stored, key, row)
        elif await self._key_is_taken(stored, key):
            raise UniqueViolation(f"{table} has a row {'/'.join(map(str, key))} already")
        # From here on others wait for this row; PostgreSQL enters it into one index after another.
        self._write(stored, key, row)
        for index in stored.unique:
            await self._claim(stored, index, key, row)
        return row

    async def _replace(self, stored: StoredTable, key: Key, row: Row) -> Row:
        """Enter the row, or change the one that is there, which a lock of another's guards."""
        if stored.unique:
            raise InternalError(f"a row of {stored.name} has other unique keys to be looked at")
        while (holder := stored.holders.get(key)) is not None and holder is not self:
            await self._wait_for(holder)
        self._write(stored, key, row)
        return row

    async def advisory_lock(self, key: str) -> None:
        """See ``ports.TableSession``."""
        holders = self.tables.advisory
        while (holder := holders.get(key)) is not None and holder is not self:
            await self._wait_for(holder)
        if holder is None:
            holders[key] = self
            self._locks.append((holders, key))

    def notify(self, channel: str, payload: str) -> None:
        """See ``ports.TableSession``; who listens is woken, whatever the payload."""
        self._told[channel] = None

    # Rows.

    def _look(
        self, table: str, where: Predicate | None, key: Key, among: Sequence[Row] | None
    ) -> tuple[StoredTable, list[tuple[Key, Row]]]:
        """The rows that a statement sees, or those it has seen before."""
        stored = self.tables.stored_table(table)
        if among is not None:
            rows = [(stored.key_of(row), row) for row in among if where is None or where(row)]
            return stored, [pair for pair in rows if stored.births.get(pair[0], 0) <= self._began]
        if self._waits or self._wrote:
            raise InternalError("a twin looks at tables once, before it writes or has waited")
        return stored, self._candidates(stored, where, key)

    def _own(self, stored: StoredTable, key: Key) -> Row | None:
        """The newest row with this primary key that is committed or made by this transaction."""
        done = self._done.get(stored)
        return done[key] if done is not None and key in done else stored.rows.get(key)

    def _candidates(
        self, stored: StoredTable, where: Predicate | None, key: Key
    ) -> list[tuple[Key, Row]]:
        """The rows that a statement sees, in order: a snapshot, for nothing here waits."""
        done = self._done.get(stored)
        if len(key) == len(stored.key):
            row = self._own(stored, key)
            return [] if row is None or (where is not None and not where(row)) else [(key, row)]
        found = stored.under(key)
        if done:
            found = {
                **found,
                **{k: row for k, row in done.items() if row is not None and k[: len(key)] == key},
            }
            found = {k: row for k, row in found.items() if done.get(k, row) is not None}
        return sorted(
            ((k, row) for k, row in found.items() if where is None or where(row)), key=_first
        )

    async def _take_all(
        self, stored: StoredTable, candidates: list[tuple[Key, Row]], where: Predicate | None
    ) -> list[tuple[Key, Row]]:
        taken = []
        for each, row in candidates:
            newest = await self._take(stored, each, row, where)
            if newest is not None:
                taken.append((each, newest))
        return taken

    async def _take(
        self, stored: StoredTable, key: Key, row: Row, where: Predicate | None
    ) -> Row | None:
        """Lock a row; its newest version, or None if that is gone or no longer asked for."""
        birth = stored.births.get(key)
        while (holder := stored.holders.get(key)) is not None and holder is not self:
            await self._wait_for(holder)
        newest = self._own(stored, key)
        if newest is None or stored.births.get(key) != birth:
            return None
        if newest is not row and where is not None and not where(newest):
            return None
        if holder is None:
            stored.holders[key] = self
            self._locks.append((stored.holders, key))
        return newest

    def _write(self, stored: StoredTable, key: Key, row: Row | None) -> None:
        if key not in stored.holders:
            stored.holders[key] = self
            self._locks.append((stored.holders, key))
        self._done.setdefault(stored, {})[key] = row

    # Unique keys.

    async def _claim(self, stored: StoredTable, index: UniqueIndex, key: Key, row: Row) -> None:
        entry = index.key_of(row)
        if entry is None:
            return
        if await self._is_taken(stored, index, key, row):
            shown = "/".join(map(str, entry))
            raise UniqueViolation(f"{index.name} has a row of {stored.name} for {shown} already")
        index.claims[entry] = (self, key)
        self._locks.append((index.claims, entry))

    async def _is_taken(self, stored: StoredTable, index: UniqueIndex, key: Key, row: Row) -> bool:
        """Another row stands under the index's key; waits while that is not settled."""
        entry = index.key_of(row)
        while entry is not None:
            holder, other = index.claims.get(entry, (None, index.entries.get(entry)))
            if other is None or other == key:
                return False
            if holder is None:
                holder = stored.holders.get(other)
                if holder is None or other not in holder._done.get(stored, ()):
                    return True
            if holder is self:
                mine = self._done[stored][other]
                return mine is not None and index.key_of(mine) == entry
            await self._wait_for(holder)
        return False

    async def _key_is_taken(self, stored: StoredTable, key: Key) -> bool:
        """A row with this primary key is there; waits while that is not settled."""
        while True:
            holder = stored.holders.get(key)
            if holder is self or holder is None or key not in holder._done.get(stored, ()):
                return self._own(stored, key) is not None
            await self._wait_for(holder)

    # Waiting.

    async def _wait_for(self, holder: Transaction) -> None:
        other: Transaction | None = holder
        while other is not None:
            if other is self:
                raise Deadlock("rolled back: it waits for a transaction that waits for it")
            other = other.waits_for
        if holder._latch is None:
            holder._latch = self.tables.tasks.latch("see a transaction end")
        self.waits_for = holder
        self._waits += 1
        try:
            await holder._latch.wait()
        finally:
            self.waits_for = None


def _first(pair: tuple[Key, Row]) -> Key:
    return pair[0]
