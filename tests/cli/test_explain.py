"""``simworld explain``: what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simworld.errors import DidNotReproduce
from simworld.records import TwinSearch
from tests.cli.fakes import FakeCampaign, Run
from tests.render import samples


@pytest.fixture
def repro(campaign: FakeCampaign) -> str:
    Path("r.json").write_bytes(msgspec.json.encode(samples.repro()))
    return "r.json"


def _explained(text: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(text)["explain"]
    return told


def test_both_runs_are_shown_and_the_sentence_closes(
    run: Run, repro: str, campaign: FakeCampaign
) -> None:
    ran = run("explain", repro, "--scenarios", "mine", "--json", "out.json")
    assert ran.code == 0
    assert "The failing run:" in ran.out
    assert "Its passing twin:" in ran.out
    assert "The race: on the row of work#3" in ran.out
    assert campaign.places == ["mine"]
    told = _explained(Path("out.json").read_text())
    assert (told["repro"], told["outcome"]) == ("r.json", "explained")


def test_json_alone_on_stdout(run: Run, repro: str) -> None:
    ran = run("explain", repro, "--json", "-")
    assert ran.code == 0
    assert _explained(ran.out)["twin"]["race"]["object"] == "step run/work#3"
    assert "The failing run:" in ran.err


def test_where_nothing_helps_the_exit_code_is_3(
    run: Run, repro: str, campaign: FakeCampaign
) -> None:
    campaign.told = samples.story(twins=TwinSearch(None, 9))
    ran = run("explain", repro, "--json", "out.json")
    assert ran.code == 3
    assert "No single race or fault" in ran.out
    assert _explained(Path("out.json").read_text())["outcome"] == "unexplained"


def test_what_does_not_fail_any_more_cannot_be_explained(
    run: Run, repro: str, campaign: FakeCampaign
) -> None:
    campaign.told = DidNotReproduce("the schedule can be followed, but I-12 holds now")
    ran = run("explain", repro, "--json", "-")
    assert ran.code == 3
    assert ran.err == (
        "simworld: there is nothing to explain: the schedule can be followed, but I-12 holds now\n"
    )
    told = _explained(ran.out)
    assert told["outcome"] == "did-not-reproduce"
    assert told["message"].endswith("I-12 holds now")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["explain"], "required: REPRO"),
        (["explain", "missing.json"], "cannot read missing.json"),
        (["explain", "r.json", "--json", "missing/out.json"], "cannot write --json"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    run: Run, repro: str, argv: list[str], words: str
) -> None:
    ran = run(*argv)
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.count("\n") == 1
