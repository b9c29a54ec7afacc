"""The statements of ``pg_writes=append``: one for a whole commit, twice, as SQL and as a twin.

Each moves the run's row from the last position that its sender knows to a new one, and writes the
events between the two and the rows that they make.  No row back: somebody has been there first,
and nothing was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simworld.ports import Row, Statement, Table, TableSession
from simworld.worlds.postgres.making import changed, columns
from simworld.worlds.postgres.schema import EVENTS, RUNS, STEPS, WAITS

_TYPES = {str: "text", int: "bigint", bool: "boolean", bytes: "integer"}


def packed(table: Table, rows: Sequence[Row], blobs: list[bytes]) -> tuple[Row, ...]:
    """Rows whose bytes are numbers: which one of ``blobs``, from 1 on; 0: none at all."""

    def pack(data: bytes) -> int:
        if not data:
            return 0
        blobs.append(data)
        return len(blobs)

    binary = [name for name, kind in table.columns.items() if kind is bytes]
    return tuple({**row, **{name: pack(row[name]) for name in binary}} for row in rows)


def _unpacked(table: Table, row: Row, blobs: Sequence[bytes]) -> Row:
    binary = [name for name, kind in table.columns.items() if kind is bytes]
    found = {name: blobs[row[name] - 1] if 0 < row[name] <= len(blobs) else b"" for name in binary}
    return {**row, **found}


def _written(table: Table, parameter: str, *, replaces: bool) -> str:
    """A part of a WITH that writes rows which come as JSON, their bytes apart from it."""
    fields = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in table.columns.items())
    values = ", ".join(
        f"coalesce((%(blobs)s::bytea[])[given.{name}], '')" if kind is bytes else f"given.{name}"
        for name, kind in table.columns.items()
    )
    conflict = ""
    if replaces:
        others = [each for each in table.columns if each not in table.key]
        new = ", ".join(f"{each} = excluded.{each}" for each in others)
        conflict = f" ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {new}"
    return (
        f"{table.name}_written AS (INSERT INTO {table.name} ({columns(table)}) SELECT {values} "
        f"FROM moved, json_to_recordset(%({parameter})s::json) AS given ({fields}){conflict})"
    )


_EVENTS_WRITTEN = _written(EVENTS, "events", replaces=False)
_STEPS_WRITTEN = _written(STEPS, "steps", replaces=True)
_WAITS_WRITTEN = _written(WAITS, "waits", replaces=True)


async def _write(session: TableSession, values: Row) -> None:
    """The last part of the WITH first: so the server does what nobody reads from."""
    blobs = values["blobs"]
    for table in (WAITS, STEPS):
        for row in values.get(table.name, ()):
            await session.insert(table.name, _unpacked(table, row, blobs), on_conflict="replace")
    for row in values["events"]:
        await session.insert("events", _unpacked(EVENTS, row, blobs))


def _touches(*tables: str) -> Callable[[Row], Mapping[str, bool]]:
    """The log; and ``run``, ``steps`` and ``waits`` as they are named."""

    def touches(values: Row) -> Mapping[str, bool]:
        run_id = values["run_id"]
        found = {f"log {run_id}": True}
        if "run" in tables:
            found[f"run {run_id}"] = True
        for table in tables[1:]:
            for row in values[table]:
                found[f"{table[:-1]} {run_id}/{row['correlation_id']}"] = True
        return found

    return touches


async def _open(session: TableSession, values: Row) -> Sequence[Row]:
    row = {each: values[each] for each in RUNS.columns}
    added = await session.insert("runs", row, on_conflict="nothing")
    if added is None:
        return ()
    await _write(session, values)
    return ({"run_id": added["run_id"]},)


OPEN = Statement(
    "open the run",
    f"WITH moved AS (INSERT INTO runs ({columns(RUNS)}) VALUES "
    f"({', '.join(f'%({each})s' for each in RUNS.columns)}) ON CONFLICT DO NOTHING "
    f"RETURNING run_id), {_EVENTS_WRITTEN} SELECT run_id FROM moved",
    _open,
    _touches("run"),
)


def _moved(fields: Sequence[str]) -> str:
    new = ", ".join(f"{each} = %({each})s" for each in ("last_position", *fields))
    return (
        f"WITH moved AS (UPDATE runs SET {new} WHERE run_id = %(run_id)s "
        "AND last_position = %(after)s RETURNING run_id)"
    )


async def _move(session: TableSession, values: Row, fields: Sequence[str]) -> Sequence[Row]:
    new = {each: values[each] for each in ("last_position", *fields)}
    return await session.update(
        "runs",
        lambda row: changed(row, **new),
        lambda row: row["last_position"] == values["after"],
        key=(values["run_id"],),
    )


def _recording(name: str, fields: Sequence[str], *touched: str) -> Statement:
    async def twin(session: TableSession, values: Row) -> Sequence[Row]:
        moved = await _move(session, values, fields)
        if moved:
            await _write(session, values)
        return [{"run_id": row["run_id"]} for row in moved]

    sql = (
        f"{_moved(fields)}, {_EVENTS_WRITTEN}, {_STEPS_WRITTEN}, {_WAITS_WRITTEN} "
        "SELECT run_id FROM moved"
    )
    return Statement(name, sql, twin, _touches(*touched))


RECORD = _recording("record", (), "", "steps", "waits")
START = _recording("start the run", ("status", "started_at_ms"), "run", "steps", "waits")

_AT_THE_END = ("status", "completed_at_ms", "output", "error", "error_code")


async def _end(session: TableSession, values: Row) -> Sequence[Row]:
    key = (values["run_id"],)
    hooks = await session.select("hooks", lambda row: row["status"] == "live", key=key)
    waits = await session.select("waits", key=key)
    moved = await _move(session, values, _AT_THE_END)
    if moved:
        await session.delete("waits", among=waits)
        await session.update(
            "hooks",
            lambda row: changed(row, status="disposed"),
            lambda row: row["status"] == "live",
            among=hooks,
        )
        await _write(session, values)
        session.notify(values["channel"], "")
    return [{"run_id": row["run_id"], "told": None} for row in moved]


END = Statement(
    "end the run",
    f"{_moved(_AT_THE_END)}, {_EVENTS_WRITTEN}, {_STEPS_WRITTEN}, "
    "hooks_freed AS (UPDATE hooks SET status = 'disposed' WHERE run_id = %(run_id)s "
    "AND status = 'live' AND EXISTS (SELECT FROM moved)), "
    "waits_gone AS (DELETE FROM waits WHERE run_id = %(run_id)s AND EXISTS (SELECT FROM moved)) "
    "SELECT run_id, pg_notify(%(channel)s, '') AS told FROM moved",
    _end,
    lambda values: {
        **_touches("run", "steps")(values),
        f"hooks {values['run_id']}": True,
        f"waits {values['run_id']}": True,
    },
)
"""Its tokens are free and its waits are gone with it, and whoever waits for the end is told."""
