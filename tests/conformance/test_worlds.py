"""Every world of this house is a World: in memory and for real, alone and at the same time.

``make prove`` does the same twenty times as long (``tests/prove/test_conformance.py``).
"""

from __future__ import annotations

from functools import partial

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
    assert report.ok, str(report)
    assert report.sequences == SEQUENCES
    assert report.least_hit[1] >= 1
    assert report.refused_share >= 0.2


def appending():
    """The SQL world with one statement per commit."""
    return real.twins(pg_writes="append")


IN_MEMORY = {
    "local": real.local,
    "local, grouped": partial(real.local, local_commits="grouped", local_memory=True),
    "postgres": real.twins,
    "postgres, appending": appending,
    "hosted": real.hosted,
}


@pytest.mark.parametrize("place", IN_MEMORY)
def test_a_world_in_memory(place):
    passes(check_world(IN_MEMORY[place](), sequences=SEQUENCES, profile=SMALL))


@pytest.mark.slow
def test_the_file_world_on_a_disk_stays_in_its_directory(tmp_path):
    folder = tmp_path / "x"
    passes(check_world(real.disk(folder), sequences=SEQUENCES, profile=SMALL))
    assert list(tmp_path.iterdir()) == [folder]
    assert {each.name for place in folder.iterdir() for each in place.iterdir()} == {"world"}


@pytest.mark.slow
def test_the_sql_world_on_a_server(pg_dsn):
    passes(check_world(real.postgres(pg_dsn), sequences=SEQUENCES, profile=SMALL))


# A few sequences visit every cell, too: each of them is long.


@pytest.mark.slow
def test_the_file_world_is_the_same_tomorrow(tmp_path):
    report = check_reopen(real.disk_places(tmp_path), sequences=2, profile=SMALL)
    assert report.ok, str(report)
    assert report.least_hit[1] >= 1


@pytest.mark.slow
def test_the_sql_world_is_the_same_tomorrow(pg_dsn):
    report = check_reopen(real.postgres_places(pg_dsn), sequences=2, profile=SMALL)
    assert report.ok, str(report)
    assert report.least_hit[1] >= 1


@pytest.mark.slow
def test_merged_files_do_the_same_on_a_disk_and_in_memory(tmp_path):
    place = "local-4x"
    disk, memory = real.disk(tmp_path, place), real.local(place)
    report = check_same(disk, memory, sequences=2, profile=SMALL)
    assert report.ok, str(report)


@pytest.mark.slow
def test_appends_do_the_same_on_a_server_and_in_memory(pg_dsn):
    server, memory = real.postgres(pg_dsn, pg_writes="append"), appending()
    report = check_same(server, memory, sequences=2, profile=SMALL)
    assert report.ok, str(report)


@pytest.mark.slow
def test_merged_statements_do_the_same_on_a_server_and_in_memory(pg_dsn):
    place = "postgres-merged"
    server, memory = real.postgres(pg_dsn, place), real.twins(place)
    report = check_same(server, memory, sequences=2, profile=SMALL)
    assert report.ok, str(report)


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
    assert report.ok, str(report)


def test_commits_of_one_statement_explain_what_happens_at_the_same_time():
    turns = Turns()
    world = real.twins(world=WHOLE, around=turns.tables, pg_writes="append")
    report = check_concurrent(world, turns=turns, cases=200)
    assert report.ok, str(report)


@pytest.mark.parametrize("place", ["local-pr", "local-4x", "postgres-merged"])
def test_merged_worlds_cannot(place):
    assert at_the_same_time(place, 40).violations


@pytest.mark.slow
def test_a_disk_explains_what_happens_at_the_same_time(tmp_path):
    report = check_concurrent(real.disk(tmp_path, world=WHOLE), cases=60)
    assert report.ok, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("writes", ["transaction", "append"])
def test_a_server_explains_what_happens_at_the_same_time(pg_dsn, writes):
    report = check_concurrent(real.postgres(pg_dsn, world=WHOLE, pg_writes=writes), cases=60)
    assert report.ok, str(report)


# --- the merge era --------------------------------------------------------------------------------


def test_merged_worlds_deviate_where_they_are_said_to():
    found = deviations(real.twins("postgres-merged"), each=1, profile=SMALL)
    cells = {each.cell for each in found}
    assert "run_created | pending | pending" in cells
    assert not any(each.startswith("step_started") for each in cells)
    found = deviations(real.hosted("hosted-merged"), each=1, profile=SMALL)
    assert [each.cell for each in found] == ["ReadLog"]
