"""``simworld hunt`` in a build: processes, seeds, the ledger, JUnit, mistakes, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import pytest

from simworld import cli
from simworld.errors import UsageError
from simworld.records import Result, Verdict
from tests.cli.fakes import FakeCampaign, FakePool, Run, declared
from tests.render import samples

ROOT = Path(__file__).parents[2]
MESSY = "a \x1b[31mred\x1b[0m & <b> ]]> \x00\ud800 é"


def _failing(scenario: str, variant: str, *kinds: str) -> Result:
    """A result with one finding of each kind."""
    findings = tuple(
        samples.finding(anomaly=samples.anomaly(kind=kind), trial=at)
        for at, kind in enumerate(kinds)
    )
    if not findings:
        return samples.passing(scenario=scenario, variant=variant)
    return samples.result(scenario=scenario, variant=variant, findings=findings)


def _finds(*kinds: str) -> Callable[[str, str], Result]:
    """What retry_exhaustion on v2_merge finds; everything else passes."""

    def results(scenario: str, variant: str) -> Result:
        odd = (scenario, variant) == ("retry_exhaustion", "v2_merge")
        return _failing(scenario, variant, *(kinds if odd else ()))

    return results


# --- processes and seeds -------------------------------------------------------------------------


def test_one_pool_serves_all_hunts(run: Run, campaign: FakeCampaign) -> None:
    ran = run("hunt", "--jobs", "2", "--scenarios", "mine")
    assert ran.code == 1
    assert [call["pool"].jobs for call in campaign.calls] == [2] * 4
    assert {call["pool"].where for call in campaign.calls} == {"mine"}
    assert len({id(call["pool"]) for call in campaign.calls}) == 1
    assert "2 jobs" in ran.out


@pytest.mark.parametrize("jobs", ["auto", "0"])
def test_as_many_processes_as_cores(run: Run, campaign: FakeCampaign, jobs: str) -> None:
    run("hunt", "--jobs", jobs, "--variant", "fixed")
    assert {type(call["pool"]) for call in campaign.calls} == {FakePool}
    assert {call["pool"].jobs for call in campaign.calls} == {3}


@pytest.mark.parametrize("jobs", ["-1", "two", "1.5"])
def test_bad_numbers_of_processes_are_named(run: Run, jobs: str) -> None:
    ran = run("hunt", "--jobs", jobs)
    assert ran.code == 2
    assert f"argument --jobs: takes a whole number of at least 0, not '{jobs}'" in ran.err


COMMIT = "deadbeefcafe0123456789abcdef0123456789ab"


@pytest.mark.parametrize(
    ("text", "number"),
    [("41", 41), ("0", 0), (COMMIT, 0xDEADBEE), (COMMIT[:8].upper(), 0xDEADBEE)],
)
def test_a_commit_hash_and_its_abbreviation_are_one_seed(
    run: Run, campaign: FakeCampaign, text: str, number: int
) -> None:
    ran = run("hunt", "--seed", text)
    assert {call["seed"] for call in campaign.calls} == {number}
    said = f"seed {number}" if text.isdecimal() else f"seed {number} (commit {text})"
    assert ran.out.splitlines()[0] == said


@pytest.mark.parametrize("text", ["deadbe", "g" * 40, "-3", "1e", "", "a" * 65])
def test_other_seeds_are_refused(run: Run, text: str) -> None:
    ran = run("hunt", f"--seed={text}")
    assert ran.code == 2
    assert f"not '{text}'" in ran.err


def test_the_seed_is_printed_before_anything_can_fail(run: Run, campaign: FakeCampaign) -> None:
    campaign.scenarios = UsageError("cannot load scenarios")
    ran = run("hunt", "--seed", "41")
    assert (ran.code, ran.out) == (2, "seed 41\n")


# --- a mistake in one of several hunts ------------------------------------------------------------


def test_a_mistake_ends_its_own_hunt_only(run: Run, campaign: FakeCampaign) -> None:
    def results(scenario: str, variant: str) -> Result:
        if (scenario, variant) == ("inflated_attempts", "fixed"):
            raise UsageError("trial 3: draw returns a Workload, not 7")
        return declared(scenario, variant)

    campaign.results = results
    ran = run("hunt", "--json", "out.json", "--junit", "out.xml")
    assert ran.code == 2
    assert len(campaign.calls) == 4
    first, last = ran.err.splitlines()
    assert first == "simworld: error: trial 3: draw returns a Workload, not 7"
    assert last == "simworld: error: mistakes (told above) ended inflated_attempts on fixed"
    assert "3 hunts: 2 FAIL, 1 PASS" in ran.out
    document = json.loads(Path("out.json").read_text())
    assert len(document["results"]) == 3
    (row,) = document["unjudged"]
    assert (row["scenario"], row["system"]) == ("inflated_attempts", "fixed")
    assert _cases()["inflated_attempts fixed"][0] == "error"


# --- JUnit ---------------------------------------------------------------------------------------


def _cases(path: str = "out.xml") -> dict[str, tuple[str, str, str]]:
    """Suite and case → what is wrong with it, the message, the text."""
    found = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        wrong = [each for each in case if each.tag in ("failure", "error")]
        assert len(wrong) <= 1
        name = f"{case.get('classname')} {case.get('name')}"
        out = case.findtext("system-out", "")
        one = wrong[0] if wrong else None
        found[name] = (
            ("", "", out) if one is None else (one.tag, one.get("message", ""), one.text or "")
        )
    return found


def test_junit_has_a_suite_per_scenario_and_a_case_per_variant(
    run: Run, campaign: FakeCampaign
) -> None:
    unknown = Verdict("UNKNOWN", reason="turns_max reached in trial 3")

    def results(scenario: str, variant: str) -> Result:
        if (scenario, variant) == ("inflated_attempts", "fixed"):
            return samples.passing(scenario=scenario, verdict=unknown, seconds=2.5)
        return declared(scenario, variant)

    campaign.results = results
    assert run("hunt", "--junit", "out.xml").code == 1
    root = ElementTree.parse("out.xml").getroot()
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [
        ("inflated_attempts", "2"),
        ("retry_exhaustion", "2"),
    ]
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "4", "failures": "2", "errors": "1",
    }  # fmt: skip
    cases = _cases()
    tag, message, text = cases["inflated_attempts v2_merge"]
    assert (tag, message[:12]) == ("failure", "FAIL I-12: w")
    assert "replay repros/inflated_attempts-v2_merge-I-12" in text
    assert "I-12 is broken" in text, "the story"
    assert cases["inflated_attempts fixed"][:2] == ("error", "turns_max reached in trial 3")
    assert cases["retry_exhaustion fixed"][0] == ""
    properties = {each.get("name"): each.get("value") for each in root[0][0].iter("property")}
    assert properties["seed"] == "7"
    assert properties["digest"] == "d1"
    assert properties["trials"] == "2000"
    assert properties["mark delivery.duplicate"] == "40"
    assert root[0][1].get("time") == "2.500"


def test_junit_with_expect_fails_for_surprises_only(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = lambda scenario, variant: attrs.evolve(
        declared(scenario, variant), **({"expected": Verdict("PASS")} if scenario[0] == "r" else {})
    )
    run("hunt", "--expect", "--junit", "out.xml")
    cases = _cases()
    assert cases["inflated_attempts v2_merge"][0] == ""
    assert "retries-not-exhausted" in cases["inflated_attempts v2_merge"][2], "told nevertheless"
    tag, message, _ = cases["retry_exhaustion v2_merge"]
    assert (tag, message) == (
        "failure",
        "surprise: retry_exhaustion on v2_merge: expected PASS, got FAIL I-12",
    )


def test_junit_is_xml_whatever_the_text(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = lambda scenario, variant: samples.result(
        scenario=scenario,
        variant=variant,
        findings=(samples.finding(anomaly=samples.anomaly(message=MESSY, place=MESSY)),),
    )
    run("hunt", "--junit", "out.xml")
    _, message, text = _cases()["inflated_attempts v2_merge"]
    told = r"a \x1b[31mred\x1b[0m & <b> ]]> \x00\ud800 é"
    assert told in message
    assert told in text


def test_hunts_that_were_not_run_are_errors_in_junit(run: Run, campaign: FakeCampaign) -> None:
    def results(scenario: str, variant: str) -> Result:
        result = declared(scenario, variant)
        if variant == "fixed":
            undone = Verdict("UNKNOWN", reason="interrupted")
            return attrs.evolve(result, interrupted=True, verdict=undone)
        return result

    campaign.results = results
    run("hunt", "--junit", "out.xml")
    assert [(name, tag) for name, (tag, *_) in _cases().items()] == [
        ("inflated_attempts v2_merge", "failure"),
        ("inflated_attempts fixed", "error"),
        ("retry_exhaustion v2_merge", "error"),
        ("retry_exhaustion fixed", "error"),
    ]


def test_where_junit_goes_is_checked_before_the_first_trial(
    run: Run, campaign: FakeCampaign
) -> None:
    ran = run("hunt", "--junit", "missing/out.xml")
    assert (ran.code, campaign.calls) == (2, [])
    assert "cannot write --junit missing/out.xml" in ran.err


def test_a_file_that_cannot_be_written_keeps_no_other_from_it(
    run: Run, campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simworld.render.check_targets", lambda *given, **more: None)
    ran = run("hunt", "--json", "gone/a", "--junit", "out.xml", "--known", "k", "--update-known")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "cannot write gone/a: No such file" in ran.err
    assert _cases()
    assert _known("k")
    assert "I-12 is broken" in ran.out
    ran = run("hunt", "--json", "a", "--junit", "gone/x", "--known", "gone/k", "--update-known")
    assert (ran.code, ran.err.count("cannot write gone/")) == (2, 2)
    assert json.loads(Path("a").read_text())["results"]
    assert "I-12 is broken" in ran.out
    assert "up to date" not in ran.out


# --- the ledger ----------------------------------------------------------------------------------


def _known(path: str = "known.json") -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(Path(path).read_text())["known"]
    return rows


def test_the_ledger_goes_round(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _finds("lost", "found")
    known = ("hunt", "--known", "known.json")
    assert run(*known, "--update-known", "--seed", COMMIT).code == 0
    first = Path("known.json").read_bytes()
    assert [row["signature"] for row in _known()] == ["I-12 found run/work", "I-12 lost run/work"]
    assert _known()[0] == {
        "scenario": "retry_exhaustion",
        "case": "duplicates",
        "variant": "v2_merge",
        "world": "atomic",
        "signature": "I-12 found run/work",
        "since": COMMIT,
    }

    ran = run(*known, "--json", "out.json", "--junit", "out.xml")
    assert ran.code == 0
    assert ran.out.count("\nknown: retry_exhaustion · duplicates on v2_merge: I-12 ") == 2
    assert {row[0] for row in _cases().values()} == {""}
    row = json.loads(Path("out.json").read_text())["results"][2]["anomalies"][0]
    assert row["known"]["signature"] == row["signature"] == "I-12 lost run/work"
    assert Path("known.json").read_bytes() == first, "nobody asked for an update"

    campaign.results = _finds("new", "lost")
    ran = run(*known, "--junit", "out.xml", "--json", "out.json")
    assert ran.code == 1
    assert "\nnew: retry_exhaustion · duplicates on v2_merge: I-12 new run/work\n" in ran.out
    assert "\nturned green: retry_exhaustion · duplicates on v2_merge: I-12 found" in ran.out
    assert _cases()["retry_exhaustion v2_merge"][0] == "failure"
    document = json.loads(Path("out.json").read_text())
    assert [each["signature"] for each in document["turned_green"]] == ["I-12 found run/work"]

    noted = Path("known.json").read_text().replace(COMMIT, f'{COMMIT}", "note": "ask Ada')
    Path("known.json").write_text(noted)
    assert run(*known, "--update-known").code == 0
    assert [(row["signature"], row.get("note")) for row in _known()] == [
        ("I-12 lost run/work", "ask Ada"),
        ("I-12 new run/work", None),
    ]


def test_what_turned_green_fails_nothing(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _finds("lost")
    run("hunt", "--known", "known.json", "--update-known")
    campaign.results = _finds()
    ran = run("hunt", "--known", "known.json")
    assert ran.code == 0
    assert "turned green" in ran.out
    assert "turned green" not in run("hunt", "--known", "known.json", "--variant", "fixed").out
    assert len(_known()) == 1


def test_a_hunt_that_was_cut_short_turns_nothing_green(run: Run, campaign: FakeCampaign) -> None:
    campaign.results = _finds("lost")
    run("hunt", "--known", "known.json", "--update-known")
    undone = Verdict("UNKNOWN", reason="interrupted")
    campaign.results = lambda scenario, variant: attrs.evolve(
        _failing(scenario, variant), interrupted=scenario[0] == "r", verdict=undone
    )
    ran = run("hunt", "--known", "known.json", "--update-known")
    assert ran.code == 3
    assert "turned green" not in ran.out
    assert len(_known()) == 1


def test_an_unknown_stays_one_beside_a_ledger(run: Run, campaign: FakeCampaign) -> None:
    Path("known.json").write_text('{"schema": 1, "known": []}')
    campaign.results = lambda scenario, variant: samples.passing(
        scenario=scenario, verdict=Verdict("UNKNOWN", reason="why")
    )
    assert run("hunt", "--known", "known.json").code == 3


ENTRY = '{"scenario": "a", "variant": "b", "signature": "c"'


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (None, [], "there is no ledger known.json; make one of what is found now with --known"),
        ("{", [], "known.json is no ledger: "),
        ("[]", [], 'known.json is no ledger: it has no list called "known"'),
        ('{"schema": 9, "known": []}', [], "a ledger of format 9; this simworld reads 1"),
        (f'{{"schema": 1, "known": [{ENTRY}, "nots": ""}}]}}', [], "entry 1 of the ledger"),
        ('{"schema": 1, "known": [{"scenario": "a"}]}', [], "entry 1 of the ledger known.json: "),
        ('{"schema": 1, "known": [7]}', [], "entry 1 of the ledger known.json: "),
        ("{", ["--update-known"], "known.json is no ledger"),
        ('{"schema": 1, "known": []}', ["--expect"], "give one of them"),
    ],
)
def test_bad_ledgers_are_named(
    run: Run, campaign: FakeCampaign, text: str | None, options: list[str], message: str
) -> None:
    if text is not None:
        Path("known.json").write_text(text)
    ran = run("hunt", "--known", "known.json", *options)
    assert (ran.code, campaign.calls) == (2, [])
    assert message in ran.err


def test_an_update_needs_a_ledger(run: Run) -> None:
    assert "name one" in run("hunt", "--update-known").err


# --- the real thing ------------------------------------------------------------------------------


@pytest.mark.slow
def test_json_is_the_same_whatever_the_number_of_processes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    documents = []
    for jobs in ("1", "2"):
        argv = ["hunt", "inflated_attempts", "--variant", "v2_merge", "--trials", "12"]
        argv += ["--scenarios", str(ROOT / "scenarios"), "--jobs", jobs, "--json", "out.json"]
        assert cli.main(argv) == 1
        documents.append(_timeless(json.loads(Path("out.json").read_text())))
    assert documents[0] == documents[1]
    assert documents[0]["results"][0]["anomalies"]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if "seconds" not in name}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


SLOW_TO_END = """
import pathlib
import attrs
from scenarios.concurrent_first_attempts import scenario as base

