"""Goal: a step that has a result keeps it, whoever else has just failed at it.

Method: one step in a world of files, on a queue that delivers again what takes longer than 300 s.
The body that began first fails at 500 s; the one that was begun beside it at 300 s succeeds at that
very moment.  No fault is needed.
Right outcome: whichever is recorded first, a result stays one (I-03) and nothing follows it (I-05).

What breaks it: a step_retrying that writes the row it has read before, across the other body's
result (R-08, ``local_retry_lock=false``); a mutex helps within one process only, and here every
handler is one.

The second scenario asks what else such a record may do: a step that has failed once is pending, so
that a guard that refuses starts of a running step (``attempt_guard=G4``) admits the next one,
although another body, which was admitted at the same time as the first, still runs (I-14).
"""

from __future__ import annotations

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

PATIENCE_MS = 300_000
"""The queue delivers again what takes longer."""
BODIES_MS = (1_500, 3_000)
"""Longer than the second after which a failed body is tried again."""
FIRST_MS, LATER_MS = 500_000, 200_000
"""How long bodies take; the second one begins when the queue has lost patience."""


@step
async def charge(ctx: StepContext) -> str:
    """Fail at the first try, late."""
    await ctx.sleep(FIRST_MS if ctx.attempt == 1 else LATER_MS)
    if ctx.attempt == 1:
        raise RuntimeError("the card reader is gone")
    return "charged"


@workflow
async def pay() -> str:
    """One step."""
    return await charge()


def drawn(stream: Stream) -> Workload:
    """Always the same run."""
    return Workload(steps=1)


scenario = Scenario(
    name="result_is_kept",
    title="one body of a step fails as another one succeeds: the result is kept",
    law="I-03",
    laws=("I-18",),
    workflow=pay,
    steps=(charge,),
    args=lambda workload: (),
    may_fail=True,
    oracle=lambda workload, log: "charged",
    cases=(
        Case(
            name="R-08",
            title="a record of a retry overwrites a result",
            races=("R-08",),
            draw=drawn,
            budget=FaultBudget(),
            knobs=(f"delivery_timeout_ms={PATIENCE_MS}",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)


def unhurried(stream: Stream) -> Workload:
    """One step; its first body fails."""
    body_ms = stream.choice(BODIES_MS)
    return Workload(1, durations_ms=(body_ms,), failures=(("work#1", 1),))


reopened = Scenario(
    name="retry_waits_for_other_bodies",
    title="a step whose body has failed is not started again beside another body",
    law="I-14",
    laws=("I-03",),
    workflow=race_loop.race_loop,
    steps=(race_loop.work,),
    args=race_loop.args,
    oracle=race_loop.oracle,
    unpromised=("I-14",),
    cases=(
        Case(
            name="R-08",
            title="a record of a retry lets a third body in",
            races=("R-08",),
            draw=unhurried,
            budget=FaultBudget(duplicates=2, slow_hosts=2),
            expect={"G4": "PASS", "fixed": "PASS"},
        ),
    ),
)

races = (
    Race(
        id="R-08",
        title="the record of a retry overwrites the result of another body",
        trigger="Two handlers in two processes run charge; the one whose body fails reads the "
        "step's row, the other one completes it, and then the first one writes what it has read.",
        laws=("I-03",),
        scenario="result_is_kept",
        case="R-08",
        faulty="v2_merge local_log=minted local_retry_lock=false @ local",
        fixes=(
            Fix(
                system="v2_merge local_log=minted @ local",
                remains="the other process may take the lock between the look and the write",
            ),
            Fix(system="v2_merge @ local"),
            Fix(system="fixed @ local"),
        ),
        answer="confirmed for the row: across processes the record of the failure turns a "
        "completed step into a pending one, and a lock that is merely looked at leaves a gap.  "
        "Confirmed for G4, whose look at the row is a read of its own there: two handlers pass it, "
        "and the record of one's failure lets a third in while the other's body still runs "
        "(retry_waits_for_other_bodies, on v2_merge attempt_guard=G4 local_log=minted @ local).  "
        "Refuted is that the run gets stuck, since its log has the result.",
        source="spec §6 R-08, derived",
    ),
)
