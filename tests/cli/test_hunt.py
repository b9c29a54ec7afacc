"""``simworld hunt``: exit codes, what is printed where, what is kept, and Ctrl-C."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from simworld.campaign import HuntDiverged
from simworld.errors import (
    DidNotReproduce,
    InternalError,
    UncontrolledNondeterminism,
    UsageError,
)
from simworld.records import FaultBudget, Repro, Result, Verdict
from tests.cli.fakes import SCENARIOS, FakeCampaign, FakeCase, FakeScenario, Run, declared
from tests.render import samples

PASS, UNKNOWN = Verdict("PASS"), Verdict("UNKNOWN", reason="turns_max reached in trial 3")


def _always(**changed: Any) -> Callable[[str, str], Result]:
    return lambda scenario, variant: samples.passing(
        scenario=scenario, variant=variant, expected=PASS, **changed
    )


# --- hunt: exit codes ----------------------------------------------------------------------------


def test_a_failure_is_exit_code_1(run: Run) -> None:
    assert run("hunt").code == 1


def test_all_pass_is_exit_code_0(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _always()
    assert run("hunt").code == 0


def test_an_unknown_is_exit_code_3(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _always(verdict=UNKNOWN)
    ran = run("hunt")
    assert ran.code == 3
    assert "turns_max reached in trial 3" in ran.out


def test_a_failure_outweighs_an_unknown(run: Run, campaign: FakeCampaign) -> None:
    unknown = _always(verdict=UNKNOWN)
    campaign.results = lambda scenario, variant: (
        declared(scenario, variant) if variant == "v2_merge" else unknown(scenario, variant)
    )
    assert run("hunt").code == 1


def test_expected_failures_are_exit_code_0(run: Run) -> None:
    ran = run("hunt", "--expect")
    assert ran.code == 0
    assert "surprise" not in ran.out


@pytest.mark.parametrize(
    "verdict", [PASS, UNKNOWN, Verdict("FAIL", "I-13a")], ids=["pass", "unknown", "other-law"]
)
def test_a_surprise_is_exit_code_1_and_named(
    run: Run, campaign: FakeCampaign, verdict: Verdict
) -> None:
    def results(scenario: str, variant: str) -> Result:
        result = declared(scenario, variant)
        odd = (scenario, variant) == ("retry_exhaustion", "v2_merge")
        return attrs.evolve(result, verdict=verdict) if odd else result

    campaign.results = results
    ran = run("hunt", "--expect")
    assert ran.code == 1
    surprises = [line for line in ran.out.splitlines() if line.startswith("surprise")]
    assert surprises == [
        f"surprise: retry_exhaustion on v2_merge: expected FAIL I-12, got {verdict}"
    ]


def test_nothing_declared_is_a_usage_error(run: Run, campaign: FakeCampaign) -> None:
    ran = run("hunt", "--expect", "--set", "attempt_guard=G0")
    assert ran.code == 2
    assert "inflated_attempts declares no verdict on v2_merge with attempt_guard=G0" in ran.err
    assert "declare it in Case.expect, name other scenarios or variants, or leave" in ran.err
    assert campaign.calls == []


# --- hunt: what is done and printed --------------------------------------------------------------


def test_everything_is_hunted_on_both_variants_by_default(run: Run, campaign: FakeCampaign) -> None:
    run("hunt")
    assert [(call["scenario"], call["variant"].name) for call in campaign.calls] == [
        ("inflated_attempts", "v2_merge"),
        ("inflated_attempts", "fixed"),
        ("retry_exhaustion", "v2_merge"),
        ("retry_exhaustion", "fixed"),
    ]
    (first, *_) = campaign.calls
    options = {key: first[key] for key in first if key not in ("scenario", "variant", "progress")}
    assert options == {
        "seed": 0, "trials": 1_000, "seconds": None, "explorer": "portfolio", "case": "",
        "run_twice": False, "faults": FaultBudget(), "pool": None,
    }  # fmt: skip


def test_worlds_and_more_faults_reach_the_campaign(run: Run, campaign: FakeCampaign) -> None:
    run(
        "hunt",
        "--variant",
        "fixed",
        "--world",
        "atomic",
        "--world",
        "local",
        "--fault",
        "crashes=2",
    )
    assert [call["variant"].place for call in campaign.calls] == ["atomic", "local"] * 2
    assert {call["faults"] for call in campaign.calls} == {FaultBudget(crashes=2)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fault", "crash=2"], "unknown kind of fault 'crash'; did you mean crashes"),
        (["--fault", "crashes"], "--fault takes kind=number (crashes=2), not 'crashes'"),
        (["--fault", "crashes=-1"], "--fault takes kind=number"),
        (["--fault", "crashes=1", "--expect"], "leave out --expect"),
        (["--fault", "torn_writes=1"], "world atomic has no torn_writes"),
        (["--world", "lokal"], "unknown world 'lokal'; did you mean local?"),
    ],
)
def test_bad_worlds_and_faults_are_named(
    run: Run, campaign: FakeCampaign, options: list[str], message: str
) -> None:
    ran = run("hunt", *options)
    assert ran.code == 2
    assert message in ran.err
    assert campaign.calls == []


def test_options_reach_the_campaign(run: Run, campaign: FakeCampaign) -> None:
    run(
        *("hunt", "--variant", "fixed", "--set", "attempt_guard=G0", "--trials", "7"),
        *("--seconds", "2.5", "--explorer", "pos", "--seed", "9", "--run-twice"),
        *("--case", "mirror_guard", "--scenarios", "mine", "inflated_attempts"),
    )
    (call,) = campaign.calls
    assert call["variant"].changed == ("attempt_guard=G0",)
    assert (call["trials"], call["seconds"], call["seed"]) == (7, 2.5, 9)
    assert (call["explorer"], call["case"], call["run_twice"]) == ("pos", "mirror_guard", True)
    assert [trials for *_, trials in campaign.compared] == [50], "other hash seeds, some trials"
    assert set(campaign.places) == {"mine"}


def test_time_alone_bounds_a_hunt(run: Run, campaign: FakeCampaign) -> None:
    ran = run("hunt", "--seconds", "5")
    assert campaign.calls[0]["trials"] > 10**9
    assert "5 s each" in ran.out


def test_a_variant_or_scenario_named_twice_is_hunted_once(run: Run, campaign: FakeCampaign) -> None:
    run("hunt", "retry_exhaustion", "retry_exhaustion", "--variant", "fixed", "--variant", "fixed")
    assert len(campaign.calls) == 1


def test_a_case_chooses_the_scenarios_that_have_it(run: Run, campaign: FakeCampaign) -> None:
    run("hunt", "--case", "killed")
    assert {call["scenario"] for call in campaign.calls} == {"retry_exhaustion"}


def test_seed_and_options_are_printed_before_the_first_trial(
    run: Run, campaign: FakeCampaign, capsys: pytest.CaptureFixture[str]
) -> None:
    before: list[str] = []

    def results(scenario: str, variant: str) -> Result:
        before.append(capsys.readouterr().out)
        return declared(scenario, variant)

    campaign.results = results
    run("hunt", "--seed", "41", "--set", "dedup=G8", "--case", "killed")
    assert before[0].startswith("seed 41\nhunting retry_exhaustion on v2_merge, fixed\n")
    assert "1 000 trials each, explorer portfolio, world atomic" in before[0]
    assert "case killed, dedup=G8" in before[0]


def test_table_then_story_then_the_command_that_replays_it(run: Run) -> None:
    out = run("hunt").out
    order = [
        out.index(each)
        for each in ("deliv.", "4 hunts:", "The smallest failure", "I-12 is broken", "Replay it:")
    ]
    assert order == sorted(order)


def test_the_smallest_failure_is_told_and_its_repro_is_there(
    run: Run, campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = samples.finding(trial=5, moves_after=2, repro=samples.repro(trial=5))

    def results(scenario: str, variant: str) -> Result:
        result = declared(scenario, variant)
        if (scenario, variant) == ("retry_exhaustion", "v2_merge"):
            return attrs.evolve(result, findings=(samples.finding(moves_after=3), small))
        return result

    campaign.results = results
    monkeypatch.setattr(sys, "argv", ["/somewhere/.venv/bin/simworld"])
    out = run("hunt").out
    assert "seed 7, trial 5" in out
    command = out.splitlines()[-1].split()
    assert command[:2] == ["/somewhere/.venv/bin/simworld", "replay"]
    assert msgspec.json.decode(Path(command[2]).read_bytes(), type=Repro) == small.repro


def test_the_replay_command_names_foreign_scenarios(run: Run) -> None:
    assert run("hunt", "--scenarios", "my dir").out.rstrip().endswith("--scenarios 'my dir'")


def test_every_repro_is_saved_where_asked(run: Run) -> None:
    run("hunt", "--save", "here/deep")
    saved = sorted(path.name for path in Path("here/deep").iterdir())
    assert len(saved) == 2
    assert saved[0].startswith("inflated_attempts-v2_merge-I-12-retries-not-exhausted-seed7")


def test_a_hunt_that_finds_nothing_leaves_no_folder(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _always()
    ran = run("hunt")
    assert list(Path.cwd().iterdir()) == []
    assert "The smallest failure" not in ran.out


def test_a_repro_that_cannot_be_saved_loses_no_result(
    run: Run, campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(repro: Repro, path: Path) -> None:
        raise UsageError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(campaign, "save_repro", full, raising=False)
    campaign.install(monkeypatch)
    ran = run("hunt", "--json", "out.json")
    assert ran.code == 1
    assert ran.err.count("a repro was not saved: cannot write") == 2
    assert "I-12 is broken" in ran.out
    anomaly = json.loads(Path("out.json").read_text())["results"][0]["anomalies"][0]
    assert anomaly["repro"]["scenario"] == "inflated_attempts"


# --- JSON ----------------------------------------------------------------------------------------


def test_json_on_stdout_is_all_that_is_on_stdout(run: Run) -> None:
    ran = run("hunt", "--json", "-", "--expect")
    document = json.loads(ran.out)
    assert [row["verdict"] for row in document["results"]] == ["FAIL", "PASS", "FAIL", "PASS"]
    assert Path(document["results"][0]["anomalies"][0]["repro"]).is_file()
    assert "seed 0" in ran.err
    assert "I-12 is broken" in ran.err


def test_json_in_a_file_leaves_the_words_on_stdout(run: Run) -> None:
    ran = run("hunt", "--json", "out.json")
    assert len(json.loads(Path("out.json").read_text())["results"]) == 4
    assert "I-12 is broken" in ran.out
    assert ran.err == ""


# --- Ctrl-C --------------------------------------------------------------------------------------


UNDONE = Verdict("UNKNOWN", reason="interrupted")


def _interrupted_at(nth: int, verdict: Verdict, **changed: Any) -> Callable[[str, str], Result]:
    """As declared, until the nth hunt is interrupted with this verdict."""
    seen: list[str] = []

    def results(scenario: str, variant: str) -> Result:
        seen.append(variant)
        result = declared(scenario, variant)
        if len(seen) == nth:
            return attrs.evolve(result, verdict=verdict, interrupted=True, **changed)
        return result

    return results


def test_after_an_interruption_no_other_hunt_starts(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _interrupted_at(1, UNDONE, findings=())
    ran = run("hunt")
    assert ran.code == 3
    assert len(campaign.calls) == 1
    assert "UNKNOWN" in ran.out, "an interrupted search has not passed"
    assert "interrupted after 2 000 trials" in ran.out


def test_what_was_found_before_an_interruption_is_kept(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _interrupted_at(2, UNDONE, findings=())
    ran = run("hunt", "--json", "out.json")
    assert ran.code == 1
    assert "I-12 is broken" in ran.out
    rows = json.loads(Path("out.json").read_text())["results"]
    assert [(row["verdict"], row["interrupted"]) for row in rows] == [
        ("FAIL", False),
        ("UNKNOWN", True),
    ]


def test_an_interrupted_failure_is_a_failure(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _interrupted_at(1, Verdict("FAIL", "I-12"))
    assert run("hunt").code == 1


@pytest.mark.parametrize(
    ("nth", "verdict", "code"),
    [
        (1, Verdict("FAIL", "I-12"), 3),
        (1, UNDONE, 3),
        (2, UNDONE, 3),
        (2, Verdict("FAIL", "I-12"), 1),
    ],
)
def test_with_expect_an_interruption_decides_nothing_unless_there_was_a_surprise(
    run: Run, campaign: FakeCampaign, nth: int, verdict: Verdict, code: int
) -> None:
    campaign.results = _interrupted_at(nth, verdict)
    assert run("hunt", "--expect").code == code


def test_ctrl_c_between_hunts_keeps_what_there_is(run: Run, campaign: FakeCampaign) -> None:
    def results(scenario: str, variant: str) -> Result:
        if variant == "fixed":
            raise KeyboardInterrupt
        return declared(scenario, variant)

    campaign.results = results
    ran = run("hunt")
    assert ran.code == 1
    assert "I-12 is broken" in ran.out


def test_ctrl_c_before_the_first_result(run: Run, campaign: FakeCampaign) -> None:
    def results(scenario: str, variant: str) -> Result:
        raise KeyboardInterrupt

    campaign.results = results
    ran = run("hunt", "--json", "out.json")
    assert ran.code == 3
    assert "interrupted before there was any result" in ran.out
    document = json.loads(Path("out.json").read_text())
    assert (document["schema"], document["results"]) == (1, [])
    assert [row["reason"] for row in document["unjudged"]] == ["not run: interrupted"] * 4


def test_ctrl_c_elsewhere_is_one_line(
    run: Run, campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(where: str | None = None, **options: bool) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "load_scenarios", interrupted, raising=False)
    campaign.install(monkeypatch)
    ran = run("list")
    assert (ran.code, ran.err) == (3, "simworld: interrupted\n")


# --- the harness fails ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InternalError("a rule was broken"), "internal error: InternalError: a rule was broken"),
        (RuntimeError("two\nlines"), "internal error: RuntimeError: two lines"),
        (UncontrolledNondeterminism("turn 7 differs"), "the same seed gave two different traces"),
    ],
)
def test_a_bug_is_exit_code_4_and_one_line(
    run: Run, campaign: FakeCampaign, error: Exception, words: str
) -> None:
    def results(scenario: str, variant: str) -> Result:
        raise error

    campaign.results = results
    ran = run("hunt")
    assert ran.code == 4
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_the_traceback_is_for_those_who_ask(
    run: Run, campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def results(scenario: str, variant: str) -> Result:
        raise RuntimeError("boom")

    campaign.results = results
    assert "Traceback" not in run("hunt").err
    monkeypatch.setenv("SIMWORLD_DEBUG", "1")
    assert "Traceback" in run("hunt").err


def test_a_bug_in_a_later_hunt_keeps_what_was_found(run: Run, campaign: FakeCampaign) -> None:
    def results(scenario: str, variant: str) -> Result:
        if scenario == "retry_exhaustion":
            raise InternalError("a rule was broken")
        return declared(scenario, variant)

    campaign.results = results
    ran = run("hunt", "--json", "out.json")
    assert ran.code == 4
    assert "I-12 is broken" in ran.out
    assert len(json.loads(Path("out.json").read_text())["results"]) == 2


def test_a_found_failure_that_does_not_replay_is_our_fault(
    run: Run, campaign: FakeCampaign
) -> None:
    campaign.told = DidNotReproduce("entry 2 differs")
    ran = run("hunt")
    assert ran.code == 4
    assert "entry 2 differs" in ran.err
    assert "4 hunts:" in ran.out


def test_a_workflow_that_contradicts_itself_is_its_author_s_mistake(
    run: Run, campaign: FakeCampaign
) -> None:
    """What was found before is told, then the mistake; it is bad input, as a bad option is."""

    def diverges(scenario: str, variant: str) -> Result:
        result = declared(scenario, variant)
        if scenario == "retry_exhaustion":
            raise HuntDiverged("workflow order does not depend on its log alone", result)
        return result

    campaign.results = diverges
    ran = run("hunt", "--variant", "v2_merge")
    assert ran.code == 2
    assert "simworld: error: workflow order does not depend on its log alone\n" in ran.err
    assert "inflated_attempts" in ran.out
    assert "retry_exhaustion" in ran.out


# --- hunt: what is generated ---------------------------------------------------------------------


def test_what_is_generated_is_hunted_instead_of_all(run: Run, campaign: FakeCampaign) -> None:
    storm = FakeScenario("storm", (FakeCase("calm"),), generated=True)
    campaign.results = lambda scenario, variant: samples.passing(scenario=scenario, variant=variant)
    campaign.scenarios = {**SCENARIOS, "storm": storm}
    run("hunt", "--generated", "--variant", "fixed")
    assert [call["scenario"] for call in campaign.calls] == ["storm"]


def test_further_scenarios_may_be_named_beside_them(run: Run, campaign: FakeCampaign) -> None:
    storm = FakeScenario("storm", (FakeCase("calm"),), generated=True)
    campaign.scenarios = {**SCENARIOS, "storm": storm}
    run("hunt", "retry_exhaustion", "--generated", "--variant", "fixed")
    assert [call["scenario"] for call in campaign.calls] == ["retry_exhaustion", "storm"]


def test_where_nothing_is_generated_there_is_nothing_to_hunt(run: Run) -> None:
    ran = run("hunt", "--generated")
    assert ran.code == 2
    assert "is generated, so --generated hunts nothing" in ran.err
