"""Tables in memory against a server in many drawn interleavings; reports/interleavings.md.

``make prove`` runs it (some minutes), the gate its beginning.
"""

from __future__ import annotations

import pathlib

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from tests.substrates.interleaving import Comparison
from tests.substrates.test_interleavings import CHANNELS, DRAWN, SCHEMAS
from tests.substrates.world_statements import JOB_STATEMENTS, STATEMENTS

EACH = 500
REPORT = pathlib.Path("reports/interleavings.md")
COUNTED = ("interleavings", "steps", "waits", "Deadlock", "UniqueViolation", "commit", "rollback")

pytestmark = pytest.mark.prove


def test_tables_in_memory_agree_with_the_server(pg_server):
    found = {}
    for name, schema in SCHEMAS.items():
        comparison = Comparison(schema, pg_server.new_database(), CHANNELS)
        compare_many(comparison, DRAWN[name]())
        found[name] = comparison.counts
    drawn = {"repaired": STATEMENTS, "merged": STATEMENTS, "queue": JOB_STATEMENTS}
    for name, statements in drawn.items():
        assert [each.name for each in statements if not found[name][each.name]] == [], name
    with psycopg.connect(pg_server.dsn) as connection:
        version = connection.info.server_version // 10_000
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report(found, version)) + "\n")


def compare_many(comparison, interleavings):
    @settings(max_examples=EACH, suppress_health_check=list(HealthCheck))
    @given(interleavings)
    def compare(steps):
        comparison.run(steps)

    compare()


def report(found, version):
    """What was compared."""
    outside = {
        name: sum(count for what, count in counts.items() if what.startswith("outside"))
        for name, counts in found.items()
    }
    return [
        "# Tables in memory against a server",
        "",
        "Made by `make prove`: drawn interleavings of two sessions, run step by step on tables in "
        f"memory and on PostgreSQL {version}.  After every step both sides agreed on who had "
        "answered and with what, who was refused and why, and who waited for a lock; at the end "
        "on all rows and on who had been notified.  0 differences.",
        "",
        "`rules`: statements that are each about one rule; `repaired` and `merged`: those of the "
        "SQL world and its streams, with and without its unique indexes; `queue`: those of the "
        "queue in a table.  An interleaving ends where tables in memory refuse what has no rule "
        "there (`outside`).",
        "",
        f"| | {' | '.join(found)} |",
        f"|---|{'---|' * len(found)}",
        *[
            f"| {what} | {' | '.join(str(counts[what]) for counts in found.values())} |"
            for what in COUNTED
        ],
        f"| outside | {' | '.join(str(count) for count in outside.values())} |",
    ]
