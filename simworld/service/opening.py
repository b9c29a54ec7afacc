"""Where a world is, in one line: ``memory``, ``local:DIR`` or ``postgres:DSN``; and opening it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import attrs

from simworld import substrates
from simworld.engine import REPAIRED, EnginePolicy
from simworld.errors import UsageError
from simworld.ports import Ids, Storage, Streams, Tables
from simworld.records import LocalLog, LocalProfile, PostgresProfile, QueueProfile, WorldProfile
from simworld.substrates import DiskFiles, TrioHost
from simworld.worlds import (
    QUEUES,
    AtomicWorld,
    LocalStreams,
    LocalWorld,
    MemoryStreams,
    PostgresStreams,
    PostgresWorld,
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


@attrs.frozen
class Settings:
    """Every knob of a real system; by default all are at their repaired values."""

    engine: EnginePolicy = REPAIRED
    queue: QueueProfile | None = None
    """None: the repaired queue of the kind of world."""
    world: WorldProfile = attrs.Factory(WorldProfile)
    local: LocalProfile = attrs.Factory(LocalProfile)
    postgres: PostgresProfile = attrs.Factory(PostgresProfile)


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
        f"{text!r} is no world; a world is local:DIR, postgres:DSN (for example "
        "postgres:postgresql://user@host/database), or memory for tests"
    )


Substrate = DiskFiles | MemoryFiles | Tables
"""What a world is kept in."""


@asynccontextmanager
async def open_substrate(place: Place, settings: Settings) -> AsyncIterator[Substrate]:
    """What the world is kept in; ``UsageError`` if it cannot be had, with the way out."""
    if place.kind == MEMORY:
        yield None
    elif place.kind == LOCAL:
        yield _files(place, settings)
    else:
        async with _tables(place, settings) as tables:
            yield tables


class Opened(NamedTuple):
    """A world that is open."""

    storage: Storage
    streams: Streams
    queue: MemoryQueue | TableQueue | None
    """None: the queue is in another process."""


def world_on(
    place: Place, substrate: Files | Tables | None, host: TrioHost, ids: Ids, settings: Settings
) -> Opened:
    """The world itself."""
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
    return DiskFiles(place.where, layout=layout)


def _tables(place: Place, settings: Settings) -> AbstractAsyncContextManager[PostgresTables]:
    profile = settings.postgres
    version = schema_version(profile)
    return substrates.open_postgres(  # asked for here, as it needs an extra
        place.where, ddl=ddl(world_tables(profile), version), version=version
    )
