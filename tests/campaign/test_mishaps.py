"""Faults of queue, bodies, streams and clients on whole trials: each shows, `fixed` bears it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from simworld import marks
from simworld.campaign import (
    Case,
    Hunter,
    Scenario,
    Trial,
    load_scenarios,
    placed,
    preset,
    run_trial,
    with_knob,
)
from simworld.check import LAWS
from simworld.engine import StepContext, StreamRef, gather, get_writable, step, workflow
from simworld.entropy import Stream
from simworld.explore import Replay
from simworld.records import BodyBegan, BodyEnded, FaultBudget, LostAnswer, Profile, Workload
from simworld.sim import LockstepKernel, RecordedFaults

SCENARIOS = dict(load_scenarios("scenarios"))
WORLDS = ("atomic", "local", "postgres", "hosted")
BUDGETS = {
    "redelivery": FaultBudget(redeliveries=3),
    "slow_body": FaultBudget(slow_bodies=2),
    "scarce_workers": FaultBudget(scarce_workers=1),
    "late_hook": FaultBudget(late_hooks=2),
    "restart": FaultBudget(restarts=2),
    "lost_flush": FaultBudget(lost_flushes=2),
}
COUNTS = {"crash_strip": 20, "inflated_attempts": 20, "cursor_dedupe": 20, "generated_programs": 15}
EVERYTHING = FaultBudget(
    redeliveries=2,
    slow_bodies=2,
    scarce_workers=1,
    late_hooks=2,
    restarts=2,
    lost_flushes=2,
    duplicates=2,
    crashes=1,
    lost_answers=1,
)


def hunter(
    name: str,
    budget: FaultBudget,
    world: str = "atomic",
    variant: str = "fixed",
    *knobs: str,
) -> Hunter:
    """Of the scenario's first case under this budget alone, judged by every law."""
    system = placed(preset(variant), world)
    for knob in knobs:
        system = with_knob(system, knob)
    scenario = SCENARIOS[name]
    case = attrs.evolve(scenario.cases[0], budget=budget, expect={})
    judged = attrs.evolve(scenario, cases=(case,), laws=tuple(LAWS), marks=())
    return Hunter(judged, system)


def trials(of: Hunter, count: int) -> Iterator[Trial]:
    """The first so many."""
    for number in range(count):
        yield of.trial(number)


def laws(of: Hunter, count: int) -> set[str]:
    """What so many trials break."""
    return {anomaly.law for trial in trials(of, count) for anomaly in trial.anomalies}


# --- each of them, everywhere -----------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("kind", BUDGETS)
def test_it_strikes_every_world_and_can_be_repeated(kind: str, world: str) -> None:
    struck = 0
    of = hunter("crash_strip", BUDGETS[kind], world)
    for number in range(16):
        setup = of.setup(number)
        trial = run_trial(setup)
        assert {fault.kind for fault in trial.faults} <= {kind}
        explorer = Replay(trial.schedule, strict=True)
        explorer.begin(Stream(0), Profile())
        faults = RecordedFaults(trial.faults)
        again = run_trial(attrs.evolve(setup, explorer=explorer, faults=faults))
        assert (again.digest, again.faults) == (trial.digest, trial.faults)
        assert explorer.unfollowed() is None
        struck += bool(trial.faults)
    assert struck


@pytest.mark.parametrize("world", WORLDS)
def test_the_fixed_engine_bears_all_of_them_together(world: str) -> None:
    kinds: dict[str, None] = {}
    for scenario, count in COUNTS.items():
        for trial in trials(hunter(scenario, EVERYTHING, world), count):
            assert trial.anomalies == []
            kinds.update(dict.fromkeys(fault.kind for fault in trial.faults))
    assert kinds.keys() >= BUDGETS.keys()


@pytest.mark.parametrize("world", WORLDS)
def test_both_kernels_agree_about_all_of_them(world: str) -> None:
    of = hunter("crash_strip", EVERYTHING, world)
    for number in range(4):
        trial = run_trial(of.setup(number))
        again = run_trial(of.setup(number), kernel_type=LockstepKernel)
        assert (again.digest, again.faults) == (trial.digest, trial.faults)


# --- a delivery that counts as failed while its handler lives on --------------------------------


def test_redeliveries_of_live_handlers_inflate_the_attempts_of_the_merged_engine() -> None:
    """R-02 by another road: no queue delivers a message twice without a cause."""
    budget = FaultBudget(redeliveries=6)
    assert "I-12" in laws(hunter("inflated_attempts", budget, "atomic", "v2_merge"), 120)
    assert laws(hunter("inflated_attempts", budget), 120) == set()


# --- a body that outlives its lease -------------------------------------------------------------


def test_a_start_whose_lease_has_run_out_is_taken_over_while_its_body_lives() -> None:
    before, taken_over = marks.snapshot(), 0
    for trial in trials(hunter("inflated_attempts", FaultBudget(slow_bodies=2, duplicates=3)), 120):
        assert trial.anomalies == []
        taken_over += any(_overlaps(trial))
    assert taken_over > 3
    assert marks.since(before)["lease.expired_while_running"] > taken_over


