"""The worlds of this house, each as the suite wants it: empty, for one sequence, on trio."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs

from simworld.campaign.places import PLACES
from simworld.conformance import WorldUnderTest
from simworld.ports import Replica, Statement
from simworld.records import WorldProfile
from simworld.substrates import (
    DiskFiles,
    MemoryFiles,
    MemoryTables,
    Sync,
    open_host,
    open_postgres,
)
from simworld.worlds import (
    AtomicWorld,
    HostedStreams,
    HostedWorld,
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

SMALL = WorldProfile(page_max=3)


def fail(name, error):
    """A job of the world has failed."""
    raise error


def same(inner):
    """No turns are taken."""
    return inner


def each_time(new_place):
    """A maker of worlds of which each has a place of its own."""

    def make_world(clock, ids):
        return new_place()(clock, ids)

    return make_world


def local(place="local", *, world=SMALL, around=same, **knobs):
    """The file world in memory."""
    profile = attrs.evolve(PLACES[place].local, **knobs)

    @asynccontextmanager
    async def make_world(clock, ids):
        async with open_host(on_error=fail) as host:
            files = around(MemoryFiles(tasks=host.tasks))
            yield _on_files(files, profile, world, clock, ids, host.tasks)

    return make_world


def disk_places(folder, place="local", *, world=SMALL):
    """Gives an empty directory, and who opens the file world in it."""
    profile = PLACES[place].local

    def new_place():
        Path(folder).mkdir(exist_ok=True)
        root = Path(tempfile.mkdtemp(dir=folder)) / "world"

        @asynccontextmanager
        async def make_world(clock, ids):
            async with open_host(on_error=fail) as host:
                files = DiskFiles(root, sync=Sync.NEVER, layout=profile.local_log.value)
                yield _on_files(files, profile, world, clock, ids, host.tasks)

        return make_world

    return new_place


def disk(folder, place="local", *, world=SMALL):
    """The file world, each time in a directory of its own."""
    return each_time(disk_places(folder, place, world=world))


def _on_files(files, profile, world, clock, ids, tasks):
    storage = LocalWorld(files, clock=clock, ids=ids, tasks=tasks, profile=profile, world=world)
    streams = LocalStreams(files, tasks=tasks)
    return WorldUnderTest(storage, streams, partial(read_local, files, profile))


def twins(place="postgres", *, world=SMALL, around=same, **knobs):
    """The SQL world on tables in memory."""
    profile = attrs.evolve(PLACES[place].postgres, **knobs)

    @asynccontextmanager
    async def make_world(clock, ids):
        async with open_host(on_error=fail) as host:
            tables = around(MemoryTables(world_tables(profile), tasks=host.tasks))
            yield _on_tables(tables, profile, world, clock, ids, host.tasks)

    return make_world


def postgres_places(dsn, place="postgres", *, world=SMALL, **knobs):
    """Gives the one database, emptied, and who opens the SQL world in it."""
    profile = attrs.evolve(PLACES[place].postgres, **knobs)

    def new_place():
        used = False

        @asynccontextmanager
        async def make_world(clock, ids):
            nonlocal used
            version = schema_version(profile)
            script = ddl(world_tables(profile), version)
            async with (
                open_host(on_error=fail) as host,
                open_postgres(dsn, ddl=script, version=version) as tables,
            ):
                if not used:
                    await tables.run(_empty(profile))
                used = True
                yield _on_tables(tables, profile, world, clock, ids, host.tasks)

        return make_world

    return new_place


def postgres(dsn, place="postgres", *, world=SMALL, **knobs):
    """The SQL world on a server, each time emptied."""
    return each_time(postgres_places(dsn, place, world=world, **knobs))


def _empty(profile):
    names = [each.name for each in world_tables(profile)]
    rest = ", ".join(f"{name}_gone AS (DELETE FROM {name})" for name in names[1:])
    return Statement("empty", f"WITH {rest} DELETE FROM {names[0]}", None, None)


def _on_tables(tables, profile, world, clock, ids, tasks):
    storage = PostgresWorld(tables, clock=clock, ids=ids, profile=profile, world=world, tasks=tasks)
    return WorldUnderTest(storage, PostgresStreams(tables), partial(read_postgres, tables))


class DirectWire:
    """``ports.Wire`` to a server next door: every request arrives at once."""

    async def call(self, request, perform):
        return await perform(Replica())


def hosted(place="hosted", *, page_max=3):
    """The hosted world, its server being close by."""
    profile = PLACES[place]

    @asynccontextmanager
    async def make_world(clock, ids):
        async with open_host(on_error=fail) as host:
            kept = WorldProfile(page_max=page_max, last_cursor=profile.world.last_cursor)
            server = AtomicWorld(clock=clock, ids=ids, profile=kept, tasks=host.tasks)
            streams = MemoryStreams(tasks=host.tasks)

            async def state():
                kinds = (server.runs, server.steps, server.hooks, server.waits, server.logs)
                return WorldState(*kinds, streams.contents())

            wire = DirectWire()
            storage = HostedWorld(wire, server=server, profile=profile.hosted)
            yield WorldUnderTest(storage, HostedStreams(wire, server=streams), state)

    return make_world
