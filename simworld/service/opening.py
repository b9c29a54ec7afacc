"""Where a world is, in one line: ``memory``, ``local:DIR`` or ``postgres:DSN``; and opening it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import attrs

from simworld.engine import REPAIRED, EnginePolicy
from simworld.errors import UsageError
from simworld.ports import Ids, Storage, Streams, Tables
from simworld.records import LocalProfile, PostgresProfile, QueueProfile, WorldProfile
from simworld.substrates import TrioHost
from simworld.worlds import QUEUES, AtomicWorld, MemoryStreams

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


def queue_profile(place: Place, settings: Settings) -> QueueProfile:
    """How the queue of a world behaves."""
    return settings.queue or QUEUES.get(place.kind) or QueueProfile()


class Opened(NamedTuple):
    """A world that is open."""

    storage: Storage
    streams: Streams
    tables: Tables | None
    """What it is kept in, if that is tables."""


@asynccontextmanager
async def open_world(
    place: Place, host: TrioHost, ids: Ids, settings: Settings
) -> AsyncIterator[Opened]:
    """The world at a place; ``UsageError`` if it cannot be had, with the way out."""
    tasks, clock, world = host.tasks, host.clock, settings.world
    yield Opened(
        AtomicWorld(clock=clock, ids=ids, profile=world, tasks=tasks),
        MemoryStreams(tasks=tasks),
        None,
    )
