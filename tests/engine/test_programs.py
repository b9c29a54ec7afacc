"""Programs of several workflows, workflows of several functions, and what a pass is given."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    Completed,
    Failed,
    HookConflictError,
    Pass,
    Program,
    RunCreated,
    StepCreated,
    StepFailedError,
    StepStarted,
    Suspension,
    create_hook,
    encode,
    gather,
    race,
    run_pass,
    sleep,
    step,
    workflow,
)
from simworld.errors import InternalError, UsageError
from tests.engine.journal import D0, D4, POLICIES, Journal, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)


# --- several workflows ------------------------------------------------------------------------


@workflow
async def parent(number):
    return await work("parent", number)


@workflow
async def child(number):
    return await work("child", number)


def log_of(name, *args):
    """The first event of a run of the workflow of this name."""
    journal = Journal(child)
    event = journal.log[0]
    return [attrs.evolve(event, fact=RunCreated(name, encode([list(args), {}])))]


@pytest.mark.parametrize("name", ["parent", "child"])
def test_the_log_says_which_workflow_runs(name):
    program = Program.of(parent, work, children=[child])
    identity = attrs.evolve(Journal(child).identity, workflow_name=name)
    (request,) = run_pass(program, identity, log_of(name, 7), D4).requests
    assert request.args == (name, 7)


def test_a_workflow_nobody_knows_is_refused_with_the_nearest_names():
    program = Program.of(parent, work, children=[child])
    identity = attrs.evolve(Journal(child).identity, workflow_name="chid")
    with pytest.raises(UsageError) as caught:
        run_pass(program, identity, log_of("chid", 7), D4)
    assert str(caught.value) == "unknown workflow of run wrun_1 'chid'; did you mean child?"


# --- one workflow of several functions --------------------------------------------------------


async def pair(name):
    first = await work(name, 1)
    return [first, await work(name, 2)]


async def guarded(name):
    try:
        return await pair(name)
    except StepFailedError as error:
        return [f"{name} lost {error.step}"]


@both_deliveries
def test_async_functions_that_call_steps_nest(policy):
    async def flow():
        before = await pair("a")
        both = await gather(guarded("b"), guarded("c"))
        return [before, *both]

    journal = Journal(flow).creates().completes("work#1", 1).creates().completes("work#2", 2)
    journal.creates().completes("work#4", "c1").fails("work#3").creates()
    assert journal.waits_for(policy) == ["work#5"]
    journal.completes("work#5", "c2")
    assert journal.outcome(policy) == Completed([[1, 2], ["b lost work#3"], ["c1", "c2"]])


@both_deliveries
def test_try_around_whatever_may_fail(policy):
    async def flow():
        told = []
        try:
            await race(work("step"), sleep(1_000))
        except StepFailedError as error:
            told.append(error.kind)
        try:
            await create_hook("t")
        except HookConflictError as error:
            told.append(error.conflicting_run_id)
        try:
            raise KeyError("mine")
        except KeyError:
            told.append(await work("rescue"))
        finally:
            told.append(await work("finally"))
        return told

    journal = Journal(flow).creates().fails("work#1", kind="fatal").conflicts("wrun_7")
    journal.creates().completes("work#4", "rescued").creates().completes("work#5", "tidied")
    assert journal.outcome(policy) == Completed(["fatal", "wrun_7", "rescued", "tidied"])


@both_deliveries
def test_a_loop_over_what_the_log_says(policy):
    async def flow():
        total = 0
        while total < 5:
            total += await work(total)
        return total

    journal = Journal(flow)
    for ordinal, result in enumerate([2, 2, 2], start=1):
        assert isinstance(journal.outcome(policy), Suspension)
        journal.creates().completes(f"work#{ordinal}", result)
    assert journal.outcome(policy) == Completed(6)


# --- arguments and results --------------------------------------------------------------------


@attrs.frozen
class Order:
    """A typed argument and result."""

    number: int
    lines: list[str]


@step
async def price(ctx, order) -> Order:
    """Its result is an ``Order`` again in workflow code."""
    return order


async def typed(order: Order):
    priced = await price(order)
    return [type(order).__name__, type(priced).__name__, priced.number]


def test_arguments_and_results_are_what_the_annotations_say():
    journal = Journal(typed, Order(7, ["a"]), steps=[price]).creates()
    assert journal.requests["price#1"].args == (Order(7, ["a"]),)
    journal.completes("price#1", Order(8, []))
    assert journal.outcome() == Completed(["Order", "Order", 8])


def test_a_result_that_does_not_fit_raises_where_the_step_is_awaited():
    journal = Journal(typed, Order(7, []), steps=[price]).creates().completes("price#1", {})
    error = journal.error()
    assert isinstance(error, UsageError)
    assert "the result of step price#1" in str(error)


def test_an_argument_that_does_not_fit_fails_the_workflow():
    outcome = Journal(typed, "no order").outcome()
    assert isinstance(outcome, Failed)
    assert "'order' of typed() takes Order, not 'no order'" in str(outcome.error)


# --- lazy creation ----------------------------------------------------------------------------


@both_deliveries
def test_a_start_that_carries_the_input_creates_its_step(policy):
    async def flow():
        return await work("lazy")

    journal = Journal(flow)
    (request,) = journal.run().requests
    plain = StepStarted(request.correlation_id, "work")
    assert [each.created for each in journal.add(plain).run(policy).requests] == [False]
    journal.log.pop()
    journal.add(attrs.evolve(plain, input=request.input))
    assert [each.created for each in journal.run(policy).requests] == [True]
    assert journal.waits_for(policy) == ["work#1"]
    journal.add(StepCreated(request.correlation_id, "work", request.input))
    assert journal.outcome(policy).event_id == "evnt_4"  # it was created already


# --- a pass and its life ----------------------------------------------------------------------


def test_a_pass_that_was_closed_is_not_fed_again():
    journal = Journal(parent, 1)
    one = Pass(journal.program, journal.identity, D4)
    one.feed(journal.log)
    one.close()
    with pytest.raises(InternalError, match="closed is fed again"):
        one.feed(journal.log)


def test_a_pass_goes_on_where_the_log_has_grown():
    begun = []

    async def flow():
        begun.append("begun")
        return [await work(1), await work(2)]

    journal = Journal(flow)
    one = Pass(journal.program, journal.identity, D4)
    for label in ("work#1", "work#2"):
        assert isinstance(one.feed(journal.log).outcome, Suspension)
        journal.creates()
        begun.clear()
        journal.completes(label, label)
    assert one.feed(journal.log).outcome == Completed(["work#1", "work#2"])
    assert begun == []
    one.close()


def test_passes_of_two_runs_may_take_turns():
    journals = [Journal(parent, number) for number in (1, 2)]
    passes = [Pass(each.program, each.identity, D4) for each in journals]
    for number, journal in enumerate(journals):
        passes[number].feed(journal.log)
        journal.creates().completes("work#1", number)
    for number, journal in enumerate(journals):
        assert passes[number].feed(journal.log).outcome == Completed(number)
        passes[number].close()
