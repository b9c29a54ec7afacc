"""Places: the worlds a trial can run on, each a storage with the queue that goes with it.

A place sets the knobs of world and queue; the engine's are the variant's own.  ``local``,
``postgres`` and ``hosted`` are repaired; the others are what was there before.
"""

from __future__ import annotations

import enum

import attrs

from simworld.errors import UsageError, unknown_name
from simworld.records import (
    FAULTS,
    FaultKind,
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
    SubjectCursor,
    SubjectErrors,
    SubjectProfile,
    WorldProfile,
)
from simworld.worlds import QUEUES


class Ground(enum.StrEnum):
    """What the engine stands on."""

    ATOMIC = "atomic"
    LOCAL = "local"
    POSTGRES = "postgres"
    HOSTED = "hosted"
    SDK_LOCAL = "sdk-local"


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
    adapter: SubjectProfile = attrs.Factory(SubjectProfile)
    """In whose words a subject is answered."""

    @property
    def parts(self) -> int:
        """Operations that a call of the world consists of, more or less."""
        return {Ground.LOCAL: 3, Ground.POSTGRES: 4, Ground.HOSTED: 2}.get(self.ground, 1)


_LOCAL_PR = LocalProfile(
    local_log=LocalLog.MINTED,
    local_layout=LocalLayout.FLAT,
    local_retry_lock=False,
    local_run_claim=False,
    local_sync=False,
)
_TWO_PROCESSES = WorldProfile(hosts=2)
"""A mutex in memory means something, and yet does not reach everybody."""

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
            world=_TWO_PROCESSES,
            local=_LOCAL_PR,
        ),
        Place(
            "local-4x",
            "files as in 4.x: no mutex, no claims of creations, events written in place",
            Ground.LOCAL,
            repaired=False,
            queue=QUEUES["local-merged"],
            world=_TWO_PROCESSES,
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
"""The worlds that any engine may stand on, by name."""

SUBJECT_PLACES: dict[str, Place] = {
    "sdk-local": Place(
        "sdk-local",
        "a subject's own world of files, unmodified; each of its calls is one operation",
        Ground.SDK_LOCAL,
        repaired=False,  # what it records twice, or after the end of a run, no engine has recorded
        queue=QUEUES["sdk-local"],
        adapter=SubjectProfile(SubjectErrors.LOCAL, SubjectCursor.NONE),
    )
}
"""Worlds that only a subject may stand on.

Faults are those of the calls: what comes between two writes of one call is in nobody's reach.  A
host that crashes is a handler that ends for good while the queue's process lives, as under the
SDK's development server; when everything dies, the messages are gone with their process.
"""


_HAS = {Ground.LOCAL: "files", Ground.POSTGRES: "tables", Ground.HOSTED: "wire"}
"""What a ground has that a fault may need."""


def worlds_with(kind: FaultKind) -> list[str]:
    """The worlds in which this kind of fault may strike."""
    return [place.name for place in PLACES.values() if kind.needs in ("", *_has(place))]


def may_strike(kind: FaultKind, place: str) -> bool:
    """Whether this kind of fault may strike in the world called ``place``."""
    return kind.needs in ("", *_has(place_named(place)))


def _has(place: Place) -> tuple[str, ...]:
    if place.ground is Ground.LOCAL and place.local.local_log is LocalLog.MINTED:
        return ("files", "files in place")
    return (_HAS.get(place.ground, ""),)


def check_possible(place: str, kind: str) -> None:
    """``UsageError`` for a kind of fault (of a ``FaultBudget``) that this world never has."""
    for row in FAULTS.values():
        able = worlds_with(row)
        if row.budget == kind and not may_strike(row, place):
            raise UsageError(
                f"world {place} has no {kind}, so it would pass whatever happens; worlds that have "
                f"them: {', '.join(able)}"
            )


def place_named(name: str) -> Place:
    """The place called ``name``; ``UsageError`` with the nearest name otherwise."""
    place = PLACES.get(name) or SUBJECT_PLACES.get(name)
    if place is None:
        raise unknown_name("world", name, (*PLACES, *SUBJECT_PLACES))
    return place
