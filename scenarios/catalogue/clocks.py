"""Goal: times that a workflow sees and waits for come from its log, not from whoever replays it.

Method: a sleep whose handler dies (R-44) or whose handlers' clocks are ahead (R-42); a decision by
the clock that is made again by a handler that knows of one event more (R-43).
Right outcome: all passes have a sleep end at one instant (I-06) and read the same times (I-23), a
sleep lasts as long as it says by the workflow's own clock, and the decision is the log's (I-18).

What breaks it: deadlines counted from the host's clock, sleeps ended by it, and a workflow clock
that is moved by events which nobody has been given yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import Event, StepContext, create_hook, now_ms, sleep, step, workflow
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

SLEEP_MS = 10_000
LIMIT_MS = 1_000
TOKEN = "answer"
LOOKS_MS = (9_000, 9_900, 9_990)
"""When somebody else looks at the run."""
RESUME_MS = (1_100, 2_000, 4_000)
BODY_MS = (10, 50)


@step
async def ask(ctx: StepContext, duration_ms: int) -> str:
    """Somebody is asked."""
    await ctx.sleep(duration_ms)
    return "asked"


@step
async def remind(ctx: StepContext) -> str:
    """It was asked in time."""
    return "reminded"


@step
async def escalate(ctx: StepContext) -> str:
    """It has taken too long to ask."""
    return "escalated"


@workflow
async def nap() -> bool:
    """Sleep; whether it was long enough."""
    began_ms = now_ms()
    await sleep(SLEEP_MS)
    return now_ms() - began_ms >= SLEEP_MS


@workflow
async def question(duration_ms: int) -> str:
    """What is asked for last depends on how long it took to ask again."""
    create_hook(TOKEN, payload=str)
    await ask(duration_ms)
    first_ms = now_ms()
    await ask(duration_ms)
    if now_ms() - first_ms >= LIMIT_MS:
        return await escalate()
    return await remind()


async def look(user: Client, workload: Workload) -> None:
    """Start the run, and have it looked at before its sleep is over."""
    run_id = await user.start()
    await user.sleep(workload.value("look", LOOKS_MS[0]))
    await user.reenqueue(run_id)


async def answer(user: Client, workload: Workload) -> None:
    """Start the run, and answer when the question has been asked."""
    await user.start(*asked(workload))
    await user.sleep(workload.value("resume", RESUME_MS[0]))
    try:
        await user.resume_hook(TOKEN, "yes")
    except HookNotFoundError:
        return  # the run has ended


def asked(workload: Workload) -> tuple[int]:
    """How long it takes to ask."""
    return (sum(workload.durations_ms),)


def told(workload: Workload, log: Sequence[Event]) -> str:
    """What the log says about how long the second question took."""
    done = [event.created_at_ms for event in log if event.type == "step_completed"]
    return "escalated" if done[1] - done[0] >= LIMIT_MS else "reminded"


def looking(stream: Stream) -> Workload:
    """When somebody looks."""
    return Workload(steps=0, extra=(("look", stream.choice(LOOKS_MS)),))


def answering(stream: Stream) -> Workload:
    """How long it takes to ask, and when the answer comes."""
    body_ms, resume_ms = stream.choice(BODY_MS), stream.choice(RESUME_MS)
    return Workload(steps=1, durations_ms=(body_ms,), extra=(("resume", resume_ms),))


sleep_is_one_instant = Scenario(
    name="sleep_is_one_instant",
    title="a sleep ends at one instant, and not before it",
    law="I-06",
    unpromised=("I-06",),
    laws=("I-16", "I-17", "I-18", "I-21", "L-03"),
    workflow=nap,
    steps=(),
    args=lambda workload: (),
    client=look,
    oracle=lambda workload, log: True,
    cases=(
        Case(
            name="R-42",
            title="clocks of hosts are wrong",
            races=("R-42",),
            draw=looking,
            budget=FaultBudget(clocks_ahead=2, clocks_behind=1),
            expect={},
        ),
        Case(
            name="R-44",
            title="a host dies before it has recorded when the sleep ends",
            races=("R-44",),
            draw=looking,
            budget=FaultBudget(crashes=1),
            expect={"fixed": "PASS"},
        ),
    ),
)
clock_follows_the_log = Scenario(
    name="clock_follows_the_log",
    title="the clock of a workflow shows the time of what it has been given",
    law="I-23",
    laws=("I-16", "I-17", "I-18", "I-21"),
    workflow=question,
    steps=(ask, remind, escalate),
    args=asked,
    client=answer,
    oracle=told,
    cases=(
        Case(
            name="R-43",
            title="an answer comes while its handler stands still",
            races=("R-43",),
            draw=answering,
            budget=FaultBudget(crashes=1),
            expect={"fixed": "PASS"},
        ),
    ),
)

races = (
    Race(
        id="R-42",
        title="whether a sleep is over is asked of a host whose clock is wrong",
        trigger="Somebody has the run looked at shortly before its sleep is over; the clock of the "
        "host that looks is ahead, and wait_completed is recorded too early.",
        laws=("I-18", "I-06"),
        scenario="sleep_is_one_instant",
        case="R-42",
        faulty="v2_merge sleep_clock=workflow",
        fixes=(
            Fix(
                system="fixed",
                remains="it asks the host's clock as well: a sleep ends as much too early as that "
                "is ahead, which is two seconds at most",
            ),
            Fix(system="v2_merge handler_clock=server sleep_clock=workflow"),
            Fix(system="fixed handler_clock=server"),
        ),
        answer="confirmed: under a clock that is ahead a sleep ends early by the workflow's own "
        "clock (I-18; I-06 itself grants hosts the error of their clocks). Under one that is "
        "behind it only costs a second look: L-03 was never broken. With the server's time both "
        "are gone.",
        source="spec §6 R-42, derived",
    ),
    Race(
        id="R-43",
        title="the workflow's clock is moved by an event that nobody has been given",
        trigger="A handler decides by the clock what to ask for, and dies; the answer for the hook "
        "is recorded; the next handler peeks at it before it decides, and reads a later time. "
        "Where a pass is given its events one by one (fixed), it peeks at none.",
        laws=("I-23", "I-16", "I-18"),
        scenario="clock_follows_the_log",
        case="R-43",
        faulty="v2_merge",
        fixes=(Fix(system="v2_merge clock=C1"), Fix(system="fixed clock=C0"), Fix(system="fixed")),
        source="spec §6 R-43; #2211, #3583",
    ),
    Race(
        id="R-44",
        title="the end of a sleep is worked out anew by every handler",
        trigger="A handler asks for a sleep and dies before wait_created is recorded; the next one "
        "counts from its own clock, five seconds later.",
        laws=("I-06",),
        scenario="sleep_is_one_instant",
        case="R-44",
        faulty="fixed sleep_clock=host",
        fixes=(
            Fix(system="v2_merge sleep_clock=workflow"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-44",
    ),
)
