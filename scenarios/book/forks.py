"""Two handlers that might disagree about what comes next: right outcome, they never do.

A payload arrives as its race's sleep ends, and another branch of the code hangs on which came
first.  Whoever has read the log before the payload was recorded, and whoever reads it later, must
decide the same; and so must a replay of the log, when all is over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from simworld.campaign import EVERYWHERE, Page, page
from simworld.engine import (
    Event,
    Hook,
    HookReceived,
    StepCompleted,
    StepContext,
    Workflow,
    create_hook,
    decode,
    gather,
    now_ms,
    race,
    sleep,
    step,
    workflow,
)
from simworld.errors import HookNotFoundError
from simworld.explore import Scripted
from simworld.records import Fault, Workload
from simworld.runtime import Client

SLEEP_MS = 1_000
EARLY_MS = 100
TOKEN, PARKED = "settled", "parked"
LAWS = ("I-20", "I-16", "I-17", "I-18", "I-19", "L-02")
BEFORE_B12 = ("v1", "v2_draft", "v2_merge")
PUSHED = EVERYWHERE | dict.fromkeys(BEFORE_B12, "FAIL I-20 I-18 I-19")
"""They push the end of a wait into a cache that has missed the payload before it (R-37)."""

STALE = (
    Fault("stale_read", "client/flow~2/read_log", 1),
    Fault("stale_read", "client/flow/flow/read_log", 1),
)
"""Whoever is woken when the sleep ends misses the newest event."""


@step
async def settle(ctx: StepContext, payload: str) -> str:
    """The payload has won."""
    return f"settled by {payload}"


@step
async def recover(ctx: StepContext) -> str:
    """The sleep has won."""
    return "recovered"


@step
async def finalize(ctx: StepContext) -> None:
    """What both branches end with."""


@step
async def fly(ctx: StepContext, duration_ms: int, where: str = "landed") -> str:
    """Takes a while."""
    await ctx.sleep(duration_ms)
    return where


@step
async def tally(ctx: StepContext, number: int) -> int:
    """One vote."""
    return number


async def decided(hook: Hook[str], *, even: bool = False) -> str:
    """Settled or recovered; unless they are to be even, recovering takes a step more."""
    first = await race(hook, sleep(SLEEP_MS))
    if first.which == 0:
        return await settle(first.value)
    told = await recover()
    if not even:
        await finalize()
    return told


@workflow
async def watched() -> str:
    """A payload races a sleep."""
    async with create_hook(TOKEN, payload=str) as hook:
        return await decided(hook)


@workflow
async def even() -> str:
    """A payload races a sleep, and both branches have as many steps."""
    async with create_hook(TOKEN, payload=str) as hook:
        return await decided(hook, even=True)


@workflow
async def votes() -> list[int]:
    """A step for every payload that has come in time."""
    count = 0
    async with create_hook(TOKEN, payload=str) as hook:
        closing, vote = sleep(SLEEP_MS), hook.next()
        while (await race(vote, closing)).which == 0:
            count, vote = count + 1, hook.next()
    return await gather(*[tally(number) for number in range(count)])


@workflow
async def claiming() -> list[str]:
    """Another payload waits all the while, and is asked for in the end."""
    parked = create_hook(PARKED, payload=str)
    return [await decided(create_hook(TOKEN, payload=str)), await parked]


@workflow
async def leaving() -> str:
    """Another payload waits all the while, and nobody ever asks for it."""
    create_hook(PARKED, payload=str)
    return await decided(create_hook(TOKEN, payload=str))


@workflow
async def flying() -> list[str]:
    """A step is under way while a payload races a sleep."""
    flight = fly(SLEEP_MS)
    return [await decided(create_hook(TOKEN, payload=str)), await flight]


@workflow
async def two_steps() -> str:
    """Two steps race each other, and end at one instant."""
    first = await race(fly(SLEEP_MS, "left"), fly(SLEEP_MS, "right"))
    await finalize()
    return str(first.value)


@workflow
async def clocked() -> int:
    """When the race was decided, by the workflow's own clock."""
    began_ms = now_ms()
    await race(fly(SLEEP_MS, "slow"), fly(SLEEP_MS // 2, "quick"))
    return now_ms() - began_ms


async def sends(user: Client, workload: Workload) -> None:
    """Start the run, and send payloads: early ones, and a late one when the sleep ends."""
    await user.start()
    early = workload.value("early", 0)
    for number in range(early):
        await user.sleep(EARLY_MS)
        await user.resume_hook(workload_token(workload), f"payload {number + 1}")
    await user.sleep(SLEEP_MS - EARLY_MS * early)
    if workload.value("late", 1):
        with contextlib.suppress(HookNotFoundError):  # the run has gone on without it
            await user.resume_hook(TOKEN, f"payload {early + 1}")


def workload_token(workload: Workload) -> str:
    """Which hook the early payloads are for."""
    return PARKED if workload.value("parked", 0) else TOKEN


def given(**extra: int) -> Workload:
    """The values of a page."""
    return Workload(steps=0, extra=tuple(extra.items()))


def before(log: Sequence[Event]) -> list[str]:
    """The payloads for the race that are in the log before the end of the sleep."""
    found = []
    for event in log:
        if event.type == "wait_completed":
            break
        fact = event.fact
        if isinstance(fact, HookReceived) and fact.token == TOKEN:
            found.append(str(decode(fact.payload)))
    return found


def settled(workload: Workload, log: Sequence[Event]) -> str:
    """What the log decides."""
    payloads = before(log)
    return f"settled by {payloads[0]}" if payloads else "recovered"


def with_parked(workload: Workload, log: Sequence[Event]) -> list[str]:
    """What the log decides, and the other payload."""
    return [settled(workload, log), "payload 1"]


def with_flight(workload: Workload, log: Sequence[Event]) -> list[str]:
    """What the log decides, and the step's result."""
    return [settled(workload, log), "landed"]


def counted(workload: Workload, log: Sequence[Event]) -> list[int]:
    """As many as the log has in time."""
    return list(range(len(before(log))))


def first_landing(workload: Workload, log: Sequence[Event]) -> str:
    """The step whose result is first in the log."""
    landed = (event.fact for event in log)
    return next(str(decode(each.result)) for each in landed if isinstance(each, StepCompleted))


def after(early: int = 0) -> Scripted:
    """So many payloads have come, and handlers have taken note of them."""
    script = Scripted()
    for _ in range(early):
        script.run_until("record hook_received*", "client").run_until("read the log")
        script.run_until("a[cs]k*")  # acknowledge, or ask for redelivery
    return script


def payload_first(early: int = 0) -> Scripted:
    """A handler has read the log when the payload is recorded, and then completes the wait."""
    return after(early).cut_in("client", "record hook_received*", behind="read the log")


def timeout_first(early: int = 0) -> Scripted:
    """A handler has completed the wait, and has not gone on when the payload is recorded."""
    return after(early).cut_in("client", "record hook_received*", behind="record wait_completed*")


def watching(name: str, title: str, flow: Workflow[..., Any], **more: Any) -> Page:
    """A page of this chapter."""
    steps = (settle, recover, finalize, tally, fly)
    return page(name, title, flow, *steps, **{"laws": LAWS, "client": sends, **more})


pages = (
    watching(
        "fork-hook-before-timeout",
        "a payload that is recorded before the end of the sleep wins, though a handler missed it",
        watched,
        oracle=settled,
        script=payload_first,
        races=("R-37", "R-46"),
        expect=PUSHED,
    ),
    watching(
        "fork-hook-after-timeout",
        "a payload that is recorded behind the end of the sleep loses, in every pass",
        watched,
        oracle=settled,
        script=timeout_first,
    ),
    watching(
        "count-none",
        "no payload, no step",
        votes,
        oracle=counted,
        workload=given(late=0),
    ),
    watching(
        "count-two-in-time",
        "two payloads in time, two steps",
        votes,
        oracle=counted,
        workload=given(early=2, late=0),
    ),
    watching(
        "count-one-too-late",
        "a payload behind the end of the sleep does not count",
        votes,
        oracle=counted,
        workload=given(early=1),
        script=lambda: timeout_first(1),
        races=("R-47", "R-49"),
        expect=EVERYWHERE | dict.fromkeys((*BEFORE_B12, "b12"), "FAIL I-18"),
    ),
    watching(
        "count-one-just-in-time",
        "a payload before the end of the sleep counts, though a handler missed it",
        votes,
        oracle=counted,
        workload=given(early=1),
        script=lambda: payload_first(1),
        races=("R-37",),
        expect=PUSHED,
    ),
    watching(
        "claimed-payload-under-fork",
        "a payload that waits is there for whoever asks for it behind a fork, in every branch",
        claiming,
        oracle=with_parked,
        workload=given(early=1, parked=1),
        script=lambda: payload_first(1),
        races=("R-37", "R-49"),
        expect=PUSHED,
    ),
    watching(
        "unclaimed-payload-under-fork",
        "a payload that nobody asks for changes nothing about a fork",
        leaving,
        oracle=settled,
        workload=given(early=1, parked=1),
        script=lambda: payload_first(1),
        races=("R-37", "R-49"),
        expect=PUSHED,
    ),
    watching(
        "in-flight-before-decision",
        "a step that ends just before a race is decided by others keeps its result, and its place",
        flying,
        oracle=with_flight,
        workload=given(late=0),
        script=lambda: (
            Scripted()
            .hold("*", "record wait_completed*")
            .run_until("record step_completed of fly*")
        ),
    ),
    watching(
        "in-flight-after-decision",
        "a step that ends behind the decision of a race keeps its result, and its place",
        flying,
        oracle=with_flight,
        workload=given(late=0),
        script=lambda: (
            Scripted()
            .hold("*", "record step_completed of fly*")
            .run_until("record step_completed of recover*")
        ),
        races=("R-12",),
        expect=EVERYWHERE | {"v2_draft": "-"},  # the step is inline, and nobody ends the sleep
    ),
    watching(
        "stale-read-fork-equal-steps",
        "a handler whose read misses the payload decides as the log does; both ways take a step",
        even,
        oracle=settled,
        faults=STALE,
        world="hosted",
        races=("R-37", "R-46"),
        expect=PUSHED,
    ),
    watching(
        "stale-read-fork-different-steps",
        "a handler whose read misses the payload decides as the log does; one way is a step longer",
        watched,
        oracle=settled,
        faults=STALE,
        world="hosted",
        races=("R-37", "R-46"),
        expect=PUSHED,
    ),
    watching(
        "step-vs-step-fork",
        "of two steps that end at one instant the first in the log has won, in every pass",
        two_steps,
        client=None,
        oracle=first_landing,
        script=lambda: (
            Scripted()
            .hold("*", "record step_completed of fly#1")
            .run_until("record step_completed of fly#2")
        ),
    ),
    watching(
        "clock-after-race",
        "behind a race the workflow's clock shows when it was decided, whatever else is known",
        clocked,
        client=None,
        laws=("I-18", "I-23", "I-16", "I-17", "L-02"),
        oracle=lambda workload, log: SLEEP_MS // 2,
        races=("R-43",),
        expect=EVERYWHERE | {"v2_merge": "FAIL I-18"},
    ),
)
