"""A pool of processes: the same hunt as in one, whatever happens to the processes."""

from __future__ import annotations

import os
import pathlib
import signal
import textwrap
import time
from collections.abc import Callable, Iterator

import attrs
import pytest

from simworld.campaign import HuntDiverged, Pool, Scenario, hunt, load_scenarios, preset, replay
from simworld.errors import InternalError, ReplayDivergence, UsageError
from simworld.records import Progress, Result

ROOT = pathlib.Path(__file__).parents[2]
WHERE = str(ROOT / "scenarios")
MERGED, FIXED = preset("v2_merge"), preset("fixed")
TRIALS = 25


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, where=WHERE) as pool:
        yield pool


@pytest.fixture(scope="module")
def inflated() -> Scenario:
    return load_scenarios(WHERE)["inflated_attempts"]


def timeless(result: Result) -> Result:
    """All but how long it took, and the digest of source files that somebody may be editing."""
    findings = tuple(
        attrs.evolve(each, shrink_seconds=0.0, repro=attrs.evolve(each.repro, engine=""))
        for each in result.findings
    )
    return attrs.evolve(result, seconds=0.0, findings=findings)


@pytest.mark.slow
def test_the_result_is_the_same_whatever_the_number_of_processes(
    pool: Pool, inflated: Scenario
) -> None:
    alone = hunt(inflated, MERGED, seed=1, trials=TRIALS)
    assert len(alone.findings) > 1, "or there is nothing to compare"
    assert timeless(hunt(inflated, MERGED, seed=1, trials=TRIALS, pool=pool)) == timeless(alone)
    with Pool(3, where=WHERE) as three:
        assert timeless(hunt(inflated, MERGED, seed=1, trials=TRIALS, pool=three)) == timeless(
            alone
        )
    assert hunt(inflated, MERGED, seed=2, trials=TRIALS).digest != alone.digest


def test_time_bounds_a_hunt(pool: Pool, inflated: Scenario) -> None:
    began = time.monotonic()
    result = hunt(inflated, FIXED, trials=10**9, seconds=0.3, pool=pool)
    assert result.trials >= 1
    assert result.verdict.outcome == "PASS"
    assert time.monotonic() - began < 20
    assert result.digest == hunt(inflated, FIXED, trials=result.trials).digest


def test_ctrl_c_keeps_the_trials_that_were_done(pool: Pool, inflated: Scenario) -> None:
    def stop(state: Progress) -> None:
        if state.trials_done >= 10:
            raise KeyboardInterrupt

    result = hunt(inflated, FIXED, seed=1, trials=10**6, progress=stop, pool=pool)
    assert (result.interrupted, str(result.verdict)) == (True, "UNKNOWN interrupted")
    assert result.trials >= 10
    assert result.digest == hunt(inflated, FIXED, seed=1, trials=result.trials).digest


def test_ctrl_c_while_a_worker_shrinks_keeps_the_finding(pool: Pool, inflated: Scenario) -> None:
    """As it was found; and the pool is as good as new."""

    def stop(state: Progress) -> None:
        if any(each.task and each.task.key for each in pool._workers):
            raise KeyboardInterrupt

    result = hunt(inflated, MERGED, seed=1, trials=10**6, progress=stop, pool=pool)
    assert (result.interrupted, str(result.verdict)) == (True, "FAIL I-12")
    (found, *_) = result.findings
    assert found.moves_after == found.moves_before > 5
    assert replay(found.repro, {"inflated_attempts": inflated}) is not None
    assert hunt(inflated, FIXED, trials=5, pool=pool).trials == 5


def test_a_scenario_that_workers_cannot_load_is_refused(pool: Pool, inflated: Scenario) -> None:
    """They would look for its name and run another one."""
    other = attrs.evolve(inflated, title="another one")
    with pytest.raises(UsageError, match=r"scenario inflated_attempts is not what .* holds"):
        hunt(other, FIXED, trials=1, pool=pool)


def test_a_pool_without_processes_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one process, not 0"):
        Pool(0)


# --- processes that die, and mistakes -------------------------------------------------------------

