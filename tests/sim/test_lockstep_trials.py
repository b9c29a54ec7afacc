"""The conformance kernel decides as ``Kernel`` does, over whole trials of every scenario."""

from __future__ import annotations

import attrs
import pytest

from simworld import marks
from simworld.campaign import (
    PRESETS,
    Hunter,
    Scenario,
    Trial,
    load_scenarios,
    prepared,
    run_trial,
    with_knob,
)
from simworld.engine import Commits
from simworld.entropy import Stream
from simworld.records import FaultBudget
from simworld.sim import Kernel, LockstepKernel, Nemesis
from tests.campaign import wide

SCENARIOS = load_scenarios("scenarios")
BOTH = (Kernel, LockstepKernel)
EVERYTHING = FaultBudget(duplicates=3, crashes=2, lost_answers=3, kill_bodies=2)


def compared(trial: Trial) -> dict[str, object]:
    """All of a trial; the oracle of each kernel is the other."""
    return {field.name: getattr(trial, field.name) for field in attrs.fields(Trial)}


@pytest.mark.parametrize("variant", PRESETS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_trials_are_the_same(name: str, variant: str) -> None:
    hunter = Hunter(SCENARIOS[name], PRESETS[variant], seed=7)
    for number in range(18):
        own = run_trial(hunter.setup(number))
        lockstep = run_trial(hunter.setup(number), kernel_type=LockstepKernel)
        assert lockstep.digest == own.digest, f"trial {number}"
        assert compared(lockstep) == compared(own), f"trial {number}"


def test_trials_under_every_kind_of_fault_of_the_atomic_world_are_the_same() -> None:
    hunter = Hunter(SCENARIOS["inflated_attempts"], PRESETS["v2_merge"], case="R-03")
    before, kinds, overlapped = marks.snapshot(), set(), 0
    for number in range(30):
        trials = []
        for kernel_type in BOTH:
            setup = hunter.setup(number)
            steps = setup.scenario.victims(setup.workload)
            faults = Nemesis(Stream(number), EVERYTHING, steps)
            setup = prepared(
                setup.scenario,
                setup.case,
                setup.variant,
                setup.workload,
                setup.explorer,
                faults,
                full_trace=number % 2 == 0,
            )
            trials.append(run_trial(setup, kernel_type=kernel_type))
        own, lockstep = trials
        assert compared(lockstep) == compared(own), f"trial {number}"
        kinds |= {fault.kind for fault in own.faults}
        overlapped += own.overlapped
    assert kinds == {"duplicate", "crash", "lost_answer", "kill_bodies"}
    assert overlapped
    assert "handler.crashed_in_body" in marks.since(before)


MINTING = [
    (name, minted)
    for name, variant in PRESETS.items()
    for minted in ("at_commit", "mint_at_start")
    if minted == "at_commit" or variant.engine.commits is Commits.EACH  # else it is refused
]


@pytest.mark.parametrize(("variant", "minted"), MINTING)
def test_trials_with_jobs_latches_and_children_are_the_same(variant: str, minted: str) -> None:
    budget = attrs.evolve(EVERYTHING, kill_bodies=1)
    cases = [attrs.evolve(case, budget=budget) for case in wide.scenario.cases]
    scenario = attrs.evolve(wide.scenario, cases=tuple(cases))
    minting = with_knob(PRESETS[variant], f"log_position={minted}")
    hunter = Hunter(with_workers(scenario), minting, seed=3)
    for number in range(12):
        own, lockstep = (
            run_trial(hunter.setup(number), kernel_type=kernel_type) for kernel_type in BOTH
        )
        assert lockstep.digest == own.digest, f"trial {number}"
        assert compared(lockstep) == compared(own), f"trial {number}"


def with_workers(scenario: Scenario) -> Scenario:
    """With a queue whose deliveries wait for workers."""
    cases = [attrs.evolve(case, knobs=("workers=3",)) for case in scenario.cases]
    return attrs.evolve(scenario, cases=tuple(cases))


def test_a_bound_that_is_reached_is_reached_by_both() -> None:
    hunter = Hunter(SCENARIOS["concurrent_first_attempts"], PRESETS["fixed"])
    outcomes = set()
    for turns_max in range(1, 130, 2):  # ends at every kind of place, phases too
        own, lockstep = (
            run_trial(attrs.evolve(hunter.setup(0), turns_max=turns_max), kernel_type=kernel_type)
            for kernel_type in BOTH
        )
        outcomes.add(own.verdict.outcome)
        assert compared(lockstep) == compared(own), f"turns_max {turns_max}"
    assert outcomes == {"PASS", "UNKNOWN"}
