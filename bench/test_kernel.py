"""What a choice point costs under our own kernel and under the lock-step one on trio.

Target: our own is at least five times as quick per bare choice point.  The ratio is measured round
by round, both kernels in turn, and written into ``extra_info``; nothing is asserted about time.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.timing import interleaved
from bench.workloads import bare_lockstep, bare_own, first_attempts, whole_trials
from simworld.sim import Kernel, LockstepKernel

BARE = 20
"""Kernels per round."""
WHOLE = 40
"""Trials per round."""


def _say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


@pytest.mark.benchmark(group="choice point")
def test_choice_point_of_our_own_kernel(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = bare_own(BARE)
    assert turns == bare_lockstep(BARE)
    timed = interleaved(
        {"own": lambda: bare_own(BARE), "lockstep": lambda: bare_lockstep(BARE)}, rounds=9
    )
    own, lockstep = timed["own"], timed["lockstep"]
    benchmark.extra_info |= {
        "turns": turns,
        "own_us_per_turn": own.cpu_s / turns * 1e6,
        "lockstep_us_per_turn": lockstep.cpu_s / turns * 1e6,
        "ratio": lockstep.ratio(own),
        "ratio_target": 5,
    }
    benchmark.pedantic(bare_own, args=(BARE,), rounds=20, warmup_rounds=1)
    _say(capsys, f"choice point: lock-step / own = {lockstep.ratio(own):.1f} (target ≥ 5)")


@pytest.mark.benchmark(group="choice point")
def test_choice_point_of_the_lockstep_kernel(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(bare_lockstep, args=(BARE,), rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="whole trial, both kernels")
def test_whole_trials_on_our_own_kernel(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    hunter = first_attempts()
    jobs = {
        "own": lambda: whole_trials(hunter, Kernel, WHOLE),
        "lockstep": lambda: whole_trials(hunter, LockstepKernel, WHOLE),
    }
    assert jobs["own"]() == jobs["lockstep"]()
    timed = interleaved(jobs, rounds=9)
    ratio = timed["lockstep"].ratio(timed["own"])
    benchmark.extra_info |= {"ratio": ratio, "trials": WHOLE}
    benchmark.pedantic(jobs["own"], rounds=10, warmup_rounds=1)
    _say(capsys, f"whole trial: lock-step / own = {ratio:.1f}")


@pytest.mark.benchmark(group="whole trial, both kernels")
def test_whole_trials_on_the_lockstep_kernel(benchmark: BenchmarkFixture) -> None:
    hunter = first_attempts()
    benchmark.pedantic(
        whole_trials, args=(hunter, LockstepKernel, WHOLE), rounds=10, warmup_rounds=1
    )
