"""The end of a hook: disposed of by its workflow, or never its own (spec §3.8, R-26)."""

from __future__ import annotations

import pytest

from simworld.engine import (
    Completed,
    HookConflictError,
    Suspension,
    Unconsumed,
    create_hook,
    gather,
)
from tests.engine.journal import D0, D4, POLICIES, Journal, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)


def disposals(result):
    """Label → whether it is to be disposed of, of every hook asked for."""
    return {each.label: each.dispose for each in result.requests if each.kind == "hook"}


async def one_payload_then_work():
    async with create_hook("t") as hook:
        payload = await hook
    return [payload, await work()]


@both_deliveries
def test_leaving_async_with_disposes_of_the_hook(policy):
    journal = Journal(one_payload_then_work).creates()
    assert disposals(journal.run(policy)) == {"hook#1": False}
    journal.receives("hook#1", "p")
    assert disposals(journal.run(policy)) == {"hook#1": True}
    assert journal.waits_for(policy) == ["hook#1", "work#2"]
    journal.disposes("hook#1").creates()
    assert journal.waits_for(policy) == ["work#2"]
    assert journal.completes("work#2", 7).outcome(policy) == Completed(["p", 7])


def test_leaving_it_by_an_error_does_so_too():
    async def flow():
        try:
            async with create_hook("t"):
                raise KeyError("inside")
        except KeyError:
            await work()

    assert disposals(Journal(flow).run()) == {"hook#1": True}


def test_a_suspension_inside_async_with_does_not():
    """The pass closes its coroutines, and their ``finally`` runs; the workflow still waits."""
    journal = Journal(one_payload_then_work)
    assert disposals(journal.run()) == {"hook#1": False}


def test_dispose_says_so_itself_and_says_it_once():
    async def flow():
        hook = create_hook("t")
        await work()
        hook.dispose()
        hook.dispose()
        await work()

    journal = Journal(flow).creates()
    assert disposals(journal.run()) == {"hook#1": False}
    journal.completes("work#2")
    assert disposals(journal.run()) == {"hook#1": True}
    journal.disposes("hook#1")
    request = journal.run().requests[0]
    assert request.done


def test_disposing_of_what_the_log_has_ended_already_asks_for_nothing():
    async def flow():
        hook = create_hook("t")
        await work()
        hook.dispose()
        await work()

    journal = Journal(flow).creates().disposes("hook#1").completes("work#2")
    assert disposals(journal.run()) == {"hook#1": False}
    assert journal.waits_for() == ["work#3"]


def test_whoever_still_waits_waits_for_ever():
    """Also for a payload that the log has between the call of dispose and hook_disposed."""

    async def flow():
        hook = create_hook("t")
        payload = hook.next()
        await work("first")
        hook.dispose()
        await work("second")
        return await payload

    journal = Journal(flow).creates().completes("work#2").creates()
    journal.receives("hook#1", "late").disposes("hook#1").completes("work#3")
    assert journal.outcome() == Suspension(())


def test_payloads_kept_before_the_end_can_still_be_taken():
    async def flow():
        hook = create_hook("t")
        await work()
        hook.dispose()
        return await hook

    journal = Journal(flow).creates().receives("hook#1", "kept").completes("work#2")
    assert journal.outcome() == Completed("kept")


@both_deliveries
def test_a_payload_behind_the_disposal_is_unconsumed(policy):
    """R-26."""
    journal = Journal(one_payload_then_work).creates().receives("hook#1", 1).creates()
    journal.disposes("hook#1").receives("hook#1", 2)
    outcome = journal.outcome(policy)
    assert isinstance(outcome, Unconsumed)
    assert outcome.event_id == f"evnt_{len(journal.log)}"
    assert "is hook_received" in outcome.message
    assert "hook#1 has all it needs" in outcome.message


@both_deliveries
def test_a_second_disposal_is_unconsumed(policy):
    """R-32."""
    journal = Journal(one_payload_then_work).creates().receives("hook#1", 1).creates()
    journal.disposes("hook#1").disposes("hook#1")
    assert isinstance(journal.outcome(policy), Unconsumed)


def test_the_token_can_be_taken_again():
    async def flow():
        async with create_hook("t"):
            await work()
        return await create_hook("t")

    journal = Journal(flow).creates().completes("work#2").disposes("hook#1").creates()
    assert journal.waits_for() == ["hook#3"]
    assert [each.token for each in journal.run().requests if each.kind == "hook"] == ["t", "t"]
    assert journal.receives("hook#3", "p").outcome() == Completed("p")


# --- conflicts --------------------------------------------------------------------------------


async def tells_the_conflict():
    hook = create_hook("t")
    told = []
    for _ in range(2):
        try:
            await hook
        except HookConflictError as error:
            told.append([error.token, error.conflicting_run_id])
    return told


@both_deliveries
def test_a_conflict_raises_in_who_waits_and_in_who_asks_later(policy):
    journal = Journal(tells_the_conflict).conflicts("wrun_7")
    assert journal.outcome(policy) == Completed([["t", "wrun_7"]] * 2)


@both_deliveries
def test_a_conflict_raises_in_every_waiter(policy):
    async def waits(hook):
        try:
            await hook
        except HookConflictError:
            return "told"

    async def flow():
        hook = create_hook("t")
        return await gather(waits(hook), waits(hook))

    assert Journal(flow).conflicts().outcome(policy) == Completed(["told", "told"])


def test_a_conflict_is_part_of_the_request():
    async def waits():
        try:
            await create_hook("t")
        except HookConflictError:
            await work()

    journal = Journal(waits)
    assert [(each.conflict, each.done) for each in journal.run().requests] == [("", False)]
    journal.conflicts("wrun_7")
    request = journal.run().requests[0]
    assert (request.conflict, request.done, request.created) == ("wrun_7", True, False)
    assert journal.waits_for() == ["work#2"]


def test_a_conflict_nobody_catches_fails_the_workflow_and_names_the_owner():
    async def flow():
        await create_hook("order-7")

    error = Journal(flow).conflicts("wrun_7").error()
    assert isinstance(error, HookConflictError)
    assert str(error).startswith("the hook token 'order-7' belongs to run wrun_7; use another")


def test_async_for_over_a_hook_in_conflict_raises():
    async def flow():
        async for _ in create_hook("t"):
            pass

    assert isinstance(Journal(flow).conflicts().error(), HookConflictError)


def test_disposing_of_a_hook_in_conflict_asks_for_nothing():
    async def flow():
        try:
            async with create_hook("t") as hook:
                await hook
        except HookConflictError:
            await work()

    journal = Journal(flow).conflicts()
    assert disposals(journal.run()) == {"hook#1": False}
