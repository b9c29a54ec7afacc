"""Tables in memory against a server: the same two sessions, interleaved the same way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.substrates.interleaving import Comparison
from tests.substrates.rule_statements import CHANNELS, SCHEMA, rule_interleavings


@pytest.fixture(scope="module")
def rules(pg_server):
    return Comparison(SCHEMA, pg_server.new_database(), CHANNELS)


def test_the_rules_of_tables_in_memory_are_the_servers(rules):
    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(rule_interleavings())
    def compare(steps):
        rules.run(steps)

    compare()
