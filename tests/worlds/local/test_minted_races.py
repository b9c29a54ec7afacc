"""The races of ``local_log=minted``: each guard's absence breaks a law, its presence keeps it."""

from __future__ import annotations

import pytest

from simworld.conformance import Turns, check_concurrent
from simworld.engine import (
    AttrSet,
    HookCreated,
    HookDisposed,
    RunCompleted,
    RunFailed,
    StepCompleted,
    StepCreated,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import EntityConflictError, UsageError, WorldError
from simworld.worlds.codec import encode_event
from tests.worlds.doubles import now
from tests.worlds.local.makers import local
from tests.worlds.local.stepping import CREATED, STARTED, Call, Rig

STEP, BEGUN = StepCreated("step_1", "work", b""), StepStarted("step_1", "work")
WAIT = WaitCreated("wait_1", 5)
HOOK = HookCreated("hook_1", "token")
BOTH = pytest.mark.parametrize("guarded", [True, False], ids=["fixed", "faulty"])


def made(*facts, **knobs):
    """A rig with these facts recorded."""
    rig = Rig(local_log="minted", **knobs)
    rig.create(rig.process(), CREATED, STARTED, *facts)
    return rig


def refused(call):
    """Whether a call is, with 409."""
    try:
        call.finish()
    except EntityConflictError:
        return True
    return False


def after(rig, call, operation):
    """Let a call go on until it has done an operation."""
    rig.files.done.clear()
    while not any(each.startswith(operation) for each in rig.files.done):
        assert not call.step(), f"it never does {operation}"
    return call


@BOTH
@pytest.mark.parametrize("fact", [STEP, WAIT], ids=["step", "wait"])
def test_two_creations_at_the_same_time(guarded, fact):
    rig = made(local_create_claim=guarded)
    calls = [Call(rig.process().create("wrun_1", fact)) for _ in range(2)]
    for call in calls * 4:
        call.step()
    assert sorted(map(refused, calls)) == [False, guarded]
    assert rig.types().count(fact.type) == (1 if guarded else 2)


@BOTH
def test_two_completions_of_a_wait(guarded):
    rig = made(WAIT, local_wait_claim=guarded)
    calls = [Call(rig.process().create("wrun_1", WaitCompleted("wait_1"))) for _ in range(2)]
    for call in calls * 5:
        call.step()
    assert sorted(map(refused, calls)) == [False, guarded]
    assert rig.types().count("wait_completed") == (1 if guarded else 2)


@BOTH
def test_a_retry_beside_a_completion(guarded):
    rig = made(STEP, BEGUN, local_retry_lock=guarded, local_mutex="none")
    world = rig.process()
    retry = Call(world.create("wrun_1", StepRetrying("step_1", b"")))
    after(rig, retry, "read steps")
    rig.create(world, StepCompleted("step_1", b""))
    assert refused(retry) is guarded
    assert rig.state().steps["wrun_1", "step_1"].status == ("completed" if guarded else "pending")
    # What the overwritten row costs: the step looks open, and can never be ended.
    assert refused(Call(world.create("wrun_1", StepCompleted("step_1", b""))))


@BOTH
def test_a_start_beside_a_completion_of_one_process(guarded):
    rig = made(STEP, BEGUN, local_mutex="step" if guarded else "none")
    world = rig.process()
    start = Call(world.create("wrun_1", BEGUN))
    start.step(3)  # past its last look at the row
    end = Call(world.create("wrun_1", StepCompleted("step_1", b"")))
    end.step(20)
    assert end.over is not guarded
    start.finish()
    end.finish()
    status = rig.state().steps["wrun_1", "step_1"].status
    assert status == ("completed" if guarded else "running")
    last = [event.type for event in rig.events][-1]
    assert last == ("step_completed" if guarded else "step_started")


def test_a_mutex_is_no_help_across_processes():
    rig = made(STEP, BEGUN, local_mutex="step")
    start = Call(rig.process().create("wrun_1", BEGUN))
    start.step(3)
    rig.create(rig.process(), StepCompleted("step_1", b""))
    start.finish()
    assert [event.type for event in rig.events][-1] == "step_started"


def test_two_starts_from_one_snapshot_lose_an_attempt():  # I-11
    rig = made(STEP, local_mutex="none")
    world = rig.process()
    calls = [Call(world.create("wrun_1", BEGUN)) for _ in range(2)]
    for call in calls * 6:
        call.step()
    assert rig.types().count("step_started") == 2
    assert rig.state().steps["wrun_1", "step_1"].attempt == 1


@BOTH
def test_two_ends_of_a_run(guarded):
    rig = made(local_run_claim=guarded)
    calls = [
        Call(rig.process().create("wrun_1", fact))
        for fact in (RunCompleted(b""), RunFailed(b"", "USER_ERROR"))
    ]
    for call in calls * 10:
        call.step()
    assert sorted(map(refused, calls)) == [False, guarded]
    ends = [each for each in rig.types() if each in ("run_completed", "run_failed")]
    assert len(ends) == (1 if guarded else 2)


@BOTH
def test_an_event_that_is_still_being_written(guarded):
    rig = made(local_linked_events=guarded, local_layout="flat")
    world = rig.process()
    event = Call(world.create("wrun_1", AttrSet("attr_1", b"changes"))).finish().event
    path = f"events/wrun_1-{event.event_id}"
    assert rig.files.done[-1] == f"{'link' if guarded else 'create'} {path}"
    if not guarded:  # what a reader sees of it half-way, or for ever if its host died in it
        now(rig.memory.unlink(path))
        rig.memory.tear(path, encode_event(event), 20)
    page = Call(world.events("wrun_1", "1000|evnt_2")).finish()
    assert [each.event_id for each in page.events] == ([event.event_id] if guarded else [])
    assert len(rig.state().logs["wrun_1"]) == (3 if guarded else 2)


def test_an_event_published_late_is_behind_the_cursor():
    rig = made()
    late = Call(rig.process().create("wrun_1", AttrSet("attr_1", b"")))
    rig.create(rig.process(), AttrSet("attr_2", b""))
    world = rig.process()
    page = Call(world.events("wrun_1")).finish()
    late.finish()
    assert Call(world.events("wrun_1", page.cursor)).finish().events == ()
    assert [event.position for event in rig.state().logs["wrun_1"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("steps", range(3, 6))
def test_a_hook_of_who_died_is_finished_by_the_same_hook(steps):
    rig = made()
    Call(rig.process().create("wrun_1", HOOK)).step(steps)
    again = Call(rig.process().create("wrun_1", HOOK))
    if steps == 5:
        assert refused(again)
    else:
        assert again.finish().event.type == "hook_created"
    assert rig.types()[2:] == ["hook_created"]
    assert Call(rig.process().hook("token")).finish().correlation_id == "hook_1"


def test_two_creations_of_one_hook_agree_on_its_event():
    rig = made()
    calls = [Call(rig.process().create("wrun_1", HOOK)) for _ in range(2)]
    for call in calls * 8:
        call.step()
    assert sorted(map(refused, calls)) == [False, True]
    assert rig.types()[2:] == ["hook_created"]


@pytest.mark.parametrize("steps", [3, 4, 20])
def test_a_hook_meets_its_own_token(steps):
    rig = made(local_token_owner=False)
    Call(rig.process().create("wrun_1", HOOK)).step(steps)
    again = Call(rig.process().create("wrun_1", HOOK)).finish().event
    assert (again.type, again.fact.conflicting_run_id) == ("hook_conflict", "wrun_1")


@BOTH
def test_two_disposals_of_a_hook(guarded):
    rig = made(HOOK, local_dispose_claim=guarded)
    fact = HookDisposed("hook_1", "token")
    calls = [Call(rig.process().create("wrun_1", fact)) for _ in range(2)]
    for call in calls * 8:
        call.step()
    assert sorted(map(refused, calls)) == [False, guarded]
    assert rig.types().count("hook_disposed") == (1 if guarded else 2)


def test_a_run_without_its_event_stays_so():
    rig = Rig(local_log="minted")
    Call(rig.process().create("wrun_1", CREATED)).step(1)
    assert refused(Call(rig.process().create("wrun_1", CREATED)))
    assert (list(rig.state().runs), rig.types()) == (["wrun_1"], [])


@pytest.mark.parametrize("cursor", ["", "7", "1000|", "x|evnt_1", "1000|evnt_é", "1000|other"])
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(UsageError, match="not a cursor"):
        Call(made().process().events("wrun_1", cursor)).finish()


def test_that_the_world_is_not_atomic_can_be_seen():
    turns = Turns()
    report = check_concurrent(local(turns=turns, local_log="minted"), turns=turns, cases=60)
    assert not report.ok


def test_who_waits_for_a_mutex_may_die_there():
    rig = made(STEP, BEGUN)
    world = rig.process()
    holds = Call(world.create("wrun_1", BEGUN))
    waits = Call(world.create("wrun_1", BEGUN))
    waits.step(3)
    waits._coroutine.close()
    third = Call(world.create("wrun_1", StepCompleted("step_1", b"")))
    holds.finish()
    third.finish()
    with pytest.raises(WorldError):
        rig.create(world, BEGUN)
