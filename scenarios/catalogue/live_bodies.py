"""Goal: nobody runs a body of a step while another one of it is running (I-14).

Method: (R-22) one step that takes longer than the queue waits for a handler.  (R-23) three steps
side by side, in two processes that share a queue.  No fault is needed.
Right outcome: the bodies of a step come one after the other.

What breaks it: a queue that delivers a message again while its handler lives
(R-22, ``delivery_timeout_ms``), and keys that only one process knows of (R-23, ``dedup=job_key``
with ``hosts=2``): a message that is being handled keeps nobody in another process away.
"""

from __future__ import annotations

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, gather, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

PATIENCE_MS = 300_000
"""The queue delivers again what takes longer."""
LONG_MS, SHORT_MS = 400_000, 1_000


@step
async def render(ctx: StepContext, page: int, duration_ms: int) -> int:
    """Take so long."""
    await ctx.sleep(duration_ms)
    return page


@workflow
async def book(durations_ms: list[int]) -> list[int]:
    """Render all pages side by side."""
    return list(await gather(*(render(page, each) for page, each in enumerate(durations_ms))))


def oracle(workload: Workload, log: object) -> list[int]:
    """The pages, in order."""
    return list(range(workload.steps))


def one_long(stream: Stream) -> Workload:
    """One page that takes long."""
    return Workload(steps=1, durations_ms=(LONG_MS,))


def three(stream: Stream) -> Workload:
    """Three pages, quick ones and slow ones."""
    return Workload(steps=3, durations_ms=tuple(stream.choice((0, SHORT_MS)) for _ in range(3)))


TIMEOUT = f"delivery_timeout_ms={PATIENCE_MS}"

scenario = Scenario(
    name="bodies_run_alone",
    title="a body that is running is left alone",
    law="I-14",
    laws=("I-18",),
    workflow=book,
    steps=(render,),
    args=race_loop.args,
    oracle=oracle,
    unpromised=("I-14",),
    cases=(
        Case(
            name="R-22",
            title="a delivery that takes long is taken for one that has failed",
            races=("R-22",),
            draw=one_long,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                f"v2_merge {TIMEOUT}": "FAIL I-14",
                f"b37 {TIMEOUT}": "FAIL I-14",
                f"fixed {TIMEOUT}": "PASS",
            },
        ),
        Case(
            name="R-23",
            title="the key of a job that is being handled means nothing in another process",
            races=("R-23",),
            draw=three,
            budget=FaultBudget(),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)

races = (
    Race(
        id="R-22",
        title="a live handler's message is delivered again",
        trigger="render takes longer than the queue waits; the message is delivered again while "
        "its handler lives, and the handler of that delivery has the step run once more.",
        laws=("I-14",),
        scenario="bodies_run_alone",
        case="R-22",
        faulty=f"v2_merge {TIMEOUT}",
        fixes=(
            Fix(system="v2_merge"),
            Fix(
                system=f"b37 {TIMEOUT}",
                remains="the message delivered again is the owner of its own start, and repeats it",
            ),
            Fix(system=f"fixed {TIMEOUT}"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-22; #3811, #3553, #3909, #137",
    ),
    Race(
        id="R-23",
        title="keyed deliveries overlap across processes",
        trigger="One process handles the job of a step, which has lost its key by that; a replay "
        "adds the step once more, and another process takes that job.",
        laws=("I-14",),
        scenario="bodies_run_alone",
        case="R-23",
        faulty="v2_merge hosts=2 @ postgres",
        fixes=(
            Fix(system="v2_merge hosts=1 @ postgres"),
            Fix(system="v2_merge dedup=in_flight hosts=2 @ postgres"),
            Fix(system="fixed hosts=2 @ postgres"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-23; #3657",
    ),
)
