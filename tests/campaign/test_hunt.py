"""A campaign: what it counts, when it stops, and what it may call a pass."""

from __future__ import annotations

import asyncio
import pathlib
import sys

import attrs
import pytest
import trio

from simworld.campaign import (
    Case,
    Hunter,
    Scenario,
    declared_verdict,
    hunt,
    load_scenarios,
    preset,
    replay,
    run_trial,
    with_knob,
)
from simworld.engine import StepContext, step, workflow
from simworld.errors import DidNotReproduce, InternalError, UsageError
from simworld.records import FaultBudget, Progress
from simworld.sim import Kernel, LockstepKernel

SCENARIOS = load_scenarios()
MERGED, FIXED = preset("v2_merge"), preset("fixed")


def scenario(**changed: object) -> Scenario:
    """``inflated_attempts`` with some fields changed."""
    return attrs.evolve(SCENARIOS["inflated_attempts"], **changed)


def test_the_hunt_goes_on_after_its_first_failure() -> None:
    result = hunt(scenario(), MERGED, seed=1, trials=120)
    assert result.trials == 120
    assert str(result.verdict) == "FAIL I-12"
    assert {finding.repro.case for finding in result.findings} >= {"R-03", "no-fault"}
    assert all(1 <= finding.count <= 120 for finding in result.findings)
    moves = [finding.moves_after for finding in result.findings]
    assert moves == sorted(moves)
    assert result.marks["body.flaked"] > 0


def test_one_case_alone() -> None:
    result = hunt(scenario(), MERGED, trials=100, case="R-03")
    assert {finding.repro.case for finding in result.findings} == {"R-03"}
    assert str(result.expected) == "FAIL I-12"


def test_ctrl_c_keeps_what_was_found_and_passes_nothing() -> None:
    def stop_at(number: int):  # type: ignore[no-untyped-def]  # a callback for one line
        def progress(state: Progress) -> None:
            if state.trials_done == number:
                raise KeyboardInterrupt

        return progress

    found = hunt(scenario(), MERGED, seed=1, trials=500, progress=stop_at(40))
    assert (found.interrupted, found.trials, str(found.verdict)) == (True, 40, "FAIL I-12")
    nothing = hunt(scenario(), FIXED, trials=500, progress=stop_at(5))
    assert (nothing.interrupted, nothing.trials) == (True, 5)
    assert str(nothing.verdict) == "UNKNOWN interrupted"


def test_ctrl_c_while_shrinking_keeps_the_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unshrunk, but found, and it replays."""

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["simworld.campaign.hunt"], "shrunk", interrupted)
    result = hunt(scenario(), MERGED, seed=1, trials=500)
    assert (result.interrupted, str(result.verdict)) == (True, "FAIL I-12")
    (found,) = result.findings
    assert found.moves_after == found.moves_before > 10
    assert replay(found.repro, SCENARIOS) is not None


def test_a_hunt_stops_when_its_seconds_are_spent() -> None:
    result = hunt(scenario(), FIXED, trials=10**9, seconds=0.2)
    assert 1 <= result.trials < 10**6


def test_silence_without_its_marks_is_unknown() -> None:
    result = hunt(scenario(marks=("nobody.ever.comes.here",)), FIXED, trials=20)
    assert str(result.verdict) == "UNKNOWN never reached nobody.ever.comes.here in 20 trials"


def test_a_livelock_is_unknown_and_names_its_bound() -> None:
    """Under G4 with overlapping continuations nobody ever gets a start."""
    stormy = with_knob(MERGED, "attempt_guard=G4")
    result = hunt(scenario(marks=()), stormy, trials=5, case="no-fault")
    assert result.verdict.outcome == "UNKNOWN"
    assert "turns_max" in result.verdict.reason


def test_a_wrong_output_is_found() -> None:
    """I-18 compares with the scenario's own interpretation of the log."""
    wrong = scenario(oracle=lambda workload, log: ["something else"])
    result = hunt(wrong, FIXED, trials=3)
    assert str(result.verdict) == "FAIL I-18"


def test_a_body_that_awaits_something_foreign_is_the_authors_mistake() -> None:
    class Foreign:
        def __await__(self):  # type: ignore[no-untyped-def]  # a foreign awaitable
            yield "a future of another library"

    @step(name="work")
    async def foreign(ctx: StepContext, index: int, duration_ms: int) -> int:
        """Awaits what the simulation does not know."""
        await Foreign()
        return index

    with pytest.raises(UsageError, match=r"test_hunt\.py:\d+ awaits str"):
        hunt(scenario(steps=(foreign,)), FIXED, trials=1)


@pytest.mark.parametrize("nap", [asyncio.sleep, trio.sleep])
def test_a_body_that_sleeps_on_a_real_event_loop_is_told_so(nap) -> None:  # type: ignore[no-untyped-def]
    @step(name="work")
    async def sleepy(ctx: StepContext, index: int, duration_ms: int) -> int:
        """Awaits another library's clock."""
        await nap(1)
        return index

    with pytest.raises(UsageError, match=r"test_hunt\.py:\d+ awaits (asyncio|trio), which"):
        hunt(scenario(steps=(sleepy,)), FIXED, trials=1)


