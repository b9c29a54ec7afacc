"""``simworld faults``: every kind, what permits it, and where it may strike."""

from __future__ import annotations

import json

import pytest

from simworld.campaign import PLACES, worlds_with
from simworld.cli import main
from simworld.records import FAULTS


def table(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["faults", *options]) == 0
    return capsys.readouterr().out


def test_every_kind_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = table(capsys).splitlines()
    for kind in FAULTS.values():
        assert sum(row.startswith(f"{kind.budget} ") for row in rows) == 1
    assert "no faults" in rows[-2], "what is plain scheduling is said below"


def test_of_one_world_only_what_may_strike_there(capsys: pytest.CaptureFixture[str]) -> None:
    for world in PLACES:
        rows = table(capsys, "--world", world).splitlines()
        shown = [
            kind
            for kind in FAULTS.values()
            if any(row.startswith(f"{kind.budget} ") for row in rows)
        ]
        assert shown == [kind for kind in FAULTS.values() if world in worlds_with(kind)]


def test_a_broken_promise_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "it breaks this promise" in " ".join(table(capsys).split())


def test_machines_get_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(table(capsys, "--json", "-"))["faults"]
    assert [each["name"] for each in found] == list(FAULTS)
    torn = next(each for each in found if each["name"] == "torn_write")
    assert torn["worlds"] == ["local-pr", "local-4x"]
    assert torn["budget"] == "torn_writes"


def test_a_world_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--world", "postgrse"]) == 2
    assert "postgres" in capsys.readouterr().err
