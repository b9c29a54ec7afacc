"""One pass of a workflow: what it asks for, what it gets, and in which order (spec §5.1–5.3)."""

from __future__ import annotations

import pytest

from simworld.engine import (
    Completed,
    Diverged,
    Failed,
    StepRetrying,
    StepStarted,
    Winner,
    gather,
    race,
    run_pass,
)
from simworld.errors import UsageError
from tests.engine.journal import D0, D4, POLICIES, Journal, asked, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)


async def sequential(first, second):
    one = await work(first)
    two = await work(one, second)
    return [one, two]


@both_deliveries
def test_a_sequence_asks_for_one_step_at_a_time(policy):
    journal = Journal(sequential, "x", second="y").creates()
    assert journal.waits_for(policy) == ["work#1"]
    journal.completes("work#1", 10)
    assert journal.waits_for(policy) == ["work#2"]
    journal.creates().completes("work#2", 20)
    assert journal.outcome(policy) == Completed([10, 20])
    assert [(each.args, each.kwargs) for each in journal.run(policy).requests] == [
        (("x",), {}),
        ((10, "y"), {}),
    ]


def test_created_says_whether_the_log_holds_the_creation():
    journal = Journal(sequential, 1, second=2)
    assert [each.created for each in journal.run().requests] == [False]
    assert [each.created for each in journal.creates().run().requests] == [True]


def test_a_retried_step_is_still_waited_for():
    journal = Journal(sequential, 1, second=2).creates()
    step_id = journal.ids["work#1"]
    journal.add(StepStarted(step_id, "work")).add(StepRetrying(step_id, b"why"))
    assert journal.waits_for() == ["work#1"]


async def parallel(count):
    return await gather(*[work(number) for number in range(count)])


@both_deliveries
def test_gather_starts_everything_and_answers_in_the_order_of_its_arguments(policy):
    journal = Journal(parallel, 3).creates()
    assert journal.waits_for(policy) == ["work#1", "work#2", "work#3"]
    journal.completes("work#3", "c").completes("work#1", "a")
    assert journal.waits_for(policy) == ["work#2"]
    journal.completes("work#2", "b")
    assert journal.outcome(policy) == Completed(["a", "b", "c"])


@both_deliveries
def test_gather_fails_with_the_first_failure_in_time_not_in_place(policy):
    journal = Journal(parallel, 3).creates().fails("work#3", message="late place")
    outcome = journal.outcome(policy)
    assert isinstance(outcome, Failed)
    assert (outcome.error.step, outcome.error.text) == ("work#3", "late place")
    journal.fails("work#1", message="late in time")
    assert journal.outcome(policy).error.step == "work#3"


def test_an_empty_gather_is_an_empty_list_at_once():
    assert Journal(parallel, 0).outcome() == Completed([])


async def racing(count):
    winner = await race(*[work(number) for number in range(count)])
    assert isinstance(winner, Winner)
    return [winner.which, winner.value]


@both_deliveries
@pytest.mark.parametrize("first", [1, 2, 3])
def test_race_is_won_by_the_first_terminal_event_in_the_log(policy, first):
    journal = Journal(racing, 3).creates()
    for number in (first, *[each for each in (1, 2, 3) if each != first]):
        journal.completes(f"work#{number}", f"result {number}")
    assert journal.outcome(policy) == Completed([first - 1, f"result {first}"])


def test_race_raises_the_error_of_the_first_that_settles():
    journal = Journal(racing, 2).creates().fails("work#2").completes("work#1")
    assert journal.outcome().error.step == "work#2"


def test_a_race_of_what_has_already_settled_goes_to_the_first_argument():
    async def flow():
        one, two = work(1), work(2)
        await gather(one, two)
        return (await race(two, one)).value

    journal = Journal(flow).creates().completes("work#1", 1).completes("work#2", 2)
    assert journal.outcome() == Completed(2)


def test_the_losers_of_a_race_can_still_be_awaited():
    async def flow():
        handles = [work(1), work(2)]
        winner = await race(*handles)
        return [winner.which, await handles[1 - winner.which]]

    journal = Journal(flow).creates().completes("work#2", "b")
    assert journal.waits_for() == ["work#1"]
    assert journal.completes("work#1", "a").outcome() == Completed([1, "a"])


def test_a_race_of_nothing_is_refused():
    async def flow():
        return await race()

    outcome = Journal(flow).outcome()
    assert isinstance(outcome.error, UsageError)
    assert "empty race" in str(outcome.error)


@both_deliveries
def test_a_pass_over_the_same_log_is_the_same_pass(policy):
    journal = Journal(parallel, 3).creates().completes("work#2", 2)
    first, second = journal.run(policy), journal.run(policy)
    assert asked(first) == asked(second) != []
    assert [each.label for each in first.outcome.requests] == [
        each.label for each in second.outcome.requests
    ]
    journal.completes("work#1", 1).completes("work#3", 3)
    assert journal.outcome(policy) == journal.outcome(policy) == Completed([1, 2, 3])


@both_deliveries
def test_events_of_a_step_that_only_a_later_result_asks_for_are_consumed(policy):
    journal = Journal(sequential, 1, second=2).creates().completes("work#1", 1).creates()
    journal.completes("work#2", 2)
    assert journal.outcome(policy) == Completed([1, 2])


def test_a_log_without_its_first_event_is_no_log_of_this_run():
    journal = Journal(parallel, 1).creates()
    for log in ([], journal.log[1:]):
        outcome = run_pass(journal.program, journal.identity, log, D4).outcome
        assert isinstance(outcome, Diverged)
        assert "does not begin with run_created" in outcome.message


def test_a_finally_block_that_runs_when_the_pass_closes_has_no_effect():
    tidied = []

    async def flow():
        try:
            await work("main")
        finally:
            tidied.append("begun")
            work("tidy up")
            tidied.append("never")

    journal = Journal(flow).creates()
    assert journal.waits_for() == ["work#1"]
    assert [each.label for each in journal.run().requests] == ["work#1"]
    assert set(tidied) == {"begun"}
    tidied.clear()
    result = journal.completes("work#1").run()
    assert tidied == ["begun", "never"]  # now it is the workflow's own doing
    assert [each.label for each in result.requests] == ["work#1", "work#2"]


def test_a_finally_block_that_fails_or_waits_when_the_pass_closes_has_no_effect():
    async def failing():
        try:
            await work("one")
        finally:
            raise RuntimeError("in finally")

    async def waiting(other):
        try:
            await work("two")
        finally:
            await other

    async def flow():
        await gather(failing(), waiting(work("zero")))

    journal = Journal(flow).creates()
    assert journal.waits_for() == ["work#1", "work#2", "work#3"]
