"""Tables in memory against a server: the same two sessions, interleaved the same way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from simworld.ports import Statement
from simworld.records import PostgresProfile
from simworld.worlds.postgres.schema import world_tables
from simworld.worlds.queue.job_statements import CHANNEL, JOBS
from tests.substrates import rule_statements
from tests.substrates.interleaving import Comparison, Step
from tests.substrates.rule_statements import SCHEMA, insert, rule_interleavings
from tests.substrates.world_statements import queue_interleavings, world_interleavings

drawn = settings(max_examples=12, suppress_health_check=list(HealthCheck))

SCHEMAS = {
    "rules": SCHEMA,
    "repaired": world_tables(PostgresProfile()),
    "merged": world_tables(PostgresProfile(pg_unique_tokens=False, pg_unique_creations=False)),
    "queue": (JOBS,),
}
DRAWN = {
    "rules": rule_interleavings,
    "repaired": world_interleavings,
    "merged": world_interleavings,
    "queue": queue_interleavings,
}
CHANNELS = (*rule_statements.CHANNELS, CHANNEL)


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_tables_in_memory_agree_with_the_server(pg_server, name):
    comparison = Comparison(SCHEMAS[name], pg_server.new_database(), CHANNELS)

    @drawn
    @given(DRAWN[name]())
    def compare(steps):
        comparison.run(steps)

    compare()
    assert comparison.counts["waits"] > 0


# A comparison that finds nothing proves nothing until it has been seen to find something.


def planted(name, sql, twin):
    return Statement(name, sql, twin, lambda values: {"row": True})


async def reads_with_a_lock(session, values):
    return await session.select("thing", key=(values["id"],), lock=True)


async def reads_nothing(session, values):
    return []


async def tells_nobody(session, values):
    return [{}]


async def adds_something_else(session, values):
    await session.insert("thing", {"id": "a", "state": "dead", "tag": "x", "n": 2})
    return []


PLANTED = [
    (
        planted("lock", "SELECT * FROM thing WHERE id = %(id)s", reads_with_a_lock),
        "B waits for a lock",
    ),
    (planted("read", "SELECT * FROM thing WHERE id = %(id)s", reads_nothing), "A \\[\\]"),
    (planted("tell", "SELECT FROM pg_notify('news', '')", tells_nobody), "heard in memory"),
    (
        planted("add", "INSERT INTO thing VALUES ('a', 'live', 'x', 1)", adds_something_else),
        "table thing",
    ),
]


@pytest.mark.parametrize(("wrong", "said"), PLANTED, ids=lambda each: getattr(each, "name", ""))
def test_a_twin_that_is_wrong_is_found(pg_server, wrong, said):
    comparison = Comparison(SCHEMA, pg_server.new_database(), CHANNELS)
    row = {"id": "a", "state": "live", "tag": "x", "n": 1}
    rows = [] if wrong.name == "add" else [Step(0, "run", insert, row)]
    steps = [
        *rows,
        Step(0, "begin"),
        Step(0, "run", wrong, {"id": "a"}),
        Step(1, "begin"),
        *([] if wrong.name == "add" else [Step(1, "run", wrong, {"id": "a"})]),
    ]
    with pytest.raises((AssertionError, ExceptionGroup)) as caught:
        comparison.run(steps)
    assert caught.group_contains(AssertionError, match=said)
