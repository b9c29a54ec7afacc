"""Goal: an invocation ends by itself before its platform ends it.

Method: steps in a row that take a minute or two, on a platform that kills whatever takes longer
than 200 s.  No fault is needed.
Right outcome: no work is done twice: a delivery per step, and one to end the run, would do (I-27).

What breaks it: a limit that is looked at before a pass, and leaves no time for the step that the
pass asks for (R-25, ``inline_limit_ms`` of 120 s): the body is killed, and begun again when its
lease is over.  Deliveries are minutes apart, so that L-07 sees no storm; it is the cost that tells.
"""

from __future__ import annotations

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.check import Cost
from simworld.engine import StepContext, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

LIMIT_MS = 200_000
"""The platform's."""
BODIES_MS = (60_000, 110_000)
IN_TIME_MS = LIMIT_MS - max(BODIES_MS) - 1_000
"""Whoever begins nothing new from then on has ended when the platform loses patience."""
STEPS = 4


@step
async def crunch(ctx: StepContext, part: int, duration_ms: int) -> int:
    """Take so long."""
    await ctx.sleep(duration_ms)
    return part


@workflow
async def batch(durations_ms: list[int]) -> list[int]:
    """One part after the other."""
    return [await crunch(part, each) for part, each in enumerate(durations_ms)]


def drawn(stream: Stream) -> Workload:
    """Short steps and long ones."""
    return Workload(steps=STEPS, durations_ms=tuple(stream.choice(BODIES_MS) for _ in range(STEPS)))


LIMIT = f"delivery_limit_ms={LIMIT_MS}"
IN_TIME = f"inline_limit_ms={IN_TIME_MS}"

scenario = Scenario(
    name="invocation_ends_in_time",
    title="no body is killed because its invocation had little time left",
    law="I-27",
    laws=("L-07", "I-13", "I-18"),
    workflow=batch,
    steps=(crunch,),
    args=race_loop.args,
    oracle=lambda workload, log: list(range(workload.steps)),
    cost=lambda workload: Cost(deliveries_max=workload.steps + 1),
    cases=(
        Case(
            name="R-25",
            title="a step begins when its invocation has too little time left",
            races=("R-25",),
            draw=drawn,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                f"fixed {LIMIT}": "FAIL I-27",
                f"fixed {LIMIT} {IN_TIME}": "PASS",
            },
        ),
    ),
)

races = (
    Race(
        id="R-25",
        title="an invocation's budget and a step's length exceed the platform's limit",
        trigger="A step begins when its invocation is nearly as old as it may become; the platform "
        "kills it in the middle of the body, and the body begins once more elsewhere.",
        laws=("I-27", "L-07"),
        scenario="invocation_ends_in_time",
        case="R-25",
        faulty=f"fixed {LIMIT}",
        fixes=(
            Fix(system=f"v2_merge {LIMIT} {IN_TIME}"),
            Fix(system=f"fixed {LIMIT} {IN_TIME}"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-25; #1927",
    ),
)
