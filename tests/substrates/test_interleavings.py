"""Tables in memory against a server: the same two sessions, interleaved the same way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from simworld.records import PostgresProfile
from simworld.worlds.postgres.schema import world_tables
from tests.substrates.interleaving import Comparison
from tests.substrates.rule_statements import CHANNELS, SCHEMA, rule_interleavings
from tests.substrates.world_statements import world_interleavings

drawn = settings(max_examples=15, suppress_health_check=list(HealthCheck))

SCHEMAS = {
    "rules": SCHEMA,
    "repaired": world_tables(PostgresProfile()),
    "merged": world_tables(PostgresProfile(pg_unique_tokens=False, pg_unique_creations=False)),
}


@pytest.mark.parametrize("name", ["rules", "repaired", "merged"])
def test_tables_in_memory_agree_with_the_server(pg_server, name):
    comparison = Comparison(SCHEMAS[name], pg_server.new_database(), CHANNELS)
    steps_of = rule_interleavings if name == "rules" else world_interleavings

    @drawn
    @given(steps_of())
    def compare(steps):
        comparison.run(steps)

    compare()
    assert comparison.counts["waits"] > 0
