"""Failing steps, failing branches and failing workflows, and what a pass makes of them."""

from __future__ import annotations

from simworld.engine import Completed, Failed, StepFailedError, Suspension, gather
from tests.engine.journal import Journal, work


async def sequential(first, second):
    one = await work(first)
    return await work(one, second)


def test_a_failed_step_raises_where_it_is_awaited():
    async def flow():
        try:
            await work("first")
        except StepFailedError as error:
            return [error.step, error.kind, error.name, error.text, await work("instead")]

    journal = Journal(flow).creates()
    journal.fails("work#1", kind="interrupted", name="OSError", message="disk full")
    assert journal.waits_for() == ["work#2"]
    journal.creates().completes("work#2", "ok")
    assert journal.outcome() == Completed(["work#1", "interrupted", "OSError", "disk full", "ok"])


def test_a_failed_step_that_nobody_catches_fails_the_workflow():
    error = Journal(sequential, 1, second=2).creates().fails("work#1").outcome().error
    assert isinstance(error, StepFailedError)
    assert str(error).startswith(
        "step work#1 has failed for good (exhausted): ValueError: broken; catch StepFailedError"
    )


def test_a_failed_step_that_nobody_awaits_fails_nothing():
    async def flow():
        work("ignored")
        return await work("awaited")

    journal = Journal(flow).creates().fails("work#1").completes("work#2", 7)
    assert journal.outcome() == Completed(7)


def test_a_failing_branch_fails_the_gather_and_its_siblings_go_on():
    async def bad():
        await work("bad")
        raise KeyError("branch")

    async def good():
        await work("good")
        await work("good again")

    async def flow():
        try:
            await gather(bad(), good())
        except KeyError:
            return await work("rescue")

    journal = Journal(flow).creates().completes("work#1").completes("work#2")
    assert [each.args for each in journal.run().requests[2:]] == [("rescue",), ("good again",)]


def test_a_workflow_that_raises_has_failed_with_its_own_error():
    async def flow():
        await work(1)
        raise ZeroDivisionError("mine")

    journal = Journal(flow).creates()
    assert isinstance(journal.outcome(), Suspension)
    outcome = journal.completes("work#1").outcome()
    assert isinstance(outcome, Failed)
    assert (type(outcome.error), str(outcome.error)) == (ZeroDivisionError, "mine")


def test_a_step_that_is_not_awaited_is_asked_for_and_then_left():
    async def flow():
        work("left")
        return "done"

    result = Journal(flow).run()
    assert result.outcome == Completed("done")
    assert [(each.label, each.created) for each in result.requests] == [("work#1", False)]
