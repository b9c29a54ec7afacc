"""Pieces of paths: no name leads anywhere else, and no two names meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.substrates.paths import is_path
from simworld.worlds.local.layout import (
    bucket_of,
    bucketed_event_path,
    claim_path,
    flat_event_path,
    flat_ids,
    ids_after,
    number_path,
    piece,
    row_path,
    run_path,
    slot_path,
    slot_paths,
    stream_folder,
    token_folder,
)

HOSTILE = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:\\x",
    "nul\0",
    "'; drop table runs; --",
    "=",
    "=" + "0" * 64,
    "-rf",
    ".hidden",
    "é",
    "\ud800",
    "x" * 121,
    "x" * 1_000_000,
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_one_harmless_piece(name):
    assert is_path(piece(name))
    assert "/" not in piece(name)
    assert piece(name).startswith("=")
    for path in (
        slot_path(name, 1),
        number_path(token_folder(name), 1),
        number_path(stream_folder(name, name), 0),
        run_path(name),
        row_path("steps", name, name),
        claim_path("step", name, name),
        flat_event_path(name, "evnt_" + "0" * 26),
        bucketed_event_path(name, "evnt_" + "0" * 26),
    ):
        assert is_path(path), path


@pytest.mark.parametrize("name", ["wrun_01JZX3", "step_1", "order:1"[:5], "a-b.c~d", "x" * 120])
def test_a_plain_name_stays_readable(name):
    assert piece(name) == name


@given(st.sets(st.text(max_size=6) | st.text("=.-a/", max_size=4), max_size=30))
def test_no_two_names_share_a_piece(names):
    pieces = {piece(name) for name in names}
    assert len(pieces) == len(names)
    assert all(map(is_path, pieces))


def test_slots_are_256_to_a_folder():
    assert slot_path("r", 256) == "runs/r/000000/00000256"
    assert slot_path("r", 257) == "runs/r/000001/00000257"
    assert slot_paths("r", 255, 9) == [slot_path("r", 255), slot_path("r", 256)]


def test_events_of_other_runs_are_told_apart():
    names = ["a-evnt_2", "a-b-evnt_3", "ab-evnt_4", "a-evnt_10"]
    assert flat_ids("a", names) == ["evnt_2", "evnt_10"]
    assert flat_ids("a-b", names) == ["evnt_3"]


@given(st.lists(st.integers(1, 2_000), unique=True), st.integers(0, 2_000))
def test_ids_behind_a_cursor_are_in_the_order_of_the_ids_and_of_the_buckets(numbers, cursor):
    ids = ids_after([f"evnt_{number}" for number in numbers], f"evnt_{cursor}")
    assert ids == [f"evnt_{number}" for number in sorted(numbers) if number > cursor]
    buckets = [bucket_of(each) for each in ids]
    assert buckets == sorted(buckets)
    assert all(each >= bucket_of(f"evnt_{cursor}") for each in buckets)


def test_ids_that_are_ulids_are_bucketed_by_their_time():
    early, late = "evnt_01JZX3ABCDEFGHJKMNPQRSTVWX", "evnt_01JZX4ABCDEFGHJKMNPQRSTVWX"
    assert bucket_of(early) == "01JZX3A" < bucket_of(late)
    assert ids_after([late, early], early) == [late]
