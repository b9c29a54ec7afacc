"""How statements that only name a table and its key are made: SQL and twin from the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simworld.ports import Row, Statement, Table, TableSession, Touches


def columns(table: Table) -> str:
    """All columns, for a SELECT or a RETURNING."""
    return ", ".join(table.columns)


def label(kind: str, *fields: str, writes: bool) -> Touches:
    """Touches of one row: ``label("step", "run_id", "correlation_id")`` → ``step <run>/<id>``."""
    if len(fields) == 1:
        only = fields[0]
        return lambda values: {f"{kind} {values[only]}": writes}
    first, second = fields
    return lambda values: {f"{kind} {values[first]}/{values[second]}": writes}


def read(name: str, table: Table, touches: Touches, *, lock: bool = False) -> Statement:
    """The row with a primary key; ``lock``: until the end of the transaction."""
    condition = _condition(table)
    key = table.key

    async def twin(session: TableSession, values: Row) -> Sequence[Row]:
        return await session.select(table.name, key=tuple(values[each] for each in key), lock=lock)

    sql = f"SELECT {columns(table)} FROM {table.name} WHERE {condition}"
    return Statement(name, sql + (" FOR UPDATE" if lock else ""), twin, touches)


def add(name: str, table: Table, touches: Touches) -> Statement:
    """A new row, every column given; no row if a unique index has it already."""
    names = tuple(table.columns)

    async def twin(session: TableSession, values: Row) -> Sequence[Row]:
        row = {each: values[each] for each in names}
        added = await session.insert(table.name, row, on_conflict="nothing")
        return () if added is None else (added,)

    values = ", ".join(f"%({each})s" for each in names)
    sql = (
        f"INSERT INTO {table.name} ({columns(table)}) VALUES ({values}) "
        f"ON CONFLICT DO NOTHING RETURNING {columns(table)}"
    )
    return Statement(name, sql, twin, touches)


def changed(row: Row, **new: object) -> Mapping[str, object]:
    """The row with some columns changed."""
    return {**row, **new}


def _condition(table: Table) -> str:
    return " AND ".join(f"{each} = %({each})s" for each in table.key)
