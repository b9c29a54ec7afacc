"""Entries R-47, R-48, R-49: in which order the results of one pass reach the workflow's code.

Goal: where a pass reads two results that nobody has seen yet, the earlier one wins the race.
Method: the two branches of a race end together; steps before it make the log longer, and with it
what hydrating a result costs.  Right outcome: the winner is the branch that the log decides first
(I-20), in a cold replay, too (I-16), and the result says so (I-18).

What breaks it: consuming the log ahead of the code (D0 to D3).  A result that takes more hops to
its continuation, or longer to hydrate, is overtaken by one that stands behind it in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simworld.campaign import Case, Scenario
from simworld.engine import (
    Event,
    HookReceived,
    StepContext,
    StepStarted,
    create_hook,
    race,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

SLEEP_MS = 1_000
TOGETHER_MS = (999, 1_000, 1_000, 1_000, 1_001)
"""When the other branch ends: about when the sleep does."""
ASKS_MAX = 20
"""How often the client looks for a hook that is not there."""


@step
async def prepare(ctx: StepContext, number: int) -> None:
    """Makes the log longer."""


@step
async def ship(ctx: StepContext, duration_ms: int) -> None:
    """Takes about as long as the sleep."""
    await ctx.sleep(duration_ms)


async def prepared(count: int) -> None:
    """So many steps, one after the other."""
    for number in range(count):
        await prepare(number)


@workflow
async def pay_in_time(count: int) -> str:
    """The second of two rates is paid in time, or not."""
    await prepared(count)
    async with create_hook("rate") as rate:
        await rate
        second = await race(rate, sleep(SLEEP_MS))
    return "paid" if second.which == 0 else "too late"


@workflow
async def ship_in_time(count: int, duration_ms: int) -> str:
    """Shipped in time, or not."""
    await prepared(count)
    first = await race(ship(duration_ms), sleep(SLEEP_MS))
    return "shipped" if first.which == 0 else "too late"


@workflow
async def pay_or_refund(count: int, early: int) -> str:
    """The second of two rates is paid, unless the customer wants the first one back before.

    ``early``: that may be told before anybody asks, and is kept until somebody does.
    """
    await prepared(count)
    async with create_hook("rate") as rate:
        refund = create_hook("refund") if early else None
        await rate
        first = await race(rate, refund or create_hook("refund"))
    return "paid" if first.which == 0 else "refunded"


async def resume(user: Client, token: str) -> None:
    """Resume the hook once it is there."""
    for _ in range(ASKS_MAX):
        try:
            await user.resume_hook(token, token)
        except HookNotFoundError:
            await user.sleep(100)  # not yet created, or the run has ended
        else:
            return


async def pays(user: Client, workload: Workload) -> None:
    """Pay both rates, the second one when the sleep ends."""
    await user.start(workload.steps)
    await resume(user, "rate")
    await user.sleep(workload.value("together_ms", SLEEP_MS))
    await resume(user, "rate")


async def ships(user: Client, workload: Workload) -> None:
    """Only start the run."""
    await user.start(workload.steps, workload.value("together_ms", SLEEP_MS))


async def pays_and_regrets(user: Client, workload: Workload) -> None:
    """Pay both rates, and want the money back at the moment of the second one."""
    await user.start(workload.steps, workload.value("early", 0))
    await resume(user, "rate")
    await user.sleep(workload.value("together_ms", SLEEP_MS))
    await user.together(resume(user, "rate"), resume(user, "refund"))


def drawn(stream: Stream) -> Workload:
    """Steps before the race, the moment of the other branch, and when refunds may begin."""
    return Workload(
        steps=stream.between(1, 6),
        extra=(("together_ms", stream.choice(TOGETHER_MS)), ("early", stream.below(2))),
    )


def oracle(workload: Workload, log: Sequence[Event]) -> str:
    """Whatever the log decides first."""
    rates, shipment = 0, ""
    for event in log:
        fact = event.fact
        if event.type == "wait_completed":
            return "too late"
        if isinstance(fact, StepStarted) and fact.step_name == "ship":
            shipment = event.correlation_id
        if event.type == "step_completed" and event.correlation_id == shipment:
            return "shipped"
        if isinstance(fact, HookReceived):
            rates += fact.token == "rate"
            if fact.token == "refund":
                return "refunded"
            if rates == 2:
                return "paid"
    return ""


def _scenario(name: str, entry: str, title: str, faulty: str, **more: Any) -> Scenario:
    return Scenario(
        name=name,
        title=title,
        law="I-20",
        laws=("I-16", "I-17", "I-18", "L-02"),
        args=lambda workload: (workload.steps,),
        oracle=oracle,
        targets=lambda workload: [],
        cases=(
            Case(
                name=entry,
                title=title,
                races=(entry,),
                draw=drawn,
                budget=FaultBudget(),
                expect={"fixed": "PASS", faulty: "FAIL I-20 I-16 I-18"},
            ),
        ),
        **more,
    )


payload_before_sleep = _scenario(
    "payload_before_sleep",
    "R-47",
    "a payload that is in the log before the end of a sleep wins their race",
    "fixed delivery=D0",
    workflow=pay_in_time,
    steps=(prepare,),
    client=pays,
)
step_before_sleep = _scenario(
    "step_before_sleep",
    "R-48",
    "a step that has ended in the log before a sleep wins their race",
    "fixed delivery=D1",
    workflow=ship_in_time,
    steps=(prepare, ship),
    client=ships,
)
hook_before_hook = _scenario(
    "hook_before_hook",
    "R-49",
    "of two hooks, the one that is resumed first in the log wins their race",
    "fixed delivery=D2",
    workflow=pay_or_refund,
    steps=(prepare,),
    client=pays_and_regrets,
)

races = (
    Race(
        id="R-47",
        title="a sleep overtakes a payload inside a pass",
        trigger="The log has the second rate, then the end of the sleep, and one pass reads both; "
        "the hook's continuation takes more hops, so the sleep's runs first.",
        laws=("I-20", "I-16", "I-18"),
        scenario="payload_before_sleep",
        case="R-47",
        faulty="fixed delivery=D0",
        fixes=(
            Fix(system="fixed delivery=D1"),
            Fix(system="fixed delivery=D2"),
            Fix(system="fixed delivery=D3"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-47; #2171, #2185, #3070",
    ),
    Race(
        id="R-48",
        title="a sleep overtakes a step inside a pass",
        trigger="The log has the end of the step, then that of the sleep, and one pass reads both; "
        "D1 has payloads and sleeps wait for one another, but not for steps.",
        laws=("I-20", "I-16", "I-18"),
        scenario="step_before_sleep",
        case="R-48",
        faulty="fixed delivery=D1",
        fixes=(
            Fix(system="fixed delivery=D2"),
            Fix(system="fixed delivery=D3"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-48; #3137, #3139",
    ),
    Race(
        id="R-49",
        title="one hook overtakes another inside a pass, or is kept and forgets its place",
        trigger="The log has the second rate, then the refund, and one pass reads both; D2 has "
        "deliveries wait for those of other kinds, and these two are of one kind.  Or the refund "
        "is first, both are kept until somebody asks, and then the rate wins.",
        laws=("I-20", "I-16", "I-18"),
        scenario="hook_before_hook",
        case="R-49",
        faulty="fixed delivery=D2",
        fixes=(Fix(system="fixed delivery=D3"), Fix(system="fixed")),
        source="spec §6 R-49; #3406, #3552, #3554, #3700",
    ),
)
