"""The longest names that worlds take, and the ugliest, on a real server: its indexes hold them."""

from __future__ import annotations

import random

import pytest
import trio

from simworld.engine import HookCreated, RunCreated, RunStarted, StepCreated
from simworld.errors import WorldError
from simworld.ports import Chunks
from simworld.records import PostgresProfile, WorldProfile
from simworld.substrates import open_postgres
from simworld.worlds import PostgresStreams, PostgresWorld, ddl, schema_version, world_tables
from simworld.worlds.names import ID_MAX, NAME_MAX
from tests.worlds.doubles import Clock, Ids

WIDE = [chr(code) for code in range(0x20000, 0x21000)]
"""Letters of four bytes; drawn at random they cannot be compressed."""
QUOTES = "'; DROP TABLE runs; -- %(run_id)s %s $1 \\ \" ../../"


def drawn(size):
    letters = random.Random(7)
    return "".join(letters.choice(WIDE) for _ in range(size // 4))


@pytest.mark.parametrize(
    ("run_id", "name"),
    [(drawn(ID_MAX), drawn(NAME_MAX)), (QUOTES, QUOTES)],
    ids=["longest", "quotes"],
)
def test_names_go_in_and_come_out(pg_dsn, run_id, name):
    async def main():
        profile = PostgresProfile()
        version = schema_version(profile)
        async with open_postgres(
            pg_dsn, ddl=ddl(world_tables(profile), version), version=version
        ) as tables:
            world = PostgresWorld(
                tables, clock=Clock(), ids=Ids(), profile=profile, world=WorldProfile()
            )
            streams = PostgresStreams(tables)
            await world.create(run_id, RunCreated(name, b"\0"))
            await world.create(run_id, RunStarted())
            await world.create(run_id, StepCreated(run_id, name, b""))
            await world.create(run_id, HookCreated(run_id, name))
            await streams.write(run_id, name, [b"chunk"])
            assert (await world.run(run_id)).workflow_name == name
            assert (await world.hook(name)).run_id == run_id
            assert await streams.read(run_id, name, 0, live=True) == Chunks([b"chunk"], False)
            with pytest.raises(WorldError, match="bytes long"):
                await streams.write(run_id, drawn(NAME_MAX + 4), [b"chunk"])

    trio.run(main)
