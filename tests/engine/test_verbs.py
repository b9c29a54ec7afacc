"""Webhooks, abort signals, attributes, streams, randomness: what else a workflow asks for."""

from __future__ import annotations

import uuid as uuids

import pytest

from simworld.engine import (
    AttrSet,
    Completed,
    HookReceived,
    StreamRef,
    create_abort,
    create_webhook,
    decode,
    encode,
    get_writable,
    random,
    set_attributes,
    uuid,
)
from simworld.errors import UsageError
from tests.engine.journal import D0, D4, POLICIES, Journal, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)


# --- webhooks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "metadata"),
    [
        ({}, {"respond": "default", "response": None}),
        (
            {"respond_with": {"status": 201}},
            {"respond": "static", "response": {"status": 201}},
        ),
        ({"manual": True}, {"respond": "manual", "response": None}),
    ],
    ids=["default", "static", "manual"],
)
def test_a_webhook_is_a_hook_that_says_how_it_answers(options, metadata):
    async def flow():
        request = await create_webhook("w", **options)
        return request["method"]

    journal = Journal(flow)
    (asked,) = journal.run().requests
    assert (asked.kind, asked.token, asked.is_webhook, asked.is_system) == (
        "hook",
        "w",
        True,
        False,
    )
    assert decode(asked.metadata) == metadata
    journal.creates().receives("hook#1", {"method": "POST", "body": b"x"})
    assert journal.outcome() == Completed("POST")


# --- abort signals ----------------------------------------------------------------------------


async def aborts_after_work():
    controller = create_abort()
    handle = work(controller.signal)
    await work("other")
    told = [controller.signal.aborted]
    controller.abort("too slow")
    controller.abort("again")
    told.extend([controller.signal.aborted, controller.signal.reason])
    await work("behind")
    return [*told, await handle]


def test_an_abort_is_asked_for_once_until_it_is_in_the_log():
    journal = Journal(aborts_after_work).creates()
    assert journal.run().requests[0].abort is None
    journal.completes("work#3")
    assert decode(journal.run().requests[0].abort) == "too slow"
    journal.receives("hook#1", "too slow")
    assert journal.run().requests[0].abort is None
    journal.creates().completes("work#4").completes("work#2", "stopped")
    assert journal.outcome() == Completed([False, True, "too slow", "stopped"])


def test_an_abort_that_is_in_the_log_before_the_code_says_so_is_not_asked_for_again():
    """A pass over a log that another handler has written the abort into."""
    journal = Journal(aborts_after_work).creates()
    journal.receives("hook#1", "too slow").completes("work#3")
    assert journal.run().requests[0].abort is None


@both_deliveries
def test_two_aborts_in_the_log_are_taken(policy):
    journal = Journal(aborts_after_work).creates().completes("work#3")
    journal.receives("hook#1", "too slow").receives("hook#1", "too slow")
    assert "work#4" in journal.waits_for(policy)


def test_a_controller_is_a_hook_of_the_house_and_its_signal_a_reference():
    signals = []

    async def flow():
        controller = create_abort()
        signals.append(controller.signal)
        await work(controller.signal)

    hook, step = Journal(flow).run().requests
    assert (hook.kind, hook.is_system, hook.is_webhook) == ("hook", True, False)
    assert signals[0].stream == StreamRef("wrun_1", f"abort/{hook.token}")
    assert decode(step.input)[0][0].stream == signals[0].stream


def test_a_signal_tells_steps_that_are_called_after_the_abort():
    async def flow():
        controller = create_abort()
        work(controller.signal)
        controller.abort({"why": "late"})
        work(controller.signal)
        await work("end")

    requests = Journal(flow).run().requests
    ((before,), _), ((after,), _) = (decode(each.input) for each in requests[1:3])
    assert (before.aborted, before.reason) == (False, None)
    assert (after.aborted, after.reason) == (True, {"why": "late"})
    assert before.stream == after.stream


