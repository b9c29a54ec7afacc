"""Determinism in both directions: the same seed repeats, and what cannot repeat is caught."""

from __future__ import annotations

import itertools
import pathlib
import random
import time
from collections.abc import Callable, Sequence

import attrs
import pytest

from simworld.campaign import (
    HuntDiverged,
    Hunter,
    Scenario,
    check_hash_seeds,
    hunt,
    load_scenarios,
    preset,
    run_trial,
)
from simworld.engine import Event, Pass, PassResult, StepContext, gather, step, workflow
from simworld.errors import ReplayDivergence, UncontrolledNondeterminism
from simworld.explore import EXPLORERS
from simworld.records import PassChecked

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

SETS_IN_A_BODY = '''
"""A scenario that is not allowed to pass: a step's body iterates a set."""

import attrs

from scenarios.inflated_attempts import scenario as inflated_attempts
from simworld.engine import StepContext, step


@step(name="work")
async def unordered(ctx: StepContext, index: int, duration_ms: int) -> int:
    """Does things in the order of a set of strings."""
    for name in {"one", "two", "three"}:
        await ctx.effect(name)
    return index


scenario = attrs.evolve(inflated_attempts, name="unordered_body", steps=(unordered,))
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


@pytest.mark.slow
def test_iterating_a_set_is_caught_across_hash_seeds(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "unordered_scenarios"
    folder.mkdir()
    (folder / "unordered.py").write_text(CLOCK_AND_SETS)
    scenario = load_scenarios(str(folder))["unordered"]
    with pytest.raises(ReplayDivergence, match=r"unordered depends on PYTHONHASHSEED") as caught:
        check_hash_seeds(scenario, preset("fixed"), where=str(folder), seed=0, trials=5)
    one, other = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert one != other
    assert all(line.startswith("  step work#") for line in (one, other))  # side by side


@pytest.mark.slow
def test_a_body_that_iterates_a_set_is_not_taken_for_its_workflow(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "unordered_bodies"
    folder.mkdir()
    (folder / "unordered.py").write_text(SETS_IN_A_BODY)
    scenario = load_scenarios(str(folder))["unordered_body"]
    with pytest.raises(UncontrolledNondeterminism, match="depends on PYTHONHASHSEED; line"):
        check_hash_seeds(scenario, preset("fixed"), where=str(folder), seed=0, trials=5)


def careless(read: Callable[[], object]) -> Scenario:
    """A scenario whose workflow depends on more than its log."""
    scenario = SCENARIOS["inflated_attempts"]
    work = scenario.steps[0]

    @workflow
    async def careless(durations_ms: list[int]) -> list[int]:
        """Tells a step what only this pass knows."""
        told = read()
        return await gather(*[work(told, 0) for _ in durations_ms])

    return attrs.evolve(scenario, workflow=careless, oracle=None)


MISTAKES = {
    "the host's clock": time.perf_counter_ns,
    "ambient randomness": random.random,
    "state of others": itertools.count().__next__,
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("variant", ["v2_merge", "fixed"])
def test_a_workflow_that_does_not_depend_on_its_log_alone_is_its_author_s_mistake(
    mistake: str, variant: str
) -> None:
    with pytest.raises(HuntDiverged) as caught:
        hunt(careless(MISTAKES[mistake]), preset(variant), trials=60)
    said = str(caught.value)
    assert "workflow careless of run does not depend on its log alone: over the same " in said
    assert "request 1 is step work#1 (step_" in said
    assert " in one pass and step work#1 (step_" in said
    assert "use now_ms" in said


@pytest.mark.slow
def test_what_a_hunt_had_found_before_it_diverged_is_kept() -> None:
    """The mistake shows late: only in a workflow that is asked for four steps."""
    reads = itertools.count()
    scenario = SCENARIOS["inflated_attempts"]
    work = scenario.steps[0]

    @workflow
    async def late(durations_ms: list[int]) -> list[int]:
        """Careless from some pass on."""
        number = next(reads)
        told = number if number > 3_000 else 0
        return await gather(*[work(told, 0) for _ in durations_ms])

    late_scenario = attrs.evolve(scenario, workflow=late, oracle=None)
    with pytest.raises(HuntDiverged) as caught:
        hunt(late_scenario, preset("v2_merge"), trials=2_000, case="R-03")
    result = caught.value.result
    assert result.trials > 20
    assert result.findings
    assert str(result.verdict) == "FAIL I-12"


def one_by_one() -> Scenario:
    """A scenario whose invocations make many passes each."""
    scenario = SCENARIOS["inflated_attempts"]
    work = scenario.steps[0]

    @workflow
    async def one_by_one(durations_ms: list[int]) -> list[int]:
        """One step after the other."""
        return [await work(index, 0) for index in range(8)]

    return attrs.evolve(scenario, workflow=one_by_one, oracle=None)


def test_passes_are_checked_in_about_one_of_sixteen_and_move_no_other_draw() -> None:
    hunter = Hunter(one_by_one(), preset("fixed"), seed=2)
    checked = 0
    for number in range(60):
        setup = hunter.setup(number)
        with_checks, again = run_trial(setup), run_trial(hunter.setup(number))
        without = run_trial(attrs.evolve(hunter.setup(number), checks=None))
        assert with_checks.digest == without.digest
        found = [each for each in with_checks.records if isinstance(each, PassChecked)]
        assert found == [each for each in again.records if isinstance(each, PassChecked)]
        assert not any(isinstance(each, PassChecked) for each in without.records)
        assert not any(each.difference for each in found)
        checked += len(found)
    assert checked > 10


def test_a_retained_pass_that_differs_is_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's mistake, not the author's: a law judges it."""

    fed: list[Pass] = []

    class Forgetful(Pass):
        """Forgets what is done when it is fed for the second time."""

        def feed(self, log: Sequence[Event], now_ms: int) -> PassResult:
            """See ``Pass``."""
            again = self in fed
            fed.append(self)
            result = super().feed(log, now_ms)
            asked = [each for each in result.requests if not (again and each.done)]
            return PassResult(result.outcome, asked)

    monkeypatch.setattr("simworld.runtime.replay_loop.Pass", Forgetful)
    hunter = Hunter(one_by_one(), preset("fixed"))
    records = [each for number in range(30) for each in hunter.trial(number).records]
    found = [each for each in records if isinstance(each, PassChecked)]
    assert found
    assert all("request 1 is " in each.difference for each in found)
    assert all(" in one pass and step work#1 (" in each.difference for each in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_other_hash_seeds_change_nothing_in_ours(name: str) -> None:
    check_hash_seeds(SCENARIOS[name], preset("v2_merge"), where=None, seed=1, trials=20)
