"""Faults on whole trials: what a crash or a lost answer may never do, and names that never move."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from simworld.campaign import Hunter, Scenario, Trial, load_scenarios, preset, run_trial
from simworld.entropy import Stream
from simworld.explore import Replay
from simworld.records import (
    Committed,
    Crash,
    FaultBudget,
    LostAnswer,
    Profile,
    Schedule,
)
from simworld.sim import RecordedFaults

SCENARIOS = load_scenarios()


def with_budget(budget: FaultBudget) -> Scenario:
    """The first case of ``inflated_attempts`` under another fault budget."""
    scenario = SCENARIOS["inflated_attempts"]
    case = scenario.cases[1]
    return attrs.evolve(scenario, cases=(attrs.evolve(case, budget=budget, expect={}),), marks=())


def trials(variant: str, budget: FaultBudget, count: int) -> Iterator[Trial]:
    """Some trials with such faults."""
    hunter = Hunter(with_budget(budget), preset(variant))
    for number in range(count):
        yield hunter.trial(number)


@pytest.mark.parametrize("variant", ["v2_merge", "fixed"])
def test_no_fault_ever_loses_a_committed_event(variant: str) -> None:
    crashes = lost = 0
    for trial in trials(variant, FaultBudget(crashes=2, lost_answers=2, duplicates=2), 300):
        log = [event for events in trial.final.logs.values() for event in events]
        seen = [record.event for record in trial.records if isinstance(record, Committed)]
        assert seen == log  # every commit is in the log, in this order, and nothing else is
        crashes += sum(isinstance(record, Crash) for record in trial.records)
        lost += sum(isinstance(record, LostAnswer) for record in trial.records)
    assert crashes > 50
    assert lost > 50


def test_the_fixed_variant_survives_crashes_and_lost_answers() -> None:
    for trial in trials("fixed", FaultBudget(crashes=2, lost_answers=2, duplicates=2), 300):
        assert str(trial.verdict) == "PASS", trial.anomalies


def test_lost_answers_do_surface_in_the_merged_engine() -> None:
    """R-14: a world fault inside the loop fails the run."""
    laws = {
        anomaly.law
        for trial in trials("v2_merge", FaultBudget(lost_answers=2), 300)
        for anomaly in trial.anomalies
    }
    assert "I-21" in laws


def test_names_are_stable_when_an_entry_is_removed() -> None:
    """Whatever is removed from a schedule, a task's name still means the same work."""
    hunter = Hunter(SCENARIOS["inflated_attempts"], preset("v2_merge"))
    compared = 0
    for number in range(100):
        setup = hunter.setup(number)
        trial = run_trial(attrs.evolve(setup, full_trace=True))
        entries = trial.schedule.entries
        removed = (number * 7) % len(entries)
        explorer = Replay(Schedule(entries[:removed] + entries[removed + 1 :]), strict=False)
        explorer.begin(Stream(0), Profile())
        faults = RecordedFaults(trial.faults)
        again = run_trial(attrs.evolve(setup, explorer=explorer, faults=faults, full_trace=True))
        before, after = first_operations(trial), first_operations(again)
        shared = [name for name in before if name in after]
        assert [before[name] for name in shared] == [after[name] for name in shared]
        compared += len(shared)
        assert len(shared) >= 0.5 * len(before)
    assert compared > 1_000


def first_operations(trial: Trial) -> dict[str, str]:
    """Task → the first thing it did."""
    found: dict[str, str] = {}
    for turn in trial.trace:
        found.setdefault(turn.task, turn.op)
    return found


def test_the_nemesis_stays_within_its_budget() -> None:
    budget = FaultBudget(duplicates=3, crashes=2, lost_answers=1, kill_bodies=4)
    seen: dict[str, int] = {}
    for trial in trials("fixed", budget, 300):
        sums = dict.fromkeys(("duplicate", "crash", "lost_answer", "kill_bodies"), 0)
        for fault in trial.faults:
            sums[fault.kind] += fault.value if fault.kind in ("duplicate", "kill_bodies") else 1
        assert sums["duplicate"] <= 3
        assert sums["crash"] <= 2
        assert sums["lost_answer"] <= 1
        assert sums["kill_bodies"] <= 4
        for kind, count in sums.items():
            seen[kind] = max(seen.get(kind, 0), count)
    assert seen == {"duplicate": 3, "crash": 2, "lost_answer": 1, "kill_bodies": 4}
