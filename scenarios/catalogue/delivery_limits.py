"""Goal: the number of deliveries that a message may have is for failures, and is known to the end.

Method: (R-20) a loop of more sleeps than a message may be delivered; that is 48 times in the field,
and 8 here, which keeps trials small and changes nothing else.  (R-21)
one step, whose bodies die with their processes, up to five times.
Right outcome: the run completes (L-01) and fails for nothing that is the engine's own (I-21).

What breaks it: a queue that counts a timer for a failed delivery, below an engine that waits by
having its message delivered again (R-20, ``timeout_counting=counted`` with
``wait_dispatch=return_value``); a queue that gives a message up in silence, before the engine does
so and fails the run (R-21, ``dead_after=3``).
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, sleep, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

DELIVERIES = 8
"""A message may be delivered so often."""
TICKS = DELIVERIES + 2
TICK_MS = 1_000
KILLS = 5
"""More bodies die than a queue may drop a message after, and fewer than a step may lose."""


@workflow
async def ticker(count: int) -> int:
    """Sleep, again and again."""
    for _ in range(count):
        await sleep(TICK_MS)
    return count


@step(max_retries=KILLS)
async def work(ctx: StepContext) -> str:
    """Take a moment."""
    await ctx.sleep(100)
    return "done"


@workflow
async def errand() -> str:
    """One step."""
    return await work()


def drawn(stream: Stream) -> Workload:
    """Always the same run."""
    return Workload(steps=1)


COUNTED = "timeout_counting=counted"

timers = Scenario(
    name="timers_are_free",
    title="a run that sleeps more often than a message may be delivered completes",
    law="I-21",
    laws=("I-18", "I-22", "L-03"),
    workflow=ticker,
    steps=(),
    args=lambda workload: (TICKS,),
    oracle=lambda workload, log: TICKS,
    cases=(
        Case(
            name="R-20",
            title="timers eat the budget of deliveries",
            races=("R-20",),
            draw=drawn,
            budget=FaultBudget(),
            knobs=(f"deliveries_max={DELIVERIES}",),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                f"v2_merge {COUNTED}": "FAIL I-21 I-18 I-22",
                f"fixed {COUNTED}": "PASS",
            },
        ),
    ),
)

deaths = Scenario(
    name="message_is_not_given_up",
    title="a message whose handlers die again and again is handled in the end",
    law="L-01",
    laws=("I-21", "L-02"),
    workflow=errand,
    steps=(work,),
    args=lambda workload: (),
    oracle=lambda workload, log: "done",
    cases=(
        Case(
            name="R-21",
            title="a queue drops a message in silence",
            races=("R-21",),
            draw=drawn,
            budget=FaultBudget(kill_bodies=KILLS),
            expect={"v2_merge": "PASS", "fixed": "PASS", "v2_merge dead_after=3": "FAIL L-01"},
            marks=("handler.crashed_in_body",),
        ),
    ),
)

races = (
    Race(
        id="R-20",
        title="timers eat the budget of deliveries",
        trigger="All sleeps of ticker are waited for by one message, which is delivered once more "
        "for each of them; the queue counts that, and the engine takes the number for failures.",
        laws=("I-21", "I-18", "I-22"),
        scenario="timers_are_free",
        case="R-20",
        faulty=f"v2_merge {COUNTED}",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system=f"v2_merge {COUNTED} wait_dispatch=message"),
            Fix(system=f"fixed {COUNTED}"),
            Fix(system="fixed"),
        ),
        answer="confirmed: the run fails as delivered too often though nothing has failed.  It "
        "does not where every wake is a message of its own.",
        source="spec §6 R-20, derived",
    ),
    Race(
        id="R-21",
        title="a queue drops a message before the engine gives it up",
        trigger="Three handlers of the message for work die in its body; the queue drops the "
        "message, while the engine would have gone on, and failed the run after 48 deliveries.",
        laws=("L-01",),
        scenario="message_is_not_given_up",
        case="R-21",
        faulty="v2_merge dead_after=3 @ postgres",
        fixes=(
            Fix(system="v2_merge @ postgres"),
            Fix(system="v2_merge"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-21; #3992, #3994, #3385, #1344, #4073",
    ),
)
