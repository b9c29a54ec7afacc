"""The witness: which files are events, and the rows right after each of them."""

from __future__ import annotations

import pytest

from simworld.engine import (
    HookCreated,
    RunCompleted,
    StepCompleted,
    StepCreated,
    StepStarted,
    WaitCreated,
)
from simworld.records import LocalProfile
from simworld.worlds import LocalWitness
from tests.worlds.local.stepping import CREATED, STARTED, Rig

FACTS = [
    CREATED,
    STARTED,
    StepCreated("step_1", "work", b""),
    StepStarted("step_1", "work"),
    StepCompleted("step_1", b""),
    HookCreated("hook_1", "token"),
    HookCreated("hook_2", "token"),
    WaitCreated("wait_1", 5),
    RunCompleted(b""),
]
KNOBS = [
    {"local_log": "slots"},
    {"local_log": "minted", "local_layout": "flat"},
    {"local_log": "minted", "local_layout": "bucketed"},
]


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_every_event_is_seen_once_with_the_rows_that_its_create_is_answered_with(knobs):
    rig = Rig(**knobs)
    world = rig.process()
    for fact in FACTS:
        answer = rig.create(world, fact)
        seen = rig.answers[-1]
        assert seen.event == answer.event
        assert (seen.run, seen.step, seen.hook) == (answer.run, answer.step, answer.hook)
        assert seen.wait == answer.wait
    assert len(rig.answers) == len(FACTS)


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_a_dump_has_what_the_creates_were_answered_with(knobs):
    rig = Rig(**knobs)
    world = rig.process()
    for run in ("wrun_1", "../odd"):
        for fact in FACTS[:-1]:
            rig.create(world, fact, run=run)
    state = rig.state()
    runs = ["../odd", "wrun_1"]
    assert sorted(state.runs) == sorted(state.logs) == runs
    assert sorted(state.steps) == [(run, "step_1") for run in runs]
    assert sorted(state.hooks) == [(run, hook) for run in runs for hook in ("hook_1", "hook_2")]
    assert sorted(state.waits) == [(run, "wait_1") for run in runs]
    events = sorted(rig.events, key=lambda event: (event.run_id, event.position))
    assert [each for run in runs for each in state.logs[run]] == events


def test_an_event_whose_run_has_no_row_is_seen_with_one_that_nobody_wrote():
    rig = Rig(local_log="minted", local_layout="flat")
    rig.create(rig.process(), CREATED)
    (path, data), *_ = [each for each in rig.memory.contents.items() if "evnt" in each[0]]
    (seen,) = LocalWitness({}, LocalProfile(local_log="minted")).published(path, data)
    assert (seen.run.status, seen.run.workflow_name) == ("pending", "")


def test_a_power_loss_takes_what_the_witness_knew_of_the_run():
    rig = Rig(local_log="slots")
    world = rig.process()
    for fact in (CREATED, STARTED, HookCreated("hook_1", "token")):
        rig.create(world, fact)
    contents = rig.memory.contents
    for path in [each for each in contents if each.startswith("runs/")][1:]:
        del contents[path]
    answer = rig.create(rig.process(), STARTED)
    assert rig.answers[-1].event == answer.event
    assert rig.answers[-1].run == answer.run
