"""Entry R-53: what to do with an event that nobody in the pass has asked for.

Goal: what a fresh read explains ends no run, and nothing is skipped that a pass would need.
Method: positions are minted before events are visible, so the cursor of a handler may pass a
payload by; the handler runs a long step inline, and meets what others have made of the payload when
that is over.  Right outcome: it sees that its log has a hole, and leaves the run to who reads all
of it (I-17); the run ends as its log says (I-16, I-18, I-20).

What breaks it: ending the run at once (``unconsumed=U0``); skipping what it does not know (U1) and
going on: then the watchdog bites although the payload was there first.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import (
    Event,
    HookReceived,
    StepContext,
    create_hook,
    gather,
    race,
    sleep,
    step,
    workflow,
)
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

WATCHDOG_MS = 4_000
BUILD_MS = 500
PAY_MS = (499, 500, 500, 501)
"""When the client pays: about when the first step ends."""
SHIP_MS = 5_000
"""Longer than the watchdog waits."""

HOLED = "fixed inline_with_wait=true log_position=mint_at_start"
FATAL = f"{HOLED} unconsumed=U0"
SKIPPING = f"{HOLED} unconsumed=U1"


@step
async def build(ctx: StepContext) -> None:
    """The handler that runs it reads the log when it is over."""
    await ctx.sleep(BUILD_MS)


@step
async def ship(ctx: StepContext) -> None:
    """Its handler reads nothing until the watchdog has bitten."""
    await ctx.sleep(SHIP_MS)


@step
async def note(ctx: StepContext, what: str) -> str:
    """Whoever has won is noted; it takes a while."""
    await ctx.sleep(SHIP_MS)
    return what


async def watched() -> str:
    """Paid in time, or not."""
    async with create_hook("paid") as paid:
        first = await race(paid, sleep(WATCHDOG_MS))
    return await note("paid" if first.which == 0 else "too late")


async def made() -> None:
    """Meanwhile: one step after the other."""
    await build()
    await ship()


@workflow
async def order() -> str:
    """Made and shipped, whether it is paid in time or not."""
    told, _ = await gather(watched(), made())
    return str(told)


async def client(user: Client, workload: Workload) -> None:
    """Start the run, and pay when the first step ends."""
    await user.start()
    await user.sleep(workload.value("pay_ms", BUILD_MS))
    try:
        await user.resume_hook("paid", "paid")
    except HookNotFoundError:
        return  # not yet created


def oracle(workload: Workload, log: Sequence[Event]) -> str:
    """Whatever the log decides first."""
    for event in log:
        if isinstance(event.fact, HookReceived):
            return "paid"
        if event.type == "wait_completed":
            return "too late"
    return ""


unknown_events = Scenario(
    name="unknown_events",
    title="an event that nobody in the pass has asked for is a reason to read again",
    law="I-17",
    laws=("I-16", "I-18", "I-19", "I-20", "L-02"),
    workflow=order,
    steps=(build, ship, note),
    args=lambda workload: (),
    client=client,
    oracle=oracle,
    targets=lambda workload: [],
    cases=(
        Case(
            name="R-53",
            title="a handler that has missed a payload meets what others have made of it",
            races=("R-53",),
            draw=lambda stream: Workload(steps=1, extra=(("pay_ms", stream.choice(PAY_MS)),)),
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                HOLED: "PASS",
                FATAL: "FAIL I-17 I-18",
                SKIPPING: "FAIL I-16 I-18 I-20",
            },
        ),
    ),
)

races = (
    Race(
        id="R-53",
        title="an unknown event ends the run, or is skipped",
        trigger="Handler A's cursor has passed the payload by.  When ship#4 is over it reads the "
        "step_created of note('paid'), which its pass does not ask for: the run fails at once "
        "(U0), or A skips it and finds that the watchdog has bitten (U1).",
        laws=("I-17", "I-16", "I-20"),
        scenario="unknown_events",
        case="R-53",
        faulty=FATAL,
        fixes=(
            Fix(system=HOLED),
            Fix(system=f"{HOLED} unconsumed=U3"),
            Fix(
                system=SKIPPING,
                remains="the run does not fail, but goes on with what it has missed, and ends "
                "otherwise than its log says",
            ),
            Fix(system="fixed"),
        ),
        source="spec §6 R-53; #2212",
    ),
)
