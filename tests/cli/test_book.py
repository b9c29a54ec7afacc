"""``simworld book``: the table, what machines get, stories, the report, and what is wrong."""

from __future__ import annotations

import json
import pathlib

import pytest

from simworld.campaign import PRESETS
from simworld.cli import main

SCENARIOS = str(pathlib.Path(__file__).parents[2] / "scenarios" / "book")
FORK = ("--only", "fork-hook-before-timeout", "--variant", "v2_merge")
WRONG = """
from simworld.campaign import page
from simworld.engine import workflow


@workflow
async def nothing():
    return "done"


pages = (page("wrong", "it is right", nothing, laws=("I-01",), expect={"fixed": "FAIL I-01"}),)
"""


def told(
    capsys: pytest.CaptureFixture[str], *options: str, code: int = 0, where: str = SCENARIOS
) -> str:
    assert main(["book", "--scenarios", where, *options]) == code
    return capsys.readouterr().out


def test_the_table_shows_what_every_preset_makes_of_a_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = told(capsys, "--only", "smoke-no-step,lost-step-dispatch").splitlines()
    assert out[0].split() == ["page", *PRESETS]
    assert out[2].split() == ["smoke-no-step", *"✓✓✓✓✓✓✓✓"]
    assert out[3].split() == ["lost-step-dispatch", *"––", "L-01", "L-01", *"✓✓✓–"]
    assert out[-1] == "2 pages, 16 observations; all as declared"


def test_a_narrow_table_keeps_the_names_of_pages_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    name = "stale-read-fork-different-steps"
    assert f"\n{name} " in told(capsys, "--only", name)


def test_machines_get_every_observation(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = json.loads(told(capsys, *FORK, "--json", "-"))["book"]
    assert (row["page"], row["variant"]) == ("fork-hook-before-timeout", "v2_merge")
    assert (row["expected"], row["verdict"], row["law"]) == ("FAIL I-20", "FAIL", "I-20")
    assert row["as_expected"]


def test_the_story_of_a_failure_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, *FORK, "--story")
    assert out.startswith("fork-hook-before-timeout on v2_merge\nI-20 is broken at run/race#1")
    assert "record hook_received of hook#1" in out


def test_why_a_script_is_not_followed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--only", "lost-step-dispatch", "--variant", "v1", "--story")
    assert "lost-step-dispatch on v1: no fault struck: stale_read of" in told(capsys, *options)


def test_the_report_says_what_is_right_and_what_was_seen(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    told(capsys, *FORK, "--report", str(tmp_path))
    report = (tmp_path / "book.md").read_text()
    assert "Made by `simworld book --only fork-hook-before-timeout --variant v2_merge" in report
    assert "| page | what is right | v2_merge |" in report
    assert "| fork-hook-before-timeout | a payload that is recorded before" in report
    assert "| I-20 |" in report


def test_what_is_not_as_declared_is_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "mine.py").write_text(WRONG)
    out = told(capsys, "--variant", "fixed", code=1, where=str(tmp_path / "mine.py"))
    assert "✓ (not FAIL I-01)" in out
    assert "1 page, 1 observation; not as declared: wrong on fixed" in out


def test_a_page_that_nobody_knows_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["book", "--scenarios", SCENARIOS, "--only", "smoke-no-stop"])
    assert code == 2
    err = capsys.readouterr().err
    assert "unknown page 'smoke-no-stop'" in err
    assert "smoke-no-step" in err


def test_a_folder_without_pages_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    code = main(["book", "--scenarios", str(tmp_path)])
    assert code == 2
    assert "there is no page here" in capsys.readouterr().err
