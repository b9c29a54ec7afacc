"""Sleeps: right outcome, each has one instant at which it ends, and ends then.

The instant is what the first pass that asks for it says; whoever asks again, after a crash or
beside another handler, says the same (I-06).  A run that sleeps always has somebody to wake it, and
a race that is won early waits for no sleep.
"""

from __future__ import annotations

from simworld.campaign import EVERYWHERE, page
from simworld.engine import StepContext, race, sleep, step, workflow
from simworld.records import Fault, Workload
from simworld.runtime import Client

MINUTE_MS = 60_000
NAP_MS = 30 * MINUTE_MS
DAY_MS = 24 * 60 * MINUTE_MS
LONG_MS = 30 * DAY_MS
BODY_MS = 100
LAWS = ("I-06", "I-16", "I-17", "I-18", "L-02")
ERAS = ("v1", "v2_draft", "v2_merge", "b12", "b30", "b37")
RECOMPUTED = EVERYWHERE | dict.fromkeys(ERAS, "FAIL I-06")
"""Before the log knows of a sleep, every era counts it from the clock of the host (R-44)."""


@step
async def work(ctx: StepContext, duration_ms: int = BODY_MS) -> str:
    """Takes a while."""
    await ctx.sleep(duration_ms)
    return "worked"


@workflow
async def nap() -> str:
    """One sleep."""
    await sleep(NAP_MS)
    return "rested"


@workflow
async def day() -> str:
    """Longer than a message may wait on a server."""
    await sleep(DAY_MS)
    return "rested"


@workflow
async def hibernation() -> str:
    """A long one."""
    await sleep(LONG_MS)
    return "rested"


@workflow
async def early() -> str:
    """A step races a sleep that is much longer."""
    first = await race(work(), sleep(NAP_MS))
    return "in time" if first.which == 0 else "too late"


@workflow
async def late() -> str:
    """A step races a sleep that is much shorter."""
    first = await race(work(NAP_MS), sleep(MINUTE_MS))
    return "in time" if first.which == 0 else "too late"


async def starts(user: Client, workload: Workload) -> None:
    """Start the run, and have it looked at again after a while, if there is one."""
    run_id = await user.start()
    again_ms = workload.value("again_ms", 0)
    if again_ms:
        await user.sleep(again_ms)
        await user.reenqueue(run_id)


def rested(workload: Workload, log: object) -> str:
    """Whatever happens."""
    return "rested"


pages = (
    page(
        "long-sleep",
        "a sleep of a month ends after a month",
        hibernation,
        laws=("L-03", *LAWS),
        client=starts,
        oracle=rested,
    ),
    page(
        "long-sleep-in-hops",
        "a sleep of a day ends after a day, though no message may wait for so long",
        day,
        laws=("L-01", "I-21", "L-03", *LAWS),
        client=starts,
        world="hosted",
        oracle=rested,
        races=("R-18", "R-20"),
        expect=RECOMPUTED
        | dict.fromkeys(ERAS[:4], "FAIL I-21 I-18")
        | dict.fromkeys(ERAS[4:], "FAIL L-01"),
    ),
    page(
        "sleep-resumeat-recomputed",
        "a sleep whose handler died before it was recorded ends when it was first to end",
        nap,
        laws=LAWS,
        unpromised=("I-06",),
        client=starts,
        faults=(Fault("crash", "client/flow", 3),),
        oracle=rested,
        races=("R-44",),
        expect=RECOMPUTED,
    ),
    page(
        "sleep-resumeat-drift",
        "a sleep whose handlers die again and again before it is recorded does not drift",
        nap,
        laws=LAWS,
        unpromised=("I-06",),
        client=starts,
        faults=(
            Fault("crash", "client/flow", 3),
            Fault("crash", "client/flow~2", 3),
            Fault("crash", "client/flow~3", 3),
        ),
        oracle=rested,
        races=("R-44",),
        expect=RECOMPUTED,
    ),
    page(
        "sleep-resumeat-inherits",
        "a sleep that two handlers ask for at different times ends when the log says, for both",
        nap,
        laws=LAWS,
        unpromised=("I-06",),
        client=starts,
        workload=Workload(steps=0, extra=(("again_ms", 500),)),
        faults=(Fault("slow_host", "client/flow@3", 1_000),),
        oracle=rested,
        races=("R-44",),
        expect=RECOMPUTED,
    ),
    page(
        "sleep-continuation-stranded",
        "a wake whose read of the log misses the sleep is followed by another one",
        nap,
        laws=("L-01", "L-03", *LAWS),
        client=starts,
        faults=(
            Fault("stale_read", "client/flow~2/read_log", 1),
            Fault("stale_read", "client/flow/flow/read_log", 1),
        ),
        world="hosted",
        oracle=rested,
        races=("R-18",),
        expect=EVERYWHERE | {"b30": "FAIL L-01", "b37": "FAIL L-01"},
    ),
    page(
        "step-vs-timer-early-settlement",
        "a race that a step wins early is over then, and its sleep keeps nobody",
        early,
        work,
        laws=("L-04", "I-20", "I-16", "I-17", "I-18", "L-02"),
        client=starts,
        oracle=lambda workload, log: "in time",
    ),
    page(
        "timer-vs-step-early-settlement",
        "a race that a sleep wins early is decided then, and its step may end when it likes",
        late,
        work,
        laws=("I-20", "L-03", "L-04", "I-16", "I-17", "I-18", "L-02"),
        client=starts,
        oracle=lambda workload, log: "too late",
        races=("R-12",),
        expect=EVERYWHERE | {"v2_draft": "FAIL I-20 I-18 L-02 L-03"},
    ),
)
