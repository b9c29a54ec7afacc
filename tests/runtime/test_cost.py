"""What an undisturbed run costs: exact under the all-zero schedule (spec §3.12, decisions 5.14)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import BackgroundAfter, CorrelationIds, RunIdentity
from simworld.records import Delivered
from tests.runtime.programs import broken, program, sequence, single, together
from tests.runtime.rig import FIXED, MERGE, POLICIES, play

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


@every_policy
@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_sequential_steps_cost_one_message_and_one_invocation(policy, count):
    played = play(program(sequence), count, policy=policy)
    assert played.run.status == "completed"
    assert (played.invocations, played.messages, played.dropped) == (1, {"flow": 1}, 0)
    assert played.passes == count + 1
    assert len(played.log) == 3 + 3 * count
    assert played.bodies == {f"work#{number}": 1 for number in range(1, count + 1)}


def test_sequential_steps_read_only_what_is_new():
    played = play(program(sequence), 10)
    assert played.prefixes == list(range(2, 33, 3))
    # The first pass has the preload; the second reads everything once to get a cursor.
    assert played.reads == [5, *[3] * 9]


def test_a_step_costs_three_events_and_a_retry_two_more():
    log = play(program(sequence), 1, failures=(("work#1", 1),)).types
    assert log == [
        "run_created",
        "run_started",
        "step_created",
        "step_started",
        "step_retrying",
        "step_started",
        "step_completed",
        "run_completed",
    ]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_parallel_steps_cost_one_inline_step_and_a_message_for_each_other(count):
    played = play(program(together), count)
    assert played.run.status == "completed"
    others = {f"work#{number}": 1 for number in range(2, count + 1)}
    assert played.messages == {"flow": 1, **others}
    assert played.invocations == count
    assert played.bodies == {"work#1": 1, **others}
    # The handler of the inline step looks once more and sends again what is still pending.
    assert played.dropped == count - 1
    assert played.passes == 3
    assert len(played.log) == 3 + 3 * count


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_continuation_per_background_step_costs_as_many_messages_again(count):
    draft = attrs.evolve(MERGE, bg_after=BackgroundAfter.ALWAYS_CONTINUE)
    for policy in (draft, FIXED):
        played = play(program(together), count, policy=policy)
        assert played.run.status == "completed"
        assert played.messages["flow"] == count
        assert played.invocations == 2 * count - 1
        assert played.bodies.total() == count


def test_the_inline_step_runs_on_the_flow_message_and_the_others_on_their_own():
    played = play(program(together), 3)
    tasks = [each.task for each in played.of(Delivered)]
    assert tasks == ["start/flow", "start/flow/work#2", "start/flow/work#3"]
    began = {each.step: each.task for each in played.records if type(each).__name__ == "BodyBegan"}
    assert began == {
        "work#1": "start/flow",
        "work#2": "start/flow/work#2",
        "work#3": "start/flow/work#3",
    }


def test_steps_get_the_ids_of_the_runs_identity():
    played = play(program(together), 3)
    ids = CorrelationIds(RunIdentity("wrun_1", "together", played.run.started_at_ms))
    assert [each.correlation_id for each in played.log if each.type == "step_created"] == [
        ids.draw("step") for _ in range(3)
    ]


@every_policy
@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_a_step_that_always_fails_runs_exactly_max_retries_plus_one_bodies(policy, max_retries):
    played = play(single(broken, max_retries=max_retries), policy=policy)
    assert played.bodies == {"broken#1": max_retries + 1}
    assert played.outcomes == ["error"] * (max_retries + 1)
    assert played.types.count("step_retrying") == max_retries
    assert played.types.count("step_failed") == 1
    assert played.run.status == "failed"


@every_policy
def test_a_small_page_costs_more_reads_and_changes_nothing_else(policy):
    small = play(program(together), 4, policy=policy, page_max=2)
    large = play(program(together), 4, policy=policy)
    assert small.types == large.types
    assert (small.messages, small.passes) == (large.messages, large.passes)
    assert max(small.reads) == 2 < max(large.reads)


def test_an_invocation_beyond_its_limit_hands_over_to_a_new_message():
    policy = attrs.evolve(MERGE, inline_limit_ms=1_500)
    played = play(program(sequence), 4, 1_000, policy=policy)
    assert played.run.status == "completed"
    assert [each.task for each in played.of(Delivered)] == [
        "start/flow",
        "start/flow/flow",
        "start/flow/flow/flow",
    ]
    assert played.messages == {"flow": 3}
    assert played.bodies == {f"work#{number}": 1 for number in range(1, 5)}
    assert played.times("step_started") == [0, 1_000, 2_000, 3_000]


def test_an_invocation_at_its_limit_hands_over_and_one_below_does_not():
    at, below = (
        play(program(sequence), 2, 1_000, policy=attrs.evolve(MERGE, inline_limit_ms=limit_ms))
        for limit_ms in (1_000, 1_001)
    )
    # The limit is looked at before each pass: at 1 s, and (in the second invocation) at 2 s.
    assert at.invocations == 3
    assert below.invocations == 2