def _overlaps(trial: Trial) -> Iterator[bool]:
    """For every body, whether another one of its step was running when it began."""
    running: dict[str, int] = {}
    for record in trial.records:
        if isinstance(record, BodyBegan):
            yield running.get(record.step, 0) > 0
            running[record.step] = running.get(record.step, 0) + 1
        elif isinstance(record, BodyEnded):
            running[record.step] -= 1


def test_without_leases_it_is_a_slow_body() -> None:
    for trial in trials(
        hunter("inflated_attempts", FaultBudget(slow_bodies=1), "atomic", "v2_merge"), 30
    ):
        for fault in trial.faults:
            began, ended = (
                next(
                    each
                    for each in trial.records
                    if isinstance(each, of) and each.step == fault.target
                )
                for of in (BodyBegan, BodyEnded)
            )
            assert ended.now_ms - began.now_ms > 300_000


# --- few workers --------------------------------------------------------------------------------


@step
async def listen(ctx: StepContext, stream: StreamRef) -> int:
    """Wait for what another step says; whoever waits so keeps a worker and sets no timer."""
    return len([chunk async for chunk in ctx.read(stream)])


@step
async def speak(ctx: StepContext, stream: StreamRef) -> int:
    """Say something and end."""
    writer = ctx.get_writable(stream)
    await writer.write(b"a")
    await writer.close()
    return 1


@workflow
async def listening() -> list[int]:
    """One step waits for the other one."""
    return await gather(listen(get_writable("words")), speak(get_writable("words")))


SCENARIOS["listening_to_steps"] = Scenario(
    name="listening_to_steps",
    title="a step waits for another one",
    law="L-01",
    workflow=listening,
    steps=(listen, speak),
    args=lambda workload: (),
    cases=(
        Case(
            name="only",
            title="only",
            draw=lambda stream: Workload(steps=2),
            budget=FaultBudget(),
            expect={},
        ),
    ),
)


def test_what_needs_more_workers_than_there_are_goes_on_when_the_search_has_ended() -> None:
    before, scarce = marks.snapshot(), 0
    for trial in trials(hunter("listening_to_steps", FaultBudget(scarce_workers=1)), 40):
        assert trial.anomalies == []
        assert trial.ended_count == trial.runs_count
        scarce += bool(trial.faults)
    assert scarce > 3
    assert marks.since(before)["worker.awaited"] > 3
    stuck = hunter("listening_to_steps", FaultBudget(), "atomic", "fixed", "workers=1")
    assert "L-01" in laws(stuck, 1), "which is what few workers for ever would come to"


# --- a payload that comes late ------------------------------------------------------------------


def test_a_payload_that_comes_too_late_is_refused_and_nothing_else_happens() -> None:
    before = marks.snapshot()
    for trial in trials(hunter("cursor_dedupe", FaultBudget(late_hooks=2)), 60):
        assert trial.anomalies == []
    assert marks.since(before)["hook.came_too_late"] > 3


# --- a restart ----------------------------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS)
def test_a_service_that_starts_anew_recovers_every_run(world: str) -> None:
    before = marks.snapshot()
    for trial in trials(hunter("crash_strip", FaultBudget(restarts=2), world), 30):
        assert trial.anomalies == []
        assert trial.ended_count == trial.runs_count
    reached = marks.since(before)
    assert reached["service.restarted"] > 10
    assert ("message.lost" in reached) == (world == "local"), "where the queue is in a process"


def test_without_recovery_the_runs_of_a_queue_in_memory_are_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forget(services: object) -> None:
        """What a service would be that starts and looks at nothing."""

    monkeypatch.setattr("simworld.campaign.composing.recover", forget)
    assert "L-01" in laws(hunter("inflated_attempts", FaultBudget(restarts=1), "local"), 20)
    assert "L-01" not in laws(hunter("inflated_attempts", FaultBudget(restarts=1), "postgres"), 20)


# --- a refused write to a stream ----------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS)
def test_a_writer_that_waits_for_its_flush_repeats_it(world: str) -> None:
    struck = 0
    for trial in trials(hunter("crash_strip", FaultBudget(lost_flushes=2), world), 40):
        assert trial.anomalies == []
        assert list(trial.final.streams.values()) == [((b"7",), False)]
        tells = [
            each for each in trial.records if isinstance(each, BodyBegan) and each.step == "tell#7"
        ]
        assert len(tells) == 1, "no other body is needed for it"
        assert not any(isinstance(each, LostAnswer) for each in trial.records)
        struck += bool(trial.faults)
    assert struck > 3


def test_a_writer_that_does_not_wait_loses_its_chunks() -> None:
    """R-67: its step is completed, and what it has written is not there."""
    budget = FaultBudget(lost_flushes=2)
    assert "I-24" in laws(
        hunter("crash_strip", budget, "atomic", "fixed", "stream_write=buffered"), 40
    )
    assert "I-24" in laws(hunter("crash_strip", budget, "atomic", "v2_draft"), 40)
