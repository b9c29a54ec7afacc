"""A DSN holds a password: it is in no log, no error, and no traceback."""

from __future__ import annotations

import traceback

import pytest
import trio

from simworld.errors import UsageError
from simworld.service import ServeOptions, ServiceLog, connect, serve
from simworld.service.opening import shown_world
from tests.service.programs import program

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("world", "shown"),
    [
        ("postgres:postgresql://me:hunter2@db.example/orders", "postgres host=db.example"),
        ("postgres:host=db.example password=hunter2 dbname=x", "postgres host=db.example dbname=x"),
        ("postgres:hunter2", "postgres"),
        ("postgresql://me:hunter2@db.example/orders", "postgresql:…"),
        ("host=db.example password=hunter2", "…"),
        ("memory:hunter2", "memory:…"),
        ("local:state", "local:state"),
        ("state", "state"),
        ("", ""),
    ],
)
def test_what_is_shown_of_a_world(world, shown):
    assert shown_world(world).startswith(shown)
    assert PASSWORD not in shown_world(world)


@pytest.mark.parametrize(
    "world",
    [
        "postgres:postgresql://me:hunter2@127.0.0.1:1/x",
        "postgres:host=127.0.0.1 port=1 dbname=x password=hunter2",
        "postgres:hunter2",
        "postgres:postgresql://me:%zzhunter2@127.0.0.1/x",
        "postgres:postgresql://me:p@hunter2@127.0.0.1:1/x",
        "postgres:postgresql://me:hunter2/p@127.0.0.1:1/x",
        "postgres:postgresql://me:hunter2?p@127.0.0.1:1/x",
        "postgres:postgresql://me:hunter2#p@127.0.0.1:1/x",
        "postgresql://me:hunter2@127.0.0.1:1/x",
        "host=127.0.0.1 password=hunter2",
        "host=127.0.0.1 password=a:hunter2",
    ],
)
def test_no_error_tells_a_password(world):
    async def main():
        async with connect(world, program):
            pass

    with pytest.raises(UsageError) as raised:
        trio.run(main)
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))


def test_the_log_of_a_worker_tells_no_password(pg_dsn):
    said = []
    world = f"postgres:{pg_dsn} password={PASSWORD}"
    if "://" in pg_dsn:
        world = f"postgres:{pg_dsn}{'&' if '?' in pg_dsn else '?'}password={PASSWORD}"

    async def main():
        def write(text):
            said.append(text)
            if "worker ready" in text:
                scope.cancel()

        with trio.fail_after(10), trio.CancelScope() as scope:
            await serve(ServeOptions(world, program, port=0, log=ServiceLog(write)))

    trio.run(main)
    assert 'world="postgres host=' in said[0]
    assert PASSWORD not in "".join(said)
