"""``simworld catalogue``: the entries, and what searching them shows, keeps and reports."""

from __future__ import annotations

import json
import pathlib

import pytest

import simworld.campaign
from simworld.campaign import load_races
from simworld.cli import main

SCENARIOS = str(pathlib.Path(__file__).parents[2] / "scenarios")
SEARCH = ("--run", "--seeds", "1", "--trials", "100", "--clean-trials", "10", "--jobs", "1")


def told(capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> str:
    assert main(["catalogue", "--scenarios", SCENARIOS, *options]) == code
    return capsys.readouterr().out


def test_every_entry_is_shown_with_its_systems(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys)
    races = load_races(SCENARIOS)
    for race in races.values():
        assert sum(line.startswith(f"{race.id} ") for line in out.splitlines()) == 1
    assert "✗ v2_merge attempt_guard=G0" in out
    assert "✗ has the race; ✓ is free of it; … is mended in part" in out
    assert f"{len(races)} entries:" in out


def test_machines_get_the_entries(capsys: pytest.CaptureFixture[str]) -> None:
    (race,) = json.loads(told(capsys, "--only", "R-01", "--json", "-"))["races"]
    assert (race["id"], race["laws"][0], race["answered"]) == ("R-01", "I-12", None)
    assert {"system": "fixed", "remains": ""} in race["fixes"]


@pytest.mark.slow
def test_a_race_is_found_told_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    report = tmp_path / "reports"
    options = (*SEARCH, "--only", "R-01", "--report", str(report), "--json", str(tmp_path / "x"))
    out = told(capsys, *options)
    assert "✗ found 1/1" in out
    assert "✓ clean 10 trials" in out
    assert "1 of 1 entry answered" in out
    page = (report / "races.md").read_text()
    assert "Made by `simworld catalogue --run --seeds 1 --trials 100 --clean-trials 10" in page
    assert "[concurrent first starts inflate the attempt number](races/R-01.md)" in page
    story = (report / "races" / "R-01.md").read_text()
    assert "I-12 is broken at run/work#" in story
    assert f"simworld explain {report}/races/R-01.json --scenarios" in story
    (race,) = json.loads((tmp_path / "x").read_text())["races"]
    assert race["answered"]
    assert race["systems"][0]["seeds"][0]["law"] == "I-12"
    again = told(capsys, *options)
    assert "searches are known" in again
    assert (report / "races.md").read_text() == page
    code = main(["replay", str(report / "races" / "R-01.json"), "--scenarios", SCENARIOS])
    assert code == 1  # it fails again


def test_what_is_not_as_the_catalogue_says_is_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    search = ("--run", "--seeds", "1", "--trials", "1", "--jobs", "1", "--only", "R-06")
    out = told(capsys, *search, code=1)
    assert "Not as the catalogue says: R-06." in out
    assert "? found 0/1" in out


def test_an_older_repro_is_not_told_as_if_it_had_been_found_now(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "races").mkdir()
    (tmp_path / "races" / "R-06.json").write_text("of an engine that is gone")
    search = ("--run", "--seeds", "1", "--trials", "1", "--jobs", "1", "--only", "R-06")
    told(capsys, *search, "--report", str(tmp_path), code=1)
    assert [each.name for each in (tmp_path / "races").iterdir()] == ["R-06.json"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["races", "races.json", "races.md"]


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_found(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = simworld.campaign.examine

    def interrupted(*args, **kwargs):
        searches = examine(*args, **kwargs)
        yield next(searches)
        searches.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(simworld.campaign, "examine", interrupted)
    options = (*SEARCH, "--only", "R-01", "--report", str(tmp_path))
    out = told(capsys, *options, code=3)
    count = len(load_races(SCENARIOS)["R-01"].systems)
    assert f"1 of {count} searches" in out
    assert "0 of 1 entry answered" in out
    assert "Not searched to the end: R-01." in out
    assert "Not as the catalogue says" not in out
    assert len(json.loads((tmp_path / "races.json").read_text())["searched"]) == 1
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert f"1 of {count} searches are known" in told(capsys, *options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--only", "R-1"), "entry"),
        (("--run", "--seeds", "0"), "at least 1"),
        (("--report", "reports"), "add --run"),
        (("--run", "--report", "/proc/nowhere"), "cannot write --report"),
    ],
)
def test_bad_input_names_itself(
    options: tuple[str, ...], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["catalogue", "--scenarios", SCENARIOS, *options]) == 2
    assert match in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("races = None", "races of mine is no tuple of Races but None"),
        ("races = (1,)", "races of mine holds 1, which is no Race"),
        ("races = (Race(id='a/b', title='', trigger='', absent='x'),)", "the id 'a/b'"),
        ("pages = (1,)", "pages of mine holds 1, which is no Page"),
    ],
)
def test_a_list_of_something_else_is_told(
    line: str, match: str, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own.py").write_text(f"from simworld.records import Race\n{line}\n")
    command = "book" if line.startswith("pages") else "catalogue"
    assert main([command, "--scenarios", str(folder)]) == 2
    assert match.replace(" mine ", " mine.own ") in capsys.readouterr().err


def test_a_folder_without_entries(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    assert main(["catalogue", "--scenarios", str(tmp_path)]) == 2
    assert "--scenarios" in capsys.readouterr().err


@pytest.mark.slow
def test_one_entry_s_run_leaves_the_others_in_the_report(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    told(capsys, *SEARCH, "--only", "R-01", "--report", str(tmp_path))
    told(capsys, *SEARCH, "--only", "R-12", "--report", str(tmp_path))
    page = (tmp_path / "races.md").read_text()
    assert "**R-01**" in page
    assert "**R-12**" in page
    assert "searches are known" in told(
        capsys, *SEARCH, "--only", "R-01", "--report", str(tmp_path)
    )


def test_a_page_that_cannot_be_written_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "races.md").mkdir()
    search = ("--run", "--only", "R-12", "--seeds", "1", "--trials", "20", "--jobs", "1")
    options = ("--scenarios", SCENARIOS, *search, "--report", str(tmp_path))
    assert main(["catalogue", *options]) == 2
    assert "cannot write --report" in capsys.readouterr().err


def test_a_change_for_speed_is_judged_by_what_is_about_fixed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = told(capsys, *SEARCH, "--only", "R-26", "--on", "fixed max_inline=2")
    assert "fixed max_inline=2 pg_writes=autocommit @ postgres" in out
    assert "fixed max_inline=2 @ local" in out
    assert "2 of 2 full fixes clean" in out
    assert main(["catalogue", "--scenarios", SCENARIOS, "--on", "fixt"]) == 2
    assert "did you mean fixed" in capsys.readouterr().err


def test_a_change_that_brings_a_race_back_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--run", "--seeds", "1", "--trials", "300", "--only", "R-01,R-02", "--jobs", "1")
    out = told(capsys, *options, "--on", "fixed attempt_guard=G0", code=1)
    assert "0 of 2 entries answered" in out
