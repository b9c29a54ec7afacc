"""The micro-steps of ``local_log=minted``, in the order of spec §2.2's table."""

from __future__ import annotations

import pytest

from simworld.engine import (
    AttrSet,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import EntityConflictError, EntityNotFoundError
from tests.worlds.local.stepping import CREATED, STARTED, Call, Rig

RUN_ROW, STEP_ROW, HOOK_ROW, WAIT_ROW = (
    "runs/wrun_1",
    "steps/wrun_1/step_1",
    "hooks/wrun_1/hook_1",
    "waits/wrun_1/wait_1",
)
STEP, BEGUN = StepCreated("step_1", "work", b""), StepStarted("step_1", "work")
HOOK, WAIT = HookCreated("hook_1", "token"), WaitCreated("wait_1", 5)
EVENT = "link events/wrun_1-evnt_{}"
FLAT = {"local_log": "minted", "local_layout": "flat"}


def claim(what, name):
    return f"create claims/wrun_1/{what}/{name}"


ORDERS = {
    "run_created": ([], CREATED, [f"link {RUN_ROW}", EVENT]),
    "run_started": (
        [CREATED],
        STARTED,
        [f"read {RUN_ROW}", f"replace {RUN_ROW}", EVENT, "list events", "read_all 2"],
    ),
    "run_started, already": ([CREATED, STARTED], STARTED, [f"read {RUN_ROW}"]),
    "run_completed": (
        [CREATED, STARTED],
        RunCompleted(b""),
        [
            f"read {RUN_ROW}",
            "create claims/wrun_1/run-end/run",
            f"replace {RUN_ROW}",
            "list hooks/wrun_1",
            "list waits/wrun_1",
            EVENT,
        ],
    ),
    "run_cancelled with a hook and a wait": (
        [CREATED, HOOK, WAIT],
        RunCancelled(),
        [
            f"read {RUN_ROW}",
            "create claims/wrun_1/run-end/run",
            f"replace {RUN_ROW}",
            "list hooks/wrun_1",
            "read_all 1",
            "unlink tokens/token",
            f"replace {HOOK_ROW}",
            "list waits/wrun_1",
            f"unlink {WAIT_ROW}",
            EVENT,
        ],
    ),
    "step_created": (
        [CREATED],
        STEP,
        [f"read {RUN_ROW}", claim("step", "step_1"), f"replace {STEP_ROW}", EVENT],
    ),
    "step_started": (
        [CREATED, STEP],
        BEGUN,
        [f"read {RUN_ROW}", f"read {STEP_ROW}", f"read {STEP_ROW}", f"replace {STEP_ROW}", EVENT],
    ),
    "step_started, lazy": (
        [CREATED],
        StepStarted("step_1", "work", input=b"in"),
        [
            f"read {RUN_ROW}",
            f"read {STEP_ROW}",
            claim("step", "step_1"),
            f"replace {STEP_ROW}",
            EVENT,
        ],
    ),
    **{
        fact.type: (
            [CREATED, STEP, BEGUN],
            fact,
            [
                f"read {RUN_ROW}",
                f"read {STEP_ROW}",
                claim("step-end", "step_1"),
                f"replace {STEP_ROW}",
                EVENT,
            ],
        )
        for fact in (StepCompleted("step_1", b""), StepFailed("step_1", b""))
    },
    "step_retrying": (
        [CREATED, STEP, BEGUN],
        StepRetrying("step_1", b""),
        [
            f"read {RUN_ROW}",
            f"read {STEP_ROW}",
            "read claims/wrun_1/step-end/step_1",
            f"replace {STEP_ROW}",
            EVENT,
        ],
    ),
    "hook_created": (
        [CREATED],
        HOOK,
        [f"read {RUN_ROW}", f"read {HOOK_ROW}", "link tokens/token", f"replace {HOOK_ROW}", EVENT],
    ),
    "hook_conflict": (
        [CREATED, HookCreated("hook_0", "token")],
        HOOK,
        [
            f"read {RUN_ROW}",
            f"read {HOOK_ROW}",
            "link tokens/token",
            "read tokens/token",
            f"replace {HOOK_ROW}",
            EVENT,
        ],
    ),
    "hook_received": (
        [CREATED, HOOK],
        HookReceived("hook_1", "token", b""),
        [f"read {RUN_ROW}", f"read {HOOK_ROW}", EVENT],
    ),
    "hook_disposed": (
        [CREATED, HOOK],
        HookDisposed("hook_1", "token"),
        [
            f"read {RUN_ROW}",
            f"read {HOOK_ROW}",
            claim("hook-disposal", "hook_1"),
            "unlink tokens/token",
            f"replace {HOOK_ROW}",
            EVENT,
        ],
    ),
    "wait_created": (
        [CREATED],
        WAIT,
        [
            f"read {RUN_ROW}",
            claim("wait", "wait_1"),
            f"read {WAIT_ROW}",
            f"replace {WAIT_ROW}",
            EVENT,
        ],
    ),
    "wait_completed": (
        [CREATED, WAIT],
        WaitCompleted("wait_1"),
        [
            f"read {RUN_ROW}",
            claim("wait-end", "wait_1"),
            f"read {WAIT_ROW}",
            f"replace {WAIT_ROW}",
            EVENT,
        ],
    ),
    "attr_set": ([CREATED], AttrSet("attr_1", b""), [f"read {RUN_ROW}", EVENT]),
}


@pytest.mark.parametrize("name", ORDERS)
def test_the_operations_are_those_of_the_table_in_its_order(name):
    before, fact, expected = ORDERS[name]
    rig = Rig(**FLAT)
    world = rig.process()
    rig.create(world, *before)
    number = len(before) + 1
    rig.files.done.clear()
    done = rig.done_by(Call(world.create("wrun_1", fact)))
    # The mint came before the first operation: the call had got that far when it was made.
    assert done == [each.format(number) for each in expected]
    if "events/" in str(expected):
        assert rig.events[-1].event_id == f"evnt_{number}"


def test_the_id_and_the_time_are_those_of_the_beginning():
    rig = Rig(**FLAT)
    world = rig.process()
    rig.create(world, CREATED)
    rig.files.done.clear()
    call = Call(world.create("wrun_1", STEP))
    assert rig.files.done == ["mint"]
    rig.clock.ms += 500
    event = call.finish().event
    assert event.created_at_ms == 1_000
    assert (event.event_id, event.position) == ("evnt_2", 2)


def test_a_start_that_creates_its_run_mints_twice_and_lists_both():
    rig = Rig(**FLAT)
    answer = rig.create(rig.process(), RunStarted("order", b"in"))
    assert rig.files.done == [
        "mint",
        f"read {RUN_ROW}",
        f"link {RUN_ROW}",
        "link events/wrun_1-evnt_1",
        "mint",
        f"replace {RUN_ROW}",
        "link events/wrun_1-evnt_2",
        "list events",
        "read_all 2",
    ]
    assert [event.type for event in answer.preload] == ["run_created", "run_started"]


def test_a_start_that_is_second_to_create_its_run_goes_on_with_the_first_ones():
    rig = Rig(**FLAT)
    late, first = rig.process(), rig.process()
    start = Call(late.create("wrun_1", RunStarted("order", b"in")))
    start.step()
    rig.create(first, RunCreated("order", b"other"))
    assert start.finish().run.input == b"other"
    assert rig.types().count("run_created") == 1


def test_a_wait_that_nobody_has_made_leaves_no_claim_behind():
    rig = Rig(**FLAT)
    world = rig.process()
    rig.create(world, CREATED)
    with pytest.raises(EntityNotFoundError):
        rig.create(world, WaitCompleted("wait_1"))
    rig.create(world, WAIT, WaitCompleted("wait_1"))
    with pytest.raises(EntityConflictError):
        rig.create(world, WaitCompleted("wait_1"))


def test_an_incremental_read_lists_only_where_more_can_be():
    rig = Rig(local_log="minted")
    world = rig.process()
    rig.create(world, CREATED, *(AttrSet("attr_1", b"") for _ in range(600)))
    cursor = "1000|evnt_590"
    done = rig.done_by(Call(world.events("wrun_1", cursor)))
    assert done == ["list events/wrun_1", "list events/wrun_1/00000002", "read_all 11"]