def test_an_explorer_s_own_error_comes_out() -> None:
    """It starts inside simulated code, whose handlers must not take it for a failing body."""

    class Broken:
        name = "broken"
        wants_all = True

        def __init__(self, at: int) -> None:
            self.left = at

        def begin(self, stream: object, profile: object) -> None:
            """Nothing to draw."""

        def choose(self, point: object, enabled: object) -> int:
            self.left -= 1
            if self.left < 0:
                raise DidNotReproduce("on purpose")
            return 0

    hunter = Hunter(scenario(), MERGED)
    for at in range(60):
        setup = attrs.evolve(hunter.setup(0), explorer=Broken(at))
        for kernel_type in (Kernel, LockstepKernel):
            with pytest.raises(DidNotReproduce, match="on purpose"):
                run_trial(attrs.evolve(setup, explorer=Broken(at)), kernel_type=kernel_type)


def test_claims_are_checked() -> None:
    case: Case = SCENARIOS["inflated_attempts"].cases[0]
    typo = scenario(cases=(attrs.evolve(case, expect={"v2_merg": "PASS"}),))
    with pytest.raises(UsageError, match="v2_merge"):
        hunt(typo, FIXED, trials=1)
    nonsense = scenario(cases=(attrs.evolve(case, expect={"fixed": "perhaps"}),))
    with pytest.raises(UsageError, match="is no verdict"):
        hunt(nonsense, FIXED, trials=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "at least one trial"),
        ({"explorer": "portfolo"}, "did you mean portfolio"),
        ({"case": "R-2"}, "unknown case of inflated_attempts"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hunt(scenario(), FIXED, **options)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("attempt_gard=G1", "did you mean attempt_guard"),
        ("attempt_guard=G11", "unknown value of attempt_guard 'G11'"),
        ("lease_ms=soon", "takes a whole number"),
        ("lease_ms=-1", "at least 0"),
        ("lease_ms=99999999999999999999", "at most"),
        ("dedup", "takes knob=value"),
    ],
)
def test_bad_knobs_are_named(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_knob(FIXED, setting)


def test_every_knob_can_be_set_to_what_it_is() -> None:
    for variant in (MERGED, FIXED):
        for knob, value in variant.knobs.items():
            assert with_knob(variant, f"{knob}={value}") == variant


@pytest.mark.slow
def test_the_budget_of_a_scenario_is_kept_out_of_the_fixed_variant_s_way() -> None:
    """The fixed variant holds under every kind of fault at once, also beyond its own cases."""
    budget = FaultBudget(duplicates=4, crashes=2, lost_answers=2, kill_bodies=6)
    for each in SCENARIOS.values():
        if str(declared_verdict(each, FIXED)) != "PASS":
            continue  # a pool that is too small is no engine's fault
        cases = tuple(attrs.evolve(case, budget=budget) for case in each.cases)
        result = hunt(attrs.evolve(each, cases=cases, marks=()), FIXED, seed=4, trials=150)
        assert str(result.verdict) == "PASS", result.findings


def test_a_workflow_that_raises_by_itself_does_not_pass() -> None:
    @workflow
    async def race_loop(durations_ms: list[int]) -> list[int]:
        """Fails."""
        raise ValueError("a mistake")

    result = hunt(scenario(workflow=race_loop), FIXED, trials=5)
    assert str(result.verdict) == "FAIL I-18"
    assert "a mistake" in result.findings[0].anomaly.message


def test_a_body_with_a_mistake_in_it_does_not_pass() -> None:
    @step(name="work")
    async def mistaken(ctx: StepContext, index: int, duration_ms: int) -> int:
        """Fails."""
        raise NameError("a mistake")

    result = hunt(scenario(steps=(mistaken,)), FIXED, trials=5)
    assert str(result.verdict) == "FAIL I-18"


@pytest.mark.slow
def test_each_case_is_compared_with_its_own_claim() -> None:
    """The verdict of the whole is as declared, but one case shows what it must not."""
    whole = scenario()
    cases = [attrs.evolve(case) for case in whole.cases]
    cases[1] = attrs.evolve(cases[1], expect={"v2_merge": "PASS", "fixed": "PASS"})
    result = hunt(attrs.evolve(whole, cases=tuple(cases)), MERGED, seed=1, trials=120)
    assert str(result.verdict) == str(result.expected) == "FAIL I-12"
    assert result.surprises == ("case R-03 declares PASS and breaks I-12",)
    assert not result.as_expected
    assert hunt(whole, MERGED, seed=1, trials=120).as_expected


def test_a_bug_in_the_engine_is_not_taken_for_a_failed_delivery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr("simworld.runtime.replay_loop.Pass", broken)
    with pytest.raises(InternalError, match="a bug"):
        hunt(scenario(), FIXED, trials=1)


def test_scenarios_are_loaded_by_their_place(tmp_path: pathlib.Path) -> None:
    """Also from a folder whose name is that of an importable package."""
    source = pathlib.Path("scenarios/concurrent_first_attempts.py").read_text()
    folder = tmp_path / "json"
    folder.mkdir()
    (folder / "mine.py").write_text(source)
    assert list(load_scenarios(str(folder))) == ["concurrent_first_attempts"]
