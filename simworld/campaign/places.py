"""Places: the worlds a trial can run on, each a storage with the queue that goes with it.

A place sets the knobs of world and queue; the engine's are the variant's own.  ``local``,
``postgres`` and ``hosted`` are repaired; the others are what was there before.
"""

from __future__ import annotations

import enum

import attrs

from simworld.errors import unknown_name
from simworld.records import (
    HostedProfile,
    LastCursor,
    LocalLayout,
    LocalLog,
    LocalMutex,
    LocalProfile,
    PostgresPosition,
    PostgresProfile,
    PostgresWrites,
    QueueProfile,
    WorldProfile,
)
from simworld.worlds import QUEUES


class Ground(enum.StrEnum):
    """What the engine stands on."""

    ATOMIC = "atomic"
    LOCAL = "local"
    POSTGRES = "postgres"
    HOSTED = "hosted"


@attrs.frozen
class Place:
    """A world and its queue, as knobs."""

    name: str
    title: str
    ground: Ground
    repaired: bool = True
    """What scenarios declare of the atomic world holds here, too."""
    queue: QueueProfile = attrs.Factory(QueueProfile)
    world: WorldProfile = attrs.Factory(WorldProfile)
    local: LocalProfile = attrs.Factory(LocalProfile)
    postgres: PostgresProfile = attrs.Factory(PostgresProfile)
    hosted: HostedProfile = attrs.Factory(HostedProfile)


_LOCAL_PR = LocalProfile(
    local_log=LocalLog.MINTED,
    local_layout=LocalLayout.FLAT,
    local_retry_lock=False,
    local_run_claim=False,
    local_sync=False,
)
PLACES: dict[str, Place] = {
    place.name: place
    for place in (
        Place("atomic", "one create is one step; the oracle", Ground.ATOMIC),
        Place(
            "local",
            "files, repaired: the log is the truth, its next slot is linked exclusively",
            Ground.LOCAL,
            queue=QUEUES["local"],
        ),
        Place(
            "local-pr",
            "files as in the pull request: claims, and a mutex per step in each process",
            Ground.LOCAL,
            repaired=False,
            queue=QUEUES["local-merged"],
            local=_LOCAL_PR,
        ),
        Place(
            "local-4x",
            "files as in 4.x: no mutex, no claims of creations, events written in place",
            Ground.LOCAL,
            repaired=False,
            queue=QUEUES["local-merged"],
            local=attrs.evolve(
                _LOCAL_PR,
                local_mutex=LocalMutex.NONE,
                local_create_claim=False,
                local_linked_events=False,
            ),
        ),
        Place(
            "postgres",
            "SQL, repaired: one transaction per create under the run's row lock, slot positions",
            Ground.POSTGRES,
            queue=QUEUES["postgres"],
        ),
        Place(
            "postgres-merged",
            "SQL as merged: autocommit statements, ids minted first",
            Ground.POSTGRES,
            repaired=False,
            queue=QUEUES["postgres-merged"],
            postgres=PostgresProfile(
                pg_writes=PostgresWrites.AUTOCOMMIT,
                pg_position=PostgresPosition.MINTED,
                pg_unique_tokens=False,
                pg_unique_creations=False,
                pg_run_conflict=False,
                pg_guarded_start=False,
            ),
        ),
        Place(
            "hosted",
            "storage on a server, reached by messages; a queue that remembers keys for a day",
            Ground.HOSTED,
            queue=QUEUES["hosted"],
        ),
        Place(
            "hosted-merged",
            "as hosted, with the last page of a log without a cursor, and slow redelivery",
            Ground.HOSTED,
            repaired=False,
            queue=QUEUES["hosted-merged"],
            world=WorldProfile(last_cursor=LastCursor.NULL),
        ),
    )
}


def place_named(name: str) -> Place:
    """The place called ``name``; ``UsageError`` with the nearest name otherwise."""
    if name not in PLACES:
        raise unknown_name("world", name, PLACES)
    return PLACES[name]
