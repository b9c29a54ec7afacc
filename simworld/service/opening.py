"""Where a world is, in one line: ``memory``, ``local:DIR`` or ``postgres:DSN``; and opening it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import attrs

from simworld import substrates
from simworld.engine import FAST, EnginePolicy
from simworld.errors import UsageError
from simworld.ports import Ids, Storage, Streams, Tables
from simworld.records import (
    QUICK_FILES,
    QUICK_TABLES,
    LocalLog,
    LocalProfile,
    PostgresProfile,
    QueueProfile,
    WorldProfile,
)
from simworld.substrates import DiskFiles, Sync, TrioHost
from simworld.worlds import (
    JOBS,
    QUEUES,
    TABLE_QUEUE,
    AtomicWorld,
    LocalStreams,
    LocalWorld,
    MemoryQueue,
    MemoryStreams,
    PostgresStreams,
    PostgresWorld,
    TableQueue,
    WorldState,
    ddl,
    read_local,
    read_postgres,
    schema_version,
    world_tables,
)

if TYPE_CHECKING:
    from simworld.substrates import PostgresTables

MEMORY, LOCAL, POSTGRES = "memory", "local", "postgres"
_WORD = re.compile(r"[\w./-]{1,60}:?")
"""What may be shown of a text that is no world: a name or a path."""


@attrs.frozen
class Settings:
    """Every knob of a real system; by default it is repaired, and as quick as can be."""

    engine: EnginePolicy = FAST
    queue: QueueProfile | None = None
    """None: the repaired queue of the kind of world."""
    job_lease_ms: int = 30_000
    """How long a message of a queue in tables is its worker's own, if that dies."""
    world: WorldProfile = attrs.Factory(WorldProfile)
    local: LocalProfile = QUICK_FILES
    postgres: PostgresProfile = QUICK_TABLES


class Place(NamedTuple):
    """A kind of world, and where it is."""

    kind: str
    where: str


def parse_place(text: str) -> Place:
    """``UsageError`` for what is no place of a world."""
    kind, _, where = text.partition(":")
    if kind == MEMORY and not where:
        return Place(MEMORY, "")
    if kind in (LOCAL, POSTGRES) and where:
        return Place(kind, where)
    raise UsageError(
        f"{shown_world(text)!r} is no world; a world is local:DIR, postgres:DSN (for example "
        "postgres:postgresql://user@host/database), or memory for tests"
    )


def shown_world(text: str) -> str:
    """A world as a log or an error may name it: a DSN holds a password, so it is never shown."""
    kind, colon, where = text.partition(":")
    if kind == POSTGRES:
        return " ".join([POSTGRES, *_host_and_database(where)])
    if kind == LOCAL or _WORD.fullmatch(text):
        return text
    return f"{kind}{colon}…" if _WORD.fullmatch(kind) and where else "…" if text else ""


def _host_and_database(dsn: str) -> list[str]:
    try:
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

        told = conninfo_to_dict(dsn)
    except Exception:  # it is no DSN, or there is nobody who could read it: nothing is shown
        return []
    return [f"{key}={told[key]}" for key in ("host", "dbname") if key in told]


class Ground(NamedTuple):
    """What a world is kept in; neither of them: in the memory of this process."""

    files: DiskFiles | None = None
    tables: Tables | None = None


@asynccontextmanager
async def open_ground(place: Place, settings: Settings) -> AsyncIterator[Ground]:
    """What is at a place; ``UsageError`` if it cannot be had, with the way out."""
    if place.kind == POSTGRES:
        async with _tables(place, settings) as tables:
            yield Ground(tables=tables)
    else:
        yield Ground(files=_files(place, settings) if place.kind == LOCAL else None)


def world_on(
    ground: Ground, host: TrioHost, ids: Ids, settings: Settings
) -> tuple[Storage, Streams]:
    """The world itself."""
    tasks, clock, world = host.tasks, host.clock, settings.world
    if ground.files is not None:
        storage = LocalWorld(
            ground.files, clock=clock, ids=ids, tasks=tasks, profile=settings.local, world=world
        )
        return storage, LocalStreams(ground.files, tasks=tasks)
    if ground.tables is not None:
        tables = ground.tables
        profile = settings.postgres
        in_tables = PostgresWorld(
            tables, clock=clock, ids=ids, profile=profile, world=world, tasks=tasks
        )
        return in_tables, PostgresStreams(tables)
    atomic = AtomicWorld(clock=clock, ids=ids, profile=world, tasks=tasks)
    return atomic, MemoryStreams(tasks=tasks)


def table_queue(tables: Tables, host: TrioHost, ids: Ids, settings: Settings) -> TableQueue:
    """The queue that lives beside a world in tables."""
    return TableQueue(
        tables,
        tasks=host.tasks,
        clock=host.clock,
        ids=ids,
        profile=settings.queue or TABLE_QUEUE,
        lease_ms=settings.job_lease_ms,
    )


def memory_queue(host: TrioHost, ids: Ids, settings: Settings) -> MemoryQueue:
    """A queue in the memory of this process."""
    profile = settings.queue or QUEUES["local"]
    return MemoryQueue(tasks=host.tasks, clock=host.clock, ids=ids, profile=profile)


async def dump_world(place: Place, settings: Settings) -> WorldState:
    """Everything a world of files or tables holds; of one that nobody writes to meanwhile."""
    if place.kind == LOCAL:
        return await read_local(_files(place, settings), settings.local)
    async with _tables(place, settings) as tables:
        return await read_postgres(tables)


def _files(place: Place, settings: Settings) -> DiskFiles:
    profile = settings.local
    layout = str(profile.local_log)
    if profile.local_log is LocalLog.MINTED:
        layout += f" {profile.local_layout}"
    sync = Sync.EACH if profile.local_sync else Sync.NEVER
    return DiskFiles(place.where, layout=layout, sync=sync)


def _tables(place: Place, settings: Settings) -> AbstractAsyncContextManager[PostgresTables]:
    profile = settings.postgres
    version = schema_version(profile)
    return substrates.open_postgres(  # asked for here, as it needs an extra
        place.where, ddl=ddl((*world_tables(profile), JOBS), version), version=version
    )
