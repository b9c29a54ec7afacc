"""Determinism in both directions: the same seed repeats, and what cannot repeat is caught."""

from __future__ import annotations

import pathlib
import time

import attrs
import pytest

from simworld.campaign import Hunter, check_hash_seeds, hunt, load_scenarios, preset
from simworld.engine import StepContext, step
from simworld.errors import UncontrolledNondeterminism
from simworld.explore import EXPLORERS

SCENARIOS = load_scenarios()

CLOCK_AND_SETS = '''
"""A scenario that is not allowed to pass: its workflow iterates a set."""

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.engine import gather, workflow
from simworld.records import FaultBudget


@workflow
async def unordered(durations_ms: list[int]) -> list[int]:
    """Start the steps in the order of a set of strings."""
    names = {f"step {index}" for index, _ in enumerate(durations_ms)}
    return await gather(*[race_loop.work(int(name.split()[1]), 0) for name in names])


scenario = Scenario(
    name="unordered",
    title="iterates a set",
    law="I-12",
    workflow=unordered,
    steps=(race_loop.work,),
    args=race_loop.args,
    cases=(
        Case(
            name="only",
            title="only",
            draw=lambda stream: race_loop.drawn(stream, durations_ms=(0, 100, 700)),
            budget=FaultBudget(),
            expect={},
        ),
    ),
)
'''


@pytest.mark.parametrize("name", sorted(EXPLORERS))
def test_every_explorer_repeats_its_trials(name: str) -> None:
    scenario = SCENARIOS["inflated_attempts"]
    results = [
        hunt(scenario, preset("v2_merge"), seed=11, trials=20, explorer=name) for _ in range(2)
    ]
    assert results[0].digest == results[1].digest
    assert results[0].turns == results[1].turns


def test_another_seed_is_another_campaign() -> None:
    scenario = SCENARIOS["inflated_attempts"]
    digests = {hunt(scenario, preset("fixed"), seed=seed, trials=5).digest for seed in range(5)}
    assert len(digests) == 5


def test_a_trial_depends_on_its_number_only() -> None:
    """Trial 7 is the same whether or not others ran before it in the same hunter."""
    scenario, variant = SCENARIOS["retry_exhaustion"], preset("v2_merge")
    hunter = Hunter(scenario, variant, seed=3)
    several = [hunter.trial(number).digest for number in range(8)]
    assert Hunter(scenario, variant, seed=3).trial(7).digest == several[7]


def test_both_variants_meet_the_same_draws() -> None:
    scenario = SCENARIOS["inflated_attempts"]
    setups = [Hunter(scenario, preset(name), seed=9) for name in ("v2_merge", "fixed")]
    for number in range(20):
        merged, fixed = (hunter.setup(number) for hunter in setups)
        assert (merged.case.name, merged.workload) == (fixed.case.name, fixed.workload)


def test_run_twice_passes_what_repeats() -> None:
    result = hunt(SCENARIOS["retry_exhaustion"], preset("fixed"), trials=30, run_twice=True)
    once = hunt(SCENARIOS["retry_exhaustion"], preset("fixed"), trials=30)
    assert result.digest == once.digest


def test_a_real_clock_in_a_body_is_caught() -> None:
    scenario = SCENARIOS["inflated_attempts"]

    @step(name="work")
    async def hasty(ctx: StepContext, index: int, duration_ms: int) -> int:
        """Sleeps for as long as the real clock says."""
        await ctx.sleep(time.perf_counter_ns() % 1_000 + 1)
        return index

    clocked = attrs.evolve(scenario, steps=(hasty,))
    with pytest.raises(UncontrolledNondeterminism, match="turn"):
        hunt(clocked, preset("fixed"), trials=10, run_twice=True)


def test_a_real_clock_in_a_payload_is_caught() -> None:
    """The same turns, but not the same results."""
    scenario = SCENARIOS["inflated_attempts"]

    @step(name="work")
    async def stamped(ctx: StepContext, index: int, duration_ms: int) -> int:
        """Returns the real clock."""
        return time.perf_counter_ns()

    clocked = attrs.evolve(scenario, steps=(stamped,), oracle=None)
    with pytest.raises(UncontrolledNondeterminism, match="carry other payloads"):
        hunt(clocked, preset("fixed"), trials=10, run_twice=True)


def test_iterating_a_set_is_caught_across_hash_seeds(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "unordered_scenarios"
    folder.mkdir()
    (folder / "unordered.py").write_text(CLOCK_AND_SETS)
    scenario = load_scenarios(str(folder))["unordered"]
    with pytest.raises(UncontrolledNondeterminism, match="depends on PYTHONHASHSEED; line"):
        check_hash_seeds(scenario, preset("fixed"), where=str(folder), seed=0, trials=5)


def test_other_hash_seeds_change_nothing_in_ours() -> None:
    for scenario in SCENARIOS.values():
        check_hash_seeds(scenario, preset("v2_merge"), where=None, seed=1, trials=20)
