"""Who takes part: names, what does not go together, and where their data lies."""

from __future__ import annotations

import contextlib
import sys

import psycopg
import pytest

from simworld.benchmark import Peer, Places, contenders_of, entries_of
from simworld.errors import UsageError
from simworld.records import Contender

IN = ("in-process",)


def test_all_combinations_take_part_and_virtual_worlds_have_no_front():
    found = contenders_of(["sim:atomic", "local"], ["fixed", "v1"], ["in-process", "raw"])
    assert [each.name for each in found] == [
        "fixed on sim:atomic",
        "v1 on sim:atomic",
        "fixed on local",
        "fixed on local behind raw",
        "v1 on local",
        "v1 on local behind raw",
    ]


@pytest.mark.parametrize(
    ("worlds", "engines", "fronts", "told"),
    [
        (["lokal"], ["fixed"], IN, "unknown world 'lokal'; did you mean local"),
        (["sim:locl"], ["fixed"], IN, "unknown world 'locl'; did you mean local"),
        (["hosted"], ["fixed"], IN, "unknown world 'hosted'"),
        (["local"], ["fixd"], IN, "unknown variant 'fixd'; did you mean fixed"),
        (["local"], ["fixed"], ["starlet"], "unknown front 'starlet'; did you mean starlette"),
        (["local:"], ["fixed"], IN, "names no place"),
        (["memory:x"], ["fixed"], IN, "names no place"),
        (["sim:atomic"], ["fixed"], ["raw"], "front raw needs a real world"),
    ],
)
def test_what_does_not_go_is_refused_with_a_sentence(worlds, engines, fronts, told):
    with pytest.raises(UsageError, match=told):
        contenders_of(worlds, engines, fronts)


@pytest.fixture
def places(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Places(tmp_path, stack, sync=False)


def entry(places, *contenders, peers=(), workloads=None):
    (found,) = entries_of(contenders, peers, places, workloads)
    return found


def test_each_has_a_folder_of_its_own_that_is_gone_afterwards(tmp_path):
    disk = tmp_path / "disk"
    with contextlib.ExitStack() as stack:
        places = Places(tmp_path, stack, sync=True)
        made = [places.folder(), places.folder(), places.folder(str(disk))]
        assert len(set(made)) == 3
        assert made[2].parent == disk
        assert all(each.is_dir() for each in made)
    assert not any(each.exists() for each in made)


def test_a_folder_that_cannot_be_is_told(places, tmp_path):
    (tmp_path / "file").write_text("")
    found = entry(places, Contender(f"local:{tmp_path}/file", "fixed"))
    assert found.contestant is None
    assert "(Not a directory); name one that may be written to: local:DIR" in found.reason


def test_each_has_a_database_of_its_own_on_a_given_server_whose_dsn_is_never_shown(
    tmp_path, pg_dsn
):
    def databases():
        with psycopg.connect(pg_dsn) as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        return {name for (name,) in rows}

    before = databases()
    with contextlib.ExitStack() as stack:
        places = Places(tmp_path, stack, sync=False)
        given = [Contender(f"postgres:{pg_dsn} password=secret", each) for each in ("v1", "fast")]
        found = list(entries_of(given, (), places, None))
        assert [each.contender.name for each in found] == [
            "v1 on postgres (given)",
            "fast on postgres (given)",
        ]
        for each in found:
            assert "synchronous_commit=off" in " ".join(each.contestant._command)
        assert len(databases() - before) == 2
    assert databases() == before


def test_a_server_that_gives_no_database_is_told_without_its_dsn(places):
    found = entry(places, Contender("postgres:host=/nowhere password=secret", "fixed"))
    assert found.contestant is None
    assert "none could be created (OperationalError)" in found.reason
    assert "secret" not in found.reason


def test_a_peer_is_given_what_it_asks_for(places, tmp_path):
    peer = Peer("other", "its own", ("-m", "other", "--in", "{folder}/x", "--sync", "{sync}"))
    found = entry(places, peers=[peer])
    command = found.contestant._command
    assert command[:3] == [sys.executable, "-m", "other"]
    assert command[4].startswith(str(tmp_path))
    assert command[-1] == "off"
    assert not peer.wants_database
    assert Peer("other", "db", ("{dsn}",)).wants_database


def test_whoever_cannot_have_a_database_is_absent_with_the_reason(places, monkeypatch):
    def refuse(self):
        raise UsageError("no PostgreSQL server could be started")

    monkeypatch.setattr("simworld.benchmark.contenders.PrivateServer.__enter__", refuse)
    found = entry(places, Contender("postgres", "fixed"))
    assert found.contestant is None
    assert found.reason == "no PostgreSQL server could be started"
