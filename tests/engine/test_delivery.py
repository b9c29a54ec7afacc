"""In which order results reach the code, and hence ids are drawn (spec §5.3; R-47, R-48, R-49).

Each rule has a program and a family of logs in which two results follow one another.  The logs of
a family differ in their length only, which is what the drawn time of hydration depends on.
"""

from __future__ import annotations

import pytest

from simworld.engine import Delivery, EnginePolicy, RunStarted, create_hook, gather, sleep
from tests.engine.journal import D0, D1, D2, D3, D4, Journal, asked, work

LENGTHS = range(12)


async def hook_beside_sleep():
    async def listens():
        async for payload in create_hook("t"):
            work("payload", payload)

    async def naps():
        await sleep(5)
        await work("behind the sleep")

    await gather(listens(), naps())


def hook_then_wait(padding):
    """R-47: the second payload of an iterated hook, and the end of a sleep behind it."""
    journal = padded(Journal(hook_beside_sleep).creates(), padding).receives("hook#1", 1)
    return journal.creates().receives("hook#1", 2).wakes("sleep#2")


async def step_beside_sleep():
    async def works():
        await work("step")
        await work("behind the step")

    async def naps():
        await sleep(5)
        await work("behind the sleep")

    await gather(works(), naps())


def step_then_wait(padding):
    """R-48: a step, and the end of a sleep behind it."""
    journal = padded(Journal(step_beside_sleep).creates(), padding)
    return journal.completes("work#1").wakes("sleep#2")


async def two_hooks():
    async def listens(token):
        async for payload in create_hook(token):
            work(token, payload)

    await gather(listens("one"), listens("other"))


def hook_then_hook(padding):
    """R-49: the second payload of one hook, and the first of another."""
    journal = padded(Journal(two_hooks).creates(), padding).receives("hook#1", 1)
    return journal.creates().receives("hook#1", 2).receives("hook#2", 3)


def payload_wait_payload(padding):
    """R-49: the second payload is consumed before anybody waits for it."""
    journal = padded(Journal(hook_beside_sleep).creates(), padding)
    return journal.receives("hook#1", 1).wakes("sleep#2").receives("hook#1", 2)


def padded(journal, padding):
    """Make the log longer by events that mean nothing."""
    for _ in range(padding):
        journal.add(RunStarted())
    return journal


FAMILIES = [hook_then_wait, step_then_wait, hook_then_hook, payload_wait_payload]


def overtakes(family, policy):
    """In how many logs of the family the steps are asked for in another order than the log's."""
    journals = [family(padding) for padding in LENGTHS]
    return sum(each.calls(policy) != each.calls(D4) for each in journals)


@pytest.mark.parametrize(
    ("family", "faulty", "ordered"),
    [
        (hook_then_wait, [D0], [D1, D2, D3, D4]),
        (step_then_wait, [D0, D1], [D2, D3, D4]),
        (hook_then_hook, [D0, D1, D2], [D3, D4]),
        (payload_wait_payload, [D0, D1, D2], [D3, D4]),
    ],
)
def test_a_later_result_may_overtake_until_the_rule_forbids_it(family, faulty, ordered):
    counts = {each.delivery: overtakes(family, each) for each in (*faulty, *ordered)}
    assert all(counts[each.delivery] > 0 for each in faulty), counts
    assert [counts[each.delivery] for each in ordered] == [0] * len(ordered)


@pytest.mark.parametrize("family", FAMILIES)
def test_log_order_is_what_d4_makes_of_it(family):
    """So the comparison above is one with the log, not with another fault."""
    expected = {
        hook_then_wait: [("payload", 2), ("behind the sleep",)],
        step_then_wait: [("behind the step",), ("behind the sleep",)],
        hook_then_hook: [("one", 2), ("other", 3)],
        payload_wait_payload: [("payload", 1), ("behind the sleep",), ("payload", 2)],
    }[family]
    journal = family(0)
    assert journal.calls(D4)[-len(expected) :] == expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("delivery", list(Delivery))
def test_every_order_is_a_function_of_the_log(family, delivery):
    policy = EnginePolicy(delivery=delivery)
    for padding in LENGTHS:
        journal = family(padding)
        assert asked(journal.run(policy)) == asked(journal.run(policy))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_order_delivers_the_same_results(family):
    for padding in LENGTHS:
        journal = family(padding)
        calls = [sorted(map(repr, journal.calls(EnginePolicy(delivery=each)))) for each in Delivery]
        assert calls == [calls[-1]] * len(calls)


def test_a_result_that_overtakes_swaps_two_steps():
    """Same badge, different person: what the log calls one step, this pass calls another."""
    journals = [hook_then_wait(padding) for padding in LENGTHS]
    journal = next(each for each in journals if each.calls(D0) != each.calls(D4))
    right, wrong = (
        {each.args: each.correlation_id for each in journal.run(policy).requests[3:]}
        for policy in (D4, D0)
    )
    payload, timeout = ("payload", 2), ("behind the sleep",)
    assert (wrong[payload], wrong[timeout]) == (right[timeout], right[payload])


def test_consumption_runs_ahead_of_delivery_under_all_but_d4():
    async def flow():
        first, second = work(1), work(2)
        await first
        seen.append((second.done, second.request.created, second.request.done))
        await second

    seen = []
    journal = Journal(flow).creates().completes("work#1").completes("work#2")
    for policy in (D0, D1, D2, D3, D4):
        seen.clear()
        journal.run(policy)
        assert seen == [(False, True, policy is not D4)]


@pytest.mark.parametrize("policy", [D0, D1, D2, D3, D4], ids=lambda each: each.delivery)
def test_results_of_steps_alone_keep_the_order_of_the_log(policy):
    async def branch(number):
        await work(number)
        order.append(number)

    async def flow():
        await gather(*[branch(number) for number in range(1, 8)])

    order = []
    journal = Journal(flow).creates()
    for number in (3, 5, 1, 7, 4, 2, 6):
        journal.completes(f"work#{number}")
    order.clear()
    journal.run(policy)
    assert order == [3, 5, 1, 7, 4, 2, 6]
