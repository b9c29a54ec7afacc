"""Goal: a run is created once, started once, and ends once.

Method: the client's start and the first handler create one run (R-59); two first deliveries start
it (R-81); the client cancels it while it starts (R-60) or ends (R-61).
Right outcome: one run_created, one run_started, one terminal event (I-01); a run that has ended
stays as it ended (I-03) and starts nothing any more (I-26); every handler derives the same ids.

What breaks it: a creation that is refused and recorded all the same; an UPDATE that starts a run
whatever its status is by now; an end that is written over another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from simworld.campaign import Case, Scenario
from simworld.engine import Event, StepContext, step, workflow
from simworld.entropy import Stream
from simworld.errors import EntityConflictError, EntityNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

BODY_MS = (0, 10)
AGAIN_MS = (0, 1, 10)
WHOLE_MS = 10
"""How long the body of a run takes that is cancelled at its end."""


@step
async def work(ctx: StepContext, duration_ms: int) -> str:
    """Take some time, visibly."""
    await ctx.effect("work")
    await ctx.sleep(duration_ms)
    return "worked"


@workflow
async def short(duration_ms: int) -> str:
    """One step."""
    return await work(duration_ms)


def args(workload: Workload) -> tuple[int]:
    """What ``short`` is called with."""
    return (workload.value("body_ms", 0),)


def drawn(stream: Stream) -> Workload:
    """A body of some length."""
    return Workload(steps=1, extra=(("body_ms", stream.choice(BODY_MS)),))


def oracle(workload: Workload, log: Sequence[Event]) -> str:
    """It returns what its step has."""
    return "worked"


LAWS = ("I-01", "I-02", "I-03", "I-04", "I-16", "I-17", "I-18", "I-26")

# --- created and started --------------------------------------------------------------------------


def asked_again(stream: Stream) -> Workload:
    """A body of some length, and when the run is looked at again."""
    extra = (("body_ms", stream.choice(BODY_MS)), ("again_ms", stream.choice(AGAIN_MS)))
    return Workload(steps=1, extra=extra)


async def start_and_ask_again(user: Client, workload: Workload) -> None:
    """Start the run, and have it looked at a second time."""
    run_id = await user.start(*args(workload))
    await user.sleep(workload.value("again_ms", 0))
    await user.reenqueue(run_id)


created_once = Scenario(
    name="run_is_created_once",
    title="whoever creates the run first, it is created once",
    law="I-01",
    laws=LAWS,
    workflow=short,
    steps=(work,),
    args=args,
    oracle=oracle,
    cases=(
        Case(
            name="R-59",
            title="the client's run_created meets the first handler's run_started",
            draw=drawn,
            budget=FaultBudget(),
            races=("R-59",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
            marks=("run.created_by_start",),
        ),
    ),
)

first_deliveries = Scenario(
    name="first_deliveries_agree",
    title="two first deliveries of a run derive the same ids",
    law="I-16",
    laws=LAWS,
    workflow=short,
    steps=(work,),
    args=args,
    client=start_and_ask_again,
    oracle=oracle,
    cases=(
        Case(
            name="R-81",
            title="the run is looked at twice while it is pending",
            draw=asked_again,
            budget=FaultBudget(clocks_ahead=1, slow_hosts=1),
            races=("R-81",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)

# --- ended ----------------------------------------------------------------------------------------


async def cancel(user: Client, run_id: str) -> None:
    """Cancel the run, unless it has completed, or nobody has created it."""
    with suppress(EntityConflictError, EntityNotFoundError):
        await user.cancel(run_id)


async def start_and_cancel(user: Client, workload: Workload) -> None:
    """Cancel the run at once."""
    await cancel(user, await user.start(*args(workload)))


stays_cancelled = Scenario(
    name="cancelled_run_stays_cancelled",
    title="a run that is cancelled before its first handler has started it is never started",
    law="I-03",
    laws=LAWS,
    workflow=short,
    steps=(work,),
    args=args,
    client=start_and_cancel,
    oracle=oracle,
    cases=(
        Case(
            name="R-60",
            title="the run is cancelled while its first handler starts it",
            draw=drawn,
            budget=FaultBudget(),
            races=("R-60",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)


async def cancel_at_the_end(user: Client, workload: Workload) -> None:
    """Cancel the run when its body ends."""
    run_id = await user.start(WHOLE_MS)
    await user.sleep(WHOLE_MS)
    await cancel(user, run_id)


ends_once = Scenario(
    name="run_ends_once",
    title="a run has one end, and stays as it ended",
    law="I-03",
    laws=LAWS,
    workflow=short,
    steps=(work,),
    args=args,
    client=cancel_at_the_end,
    oracle=oracle,
    cases=(
        Case(
            name="R-61",
            title="the run is cancelled while its handler completes it",
            draw=lambda stream: Workload(steps=1),
            budget=FaultBudget(),
            races=("R-61",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
            marks=("run.ended_by_another",),
        ),
    ),
)

UNGUARDED = "fixed pg_guarded_start=false pg_writes=autocommit @ postgres"

races = (
    Race(
        id="R-59",
        title="a run is created twice",
        trigger="The message of a run comes before its run_created, so run_started creates the "
        "run; the client's insert does nothing then, and its event is recorded all the same.",
        laws=("I-01",),
        scenario="run_is_created_once",
        case="R-59",
        faulty="fixed pg_run_conflict=false @ postgres",
        fixes=(
            Fix(system="v2_merge @ postgres"),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        source="spec §6 R-59; #1537, #2983",
    ),
    Race(
        id="R-60",
        title="run_started resurrects a run that was cancelled",
        trigger="The first handler reads the run as pending; the client cancels it; the handler's "
        "UPDATE has no condition and makes it running again, its hooks and waits already gone.",
        laws=("I-03",),
        scenario="cancelled_run_stays_cancelled",
        case="R-60",
        faulty=UNGUARDED,
        fixes=(
            Fix(system="v2_merge @ postgres"),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        answer="confirmed: after run_cancelled the run is running again, and its step runs. The "
        "condition alone takes that away. The file world as merged (local_log=minted) writes "
        "run_started over what it has read before, and has the same hole; repaired, it has not.",
        source="spec §6 R-60, derived from the SQL world's statements",
    ),
    Race(
        id="R-61",
        title="one end of a run is written over another",
        trigger="The handler that completes the run and the client that cancels it both read it as "
        "running; both write its row and publish their event.",
        laws=("I-03",),
        scenario="run_ends_once",
        case="R-61",
        faulty="fixed local_log=minted local_run_claim=false @ local",
        fixes=(
            Fix(system="v2_merge @ local"),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        answer="confirmed: run_completed and run_cancelled both stand in the log, and the row says "
        "what was written last. The claim alone takes that away.",
        source="spec §6 R-61, derived from the file world's micro-steps",
    ),
    Race(
        id="R-81",
        title="two first deliveries derive different ids",
        trigger="Two deliveries read the run as pending, and each starts it at a time of its own, "
        "of which the row keeps the later one. Ids are made from that time: what one handler has "
        "asked for has another id for whoever reads the row after the other.",
        laws=("I-16",),
        scenario="first_deliveries_agree",
        case="R-81",
        faulty="fixed ids=monotonic pg_guarded_start=false pg_writes=autocommit seed=started_at "
        "@ postgres",
        fixes=(
            Fix(system="fixed ids=monotonic seed=started_at @ postgres"),
            Fix(
                system="fixed ids=monotonic pg_guarded_start=false pg_writes=autocommit @ postgres",
                remains="the seed is made from the run's id, and the time of the start is still a "
                "part of every id",
            ),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        answer="confirmed: two clocks that differ by a millisecond are enough, and the run's log "
        "is one that its own workflow disowns. A guarded start alone takes it away; a seed without "
        "the time of the start does not, as long as ids have that time in them. Two starts in one "
        "log also end most runs as corrupted, before they show two ids for one step.",
        source="spec §6 R-81; #2525",
    ),
)
