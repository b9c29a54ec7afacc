"""Goal: the key that keeps duplicates of a message away never keeps away the one that is needed.

Method: (R-17) two steps side by side, one of them on a message that is delivered twice, in leases
that end before its bodies do; the first two bodies fail.  (R-18) a sleep, and one read of the log
that misses the newest events, as those of a replica do; or a host whose clock is behind.
Right outcome: the run completes (L-01), and the sleep ends in time (L-03).

What breaks it: a key that outlives its message (R-17, ``dedup=retention`` with
``key_policy=plain``); the key of a wait that its own wake still has when it turns out that there
is something left to wait for (R-18, ``key_policy=plain``).
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, gather, sleep, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

LEASE_MS, BODY_MS = 1_000, 1_500
SLEEP_MS = 1_000
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


@workflow
async def nap() -> str:
    """One sleep."""
    await sleep(SLEEP_MS)
    return "rested"


def drawn(stream: Stream) -> Workload:
    """Always the same run."""
    return Workload(steps=2)


sends = Scenario(
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

naps = Scenario(
    name="sleeper_is_woken",
    title="a wake that finds the run still asleep comes again",
    law="L-01",
    laws=("L-03", "I-06"),
    workflow=nap,
    steps=(),
    args=lambda workload: (),
    oracle=lambda workload, log: "rested",
    cases=(
        Case(
            name="R-18",
            title="the wake reads a log without the wait",
            races=("R-18",),
            draw=drawn,
            budget=FaultBudget(stale_reads=1),
            marks=("read.stale",),
            expect={"fixed": "PASS"},
        ),
        Case(
            name="clock",
            title="the clock of the host that is woken is behind",
            races=("R-18",),
            draw=drawn,
            budget=FaultBudget(clocks_behind=1),
            marks=("clock.wrong",),
            expect={"fixed": "PASS", "fixed key_policy=plain": "FAIL L-01"},
        ),
    ),
)

races = (
    Race(
        id="R-17",
        title="the record of a key outlives its message",
        trigger="The message for ship is delivered twice; the first body fails when its lease is "
        "over, and acknowledges the message; the second one fails as its owner, and asks for a "
        "message that is gone.  Whoever sends ship again is told that its key has been used.",
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
    Race(
        id="R-18",
        title="the wake for a wait is taken for a duplicate of itself",
        trigger="The message that is to end the sleep is delivered, and its read of the log misses "
        "the wait; so the pass asks for the sleep again, and queues a wake under the key that the "
        "message being delivered still has.  Then that one is acknowledged.",
        laws=("L-01",),
        scenario="sleeper_is_woken",
        case="R-18",
        faulty="fixed dedup=in_flight key_policy=plain @ hosted",
        fixes=(
            Fix(system="fixed dedup=queued_only key_policy=plain @ hosted"),
            Fix(
                system="fixed dedup=in_flight key_policy=plain wait_dispatch=return_value @ hosted"
            ),
            Fix(system="fixed dedup=in_flight @ hosted"),
            Fix(system="fixed @ hosted"),
        ),
        source="spec §6 R-18; #3743, sim: sleep-wait-continuation-stranded",
    ),
)