HEAD = """
import os, pathlib, signal
import attrs
from scenarios import race_loop
from scenarios.concurrent_first_attempts import scenario as base
from simworld.engine import workflow

PARENT, HERE = {parent}, pathlib.Path(__file__).parent

def spoilt(draw=None, **changed):
    case = attrs.evolve(base.cases[0], draw=draw or base.cases[0].draw, budget=base.cases[0].budget)
    return attrs.evolve(base, cases=(case,), marks=(), **changed)
"""
DYING = """
def draw(stream):
    drawn = base.cases[0].draw(stream)
    unlucky = stream.below(5) == 0
    if unlucky and os.getpid() != PARENT and {condition}:
        (HERE / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return drawn

dying = spoilt(draw, name="dying")
"""
MISTAKEN = """
def draw(stream):
    drawn = base.cases[0].draw(stream)
    return "no workload" if stream.below(10) == 0 else drawn

mistaken = spoilt(draw, name="mistaken")
"""
TWO_WAYS = """
passes = 0

@workflow
async def race_loop_two_ways(durations_ms: list[int]) -> list[int]:
    global passes
    passes += 1
    order = range(len(durations_ms))
    for index in order if passes % 2 else reversed(order):
        await race_loop.work(index, durations_ms[index])
    return []

two_ways = spoilt(name="two_ways", workflow=race_loop_two_ways, oracle=None)
"""


@pytest.fixture
def written(tmp_path: pathlib.Path) -> Callable[[str], tuple[str, Scenario]]:
    """A file of scenarios with this one in it."""

    def write(text: str) -> tuple[str, Scenario]:
        path = tmp_path / f"spoilt_{tmp_path.name}.py"
        path.write_text(textwrap.dedent(HEAD).format(parent=os.getpid()) + text)
        scenarios = load_scenarios(str(path))
        return str(path), next(each for name, each in scenarios.items() if each.marks == ())

    return write


@pytest.mark.slow
def test_the_chunk_of_a_killed_worker_is_run_again(
    written: Callable[[str], tuple[str, Scenario]],
) -> None:
    where, dying = written(DYING.format(condition="not (HERE / 'died').exists()"))
    said: list[str] = []
    with Pool(2, where=where, say=said.append) as pool:
        result = hunt(dying, FIXED, trials=20, pool=pool)
    assert timeless(result) == timeless(hunt(dying, FIXED, trials=20))
    assert said
    assert all("a worker died (SIGKILL) over trial" in line for line in said)
    assert all("of dying on fixed; another one does it again" in line for line in said)


@pytest.mark.slow
def test_what_kills_every_worker_is_named(written: Callable[[str], tuple[str, Scenario]]) -> None:
    where, dying = written(DYING.format(condition="True"))
    with (
        Pool(2, where=where, say=lambda line: None) as pool,
        pytest.raises(
            InternalError, match=r"2 workers died \(SIGKILL\) over trials? \d+.* of dying"
        ),
    ):
        hunt(dying, FIXED, trials=20, pool=pool)


def test_a_mistake_is_the_one_that_one_process_meets(
    written: Callable[[str], tuple[str, Scenario]],
) -> None:
    where, mistaken = written(MISTAKEN)
    with pytest.raises(UsageError) as alone:
        hunt(mistaken, FIXED, trials=100)
    with Pool(2, where=where) as pool, pytest.raises(UsageError) as pooled:
        hunt(mistaken, FIXED, trials=100, pool=pool)
    assert str(pooled.value) == str(alone.value)
    assert "trial 0 of" not in str(alone.value), "or the order of trials does not matter"


def test_a_workflow_that_contradicts_itself_is_found_by_a_worker(
    written: Callable[[str], tuple[str, Scenario]],
) -> None:
    where, two_ways = written(TWO_WAYS)
    with pytest.raises(ReplayDivergence):
        hunt(two_ways, FIXED, trials=50)
    with Pool(1, where=where) as pool, pytest.raises(HuntDiverged) as pooled:
        hunt(two_ways, FIXED, trials=50, pool=pool)
    assert pooled.value.result.verdict.outcome in ("UNKNOWN", "FAIL")


def test_a_worker_leaves_with_its_parent(pool: Pool, inflated: Scenario) -> None:
    with Pool(1, where=WHERE) as short:
        hunt(inflated, FIXED, trials=1, pool=short)
        (worker,) = short._workers
        os.kill(worker.process.pid, signal.SIGINT)
        assert hunt(inflated, FIXED, trials=1, pool=short).trials == 1, "Ctrl-C is the parent's"
        assert short._workers == [worker]
    assert worker.process.returncode == 0
