"""When a pass ends: once nothing more can happen in it, or when a timer says so (R-51, R-52).

The logs of a family differ in their length only, which is what the drawn time of hydration depends
on; a timer of so many hops is over before some of the results are there.
"""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    Completed,
    RunStarted,
    Suspension,
    Unconsumed,
    UnconsumedEvents,
    create_hook,
    race,
    sleep,
)
from tests.engine.journal import D0, D1, D2, D3, D4, Journal, work

LENGTHS = range(12)
HASTY, PATIENT = 5, 100
"""Hops: fewer than the slowest result takes, and more."""
ahead = pytest.mark.parametrize("policy", [D0, D1, D2, D3], ids=lambda each: each.delivery)


def with_hops(policy, knob, hops):
    return attrs.evolve(policy, **{knob: hops})


def padded(function):
    """The same short log, longer and longer by events that mean nothing."""
    for padding in LENGTHS:
        journal = Journal(function).creates()
        for _ in range(padding):
            journal.add(RunStarted())
        yield journal


# --- idle -------------------------------------------------------------------------------


async def order():
    async with create_hook("regret") as regret:
        return (await race(work("ship"), regret)).which


def suspended_on(policy, function=order, label="work#2"):
    """What the passes wait for that have been told that the step has ended; nothing: not one."""
    found = []
    for journal in padded(function):
        outcome = journal.completes(label).outcome(policy)
        if isinstance(outcome, Suspension):
            found.append([each.label for each in outcome.requests])
        else:
            assert isinstance(outcome, Completed)
    return found


@ahead
def test_a_hasty_pass_waits_for_the_hook_alone(policy):
    """The end of the step is in its log, so nobody will ever tell it again."""
    hasty = suspended_on(with_hops(policy, "idle_hops", HASTY))
    assert 0 < len(hasty) < len(LENGTHS)
    assert all(each == ["hook#1"] for each in hasty)
    assert suspended_on(policy) == []
    assert suspended_on(with_hops(policy, "idle_hops", PATIENT)) == []


def test_in_log_order_nothing_is_ever_on_its_way():
    assert suspended_on(with_hops(D4, "idle_hops", 1)) == []


def test_with_nobody_left_who_waits_a_pass_is_not_suspended():
    async def alone():
        create_hook("never awaited")
        await work("ship")

    assert suspended_on(with_hops(D3, "idle_hops", 1), alone) == []


def test_a_hasty_pass_tells_of_the_sleep_it_still_waits_for():
    async def deadline():
        return (await race(sleep(100), work("ship"))).which

    hasty = suspended_on(with_hops(D3, "idle_hops", HASTY), deadline)
    assert hasty
    assert all(each == ["sleep#1"] for each in hasty)


# --- the verdict ------------------------------------------------------------------------


async def one_after_the_other():
    await work("first")
    return await work("second")


def unconsumed(policy):
    """How many passes give up on the second step, which the first one's result has asked for."""
    outcomes = [
        journal.completes("work#1").creates().completes("work#2", 7).outcome(policy)
        for journal in padded(one_after_the_other)
    ]
    wrong = [each for each in outcomes if each != Completed(7)]
    assert all(
        isinstance(each, Unconsumed) and "step_created work" in each.message for each in wrong
    )
    return len(wrong)


@ahead
def test_a_hasty_verdict_is_wrong(policy):
    assert 0 < unconsumed(with_hops(policy, "verdict_hops", HASTY)) < len(LENGTHS)
    assert unconsumed(policy) == 0
    assert unconsumed(with_hops(policy, "verdict_hops", PATIENT)) == 0


def test_in_log_order_there_is_nothing_to_wait_for():
    assert unconsumed(with_hops(D4, "verdict_hops", 1)) == 0


def test_the_draft_skips_what_a_hasty_verdict_is_about():
    """And so never gives the second step its result."""
    skipping = attrs.evolve(D3, verdict_hops=HASTY, unconsumed=UnconsumedEvents.U1)
    lost = [
        outcome
        for journal in padded(one_after_the_other)
        if isinstance(
            outcome := journal.completes("work#1").creates().completes("work#2").outcome(skipping),
            Suspension,
        )
    ]
    assert lost
    assert all([each.label for each in one.requests] == ["work#2"] for one in lost)


def test_each_timer_minds_its_own_end_of_a_pass():
    assert unconsumed(with_hops(D3, "idle_hops", 1)) == 0
    assert suspended_on(with_hops(D3, "verdict_hops", 1)) == []
