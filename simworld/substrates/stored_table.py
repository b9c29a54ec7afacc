"""What a table in memory has committed: rows by primary key, and what its unique indexes hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

from simworld.ports import Index, Key, Row, Table

if TYPE_CHECKING:
    from simworld.substrates.memory_tables import Transaction


def _getter(columns: tuple[str, ...]) -> Callable[[Row], Key]:
    if len(columns) == 1:
        only = columns[0]
        return lambda row: (row[only],)
    found: Callable[[Row], Key] = itemgetter(*columns)
    return found


class UniqueIndex:
    """Which row stands under which key of a unique index, and who is about to enter one."""

    __slots__ = ("_columns", "_only", "claims", "entries", "name")

    def __init__(self, index: Index) -> None:
        self.name = index.name
        self.entries: dict[Key, Key] = {}
        """Key of the index → primary key, committed."""
        self.claims: dict[Key, tuple[Transaction, Key]] = {}
        """Key of the index → the open transaction that has entered it, and for which row."""
        self._columns = _getter(index.columns)
        self._only = index.only

    def key_of(self, row: Row) -> Key | None:
        """What the row stands under; None if it is not under this index."""
        if self._only is not None and row[self._only[0]] not in self._only[1]:
            return None
        key = self._columns(row)
        return None if None in key else key


class StoredTable:
    """A table's committed rows."""

    __slots__ = (
        "_heads",
        "births",
        "columns",
        "holders",
        "key",
        "key_of",
        "name",
        "rows",
        "unique",
    )

    def __init__(self, table: Table) -> None:
        self.name = table.name
        self.columns = table.columns.keys()
        self.key = table.key
        self.key_of = _getter(table.key)
        self.rows: dict[Key, Row] = {}
        self.births: dict[Key, int] = {}
        """The number of the row with this key: one that was deleted and came back has another."""
        self.holders: dict[Key, Transaction] = {}
        """The open transaction that has changed or locked a row."""
        self.unique = [UniqueIndex(each) for each in table.indexes if each.unique]
        self._heads: dict[object, dict[Key, Row]] = {}
        """The rows by the first column of their key."""

    def under(self, key: Key) -> Mapping[Key, Row]:
        """The rows whose primary key begins with ``key``."""
        if not key:
            return self.rows
        rows = self._heads.get(key[0], {})
        if len(key) == 1:
            return rows
        return {each: row for each, row in rows.items() if each[: len(key)] == key}

    def put(self, key: Key, row: Row | None) -> bool:
        """Make this the row with that key (None: no row any more); True if there was none."""
        before = self.rows.get(key)
        for index in self.unique:
            old = None if before is None else index.key_of(before)
            new = None if row is None else index.key_of(row)
            if old != new:
                if old is not None and index.entries[old] == key:
                    del index.entries[old]
                if new is not None:
                    index.entries[new] = key
        if row is not None:
            self.rows[key] = row
            self._heads.setdefault(key[0], {})[key] = row
        elif before is not None:
            del self.rows[key], self._heads[key[0]][key]
        return before is None and row is not None
