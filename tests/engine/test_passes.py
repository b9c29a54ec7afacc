"""One pass of a workflow: what it asks for, what it gets, and in which order (spec §5.1–5.3)."""

from __future__ import annotations

import pytest

from simworld.engine import (
    Completed,
    Failed,
    StepCompleted,
    StepCreated,
    StepFailedError,
    StepRetrying,
    StepStarted,
    Suspension,
    Unconsumed,
    Winner,
    encode,
    gather,
    race,
    run_pass,
    step,
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


# --- branches ---------------------------------------------------------------------------------


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


def test_d0_consumes_ahead_of_delivery_and_d4_does_not():
    seen = []

    async def flow():
        first, second = work(1), work(2)
        await first
        seen.append((second.done, second.request.created))
        await second

    journal = Journal(flow)
    ids = [request.correlation_id for request in journal.run().requests]
    journal.add(StepCreated(ids[0], "work", b"")).add(StepStarted(ids[0], "work"))
    journal.add(StepCompleted(ids[0], encode(None))).add(StepCreated(ids[1], "work", b""))
    seen.clear()
    journal.run(D0)
    journal.run(D4)
    assert seen == [(False, True), (False, False)]


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


# --- failures ---------------------------------------------------------------------------------


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
    assert str(error) == "step work#1 failed (exhausted): ValueError: broken"


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


# --- the log and the pass ---------------------------------------------------------------------


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
def test_an_event_nobody_asked_for_is_unconsumed(policy):
    journal = Journal(parallel, 1).creates().completes("work#1", 1)
    journal.log[2:2] = [journal.log[2]]  # a second creation is harmless: the handle takes it
    assert journal.outcome(policy) == Completed([1])
    journal = Journal(parallel, 2).creates()
    journal.add(StepCreated("step_unknown", "work", b""))
    outcome = journal.outcome(policy)
    assert isinstance(outcome, Unconsumed)
    assert outcome.event_id == "evnt_5"
    assert "step_created step_unknown" in outcome.message


@both_deliveries
def test_an_event_after_the_steps_terminal_event_is_unconsumed(policy):
    journal = Journal(parallel, 2).creates().completes("work#1", 1).completes("work#1", 1)
    assert isinstance(journal.outcome(policy), Unconsumed)


@both_deliveries
def test_events_of_a_step_that_only_a_later_result_asks_for_are_consumed(policy):
    journal = Journal(sequential, 1, second=2).creates().completes("work#1", 1).creates()
    journal.completes("work#2", 2)
    assert journal.outcome(policy) == Completed([1, 2])


def test_a_log_without_its_first_event_is_refused():
    journal = Journal(parallel, 1)
    for log in ([], journal.log[1:]):
        with pytest.raises(UsageError, match="does not begin with run_created"):
            run_pass(journal.program, journal.identity, log, D4)


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


# --- misuse -----------------------------------------------------------------------------------


def test_steps_and_branches_outside_a_workflow_are_refused():
    Journal(parallel, 1).run()  # a pass that is over leaves nothing behind
    with pytest.raises(UsageError, match="step work was called outside a workflow"):
        work(1)

    async def branch():
        pass

    for verb in (gather, race):
        coroutine = branch()
        with pytest.raises(UsageError, match=f"{verb.__name__} outside a workflow"):
            verb(coroutine)
        coroutine.close()


@pytest.mark.parametrize("verb", [gather, race])
def test_only_handles_and_coroutines_can_be_gathered_or_raced(verb):
    async def flow():
        await verb(work(1), 7)

    error = Journal(flow).outcome().error
    assert isinstance(error, UsageError)
    assert f"{verb.__name__} takes step handles and coroutines, not int" in str(error)


class Foreign:
    """Something that another event loop would understand."""

    def __await__(self):
        yield object()


async def foreign_directly():
    await Foreign()  # the line a user must be told


async def foreign_in_a_branch():
    await gather(work(1), foreign_directly())


@pytest.mark.parametrize("function", [foreign_directly, foreign_in_a_branch])
def test_a_foreign_await_names_its_line(function):
    with pytest.raises(UsageError) as caught:
        Journal(function).outcome()
    line = foreign_directly.__code__.co_firstlineno + 1
    assert str(caught.value).startswith(f"{__file__}:{line} awaits object, ")


def test_a_step_of_another_name_is_another_request():
    @step(name="other")
    async def same_function_other_name(ctx):
        pass

    async def flow():
        await gather(work(), same_function_other_name(), work())

    journal = Journal(flow, steps=(work, same_function_other_name)).creates()
    assert journal.waits_for() == ["work#1", "other#2", "work#3"]
    assert [each.step_name for each in journal.run().requests] == ["work", "other", "work"]
