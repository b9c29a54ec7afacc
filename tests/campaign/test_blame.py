"""Who is to blame: which faults a failure needs, and that no breach is charged to the engine."""

from __future__ import annotations

import pathlib

import attrs
import msgspec
import pytest
from hypothesis import strategies

from simworld.campaign import (
    Scenario,
    Setup,
    Variant,
    check_property,
    hunt,
    load_repro,
    load_scenarios,
    placed,
    preset,
    replay,
    save_repro,
    with_knob,
)
from simworld.campaign.blame import blame_of
from simworld.campaign.hunt import Hunter
from simworld.entropy import Stream
from simworld.errors import UsageError
from simworld.explore import Candidate
from simworld.records import Anomaly, Blame, Fault, FaultBudget, Finding, Repro

SCENARIOS = load_scenarios()
STALE = FaultBudget(stale_reads=2)
HOSTED = placed(preset("fixed"), "hosted")


def first(scenario: str, variant: Variant, case: str, law: str) -> Finding:
    """The first finding of a law."""
    hunter = Hunter(SCENARIOS[scenario], variant, case=case)
    for number in range(100):
        for key in hunter.told(number).keys:
            if key[1].startswith(law):
                return hunter.finding(number, key)
    raise AssertionError(f"{law} was not found")


def blame(scenario: str, variant: Variant, case: str, law: str) -> Blame | None:
    return first(scenario, variant, case, law).repro.blame


# --- what is needed ------------------------------------------------------------------------------


def test_a_race_needs_no_fault() -> None:
    told = blame("inflated_attempts", preset("v2_merge"), "no-fault", "I-12")
    assert told == Blame("engine")
    assert str(told) == "engine: needs no fault"


def test_a_failure_needs_the_faults_without_which_it_is_not_seen() -> None:
    told = blame("inflated_attempts", preset("v2_merge"), "R-03", "I-12")
    assert told == Blame("engine", ("duplicate",))
    assert str(told) == "engine: needs duplicate"
    knob = with_knob(preset("fixed"), "loop_errors=fail_run")
    assert blame("crash_strip", knob, "both", "I-21") == Blame("engine", ("lost_answer",))


def _no_fault() -> tuple[Setup, Candidate, Anomaly]:
    """The race that needs no fault, shrunk."""
    finding = first("inflated_attempts", preset("v2_merge"), "no-fault", "I-12")
    hunter = Hunter(SCENARIOS["inflated_attempts"], preset("v2_merge"), case="no-fault")
    small = Candidate(finding.repro.schedule, finding.repro.faults, finding.repro.workload)
    return hunter.setup(finding.trial), small, finding.anomaly


def test_a_fault_that_was_there_and_did_nothing_is_not_needed() -> None:
    setup, small, anomaly = _no_fault()
    faults = (Fault("crash", "nobody", 3), Fault("stale_read", "nobody", 1))
    small = attrs.evolve(small, faults=faults)
    budget = FaultBudget(crashes=1, stale_reads=1)
    assert blame_of(setup, small, anomaly, budget) == Blame("engine")


def test_what_no_smaller_set_shows_needs_all_and_a_breach_among_them_is_the_worlds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simworld.campaign.blame.TURNS_MAX", 1_000)
    setup, small, anomaly = _no_fault()
    elsewhere = attrs.evolve(anomaly, place="run/nowhere#1")  # never found again
    for kinds, who in (
        (("crash",), "engine"),
        (("crash", "duplicate"), "engine"),
        (("crash", "stale_read"), "world"),
        (("crash", "duplicate", "lost_answer", "holed_read"), "world"),
    ):
        faults = tuple(Fault(kind, "nobody", 1) for kind in kinds)
        blame = blame_of(setup, attrs.evolve(small, faults=faults), elsewhere, FaultBudget())
        assert (blame.who, blame.needs) == (who, kinds)


def test_the_same_failure_has_the_same_blame() -> None:
    one, other = (first("crash_strip", preset("b37"), "both", "L-01") for _ in range(2))
    assert one.repro.blame is not None
    assert one.repro == other.repro


def test_on_a_world_that_is_not_repaired_nobody_can_tell_it_from_the_engine() -> None:
    merged = placed(preset("fixed"), "postgres-merged")
    assert blame("cursor_dedupe", merged, "R-37", "I-01") == Blame("engine or world")
    minted = with_knob(preset("fixed"), "log_position=mint_at_start")
    assert blame("cursor_dedupe", minted, "R-45", "I-17") == Blame("engine or world")


