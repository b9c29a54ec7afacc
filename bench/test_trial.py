"""What a trial costs, what its parts cost, and what shrinking costs.

Target: at least 1 000 trials a second on one core for ``concurrent_first_attempts`` on ``fixed``,
with a mean of at least 50 turns and 5 deliveries; at least 300 on the local world.  R-02 shrinks to
at most 10 moves in under 1 s.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.timing import no_collector
from bench.workloads import first_attempts_on, found_r02, hunted_trials, parts, scenario
from simworld.campaign import hunt, preset
from simworld.records import PASS, Result

TRIALS = 300


@pytest.mark.benchmark(group="hunt")
def test_hunt(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    def hunted() -> Result:
        return hunt(scenario("concurrent_first_attempts"), preset("fixed"), trials=TRIALS)

    result = benchmark.pedantic(hunted, rounds=9, warmup_rounds=1)
    assert result.verdict.outcome == PASS
    benchmark.extra_info |= {
        "trials": TRIALS,
        "trials_per_s_last_round": TRIALS / result.seconds,
        "trials_per_s_target": 1_000,
        "turns_mean": result.turns / TRIALS,
        "deliveries_mean": result.deliveries / TRIALS,
        "ended_share": result.ended_share,
        "overlap_share": result.overlap_share,
    }
    if benchmark.stats is not None:
        benchmark.extra_info["trials_per_s"] = TRIALS / benchmark.stats.stats.median
    with capsys.disabled():
        print(f"\nhunt: {benchmark.extra_info}")


@pytest.mark.benchmark(group="trials on a world")
@pytest.mark.parametrize("variant", ["v2_merge", "fixed"])
@pytest.mark.parametrize("place", ["atomic", "local", "postgres", "hosted"])
def test_trials_on_a_world(benchmark: BenchmarkFixture, place: str, variant: str) -> None:
    hunter = first_attempts_on(place, variant)
    with no_collector():
        turns = benchmark.pedantic(lambda: hunted_trials(hunter, 100), rounds=5, warmup_rounds=1)
    benchmark.extra_info |= {"trials": 100, "turns_mean": turns / 100}


@pytest.mark.benchmark(group="parts of a trial")
def test_passes(benchmark: BenchmarkFixture) -> None:
    taken = parts()
    with no_collector():
        benchmark.extra_info["passes"] = benchmark(taken.passes)


@pytest.mark.benchmark(group="parts of a trial")
def test_judge(benchmark: BenchmarkFixture) -> None:
    taken = parts()
    with no_collector():
        assert benchmark(taken.judge) == []
    benchmark.extra_info["records"] = len(taken.trial.records)


@pytest.mark.benchmark(group="shrink")
def test_shrink_of_r02(benchmark: BenchmarkFixture) -> None:
    found = found_r02()
    benchmark.pedantic(found.run, rounds=5, warmup_rounds=1)
    assert found.setup.variant.name == "v2_merge"
    assert found.anomaly.law == "I-12"
    benchmark.extra_info |= {
        "found_at_trial": found.found_at,
        "moves_before": found.moves_before,
        "moves_after": found.moves_after,
        "moves_target": 10,
        "replays": found.replays,
    }
