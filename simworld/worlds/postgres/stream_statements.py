"""Every statement of streams in tables, twice: SQL for a server, a twin for memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simworld.ports import Row, Statement, TableSession
from simworld.worlds.postgres.making import changed, label, read
from simworld.worlds.postgres.schema import STREAMS

_reads = label("stream", "run_id", "name", writes=False)


def _writes(values: Row) -> Mapping[str, bool]:
    return {
        f"stream {values['run_id']}/{values['name']}": True,
        f"channel {values['channel']}": True,
    }


def _orders(values: Row) -> Mapping[str, bool]:
    return {f"streams {values['run_id']}": True, **_writes(values)}


_GIVEN = "unnest(%(chunks)s::bytea[]) WITH ORDINALITY AS given (data, ordinal)"
_TOLD: Row = {"told": None}

READ_STREAM = read("look at the stream", STREAMS, _reads)


async def _add_chunks(session: TableSession, values: Row, first: int) -> None:
    for number, data in enumerate(values["chunks"], start=first):
        row = {"run_id": values["run_id"], "name": values["name"], "number": number, "data": data}
        await session.insert("chunks", row)
    session.notify(values["channel"], "")


async def _begin_stream(session: TableSession, values: Row) -> Sequence[Row]:
    run_id, name = values["run_id"], values["name"]
    rows = await session.select("streams", key=(run_id,))
    there = any(row["name"] == name for row in rows)
    last = max((row["ordinal"] for row in rows if row["ordinal"] is not None), default=0)
    fresh = {
        "run_id": run_id,
        "name": name,
        "length": len(values["chunks"]),
        "closed": False,
        "ordinal": last + 1,
    }
    begun = await session.insert("streams", fresh, on_conflict="nothing") is not None
    if begun:
        await _add_chunks(session, values, 0)
    return [{"begun": begun, "there": there, **_TOLD}]


BEGIN_STREAM = Statement(
    "begin the stream",
    "WITH begun AS (INSERT INTO streams (run_id, name, length, closed, ordinal) "
    "SELECT %(run_id)s::text, %(name)s::text, cardinality(%(chunks)s::bytea[]), false, "
    "(SELECT coalesce(max(ordinal), 0) + 1 FROM streams WHERE run_id = %(run_id)s) "
    "ON CONFLICT DO NOTHING RETURNING name), "
    "added AS (INSERT INTO chunks (run_id, name, number, data) "
    "SELECT %(run_id)s::text, begun.name, given.ordinal - 1, given.data "
    f"FROM begun, {_GIVEN}) "
    "SELECT EXISTS (SELECT FROM begun) AS begun, "
    "EXISTS (SELECT FROM streams WHERE run_id = %(run_id)s AND name = %(name)s) AS there, "
    "(SELECT pg_notify(%(channel)s, '') FROM begun) AS told",
    _begin_stream,
    _orders,
)
"""Its first chunks; not ``begun`` if there is one (``there``: since before), or if another stream
of the run has just taken the next ordinal: then the next one is free by now."""


async def _append_chunks(session: TableSession, values: Row) -> Sequence[Row]:
    count = len(values["chunks"])
    rows = await session.update(
        "streams",
        lambda row: changed(row, length=row["length"] + count),
        lambda row: not row["closed"] and row["ordinal"] is not None,
        key=(values["run_id"], values["name"]),
    )
    for row in rows:
        await _add_chunks(session, values, row["length"] - count)
    return [_TOLD for _ in rows]


APPEND_CHUNKS = Statement(
    "append the chunks",
    "WITH stream AS (UPDATE streams SET length = length + cardinality(%(chunks)s::bytea[]) "
    "WHERE run_id = %(run_id)s AND name = %(name)s AND NOT closed AND ordinal IS NOT NULL "
    "RETURNING run_id, name, length - cardinality(%(chunks)s::bytea[]) AS first), "
    "added AS (INSERT INTO chunks (run_id, name, number, data) "
    "SELECT stream.run_id, stream.name, stream.first + given.ordinal - 1, given.data "
    f"FROM stream, {_GIVEN}) "
    "SELECT pg_notify(%(channel)s, '') AS told FROM stream",
    _append_chunks,
    _writes,
)
"""To a stream that has some and is open; else no row comes back."""


async def _end_stream(session: TableSession, values: Row) -> Sequence[Row]:
    rows = await session.update(
        "streams",
        lambda row: changed(row, closed=True),
        lambda row: not row["closed"],
        key=(values["run_id"], values["name"]),
    )
    for _ in rows:
        session.notify(values["channel"], "")
    return [_TOLD for _ in rows]


END_STREAM = Statement(
    "end the stream",
    "WITH stream AS (UPDATE streams SET closed = true "
    "WHERE run_id = %(run_id)s AND name = %(name)s AND NOT closed RETURNING name) "
    "SELECT pg_notify(%(channel)s, '') AS told FROM stream",
    _end_stream,
    _writes,
)


async def _add_ended(session: TableSession, values: Row) -> Sequence[Row]:
    row = {"run_id": values["run_id"], "name": values["name"]}
    row |= {"length": 0, "closed": True, "ordinal": None}
    if await session.insert("streams", row, on_conflict="nothing") is None:
        return ()
    session.notify(values["channel"], "")
    return (_TOLD,)


ADD_ENDED = Statement(
    "end the stream before it begins",
    "WITH stream AS (INSERT INTO streams (run_id, name, length, closed) "
    "VALUES (%(run_id)s, %(name)s, 0, true) ON CONFLICT DO NOTHING RETURNING name) "
    "SELECT pg_notify(%(channel)s, '') AS told FROM stream",
    _add_ended,
    _writes,
)


async def _read_chunks(session: TableSession, values: Row) -> Sequence[Row]:
    key, first = (values["run_id"], values["name"]), values["first"]
    streams = await session.select("streams", key=key)
    chunks = await session.select("chunks", lambda row: row["number"] >= first, key=key)
    return [
        {"closed": stream["closed"], "data": chunk["data"]}
        for stream in streams
        for chunk in chunks or [{"data": None}]
    ]


READ_CHUNKS = Statement(
    "read the stream",
    "SELECT streams.closed, chunks.data FROM streams LEFT JOIN chunks "
    "ON chunks.run_id = streams.run_id AND chunks.name = streams.name AND number >= %(first)s "
    "WHERE streams.run_id = %(run_id)s AND streams.name = %(name)s ORDER BY number",
    _read_chunks,
    _reads,
)
"""A row for each chunk, or one without; none if there is no such stream."""


async def _list_streams(session: TableSession, values: Row) -> Sequence[Row]:
    rows = await session.select(
        "streams", lambda row: row["ordinal"] is not None, key=(values["run_id"],)
    )
    return [{"name": row["name"]} for row in sorted(rows, key=lambda row: row["ordinal"])]


LIST_STREAMS = Statement(
    "list the run's streams",
    "SELECT name FROM streams WHERE run_id = %(run_id)s AND ordinal IS NOT NULL ORDER BY ordinal",
    _list_streams,
    label("streams", "run_id", writes=False),
)
