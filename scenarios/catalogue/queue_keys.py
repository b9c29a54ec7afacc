"""Goal: the key that keeps duplicates of a message away never keeps away the one that is needed.

Method: (R-17) two steps side by side, one of them on a message that is delivered twice, in leases
that end before its bodies do; the first two bodies fail.
Right outcome: the run completes (L-01).

What breaks it: a key that outlives its message (R-17, ``dedup=retention`` with
``key_policy=plain``).
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, gather, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

LEASE_MS, BODY_MS = 1_000, 1_500
FAILING = 2
"""So many bodies of ship fail."""


@step
async def pack(ctx: StepContext) -> str:
    """Runs inline."""
    return "packed"


@step
async def ship(ctx: StepContext) -> str:
    """Has a message of its own; its first tries fail, late."""
    await ctx.sleep(BODY_MS)
    if ctx.attempt <= FAILING:
        raise RuntimeError("no van")
    return "shipped"


@workflow
async def deliver() -> list[str]:
    """Two steps side by side."""
    return list(await gather(pack(), ship()))


def drawn(stream: Stream) -> Workload:
    """Always the same run."""
    return Workload(steps=2)


scenario = Scenario(
    name="step_is_sent_again",
    title="a step whose message is gone is sent again, whatever its key",
    law="L-01",
    workflow=deliver,
    steps=(ship, pack),
    args=lambda workload: (),
    may_fail=True,
    oracle=lambda workload, log: ["packed", "shipped"],
    targets=lambda workload: ["ship#2"],
    cases=(
        Case(
            name="R-17",
            title="a key outlives its message",
            races=("R-17",),
            draw=drawn,
            budget=FaultBudget(duplicates=1),
            knobs=(f"lease_ms={LEASE_MS}",),
            expect={"fixed": "PASS"},
        ),
    ),
)

races = (
    Race(
        id="R-17",
        title="the record of a key outlives its message",
        trigger="ship's message is delivered twice; the later body fails under its lease and asks "
        "for the message again, the earlier one fails without, and acknowledges it.  Every replay "
        "sends ship once more, and is told that its key has been used.",
        laws=("L-01",),
        scenario="step_is_sent_again",
        case="R-17",
        faulty="fixed key_policy=plain @ hosted",
        fixes=(
            Fix(
                system="fixed dedup=in_flight key_policy=plain @ hosted",
                remains="a message that is about to be acknowledged still keeps the next one away",
            ),
            Fix(system="fixed dedup=queued_only key_policy=plain @ hosted"),
            Fix(system="fixed key_policy=attempt @ hosted"),
            Fix(system="fixed @ hosted"),
        ),
        source="spec §6 R-17; #3465, sim: lost-step-dispatch",
    ),
)
