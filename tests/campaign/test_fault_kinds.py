"""Every kind of fault: a row and a budget, worlds where it strikes, an engine that stands it."""

from __future__ import annotations

import attrs
import pytest

from simworld.campaign import (
    PLACES,
    Hunter,
    Scenario,
    Setup,
    Trial,
    check_possible,
    hunt,
    load_scenarios,
    placed,
    preset,
    run_trial,
    with_knob,
    worlds_with,
)
from simworld.check import ALWAYS, LAWS
from simworld.entropy import Stream
from simworld.errors import UsageError
from simworld.explore import Candidate, Replay, shrink
from simworld.records import FAULTS, FaultBudget, FaultKind, Profile, Schedule
from simworld.sim import RecordedFaults
from tests.campaign import wide

SCENARIOS = {**load_scenarios("scenarios"), wide.scenario.name: wide.scenario}
KINDS = list(FAULTS.values())
WITH = {"torn_write": {"crashes": 2}, "power_loss": {"crashes": 2}}
"""Kinds that only make another one worse."""
WHERE = dict.fromkeys(("late_hook", "lost_flush"), wide.scenario.name)
TRIALS_MAX = 80

names = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def quiet(scenario: str) -> Scenario:
    """The scenario without the faults of its own cases."""
    found = SCENARIOS[scenario]
    cases = tuple(attrs.evolve(each, budget=FaultBudget(), expect={}) for each in found.cases)
    return attrs.evolve(found, cases=cases, marks=())


def struck(kind: FaultKind, place: str) -> tuple[Setup, Trial]:
    """The first trial of ``fixed`` that such a fault strikes, and how it was set up."""
    scenario = quiet(WHERE.get(kind.name, "inflated_attempts"))
    budget = FaultBudget(**{kind.budget: 2, **WITH.get(kind.name, {})})
    hunter = Hunter(scenario, placed(preset("fixed"), place), faults=budget)
    for number in range(TRIALS_MAX):
        setup = hunter.setup(number)
        trial = run_trial(setup)
        if any(fault.kind == kind.name for fault in trial.faults):
            return setup, trial
    raise AssertionError(f"{kind.name} struck in none of {TRIALS_MAX} trials on {place}")


def again(setup: Setup, candidate: Candidate, *, strict: bool) -> tuple[Trial, Replay]:
    """The trial under this schedule and these faults."""
    explorer = Replay(candidate.schedule, strict=strict)
    explorer.begin(Stream(0), Profile())
    faults = RecordedFaults(candidate.faults)
    setup = attrs.evolve(setup, workload=candidate.workload, explorer=explorer, faults=faults)
    return run_trial(setup), explorer


def test_every_kind_has_a_budget_of_its_own_and_every_budget_a_kind() -> None:
    budgets = [field.name for field in attrs.fields(FaultBudget)]
    assert [kind.budget for kind in KINDS] == budgets
    assert [kind.name for kind in KINDS] == list(FAULTS)
    assert all(kind.does and kind.target and kind.value and kind.permitted for kind in KINDS)


@names
def test_a_kind_is_possible_just_where_it_is_said_to_be(kind: FaultKind) -> None:
    able = worlds_with(kind)
    assert able
    for place in PLACES:
        if place in able:
            check_possible(place, kind.budget)
        else:
            with pytest.raises(UsageError, match=f"world {place} has no {kind.budget}"):
                check_possible(place, kind.budget)


@names
def test_it_strikes_in_every_such_world_and_replays_strictly(kind: FaultKind) -> None:
    for place in worlds_with(kind):
        setup, trial = struck(kind, place)
        whole = Candidate(trial.schedule, trial.faults, setup.workload)
        replayed, explorer = again(setup, whole, strict=True)
        assert replayed.digest == trial.digest, place
        assert replayed.faults == trial.faults
        assert explorer.unfollowed() is None


@names
def test_it_shrinks_to_itself(kind: FaultKind) -> None:
    able = worlds_with(kind)
    setup, trial = struck(kind, "atomic" if "atomic" in able else able[-1])

    def attempt(candidate: Candidate) -> Candidate | None:
        tried, explorer = again(setup, candidate, strict=False)
        if not any(fault.kind == kind.name for fault in tried.faults):
            return None
        return Candidate(Schedule(tuple(explorer.applied)), tried.faults, candidate.workload)

    whole = Candidate(trial.schedule, trial.faults, setup.workload)
    small = shrink(whole, attempt, budget=60)
    kinds = {kind.name, *(("crash",) if kind.name in WITH else ())}
    assert {fault.kind for fault in small.faults} == kinds
    assert len(small.faults) == len(kinds)
    if kind.counted:
        assert sum(fault.value for fault in small.faults) == 1
    strictly, _ = again(setup, small, strict=True)
    assert strictly.faults == small.faults


# --- the engine under them -----------------------------------------------------------------------

OF_THE_KERNEL = (
    "server_errors",
    "throttles",
    "slow_hosts",
    "clocks_ahead",
    "clocks_behind",
    "clock_jumps",
    "torn_pages",
    "lost_connections",
)


def judged_by_all(scenario: Scenario) -> Scenario:
    """The scenario, judged by every law there is."""
    others = tuple(law for law in LAWS if law != scenario.law and law not in ALWAYS)
    return attrs.evolve(scenario, laws=others)


@pytest.mark.parametrize("place", ["atomic", "local", "postgres", "hosted"])
def test_the_fixed_engine_stands_them_all(place: str) -> None:
    budgets = dict.fromkeys(OF_THE_KERNEL, 2)
    for name in ("inflated_attempts", "cursor_dedupe", "generated_programs"):
        hunter = Hunter(
            judged_by_all(quiet(name)),
            placed(preset("fixed"), place),
            faults=FaultBudget(**budgets),
        )
        for number in range(25):
            trial = hunter.trial(number)
            assert trial.anomalies == [], (name, number)


@pytest.mark.parametrize("kind", ["server_errors", "throttles"])
def test_the_merged_engine_makes_them_the_users(kind: str) -> None:
    """R-14."""
    faults = FaultBudget(**{kind: 2})
    hunter = Hunter(judged_by_all(quiet("cursor_dedupe")), preset("v2_merge"), faults=faults)
    laws = {each.law for number in range(30) for each in hunter.trial(number).anomalies}
    assert laws >= {"I-21", "I-22"}


@pytest.mark.parametrize(("errors", "laws"), [("user", {"I-22"}), ("rethrow", set())])
def test_an_error_of_the_world_is_no_failure_of_a_body(errors: str, laws: set[str]) -> None:
    """R-15, by its own knob."""
    variant = with_knob(preset("fixed"), f"complete_errors={errors}")
    hunter = Hunter(
        judged_by_all(quiet("inflated_attempts")), variant, faults=FaultBudget(server_errors=2)
    )
    found = {each.law for number in range(80) for each in hunter.trial(number).anomalies}
    assert found & {"I-22"} == laws


def test_a_run_is_woken_though_the_clock_of_its_handler_is_behind() -> None:
    """A wake that comes too early by its host's clock comes again itself: a message in its place
    could have the key that it has, and be dropped."""
    faults = FaultBudget(clocks_behind=2)
    result = hunt(quiet("cursor_dedupe"), preset("fixed"), trials=90, faults=faults)
    assert str(result.verdict) == "PASS"
    assert result.marks["wait.woken_early"] > 3
