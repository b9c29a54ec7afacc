"""Every world of this house is a World: in memory and for real, alone and at the same time.

``make prove`` does the same twenty times as long (``tests/prove/test_conformance.py``).
"""

from __future__ import annotations

import pytest

from simworld.conformance import (
    Turns,
    check_concurrent,
    check_reopen,
    check_same,
    check_world,
    deviations,
)
from simworld.records import WorldProfile
from tests.conformance import real
from tests.conformance.real import SMALL

SEQUENCES = 100
WHOLE = WorldProfile()
"""One page holds the log, so that a page is a look at one moment."""


def passes(report):
    """It is a world; every cell was visited, and enough of what was asked is illegal."""
    assert report.ok, report
    assert report.sequences == SEQUENCES
    assert report.least_hit[1] >= 1
    assert report.refused_share >= 0.2


IN_MEMORY = {"local": real.local, "postgres": real.twins, "hosted": real.hosted}


@pytest.mark.parametrize("place", IN_MEMORY)
def test_a_world_in_memory(place):
    passes(check_world(IN_MEMORY[place](), sequences=SEQUENCES, profile=SMALL))


@pytest.mark.slow
def test_the_file_world_on_a_disk_is_the_one_in_memory_and_survives(tmp_path):
    passes(check_reopen(real.disk_places(tmp_path / "x"), sequences=SEQUENCES, profile=SMALL))
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    roots = [each for place in (tmp_path / "x").iterdir() for each in place.iterdir()]
    assert {each.name for each in roots} == {"world"}


@pytest.mark.slow
def test_the_sql_world_on_a_server_survives(pg_dsn):
    passes(check_reopen(real.postgres_places(pg_dsn), sequences=SEQUENCES, profile=SMALL))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["local-pr", "local-4x"])
def test_merged_files_do_the_same_on_a_disk_and_in_memory(place, tmp_path):
    report = check_same(real.disk(tmp_path, place), real.local(place), sequences=10, profile=SMALL)
    assert report.ok, report


@pytest.mark.slow
def test_merged_statements_do_the_same_on_a_server_and_in_memory(pg_dsn):
    place = "postgres-merged"
    report = check_same(
        real.postgres(pg_dsn, place), real.twins(place), sequences=10, profile=SMALL
    )
    assert report.ok, report


# --- at the same time -----------------------------------------------------------------------------

SUBSTRATES = {
    "local": lambda place, turns: real.local(place, world=WHOLE, around=turns.files),
    "postgres": lambda place, turns: real.twins(place, world=WHOLE, around=turns.tables),
}


def at_the_same_time(place, cases, seed=0):
    turns = Turns()
    make_world = SUBSTRATES[place.partition("-")[0]](place, turns)
    return check_concurrent(make_world, turns=turns, cases=cases, seed=seed)


@pytest.mark.parametrize("place", SUBSTRATES)
def test_repaired_worlds_explain_what_happens_at_the_same_time(place):
    report = at_the_same_time(place, 200)
    assert report.ok, report


@pytest.mark.parametrize("place", ["local-pr", "local-4x", "postgres-merged"])
def test_merged_worlds_cannot(place):
    assert at_the_same_time(place, 40).violations


@pytest.mark.slow
def test_a_disk_explains_what_happens_at_the_same_time(tmp_path):
    report = check_concurrent(real.disk(tmp_path, world=WHOLE), cases=100)
    assert report.ok, report


@pytest.mark.slow
def test_a_server_explains_what_happens_at_the_same_time(pg_dsn):
    report = check_concurrent(real.postgres(pg_dsn, world=WHOLE), cases=100)
    assert report.ok, report


# --- the merge era --------------------------------------------------------------------------------


def test_merged_worlds_deviate_where_they_are_said_to():
    cells = {each.cell for each in deviations(real.twins("postgres-merged"), profile=SMALL)}
    assert "run_created | pending | pending" in cells
    assert not any(each.startswith("step_started") for each in cells)
    assert [each.cell for each in deviations(real.hosted("hosted-merged"), profile=SMALL)] == [
        "ReadLog"
    ]
