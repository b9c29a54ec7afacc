"""A SQL world on tables in memory, and plays of sessions that share it."""

from __future__ import annotations

from simworld.records import PostgresProfile, WorldProfile
from simworld.worlds import PostgresStreams, PostgresWorld, read_postgres, world_tables
from tests.worlds.doubles import Clock, Ids, now
from tests.worlds.postgres.stepped import SteppedTables, Tasks, every_order, memory, play

REPAIRED = PostgresProfile()
APPEND = PostgresProfile(pg_writes="append")
MERGED = PostgresProfile(
    pg_writes="autocommit",
    pg_position="minted",
    pg_unique_tokens=False,
    pg_unique_creations=False,
    pg_run_conflict=False,
    pg_guarded_start=False,
)
"""The merge era with all its holes."""


class Rig:
    """One database, the world on it twice: at once, and statement by statement."""

    def __init__(self, profile=REPAIRED, **world):
        self.profile = profile
        self.clock, self.ids = Clock(), Ids()
        self.memory = memory(world_tables(profile))
        self.stepped = SteppedTables(self.memory)
        self._world = WorldProfile(**world)
        self.world, self.slow = self.storage(self.memory), self.storage(self.stepped)
        self.streams, self.slow_streams = map(PostgresStreams, (self.memory, self.stepped))

    def storage(self, tables):
        return PostgresWorld(
            tables,
            clock=self.clock,
            ids=self.ids,
            profile=self.profile,
            world=self._world,
            tasks=Tasks(),
        )

    def given(self, *facts, run_id="r1"):
        """Facts that are recorded before anything races."""
        for fact in facts:
            now(self.world.create(run_id, fact))
        return self

    def state(self):
        return now(read_postgres(self.memory))

    def types(self, run_id="r1"):
        """The types of a run's events, in the order in which readers see them."""
        return [event.type for event in self.state().logs.get(run_id, ())]

    async def creates(self, *facts, run_id="r1"):
        """A process that records facts one after the other; the answer to the last one."""
        answer, storage = None, self.storage(self.stepped)
        for fact in facts:
            answer = await storage.create(run_id, fact)
        return answer


def outcomes(profile, prepare, race, holds, **world):
    """Play a race in every order of its statements: (orders, orders after which it holds)."""
    held = 0

    def trial(choose):
        nonlocal held
        rig = prepare(Rig(profile, **world))
        sessions = play(race(rig), choose)
        held += bool(holds(rig, sessions))

    return every_order(trial), held
