"""Payloads that arrive at a certain moment: right outcome, they are handed over once, in log order.

A payload that arrives while a step runs, or before anybody waits for it, is kept.  A run that waits
for nothing but a payload that never comes has not failed: it waits.  Where a workflow looks whether
a payload has come (a *peek*), or has it race a step, what it sees is the order of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simworld.campaign import EVERYWHERE, page
from simworld.engine import (
    Event,
    HookReceived,
    StepContext,
    create_hook,
    decode,
    gather,
    race,
    sleep,
    step,
    workflow,
)
from simworld.explore import Scripted
from simworld.records import Workload
from simworld.runtime import Client

BODY_MS, DEADLINE_MS = 100, 60_000
TOKEN, LETTER = "letter", "dear run"
AS_IT_ENDS = Workload(steps=0, extra=(("after_ms", BODY_MS),))
"""The client wants to send its payload at the instant at which the step's body ends."""
LAWS = ("I-25", "I-16", "I-17", "I-18", "L-02")
ORDER = ("I-20", "I-19", "I-16", "I-17", "I-18", "I-25", "L-02")
UNORDERED = ("v1", "v2_draft", "v2_merge", "b12")
"""A payload may overtake a step's result that is before it in the log: in one pass, not in another
(R-48); so one id stands for two calls (R-46)."""


@step
async def work(ctx: StepContext) -> str:
    """Takes a while."""
    await ctx.sleep(BODY_MS)
    return "worked"


@step
async def note(ctx: StepContext, what: str) -> str:
    """What the workflow has seen."""
    return what


@workflow
async def letter() -> list[str]:
    """A step, and a payload that may have come meanwhile."""
    hook = create_hook(TOKEN, payload=str)
    return [await work(), await hook]


@workflow
async def deadline() -> str:
    """A payload, but not for ever."""
    async with create_hook(TOKEN, payload=str) as hook:
        first = await race(hook, sleep(DEADLINE_MS))
    return await note(first.value if first.which == 0 else "nothing came")


@workflow
async def peek() -> str:
    """Whether the payload had come when the step was done."""
    hook, seen = create_hook(TOKEN, payload=str), []

    async def listen() -> None:
        seen.append(await hook)

    gather(listen())
    await work()
    return await note(seen[0] if seen else "nothing yet")


@workflow
async def probe() -> str:
    """A payload races a step."""
    first = await race(create_hook(TOKEN, payload=str), work())
    return await note(first.value)


async def sends(user: Client, workload: Workload) -> None:
    """Start the run, and send the payload, once or more; the script says when."""
    await user.start()
    for _ in range(workload.value("payloads", 1)):
        await user.sleep(workload.value("after_ms", 0))
        await user.resume_hook(TOKEN, LETTER)


def at(moment: str) -> Callable[[], Scripted]:
    """The payload arrives when this operation has been performed, before anything else happens."""
    return lambda: Scripted().cut_in("client", "find the hook*", behind=moment)


def first_of(log: Sequence[Event], otherwise: str) -> str:
    """The payload, if it is in the log before the first step's result."""
    for event in log:
        if isinstance(event.fact, HookReceived):
            return str(decode(event.fact.payload))
        if event.type == "step_completed":
            break
    return otherwise


def both(workload: Workload, log: Sequence[Event]) -> list[str]:
    """The step's result and the payload, whichever came first."""
    return ["worked", LETTER]


pages = (
    page(
        "hook-at-hook-created",
        "a payload that arrives as soon as its hook is recorded is kept until it is awaited",
        letter,
        work,
        laws=LAWS,
        client=sends,
        oracle=both,
        script=at("record hook_created*"),
    ),
    page(
        "hook-at-step-started",
        "a payload that arrives when a step has been started waits for nobody and disturbs nobody",
        letter,
        work,
        laws=("I-14", *LAWS),
        unpromised=("I-14",),
        client=sends,
        oracle=both,
        script=at("record *step_started*"),
        races=("R-11",),
        expect=EVERYWHERE | dict.fromkeys(("v2_draft", "v2_merge", "b12"), "FAIL I-14"),
    ),
    page(
        "hook-at-step-completed",
        "a payload that arrives right behind a step's result is handed over after it",
        letter,
        work,
        laws=LAWS,
        client=sends,
        oracle=both,
        workload=AS_IT_ENDS,
        script=at("record step_completed*"),
    ),
    page(
        "deadline-hook-wins",
        "a payload that comes before the deadline is what the run goes on with",
        deadline,
        note,
        laws=("L-05", *ORDER),
        client=sends,
        oracle=lambda workload, log: LETTER,
        workload=Workload(steps=0, extra=(("after_ms", DEADLINE_MS // 2),)),
    ),
    page(
        "deadline-hook-expires",
        "without a payload the run goes on when the deadline is over, and not before",
        deadline,
        note,
        laws=("L-03", *ORDER),
        client=sends,
        oracle=lambda workload, log: "nothing came",
        workload=Workload(steps=0, extra=(("payloads", 0),)),
    ),
    page(
        "hook-never-arrives",
        "a run whose payload never comes waits for it and for nothing else: it is not stuck",
        letter,
        work,
        laws=("L-01", "I-16", "I-17"),
        client=sends,
        workload=Workload(steps=0, extra=(("payloads", 0),)),
    ),
    page(
        "hook-peek-at-registration",
        "a payload that arrives with its hook has come when the workflow looks",
        peek,
        work,
        note,
        laws=ORDER,
        client=sends,
        oracle=lambda workload, log: first_of(log, "nothing yet"),
        script=at("record hook_created*"),
    ),
    page(
        "hook-peek-before-branch",
        "a payload that is recorded before the step's result has come when the workflow looks",
        peek,
        work,
        note,
        laws=ORDER,
        client=sends,
        oracle=lambda workload, log: first_of(log, "nothing yet"),
        workload=AS_IT_ENDS,
        script=at("end the body*"),
    ),
    page(
        "hook-peek-after-branch",
        "a payload that is recorded behind the step's result has not come when the workflow looks",
        peek,
        work,
        note,
        laws=ORDER,
        client=sends,
        oracle=lambda workload, log: first_of(log, "nothing yet"),
        workload=AS_IT_ENDS,
        script=at("record step_completed*"),
        races=("R-46", "R-48"),
        expect=EVERYWHERE | dict.fromkeys(UNORDERED, "FAIL I-19"),
    ),
    page(
        "hook-race-before-probe",
        "a payload that is recorded before the step's result wins against it, in every pass",
        probe,
        work,
        note,
        laws=ORDER,
        client=sends,
        oracle=lambda workload, log: first_of(log, "worked"),
        workload=AS_IT_ENDS,
        script=at("end the body*"),
    ),
    page(
        "hook-race-after-probe",
        "a payload that is recorded behind the step's result loses against it, in every pass",
        probe,
        work,
        note,
        laws=ORDER,
        client=sends,
        oracle=lambda workload, log: first_of(log, "worked"),
        workload=AS_IT_ENDS,
        script=at("record step_completed*"),
        races=("R-46", "R-48"),
        expect=EVERYWHERE | dict.fromkeys(UNORDERED, "FAIL I-20 I-19"),
    ),
    page(
        "duplicate-delivery",
        "a payload that is sent twice is recorded twice, and handed over once",
        letter,
        work,
        laws=LAWS,
        client=sends,
        oracle=both,
        workload=Workload(steps=0, extra=(("payloads", 2),)),
        script=at("record *step_started*"),
        races=("R-34",),
    ),
)
