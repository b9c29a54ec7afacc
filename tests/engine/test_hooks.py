"""Hooks: who gets which payload, in which order, and as what (spec §3.8)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    Completed,
    Failed,
    IdScheme,
    create_hook,
    decode,
    gather,
    race,
    random,
    sleep,
)
from simworld.errors import UsageError
from tests.engine.journal import D0, D4, POLICIES, Journal, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)


async def waits_once():
    return await create_hook("t")


@both_deliveries
def test_awaiting_a_hook_gives_its_payload(policy):
    journal = Journal(waits_once).creates()
    assert journal.waits_for(policy) == ["hook#1"]
    journal.receives("hook#1", {"approved": True})
    assert journal.outcome(policy) == Completed({"approved": True})


def test_what_a_hook_asks_for():
    async def flow():
        create_hook("order-7", metadata={"for": "approval"})
        await create_hook()

    first, second = Journal(flow).run().requests
    assert (first.kind, first.label, first.token) == ("hook", "hook#1", "order-7")
    assert decode(first.metadata) == {"for": "approval"}
    assert (first.created, first.is_webhook, first.is_system) == (False, False, False)
    assert second.metadata == b""


def test_created_says_whether_the_log_holds_the_creation():
    journal = Journal(waits_once).creates()
    assert [each.created for each in journal.run().requests] == [True]


def test_a_token_that_nobody_gave_is_drawn_and_the_same_in_every_pass():
    tokens = []

    async def flow():
        tokens.extend([create_hook().token, create_hook().token])
        await work(tokens[-2:])

    journal = Journal(flow)
    journal.run()
    journal.run()
    assert tokens[:2] == tokens[2:]
    assert tokens[0] != tokens[1]
    assert [each.token for each in journal.run().requests[:2]] == tokens[:2]


@pytest.mark.parametrize(
    ("scheme", "same"), [(IdScheme.MONOTONIC, False), (IdScheme.CALL_SITE, True)]
)
def test_a_random_call_shifts_later_tokens_under_all_schemes_but_call_site(scheme, same):
    async def flow(draws):
        for _ in range(draws):
            random()
        return await create_hook()

    policy = attrs.evolve(D4, ids=scheme)
    tokens = [Journal(flow, draws).run(policy).requests[0].token for draws in (0, 1)]
    assert (tokens[0] == tokens[1]) is same


# --- buffers and waiters ----------------------------------------------------------------------


@both_deliveries
def test_payloads_nobody_waits_for_are_kept_in_the_order_of_the_log(policy):
    async def flow():
        hook = create_hook("t")
        await work("long")
        return [await hook, await hook, await hook]

    journal = Journal(flow).creates().receives("hook#1", 1).receives("hook#1", 2)
    assert journal.waits_for(policy) == ["hook#1", "work#2"]
    journal.completes("work#2").receives("hook#1", 3)
    assert journal.outcome(policy) == Completed([1, 2, 3])


@both_deliveries
def test_the_oldest_waiter_gets_the_oldest_payload(policy):
    async def flow():
        hook = create_hook("t")
        return await gather(hook, hook, hook)

    journal = Journal(flow).creates()
    for payload in "abc":
        journal.receives("hook#1", payload)
    assert journal.outcome(policy) == Completed(["a", "b", "c"])


@both_deliveries
def test_each_hook_has_its_own_payloads(policy):
    async def flow():
        one, other = create_hook("one"), create_hook("other")
        return [await other, await one]

    journal = Journal(flow).creates().receives("hook#1", 1).receives("hook#2", 2)
    assert journal.outcome(policy) == Completed([2, 1])


@both_deliveries
def test_async_for_takes_one_payload_after_the_other(policy):
    async def flow():
        taken = []
        async for payload in create_hook("t"):
            if payload is None:
                return taken
            taken.append(await work(payload))
        return None

    journal = Journal(flow).creates()
    for number, payload in enumerate(["a", "b"]):
        journal.receives("hook#1", payload).creates().completes(f"work#{number + 2}", payload * 2)
    assert journal.waits_for(policy) == ["hook#1"]
    assert journal.receives("hook#1").outcome(policy) == Completed(["aa", "bb"])


def test_a_payload_that_came_twice_is_taken_twice_and_harmless_to_who_waits_once():
    """R-34."""
    journal = Journal(waits_once).creates().receives("hook#1", 1).receives("hook#1", 1)
    assert journal.outcome() == Completed(1)


def test_an_abandoned_next_takes_a_payload_with_it():
    async def flow():
        hook = create_hook("t")
        await race(hook, work("first"))
        return await hook

    journal = Journal(flow).creates().completes("work#2").receives("hook#1", "lost")
    assert journal.waits_for() == ["hook#1"]
    assert journal.receives("hook#1", "kept").outcome() == Completed("kept")


@both_deliveries
def test_the_same_next_can_be_raced_again(policy):
    async def flow():
        payload = create_hook("t").next()
        for attempt in range(3):
            winner = await race(payload, work(attempt))
            if winner.which == 0:
                return [attempt, winner.value]
        return None

    journal = Journal(flow).creates().completes("work#2").creates().completes("work#3").creates()
    assert journal.receives("hook#1", "p").outcome(policy) == Completed([2, "p"])


@both_deliveries
@pytest.mark.parametrize("first", ["hook", "sleep"])
def test_a_payload_or_a_timeout(policy, first):
    async def flow():
        return list(await race(create_hook("t"), sleep(100)))

    journal = Journal(flow).creates()
    if first == "hook":
        assert journal.receives("hook#1", "p").outcome(policy) == Completed([0, "p"])
    else:
        assert journal.wakes("sleep#2").outcome(policy) == Completed([1, None])


# --- typed payloads ---------------------------------------------------------------------------


@attrs.frozen
class Approval:
    """What the hook's payloads become."""

    by: str
    amount: int = 0


async def typed():
    approval = await create_hook("t", payload=Approval)
    return [type(approval).__name__, approval.by, approval.amount]


def test_a_payload_becomes_what_the_hook_says():
    journal = Journal(typed).creates().receives("hook#1", {"by": "ada", "amount": 3})
    assert journal.outcome() == Completed(["Approval", "ada", 3])


def test_a_payload_that_does_not_fit_raises_where_it_is_awaited():
    outcome = Journal(typed).creates().receives("hook#1", {"amount": 3}).outcome()
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, UsageError)
    assert str(outcome.error).startswith("a payload of hook 't': ")
    assert "by" in str(outcome.error)


def test_without_a_class_a_payload_stays_plain():
    journal = Journal(waits_once).creates().receives("hook#1", Approval("ada"))
    assert journal.outcome() == Completed({"by": "ada", "amount": 0})
