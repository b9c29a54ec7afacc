"""The bridge, over a toy engine that has nothing of Python's asynchronous kind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from simworld.campaign import Case, Scenario, composing, prepared, preset, run_trial
from simworld.campaign import scenario as scenarios
from simworld.campaign import trial as trials
from simworld.entropy import Stream
from simworld.explore import make_explorer
from simworld.records import (
    BodyEnded,
    Committed,
    Fault,
    FaultBudget,
    ForeignProgram,
    Profile,
    Workload,
)
from simworld.sim import RecordedFaults
from tests.sim.test_kernel import Stay
from tests.subjects.toy import ToyHost


def _toy() -> Scenario:
    return Scenario(
        name="toy",
        title="two steps side by side",
        law="L-01",
        workflow=ForeignProgram("vercel-workflow", "toy", "toy"),
        steps=(),
        args=lambda workload: (),
        cases=(Case("all", "all", lambda stream: Workload(steps=2), FaultBudget(), {}),),
    )


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ToyHost:
    """The toy, in place of the host of the subject that the scenario names."""
    toy = ToyHost()
    for part in (composing, scenarios, trials):
        monkeypatch.setattr(part, "open_host", lambda name: toy)
    return toy


def run(faults: Sequence[Fault] = (), explorer=None, failures=()):
    """A trial of the toy."""
    scenario = _toy()
    setup = prepared(
        scenario,
        scenario.cases[0],
        preset("vercel-workflow"),
        Workload(steps=2, failures=failures),
        explorer or Stay(),
        RecordedFaults(tuple(faults)),
        full_trace=True,
    )
    return run_trial(setup)


def turns(trial) -> list[str]:
    """Who did what, in order."""
    return [f"{turn.task}: {turn.op}" for turn in trial.trace]


def test_every_ask_is_an_operation_and_strands_are_tasks_of_their_own(host: ToyHost) -> None:
    trial = run()
    assert str(trial.verdict) == "PASS"
    told = turns(trial)
    assert told[:3] == ["start: start a run", "start: record run_created", "start: send flow"]
    assert "start/flow/part: record step_created of work#1" in told
    assert "start/flow/part.2: record step_created of work#2" in told
    assert "start/flow/part.2/work#2: record step_started of work#2" in told
    assert [each.event.type for each in trial.records if isinstance(each, Committed)][-1] == (
        "run_completed"
    )


def test_staying_goes_on_with_the_same_strand(host: ToyHost) -> None:
    told = turns(run())
    first = told.index("start/flow/part: record step_created of work#1")
    assert told[first + 1] == "start/flow/part: send work#1"


@pytest.mark.parametrize("name", ["uniform", "oldest", "rendezvous_pos", "surw"])
def test_other_orders_end_as_well(host: ToyHost, name: str) -> None:
    for seed in range(20):
        trial = run(explorer=_begun(name, seed))
        assert str(trial.verdict) == "PASS"


def _begun(name: str, seed: int):
    explorer = make_explorer(name)
    explorer.begin(Stream(seed), Profile((), {}))
    return explorer


def test_a_crash_abandons_the_activity_and_the_message_comes_again(host: ToyHost) -> None:
    trial = run([Fault("crash", "start/flow", 3)])
    assert host.abandoned == ["start/flow"]
    assert str(trial.verdict) == "PASS"
    assert any(turn.startswith("start/flow~2: ") for turn in turns(trial))


def test_a_crash_of_a_strand_takes_the_whole_handler(host: ToyHost) -> None:
    trial = run([Fault("crash", "start/flow/part", 2)])
    assert host.abandoned == ["start/flow"]
    assert host.log == ["s1 is there already"]
    assert str(trial.verdict) == "PASS"


def test_a_lost_answer_reaches_the_engine_and_fails_the_delivery(host: ToyHost) -> None:
    trial = run([Fault("lost_answer", "start/flow", 2)])
    assert [fault.kind for fault in trial.faults] == ["lost_answer"]
    assert str(trial.verdict) == "PASS"
    assert any(turn.startswith("start/flow~2: ") for turn in turns(trial))


def test_a_planned_failure_is_the_bodys_and_the_message_is_sent_anew(host: ToyHost) -> None:
    trial = run(failures=(("work#1", 1),))
    outcomes = [each.outcome for each in trial.records if isinstance(each, BodyEnded)]
    assert sorted(outcomes) == ["error", "ok", "ok"]
    assert str(trial.verdict) == "PASS"
    assert "start/flow/part/work#1: send work#1" in turns(trial)
