"""Branches of a workflow: who starts when, and who goes on first (spec §5.1, §5.3)."""

from __future__ import annotations

import pytest

from simworld.engine import Completed, gather, race
from tests.engine.journal import D0, D4, POLICIES, Journal, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)


def test_branches_start_eagerly_in_the_order_of_the_arguments():
    started = []

    async def branch(name):
        started.append(name)
        return await work(name)

    async def flow():
        whole = gather(branch("a"), branch("b"), branch("c"))
        started.append("gather returned")
        return await whole

    journal = Journal(flow).creates()
    assert started == ["a", "b", "c", "gather returned"]
    assert [each.args for each in journal.run().requests] == [("a",), ("b",), ("c",)]
    for number in (2, 3, 1):
        journal.completes(f"work#{number}", number)
    assert journal.outcome() == Completed([1, 2, 3])


@both_deliveries
def test_each_result_runs_the_workflow_to_quiescence_before_the_next(policy):
    """A long way from result to code must not let a later result overtake."""

    async def winding(value):
        first = await work(value)
        for _ in range(4):
            first = (await race(gather(passed_on(first))))[1][0]
        return await work("after", first)

    async def straight(value):
        return await work("after", await work(value))

    async def passed_on(value):
        return value

    async def flow():
        return await gather(winding("x"), straight("y"))

    journal = Journal(flow).creates().completes("work#1", "x").completes("work#2", "y")
    assert [each.args for each in journal.run(policy).requests[2:]] == [
        ("after", "x"),
        ("after", "y"),
    ]


def test_branches_that_wait_for_one_step_go_on_in_the_order_in_which_they_waited():
    async def branch(name, shared):
        await shared
        await work(name)

    async def flow():
        shared = work("shared")
        await gather(*[branch(name, shared) for name in "abc"])

    journal = Journal(flow).creates().completes("work#1")
    assert [each.args for each in journal.run().requests[1:]] == [("a",), ("b",), ("c",)]


@both_deliveries
def test_results_arrive_in_log_order_whatever_the_order_of_the_calls(policy):
    order = []

    async def branch(number):
        await work(number)
        order.append(number)

    async def flow():
        await gather(*[branch(number) for number in range(1, 6)])

    journal = Journal(flow).creates()
    for number in (3, 5, 1, 4, 2):
        journal.completes(f"work#{number}")
    order.clear()
    assert journal.outcome(policy) == Completed(None)
    assert order == [3, 5, 1, 4, 2]


@both_deliveries
def test_gathers_and_races_nest(policy):
    """Calling a step starts it; calling a coroutine function does not, its verb does."""

    async def pair(name):
        return await gather(work(name, 1), work(name, 2))

    async def flow():
        winner = await race(pair("a"), gather(pair("b"), work("c")))
        return [winner.which, winner.value]

    journal = Journal(flow).creates()
    assert [each.args for each in journal.run().requests] == [
        ("c",),
        ("b", 1),
        ("b", 2),
        ("a", 1),
        ("a", 2),
    ]
    for number in (4, 3, 1):
        journal.completes(f"work#{number}", number)
    assert journal.waits_for(policy) == ["work#2", "work#5"]
    journal.completes("work#2", 2).completes("work#5", 5)
    assert journal.outcome(policy) == Completed([1, [[2, 3], 1]])