def test_an_abort_in_a_finally_block_that_runs_when_the_pass_closes_is_none():
    async def flow():
        controller = create_abort()
        try:
            await work(controller.signal)
        finally:
            controller.abort()

    assert Journal(flow).run().requests[0].abort is None


# --- attributes -------------------------------------------------------------------------------


@both_deliveries
def test_attributes_are_asked_for_and_done_once_recorded(policy):
    async def flow():
        await set_attributes(colour="red", size=3)
        return "recorded"

    journal = Journal(flow)
    (request,) = journal.run(policy).requests
    assert (request.kind, request.label) == ("attr", "attr#1")
    assert decode(request.changes) == {"colour": "red", "size": 3}
    assert journal.waits_for(policy) == ["attr#1"]
    assert journal.creates().outcome(policy) == Completed("recorded")


@both_deliveries
def test_attributes_that_two_handlers_have_recorded_are_taken_twice(policy):
    """No world can refuse the second: they are log only."""

    async def flow():
        await set_attributes(colour="red")
        return await work()

    journal = Journal(flow).creates()
    journal.add(journal.log[-1].fact)
    assert journal.creates().completes("work#2", 1).outcome(policy) == Completed(1)


def test_attributes_need_not_be_awaited():
    async def flow():
        set_attributes(colour="red")
        return await work()

    journal = Journal(flow)
    assert journal.waits_for() == ["attr#1", "work#2"]
    journal.creates()
    assert journal.waits_for() == ["work#2"]


def test_attributes_that_a_step_has_set_are_nobodys_business():
    async def flow():
        return await work()

    journal = Journal(flow).creates()
    journal.add(AttrSet("", encode({"by": "a step"})))
    assert journal.completes("work#1", 1).outcome() == Completed(1)


def test_no_attributes_and_attributes_that_cannot_be_stored_are_refused():
    async def none():
        set_attributes()

    async def a_set():
        set_attributes(tags={"a"})

    assert "at least one attribute" in str(Journal(none).error())
    assert "use a sorted list" in str(Journal(a_set).error())
    assert Journal(a_set).run().requests == []


# --- streams, randomness ----------------------------------------------------------------------


def test_a_stream_is_a_reference_that_steps_get_as_it_is():
    async def flow():
        await work(get_writable(), get_writable("log"))

    (request,) = Journal(flow).run().requests
    assert request.args == (StreamRef("wrun_1", "output"), StreamRef("wrun_1", "log"))
    assert decode(request.input)[0] == list(request.args)


@both_deliveries
def test_randomness_is_the_same_in_every_pass(policy):
    async def flow():
        first = [random(), uuid()]
        await work()
        return [*first, random(), uuid()]

    journal = Journal(flow).creates().completes("work#1")
    values = journal.output(policy)
    assert values == journal.output(policy)
    assert len(set(values)) == 4
    for number, text in (values[:2], values[2:]):
        assert 0 <= number < 1
        assert uuids.UUID(text).version == 4


def test_randomness_spreads_over_the_unit_interval():
    async def flow():
        return [random() for _ in range(1_000)]

    values = Journal(flow).output()
    assert [sum(n / 4 <= each < (n + 1) / 4 for each in values) > 200 for n in range(4)] == [
        True
    ] * 4


def test_a_hook_payload_for_the_house_does_not_reach_the_workflow():
    journal = Journal(aborts_after_work).creates()
    request = journal.requests["hook#1"]
    journal.add(HookReceived(request.correlation_id, request.token, encode("too slow")))
    assert journal.waits_for() == ["hook#1", "work#2", "work#3"]


def test_what_cannot_be_stored_is_refused_where_it_is_asked_for():
    async def flow():
        try:
            await work([{1, 2}])
        except UsageError as error:
            return str(error)

    result = Journal(flow).run()
    assert "use a sorted list" in result.outcome.output
    assert result.requests == []