def test_a_wrong_output_without_a_fault_may_be_the_workflow_s_or_the_oracle_s() -> None:
    told = blame("cursor_dedupe", preset("v2_merge"), "R-37", "I-18")
    assert told == Blame("engine or workflow")
    assert str(told) == "engine or workflow: needs no fault"


# --- breaches ------------------------------------------------------------------------------------


def test_a_breach_of_the_worlds_contract_never_fails_the_engine() -> None:
    result = hunt(SCENARIOS["cursor_dedupe"], HOSTED, case="R-38", trials=20, faults=STALE)
    assert {each.anomaly.law for each in result.findings} == {"L-01"}
    assert {each.repro.blame for each in result.findings} == {Blame("world", ("stale_read",))}
    assert str(result.verdict) == "PASS"
    assert result.ended_share == 1  # of the runs that met no breach
    assert str(result.findings[0].repro.blame) == (
        "world: needs stale_read, which breaks its contract "
        "(a read shows what was committed before it)"
    )


def test_an_engine_that_fails_without_the_breach_is_found_beside_it() -> None:
    merged = placed(preset("v2_merge"), "hosted")
    result = hunt(SCENARIOS["cursor_dedupe"], merged, case="R-37", trials=60, faults=STALE)
    who = {each.anomaly.law: each.repro.blame for each in result.findings if not each.is_worlds}
    assert str(result.verdict) == "FAIL I-17"
    assert who["I-17"] == Blame("engine")


def test_where_every_trial_met_a_breach_nothing_is_known() -> None:
    result = hunt(
        SCENARIOS["cursor_dedupe"],
        HOSTED,
        case="R-38",
        seed=6,
        trials=1,
        faults=FaultBudget(stale_reads=4),
    )
    assert [each.is_worlds for each in result.findings] == [True]
    assert str(result.verdict) == "UNKNOWN in every trial a fault broke a promise of the world"


def test_a_property_is_not_refuted_by_a_breach() -> None:
    base = SCENARIOS["cursor_dedupe"]
    assert _property(base, preset("fixed")) is None
    local = with_knob(preset("fixed"), "wait_push=local")
    assert _property(base, local) == "I-27"  # in trials without one it is judged as ever


def _property(base: Scenario, variant: Variant) -> str | None:
    """The law that a drawn scenario with stale reads breaks on the hosted world, if any."""
    budget = FaultBudget(duplicates=2, stale_reads=2)
    drawn = strategies.just(("R-38", base.case("R-38").draw(Stream(0)), budget))
    scenario = attrs.evolve(base, workloads=lambda: drawn)
    finding = check_property(scenario, placed(variant, "hosted"), examples=1, schedules=40)
    return None if finding is None else finding.anomaly.law


# --- in files ------------------------------------------------------------------------------------


def _repro() -> Repro:
    """A failure with its blame."""
    return first("inflated_attempts", preset("v2_merge"), "no-fault", "I-12").repro


def test_a_repro_keeps_its_blame(tmp_path: pathlib.Path) -> None:
    repro = attrs.evolve(_repro(), blame=Blame("engine", ("duplicate",)))
    save_repro(repro, tmp_path / "one.json")
    assert load_repro(tmp_path / "one.json") == repro


def test_a_repro_of_before_there_was_blame_still_replays(tmp_path: pathlib.Path) -> None:
    repro = _repro()
    fields = msgspec.to_builtins(repro)
    del fields["blame"]
    path = tmp_path / "old.json"
    path.write_bytes(msgspec.json.encode(fields))
    old = load_repro(path)
    assert old == attrs.evolve(repro, blame=None)
    story = replay(old, SCENARIOS)
    assert story is not None
    assert story.anomaly.law == "I-12"


@pytest.mark.parametrize(
    ("blame", "why"),
    [
        ({"who": "nobody", "needs": []}, "damaged repro"),
        ({"who": "engine", "needs": ["crsh"]}, "did you mean crash"),
    ],
)
def test_a_blame_that_nobody_can_have_written_is_refused(
    tmp_path: pathlib.Path, blame: object, why: str
) -> None:
    fields = msgspec.to_builtins(_repro()) | {"blame": blame}
    path = tmp_path / "bad.json"
    path.write_bytes(msgspec.json.encode(fields))
    with pytest.raises(UsageError, match=why):
        load_repro(path)
