"""Goal: a payload that was accepted is seen, whatever comes of its message, and once is enough.

Method: a step of one run resumes the hook of another (R-33), and gives up where it is refused; a
client answers a hook and a webhook twice (R-34).
Right outcome: what is recorded is seen by a pass soon after (L-05), and a payload too many is kept
and harms nobody (I-17).

What breaks it: a message that is sent before the payload is recorded, and one that the queue
refuses and nobody sends again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from simworld.campaign import Case, Scenario
from simworld.engine import (
    Event,
    StepContext,
    create_hook,
    create_webhook,
    gather,
    sleep,
    step,
    workflow,
)
from simworld.errors import DefiniteFailure, HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

TOKEN = "news"
WEBHOOK = "order-paid"
CALM_MS = 1_000
"""Time goes on when nobody has anything to do: by then the hook is there."""
LATE_MS = 1_200_000
"""When the client sends a payload of its own, if the hook is still there; by then whoever would see
the first one late has seen it."""

# --- accepted, and then? --------------------------------------------------------------------------


@step
async def tell(ctx: StepContext, payload: str) -> bool:
    """Resume the listener's hook; whether its payload was accepted."""
    try:
        await ctx.resume_hook(TOKEN, payload)
    except DefiniteFailure:
        return False
    return True


@workflow
async def listener() -> str:
    """Wait for the news."""
    return await create_hook(TOKEN, payload=str)


@workflow
async def teller() -> bool:
    """Tell the news."""
    return await tell("news")


async def listen_and_tell(user: Client, workload: Workload) -> None:
    """Start both runs; much later, see to it that the listener hears something."""
    await user.start()
    await user.sleep(CALM_MS)
    await user.start_run(teller)
    await user.sleep(LATE_MS)
    with suppress(HookNotFoundError):
        await user.resume_hook(TOKEN, "old news")


seen = Scenario(
    name="accepted_payload_is_seen",
    title="a payload that was recorded is seen soon after",
    law="L-05",
    laws=("I-04", "I-07", "I-08", "I-16", "I-17", "I-18", "I-21", "I-25"),
    workflow=listener,
    children=(teller,),
    steps=(tell,),
    args=lambda workload: (),
    client=listen_and_tell,
    targets=lambda workload: ["tell#1"],
    cases=(
        Case(
            name="R-33",
            title="the message comes too early, or is refused",
            draw=lambda stream: Workload(steps=1),
            budget=FaultBudget(server_errors=1),
            races=("R-33",),
            expect={"fixed": "PASS", "fixed resume=message_first": "FAIL L-05"},
            marks=("call.failed",),
        ),
    ),
)

# --- twice ----------------------------------------------------------------------------------------


@workflow
async def paid() -> list[str]:
    """Take one payload of a hook and one of a webhook, and go on with both of them there."""
    hook, webhook = create_hook(TOKEN), create_webhook(WEBHOOK)
    said, request = await gather(hook, webhook)
    await sleep(CALM_MS)
    return [said, request["path"]]


async def everything_twice(user: Client, workload: Workload) -> None:
    """Start the run, and send the same payload and the same request twice each."""
    await user.start()
    await user.sleep(CALM_MS)
    sends = [user.resume_hook(TOKEN, "paid") for _ in range(2)]
    asks: list[Any] = [user.resume_webhook(WEBHOOK, {"path": "/paid"}) for _ in range(2)]
    await user.together(*sends, *asks)


def kept(workload: Workload, log: Sequence[Event]) -> list[str]:
    """Two payloads alike: it does not matter which is taken."""
    return ["paid", "/paid"]


twice = Scenario(
    name="payload_too_many_is_kept",
    title="a payload that comes twice is kept, and harms nobody",
    law="I-17",
    laws=("I-02", "I-04", "I-07", "I-08", "I-16", "I-18", "I-25", "L-05"),
    workflow=paid,
    steps=(),
    args=lambda workload: (),
    client=everything_twice,
    oracle=kept,
    cases=(
        Case(
            name="R-34",
            title="a hook and a webhook are answered twice, with one payload each",
            draw=lambda stream: Workload(steps=0),
            budget=FaultBudget(duplicates=1),
            races=("R-34",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
            marks=("hook.payload_kept",),
        ),
    ),
)

races = (
    Race(
        id="R-33",
        title="a resume is accepted, its wake lost",
        trigger="The message of a resume is handled before its payload is recorded and finds "
        "nothing; or the payload is recorded, the queue refuses the message, and the step that has "
        "sent it gives up. Nobody looks at the listener again.",
        laws=("L-05",),
        scenario="accepted_payload_is_seen",
        case="R-33",
        faulty="fixed resume=message_first",
        fixes=(
            Fix(
                system="fixed resume=durable_first",
                remains="the queue refuses the message, and the payload stays without one",
            ),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        source="spec §6 R-33; #3539, #3841",
    ),
    Race(
        id="R-34",
        title="a webhook is delivered twice",
        trigger="The same payload is sent twice; the workflow takes one, the other is never asked "
        "for.",
        scenario="payload_too_many_is_kept",
        case="R-34",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        source="spec §6 R-34; simulator's race-duplicate-delivery",
    ),
)
