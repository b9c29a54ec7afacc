"""The schema as data: what the profile makes unique, and the DDL generated from it."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import HookRow, RunRow, StepRow, WaitRow
from simworld.records import PostgresProfile
from simworld.worlds import ddl, schema_version, world_tables

BOTH = PostgresProfile()
NEITHER = PostgresProfile(pg_unique_tokens=False, pg_unique_creations=False)


def table(name, profile=BOTH):
    return next(each for each in world_tables(profile) if each.name == name)


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("runs", RunRow, {"last_position"}),
        ("steps", StepRow, set()),
        ("hooks", HookRow, set()),
        ("waits", WaitRow, set()),
    ],
)
def test_columns_are_the_fields_of_the_engines_rows(name, kind, more):
    fields = {each.name for each in attrs.fields(kind)}
    assert table(name).columns.keys() == fields | more


def test_the_profile_decides_what_is_unique():
    def unique(profile):
        return [
            index.name for each in world_tables(profile) for index in each.indexes if index.unique
        ]

    assert unique(BOTH) == ["hooks_by_token", "events_by_creation", "streams_by_ordinal"]
    assert unique(NEITHER) == ["streams_by_ordinal"]


def test_other_indexes_are_another_schema():
    profiles = [BOTH, NEITHER, attrs.evolve(BOTH, pg_unique_tokens=False)]
    versions = [schema_version(each) for each in profiles]
    assert versions == [
        "2, unique: tokens and creations",
        "2, unique: nothing",
        "2, unique: creations",
    ]
    assert schema_version(attrs.evolve(BOTH, pg_writes="autocommit")) == versions[0]


def test_the_ddl_says_what_the_tables_say():
    text = ddl(world_tables(BOTH), "it's 1")
    assert (
        "CREATE TABLE waits (\n"
        '  run_id text COLLATE "C" NOT NULL,\n'
        '  correlation_id text COLLATE "C" NOT NULL,\n'
        '  status text COLLATE "C" NOT NULL,\n'
        "  resume_at_ms bigint NOT NULL,\n"
        "  created_at_ms bigint NOT NULL,\n"
        "  completed_at_ms bigint NOT NULL,\n"
        "  PRIMARY KEY (run_id, correlation_id)\n"
        ");\n"
    ) in text
    assert (
        "CREATE UNIQUE INDEX hooks_by_token ON hooks (token) WHERE status IN ('live');\n"
    ) in text
    assert "INSERT INTO schema_version VALUES ('it''s 1');\n" in text
    assert "CREATE INDEX hooks_by_token" in ddl(world_tables(NEITHER), "1")
