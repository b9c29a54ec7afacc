"""Goal: a step's message is not thrown away because the run does not seem to have begun.

Method: a step and a sleep side by side, on a server, and one read that misses the newest commits,
as those of a replica do.  The sleep is there to have the run looked at once more: whatever else one
such read may hide is found then.
Right outcome: the run completes (L-01).

What breaks it: a handler that takes any status but ``running`` for the end of the run
(R-24, ``bg_status_check=eq_running``): it acknowledges the message, and as the server remembers
the message's key (R-17), nobody can send it once more.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, sleep, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

COOL_OFF_MS = 60_000


@step
async def ship(ctx: StepContext) -> str:
    """Has a message of its own."""
    return "shipped"


@workflow
async def order() -> str:
    """A step, and a while in which nothing else is done."""
    shipping = ship()
    await sleep(COOL_OFF_MS)
    return await shipping


def drawn(stream: Stream) -> Workload:
    """Always the same run."""
    return Workload(steps=1)


scenario = Scenario(
    name="pending_run_has_not_ended",
    title="a run that seems not to have begun has not ended",
    law="L-01",
    laws=("L-02",),
    workflow=order,
    steps=(ship,),
    args=lambda workload: (),
    oracle=lambda workload, log: "shipped",
    targets=lambda workload: ["ship#1"],
    cases=(
        Case(
            name="R-24",
            title="a step's message is acknowledged by a run status that is out of date",
            races=("R-24",),
            draw=drawn,
            budget=FaultBudget(stale_reads=1),
            expect={"fixed": "PASS"},
            marks=("read.stale",),
        ),
    ),
)

races = (
    Race(
        id="R-24",
        title="a step's message is acknowledged by a run status that is out of date",
        trigger="The handler of ship reads the run from a replica that does not know of its start "
        "yet, and acknowledges the message; whoever sends ship again is told that it was sent.",
        laws=("L-01",),
        scenario="pending_run_has_not_ended",
        case="R-24",
        faulty="v2_merge @ hosted",
        fixes=(
            Fix(system="v2_merge bg_status_check=not_terminal @ hosted"),
            Fix(system="fixed @ hosted"),
        ),
        answer="confirmed for the merge, as a server's keys outlive their messages: the step is "
        "created and never started.  Where keys die with their messages, whoever looks at the run "
        "next sends it again, and only time is lost.",
        source="spec §6 R-24, derived for the merge; b55 comment",
    ),
)