def draw(stream):
    (pathlib.Path(__file__).parent / "began").touch()
    return base.cases[0].draw(stream)

endless = attrs.evolve(base, name="endless", cases=(attrs.evolve(base.cases[0], draw=draw),))
"""


@pytest.mark.slow
def test_ctrl_c_in_the_terminal_reaches_the_parent_alone(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(SLOW_TO_END)
    argv = ["hunt", "endless", "--scenarios", str(tmp_path / "endless.py"), "--variant", "fixed"]
    argv += ["--trials", "1000000", "--jobs", "2", "--json", "out.json", "--junit", "out.xml"]
    hunting = subprocess.Popen(
        [sys.executable, "-m", "simworld.cli", *argv],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "began").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        os.killpg(hunting.pid, signal.SIGINT)
        out, err = hunting.communicate(timeout=60)
    finally:
        hunting.kill()
    assert (hunting.returncode, err) == (3, ""), out
    (row,) = json.loads((tmp_path / "out.json").read_text())["results"]
    assert (row["interrupted"], row["verdict"]) == (True, "UNKNOWN")
    assert row["trials"] > 0
    assert _cases(str(tmp_path / "out.xml"))["endless fixed"][0] == "error"
    with pytest.raises(ProcessLookupError):
        os.killpg(hunting.pid, 0)
