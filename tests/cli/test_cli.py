"""The command line beside hunting: bad input, replay, list, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simworld import cli
from simworld.errors import DidNotReproduce, ReproVersionError, UsageError
from simworld.records import Repro
from tests.cli.fakes import FakeCampaign, Run
from tests.render import samples

# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "required: COMMAND"),
        (["hnut"], "invalid choice: 'hnut'"),
        (["hunt", "inflated_atempts"], "did you mean inflated_attempts?"),
        (["hunt", "--variant", "v2_merg"], "unknown variant 'v2_merg'; did you mean v2_merge?"),
        (["hunt", "--set", "attempt_gard=G0"], "did you mean attempt_guard?"),
        (["hunt", "--set", "attempt_guard=G"], "did you mean G8 or G0?"),
        (["hunt", "--set", "attempt_guard"], "--set takes knob=value, not 'attempt_guard'"),
        (["hunt", "--explorer", "portfolo"], "unknown explorer 'portfolo'; did you mean portfolio"),
        (["hunt", "--world", "atomc"], "did you mean atomic?"),
        (["hunt", "--case", "kiled"], "unknown case 'kiled'; did you mean killed?"),
        (
            ["hunt", "inflated_attempts", "--case", "killed"],
            "unknown case of inflated_attempts 'killed'; known: duplicates, mirror_guard",
        ),
        (["hunt", "--trials", "0"], "whole number of at least 1, not '0'"),
        (["hunt", "--trials", "-5"], "whole number of at least 1, not '-5'"),
        (["hunt", "--trials", "many"], "whole number of at least 1, not 'many'"),
        (["hunt", "--seed", "-1"], "a commit hash (7 to 64 hex digits), not '-1'"),
        (["hunt", "--seconds", "0"], "number of seconds above 0, not '0'"),
        (["hunt", "--seconds", "-2"], "number of seconds above 0, not '-2'"),
        (["hunt", "--seconds", "nan"], "number of seconds above 0, not 'nan'"),
        (["hunt", "--seconds", "inf"], "number of seconds above 0, not 'inf'"),
        (["hunt", "--tirals", "5"], "unrecognized arguments: --tirals"),
        (["hunt", "--json", "missing/out.json"], "cannot write --json missing/out.json"),
        (["hunt", "--json", "."], "cannot write --json"),
        (["hunt", "--save", "file/deep"], "cannot write into --save file/deep"),
        (["replay"], "required: REPRO"),
        (["replay", "missing.json"], "cannot read missing.json"),
        (["replay", "file"], "file is not a repro"),
        (["replay", "good.json", "--json", "missing/out.json"], "cannot write --json"),
        (["list", "--json", "missing/out.json"], "cannot write --json"),
        (["list", "everything"], "unrecognized arguments: everything"),
        (["replay", "good.json", "--log", "xml"], "invalid choice: 'xml'"),
        (["replay", "good.json", "--log", "json", "--json", "-"], "both want stdout"),
        (["variants", "--scenarios", "mine"], "unrecognized arguments: --scenarios"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_code_2(
    run: Run, campaign: FakeCampaign, argv: list[str], words: str
) -> None:
    Path("file").write_text("{}")
    Path("good.json").write_bytes(msgspec.json.encode(samples.repro()))
    ran = run(*argv)
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.startswith("simworld: error: ")
    assert ran.err.count("\n") == 1
    assert ran.out in ("", "seed 0\n"), "the seed of a hunt, and nothing else"
    assert campaign.calls == []
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["file", "good.json"]


@pytest.mark.parametrize("command", [["hunt"], ["list"], ["replay", "good.json"]])
def test_scenarios_that_cannot_be_loaded_are_bad_input(
    run: Run, campaign: FakeCampaign, command: list[str]
) -> None:
    Path("good.json").write_bytes(msgspec.json.encode(samples.repro()))
    campaign.scenarios = UsageError("cannot load scenarios from mine.py: it is none")
    ran = run(*command, "--scenarios", "mine.py")
    assert ran.code == 2
    assert ran.err == ("simworld: error: cannot load scenarios from mine.py: it is none\n")


# --- replay and list -----------------------------------------------------------------------------


@pytest.fixture
def repro(campaign: FakeCampaign) -> str:
    Path("r.json").write_bytes(msgspec.json.encode(samples.repro()))
    return "r.json"


def _replayed(target: str) -> dict[str, Any]:
    replay = json.loads(target)["replay"]
    assert isinstance(replay, dict)
    return replay


def test_a_failure_that_shows_again_is_exit_code_1(run: Run, repro: str) -> None:
    ran = run("replay", repro, "--json", "out.json")
    assert ran.code == 1
    assert "I-12 is broken at run/work#3" in ran.out
    assert ran.out.endswith("The failure shows again.\n")
    assert _replayed(Path("out.json").read_text())["outcome"] == "failed"


def test_a_clean_replay_is_exit_code_0(run: Run, repro: str, campaign: FakeCampaign) -> None:
    campaign.replayed = None
    ran = run("replay", repro, "--json", "out.json")
    assert ran.code == 0
    assert "I-12 holds under this schedule now" in ran.out
    assert _replayed(Path("out.json").read_text())["outcome"] == "clean"


def test_a_schedule_nobody_can_follow_is_exit_code_3(
    run: Run, repro: str, campaign: FakeCampaign
) -> None:
    campaign.replayed = DidNotReproduce("entry 2: expected deliver work#3, found read the log")
    ran = run("replay", repro, "--json", "-")
    assert ran.code == 3
    assert "entry 2: expected deliver work#3, found read the log" in ran.err
    replay = _replayed(ran.out)
    assert replay["outcome"] == "did-not-reproduce"
    assert replay["message"].startswith("entry 2")


def test_a_repro_of_another_version_is_bad_input(
    run: Run, repro: str, campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(path: Path) -> Repro:
        raise ReproVersionError(f"{path} is a repro of format 9")

    monkeypatch.setattr(campaign, "load_repro", other, raising=False)
    campaign.install(monkeypatch)
    ran = run("replay", repro)
    assert (ran.code, ran.err) == (2, "simworld: error: r.json is a repro of format 9\n")


def test_replay_uses_the_scenarios_it_is_given(
    run: Run, repro: str, campaign: FakeCampaign
) -> None:
    run("replay", repro, "--scenarios", "mine")
    assert campaign.places == ["mine"]


def test_the_log_of_a_run_is_shown_behind_its_story(run: Run, repro: str) -> None:
    ran = run("replay", repro, "--log", "text")
    assert ran.code == 1
    story, _, log = ran.out.partition("The run's log\n\n")
    assert story.endswith("The failure shows again.\n\n")
    assert log == (
        'time=2025-06-15T15:06:41.234Z run=run msg="step failed" turn=7 task=start/flow '
        'step=work#3 error="boom: it is late"\n'
    )


def test_a_log_as_json_has_stdout_for_itself(run: Run, repro: str) -> None:
    ran = run("replay", repro, "--log", "json", "--json", "out.json")
    assert ran.code == 1
    (line,) = ran.out.splitlines()
    assert json.loads(line)["msg"] == "step failed"
    assert "The failure shows again." in ran.err
    assert _replayed(Path("out.json").read_text())["outcome"] == "failed"


def test_no_log_of_a_schedule_nobody_can_follow(
    run: Run, repro: str, campaign: FakeCampaign
) -> None:
    campaign.replayed = DidNotReproduce("entry 2 differs")
    ran = run("replay", repro, "--log", "json")
    assert (ran.code, ran.out) == (3, "")


def test_list_shows_scenarios_cases_and_variants(run: Run) -> None:
    ran = run("list")
    assert ran.code == 0
    for word in ("inflated_attempts", "mirror_guard", "I-12", "R-02", "variants: v2_merge, fixed"):
        assert word in ran.out


def test_list_as_json(run: Run) -> None:
    document = json.loads(run("list", "--json", "-").out)
    assert [each["name"] for each in document["scenarios"]] == [
        "inflated_attempts",
        "retry_exhaustion",
    ]
    assert document["scenarios"][1]["cases"] == [
        {"name": "killed", "title": "a case", "races": ["R-02"], "marks": []}
    ]
    assert document["variants"] == ["v2_merge", "fixed"]


# --- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["hunt"], ["replay"], ["list"], ["variants"]])
def test_help_has_examples_and_exit_codes(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([*command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "example" in text
    assert f"simworld {' '.join(command)}".rstrip() in text
    assert ("exit codes" in text) == (command not in (["list"], ["variants"]))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("simworld 0.")


def test_help_imports_nothing_heavy() -> None:
    """In a process of its own, because here everything is imported already."""
    code = (
        "import sys\n"
        "from simworld import cli\n"
        "try:\n"
        "    cli.main(['hunt', '--help'])\n"
        "except SystemExit: pass\n"
        "print('HEAVY', [m for m in ('rich', 'hypothesis', 'attrs', 'simworld.campaign', "
        "'simworld.records') if m in sys.modules])\n"
    )
    root = str(Path(cli.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"
