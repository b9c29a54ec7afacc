"""Workflows that are hard to drive: nothing of what they do is a mistake of the engine's."""

from __future__ import annotations

import asyncio
import sys
import time

import attrs
import pytest

from simworld.campaign import Case, Hunter, Scenario, load_scenarios, placed, preset
from simworld.check import FOREIGN
from simworld.records import BodyBegan, FaultBudget, ForeignProgram, Workload

pytest.importorskip("vercel.workflow", reason="needs the extra 'vercel'")
pytest.importorskip("time_machine", reason="needs the extra 'vercel'")

from simworld.subjects import open_host
from simworld.subjects.vercel import watch
from simworld.subjects.vercel.ambient import Ambient
from tests.subjects import hard_flows

SUBJECT = "vercel-workflow"
MODULE = "tests.subjects.hard_flows"


def hunter(workflow: str, *args: object, place: str = "atomic", **budget: int) -> Hunter:
    """A hunt of one workflow under every law."""
    scenario = Scenario(
        name=f"hard_{workflow}",
        title="hard to drive",
        law="I-12",
        laws=tuple(each for each in FOREIGN if each != "I-12"),
        workflow=ForeignProgram(SUBJECT, MODULE, workflow),
        steps=(),
        args=lambda workload: args,
        cases=(Case("all", "all", lambda stream: Workload(), FaultBudget(**budget), {}),),
        turns_max=1_500,
    )
    return Hunter(scenario, placed(preset(SUBJECT), place), seed=3)


def anomalies(told: Hunter, trials: int) -> list[str]:
    """What the laws say of so many trials, and what did not come to its end."""
    found = []
    for number in range(trials):
        trial = told.trial(number)
        found += [f"{number}: {each.law} {each.message}" for each in trial.anomalies]
        if str(trial.verdict) == "UNKNOWN":
            found.append(f"{number}: {trial.verdict}")
    return found


@pytest.mark.parametrize("place", ["atomic", "sdk-local"])
@pytest.mark.parametrize("workflow", ["listen", "leave", "group", "haste", "stop", "write"])
def test_what_is_cut_off_or_left_behind_is_no_anomaly(workflow: str, place: str) -> None:
    assert anomalies(hunter(workflow, place=place), 5) == []


@pytest.mark.parametrize("workflow", ["listen", "leave", "group"])
def test_nor_is_it_when_processes_die(workflow: str) -> None:
    assert anomalies(hunter(workflow, crashes=2), 15) == []


def test_a_part_left_behind_goes_on_unless_its_process_dies() -> None:
    told = hunter("leave", crashes=1)
    told.trial(0)
    for number in range(25):
        hard_flows.SEEN.clear()
        trial = told.trial(number)
        if not trial.faults:
            assert list(hard_flows.SEEN) == ["completed"]
        elif not hard_flows.SEEN:
            assert trial.faults[0].target.endswith("leaving#1")
            return
    pytest.fail("no process has died that had left something behind")


def test_a_workflow_that_waits_for_another_run_does_so_in_a_step() -> None:
    trial = hunter("parent", 1).trial(0)
    assert trial.anomalies == []
    began = [each.step for each in trial.records if isinstance(each, BodyBegan)]
    assert "_get_return_value#2" in began


def test_calls_of_the_sdks_own_steps_in_a_body_are_no_bodies() -> None:
    trial = hunter("group").trial(0)
    began = [each.step for each in trial.records if isinstance(each, BodyBegan)]
    assert began == ["grouped#1"]


def test_deadlines_come_to_their_ends_whatever_floats_make_of_them() -> None:
    assert anomalies(hunter("give_up"), 1) == []


def test_a_write_that_does_not_arrive_fails_the_body() -> None:
    assert anomalies(hunter("write", lost_flushes=2), 15) == []


def test_payloads_of_a_subjects_clients_may_come_late() -> None:
    scenario = load_scenarios("scenarios/vercel")["vercel_letters"]
    case = attrs.evolve(scenario.cases[0], budget=FaultBudget(late_hooks=2))
    told = Hunter(attrs.evolve(scenario, cases=(case,)), preset(SUBJECT), seed=3)
    trials = [told.trial(number) for number in range(6)]
    assert "late_hook" in [fault.kind for trial in trials for fault in trial.faults]
    assert [each for trial in trials for each in trial.anomalies] == []


def test_two_entries_never_see_the_same_time_whatever_other_clocks_show() -> None:
    ambient, seen = Ambient(), []
    ambient.begin(1)
    try:
        for now_ms in (5_000, 7_000, 5_000, 5_000, 7_000, 5_001):
            ambient.enter(now_ms)
            seen.append(time.time_ns() // 1_000)
            ambient.leave()
    finally:
        ambient.end()
    assert seen == [5_000_000, 7_000_000, 5_000_001, 5_000_002, 7_000_001, 5_001_000]


def order_of_a_set(orders: int) -> list[int]:
    """In which coroutines come that are put into asyncio's sets."""

    async def nothing() -> None: ...

    ambient, coroutines = Ambient(), [nothing() for _ in range(6)]
    ambient.begin(1, orders)
    try:
        return [coroutines.index(each) for each in asyncio.tasks.set(coroutines)]  # type: ignore
    finally:
        ambient.end()
        for each in coroutines:
            each.close()


def test_sets_are_ordered_by_a_draw_of_their_own() -> None:
    assert order_of_a_set(1) == order_of_a_set(1)
    assert order_of_a_set(1) != order_of_a_set(2)


def test_only_the_order_of_sets_varies_with_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    host, begun, told = open_host(SUBJECT), [], hunter("leave")
    begin = host.begin
    told.trial(0)  # before its first one a hunt looks at an undisturbed run
    monkeypatch.setattr(host, "begin", lambda trial: (begun.append(trial), begin(trial)))
    for number in (0, 1, 0):
        told.trial(number)
    first, second, again = begun
    assert first == again == second._replace(orders=first.orders)
    assert first.orders != second.orders


def test_an_import_is_not_taken_for_a_pass_that_turns_round() -> None:
    code = "import sys\ndef interrupt(told):\n    told(0, sys._getframe())\n"
    importing: dict[str, object] = {}
    exec(compile(code, "<frozen importlib._bootstrap>", "exec"), importing)
    guard = watch.Watch()
    guard.interrupt(0, sys._getframe())  # nothing runs
    guard.set(2.5)
    importing["interrupt"](guard.interrupt)  # type: ignore[operator]
    with pytest.raises(watch.Endless, match=r"in 2\.5 s of processor time"):
        guard.interrupt(0, sys._getframe())
