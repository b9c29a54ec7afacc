"""Everything a database holds, as plain data."""

from __future__ import annotations

from simworld.engine import Event
from simworld.ports import Chunks, Row, Statement, Table, Tables, TableSession
from simworld.worlds.postgres.making import columns
from simworld.worlds.postgres.rows import event_of, hook_of, run_of, step_of, wait_of
from simworld.worlds.postgres.schema import CHUNKS, EVENTS, HOOKS, RUNS, STEPS, STREAMS, WAITS
from simworld.worlds.state import WorldState


def _dump(table: Table) -> Statement:
    async def twin(session: TableSession, _: Row) -> list[Row]:
        return await session.select(table.name)

    sql = f"SELECT {columns(table)} FROM {table.name} ORDER BY {', '.join(table.key)}"
    return Statement(f"read all {table.name}", sql, twin, lambda _: {table.name: False})


_DUMPS = {each.name: _dump(each) for each in (RUNS, STEPS, HOOKS, WAITS, EVENTS, STREAMS, CHUNKS)}


async def read_postgres(tables: Tables) -> WorldState:
    """The state of a world that nobody writes to; one statement per table, which is no snapshot."""
    rows = {name: await tables.run(dump) for name, dump in _DUMPS.items()}
    steps, hooks, waits = (
        map(step_of, rows["steps"]),
        map(hook_of, rows["hooks"]),
        map(wait_of, rows["waits"]),
    )
    logs: dict[str, list[Event]] = {}
    for row in rows["events"]:
        logs.setdefault(row["run_id"], []).append(event_of(row))
    chunks: dict[tuple[str, str], list[bytes]] = {}
    for row in rows["chunks"]:
        chunks.setdefault((row["run_id"], row["name"]), []).append(row["data"])
    streams = {
        (row["run_id"], row["name"]): Chunks(
            tuple(chunks.get((row["run_id"], row["name"]), ())), row["closed"]
        )
        for row in rows["streams"]
        if row["closed"] or row["length"]
    }
    return WorldState(
        {each.run_id: each for each in map(run_of, rows["runs"])},
        {(each.run_id, each.correlation_id): each for each in steps},
        {(each.run_id, each.correlation_id): each for each in hooks},
        {(each.run_id, each.correlation_id): each for each in waits},
        logs,
        streams,
    )
