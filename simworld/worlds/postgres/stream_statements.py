"""Every statement of streams in tables, twice: SQL for a server, a twin for memory."""

from __future__ import annotations

from collections.abc import Sequence

from simworld.ports import Row, Statement, TableSession
from simworld.worlds.postgres.making import add, changed, columns, label, read
from simworld.worlds.postgres.schema import STREAMS

_reads = label("stream", "run_id", "name", writes=False)
_writes = label("stream", "run_id", "name", writes=True)

READ_STREAM = read("read the stream", STREAMS, _reads)
LOCK_STREAM = read("lock the stream", STREAMS, _writes, lock=True)
ADD_STREAM = add("add the stream", STREAMS, _writes)


async def _order_streams(session: TableSession, values: Row) -> Sequence[Row]:
    await session.advisory_lock(f"streams {values['run_id']}")
    return ({},)


ORDER_STREAMS = Statement(
    "put the run's streams in order",
    "SELECT FROM pg_advisory_xact_lock(hashtextextended('streams ' || %(run_id)s::text, 0))",
    _order_streams,
    label("streams", "run_id", writes=True),
)
"""Until the end of the transaction no other stream of the run gets its first chunk."""


async def _last_ordinal(session: TableSession, values: Row) -> Sequence[Row]:
    rows = await session.select("streams", key=(values["run_id"],))
    return [{"ordinal": max((row["ordinal"] for row in rows), default=0)}]


LAST_ORDINAL = Statement(
    "count the run's streams",
    "SELECT coalesce(max(ordinal), 0) AS ordinal FROM streams WHERE run_id = %(run_id)s",
    _last_ordinal,
    label("streams", "run_id", writes=False),
)


async def _change_stream(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "streams",
        lambda row: changed(
            row, length=values["length"], closed=values["closed"], ordinal=values["ordinal"]
        ),
        key=(values["run_id"], values["name"]),
    )


CHANGE_STREAM = Statement(
    "move the stream's end",
    "UPDATE streams SET length = %(length)s, closed = %(closed)s, ordinal = %(ordinal)s "
    f"WHERE run_id = %(run_id)s AND name = %(name)s RETURNING {columns(STREAMS)}",
    _change_stream,
    _writes,
)


async def _add_chunks(session: TableSession, values: Row) -> Sequence[Row]:
    for number, data in enumerate(values["chunks"], start=values["first"]):
        row = {"run_id": values["run_id"], "name": values["name"], "number": number, "data": data}
        await session.insert("chunks", row)
    return ()


ADD_CHUNKS = Statement(
    "add the chunks",
    "INSERT INTO chunks (run_id, name, number, data) SELECT %(run_id)s::text, %(name)s::text, "
    "%(first)s + given.ordinal - 1, given.data "
    "FROM unnest(%(chunks)s::bytea[]) WITH ORDINALITY AS given (data, ordinal)",
    _add_chunks,
    _writes,
)


async def _read_chunks(session: TableSession, values: Row) -> Sequence[Row]:
    rows = await session.select(
        "chunks",
        lambda row: values["first"] <= row["number"] < values["end"],
        key=(values["run_id"], values["name"]),
    )
    return [{"data": row["data"]} for row in rows]


READ_CHUNKS = Statement(
    "read the chunks",
    "SELECT data FROM chunks WHERE run_id = %(run_id)s AND name = %(name)s "
    "AND number >= %(first)s AND number < %(end)s ORDER BY number",
    _read_chunks,
    _reads,
)


async def _list_streams(session: TableSession, values: Row) -> Sequence[Row]:
    rows = await session.select("streams", lambda row: row["ordinal"] > 0, key=(values["run_id"],))
    return [{"name": row["name"]} for row in sorted(rows, key=lambda row: row["ordinal"])]


LIST_STREAMS = Statement(
    "list the run's streams",
    "SELECT name FROM streams WHERE run_id = %(run_id)s AND ordinal > 0 ORDER BY ordinal",
    _list_streams,
    label("streams", "run_id", writes=False),
)


async def _tell(session: TableSession, values: Row) -> Sequence[Row]:
    session.notify(values["channel"], "")
    return ({},)


TELL = Statement(
    "tell the listeners",
    "SELECT FROM pg_notify(%(channel)s, '')",
    _tell,
    label("channel", "channel", writes=True),
)
