"""Bugs seen with the whole engine that must not come back."""

from __future__ import annotations

import pytest

from simworld.engine import Program, step, workflow
from simworld.records import Fault
from tests.runtime.programs import program, sequence, together, work
from tests.runtime.rig import POLICIES, play
from tests.runtime.test_faults import positions

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


@every_policy
def test_a_run_started_with_the_wrong_arguments_fails_as_a_user_error(policy):
    """Each of 48 deliveries throws a TypeError instead; the run dies of MAX_DELIVERIES_EXCEEDED."""
    played = play(program(sequence), 1, 2, 3, 4, policy=policy)
    assert (played.run.status, played.run.error_code) == ("failed", "USER_ERROR")
    assert played.invocations == 1


@every_policy
@pytest.mark.parametrize("text", ["begin the body of work#1", "acknowledge"])
def test_only_the_task_that_a_fault_names_loses_an_answer(policy, text):
    """``Kernel.losing`` is reset by armed tasks only: it leaks into whoever runs next.

    An operation without an answer (a body's begin, an acknowledgement) sets it; then another
    task's read loses its answer, be it a handler that is not armed or the client.
    """
    healthy = play(program(together), 2, 1_000, policy=policy)
    position = positions("start/flow", text, healthy)[0]
    fault = Fault("lost_answer", "start/flow", position)
    played = play(program(together), 2, 1_000, policy=policy, faults=(fault,), watched=True)
    assert {each.target for each in played.fired} <= {"start/flow"}
    assert played.answer == [0, 1]


@every_policy
@pytest.mark.parametrize("task", ["start/flow", "start/flow/work#2"])
def test_a_crash_before_the_first_operation_delays_the_message(policy, task):
    """``Fault("crash", …, 1)``: the message is lost, and the run waits for ever.

    The nemesis draws from 2 on, but a hand-written or shrunk repro may say 1 (records/choices).
    """
    fault = Fault("crash", task, 1)
    played = play(program(together), 2, policy=policy, faults=(fault,))
    assert played.run.status == "completed"


def test_an_error_whose_text_is_no_utf_8_fails_its_step():
    """The executor throws while it writes the error down, delivery after delivery."""

    @step(max_retries=0)
    async def unreadable(ctx):
        raise OSError("no such file: caf\udce9")

    async def flow():
        await unreadable()

    played = play(Program.of(workflow(flow), unreadable))
    assert played.steps["unreadable#1"].status == "failed"
    assert played.run.error_code == "USER_ERROR"


def test_a_body_that_returns_a_set_is_the_callers_fault():
    """A set inside the result is stored as a list: the workflow gets another type than it sent."""

    async def flow():
        return [await work([{1, 2}])]

    with pytest.raises(Exception, match="use a sorted list"):
        play(program(flow))
