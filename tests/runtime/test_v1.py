"""Engine V1: split handlers, every step a message, every result a continuation (spec §4)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import Engine, race, sleep
from simworld.errors import EntityConflictError, RunExpiredError, ThrottleError
from simworld.records import Fault, QueueProfile, TimeoutCounting
from simworld.runtime import FlowHandler, V1Handler, handler_for
from tests.runtime.programs import broken, fatal, later, program, sequence, single, together, work
from tests.runtime.rig import MERGE, V1, play


def test_the_policy_says_whose_handler_it_is():
    class OnlyPolicy:
        def __init__(self, policy):
            self.policy = policy

    assert isinstance(handler_for(OnlyPolicy(V1)), V1Handler)
    assert isinstance(handler_for(OnlyPolicy(attrs.evolve(V1, engine=Engine.V2))), FlowHandler)


def test_nothing_runs_inline_and_every_result_is_a_continuation():
    played = play(program(sequence), 1, policy=V1)
    assert played.delivered == ["start/flow", "start/flow/work#1", "start/flow/work#1/flow"]
    assert [each.task for each in played.began] == ["start/flow/work#1"]
    assert played.passes == 2


@pytest.mark.parametrize(("step_", "result"), [(fatal, "step_failed"), (broken, "step_failed")])
def test_a_failed_step_is_a_result_too(step_, result):
    played = play(single(step_), policy=V1)
    assert played.types.count(result) == 1
    assert played.run.status == "failed"


def test_a_retry_is_the_same_message_again():
    played = play(single(later, 3_000), policy=V1)
    assert played.delivered[1:3] == ["start/flow/later#1", "start/flow/later#1~2"]
    assert played.times("step_started") == [0, 3_000]
    assert played.messages == {"flow": 2, "later#1": 1}


REFUSED = [
    ("step_started", EntityConflictError("it is over", reason="terminal"), True),
    ("step_started", RunExpiredError("the run has ended"), False),
    ("step_completed", EntityConflictError("it is over", reason="terminal"), True),
]


@pytest.mark.parametrize(("kind", "refusal", "continued"), REFUSED)
def test_a_conflict_is_continued_and_an_expired_run_is_not(kind, refusal, continued):
    """R-83: whoever has got the result may have died before its continuation."""
    played = play(single(work, "x"), policy=V1, errors={kind: [refusal]})
    assert ("start/flow/work#1/flow" in played.delivered) == continued


def test_a_throttled_step_message_comes_back_itself():
    busy = {"step_started": [ThrottleError("busy", retry_after_s=7)]}
    played = play(single(work, "x"), policy=V1, errors=busy)
    assert played.delivered[1:3] == ["start/flow/work#1", "start/flow/work#1~2"]
    assert played.times("step_started") == [7_000]


def test_a_race_wakes_the_workflow_with_its_winner():
    async def flow():
        return (await race(work("slow", 30_000), work("quick", 1_000), sleep(60_000))).value

    played = play(program(flow), policy=V1, watched=True)
    assert played.answer == "quick"
    assert played.times("run_completed") == [1_000]


@pytest.mark.parametrize("task", ["start/flow", "start/flow/work#1", "start/flow/work#1/flow"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_crash_at_any_operation_delays_the_run_and_loses_nothing(task, turn):
    played = play(program(together), 2, policy=V1, faults=(Fault("crash", task, turn),))
    assert played.run.status == "completed"


def test_a_message_delivered_too_often_fails_its_run():
    policy = attrs.evolve(V1, deliveries_max=2)
    counted = QueueProfile(timeout_counting=TimeoutCounting.COUNTED)
    played = play(single(broken), policy=policy, queue=counted)
    assert played.run.error_code == "MAX_DELIVERIES_EXCEEDED"
    assert played.bodies == {"broken#1": 2}


def test_v1_has_the_guard_that_its_policy_names():
    """G0: the attempt alone; the message comes with every other guard as well."""
    played = play(single(broken), policy=attrs.evolve(MERGE, engine=Engine.V1))
    assert played.bodies == {"broken#1": 4}
