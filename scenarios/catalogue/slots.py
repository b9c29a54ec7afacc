"""Goal: nobody keeps a worker, or a run's turn, for whom others wait (R-72, R-74, R-82).

Method: (R-72) a chain of runs, each of which is polled by a step of the one before it, on few
workers; (R-74) runs that each wait for a payload or for a long time, on few workers; (R-82) one run
that waits for a payload or for a long step.  Right outcome: with more workers than the chain is
deep it ends (L-09); a payload is seen soon (L-05), and whoever has raced for it goes on (L-04).

What breaks it: bodies that hold a worker while they poll, and no more workers than bodies; messages
that hold one while they sleep; flow messages of a run that wait for one another, bodies included.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, create_hook, race, sleep, step, workflow
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

DEPTH_MAX = 4

# --- bodies that poll -----------------------------------------------------------------------


@step
async def child(ctx: StepContext, depth: int) -> int:
    """Start the rest of the chain as a run of its own and wait for it."""
    run_id = await ctx.start_child(chain, depth)
    below: int = await ctx.await_run(run_id)
    return below + 1


@workflow
async def chain(depth: int) -> int:
    """How many runs are below this one."""
    return await child(depth - 1) if depth else 0


chained = Scenario(
    name="parents_leave_a_worker_to_the_child",
    title="a chain of runs ends, though each keeps a worker while it polls the next",
    law="L-09",
    laws=("I-16",),
    workflow=chain,
    steps=(child,),
    args=lambda workload: (workload.value("depth", 0),),
    targets=lambda workload: [],
    cases=(
        Case(
            name="R-72",
            title="no more workers than runs that poll",
            races=("R-72",),
            draw=lambda stream: Workload(0, extra=(("depth", stream.between(1, DEPTH_MAX)),)),
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                "fixed workers=2": "FAIL L-09",
                "fixed workers=4": "FAIL L-09",
            },
        ),
    ),
)

# --- payloads that wait -----------------------------------------------------------

MOMENTS_MS = (0, 1_000, 3_000)
TIMEOUT_MS = 60_000
BODY_MS = (1_000, 30_000)
TRIES_MAX = 8


@step
async def report(ctx: StepContext, duration_ms: int) -> str:
    """Take a while."""
    await ctx.sleep(duration_ms)
    return "reported"


@workflow
async def approval(token: str) -> str:
    """A payload within a minute, or none."""
    first = await race(create_hook(token), sleep(TIMEOUT_MS))
    return "timeout" if first.which else first.value


@workflow
async def approval_or_report(token: str, duration_ms: int) -> str:
    """A payload, unless a step has ended before it."""
    first = await race(create_hook(token), report(duration_ms))
    winner: str = first.value
    return winner


async def approve(user: Client, token: str, after_ms: int) -> None:
    """Send the payload, again and again until the hook is there."""
    await user.sleep(after_ms)
    for _ in range(TRIES_MAX):
        try:
            await user.resume_hook(token, "approved")
        except HookNotFoundError:
            await user.sleep(1_000)
        else:
            return


async def approvers(user: Client, workload: Workload) -> None:
    """Some runs, and a payload for each."""
    tokens = [f"order-{number}" for number in range(1, workload.value("runs", 1) + 1)]
    for token in tokens:
        await user.start(token, *workload.durations_ms)
    moments = [workload.value(f"moment-{token}", 0) for token in tokens]
    acts = zip(tokens, moments, strict=True)
    await user.together(*[approve(user, token, moment) for token, moment in acts])


def runs(stream: Stream) -> Workload:
    """Up to three of them, each with the moment of its payload."""
    count = stream.between(1, 3)
    moments = [(f"moment-order-{n}", stream.choice(MOMENTS_MS)) for n in range(1, count + 1)]
    return Workload(0, extra=(("runs", count), *moments))


def one_run(stream: Stream) -> Workload:
    """With a step beside the hook."""
    moment = stream.choice(MOMENTS_MS)
    return Workload(1, durations_ms=(stream.choice(BODY_MS),), extra=(("moment-order-1", moment),))


sleeping = Scenario(
    name="sleepers_leave_their_workers",
    title="a payload is seen soon, however many runs sleep on however few workers",
    law="L-04",
    laws=("I-16", "I-20", "L-05", "L-09"),
    workflow=approval,
    steps=(),
    args=lambda workload: ("order-1",),
    client=approvers,
    cases=(
        Case(
            name="R-74",
            title="a message that is to come again in a minute",
            races=("R-74",),
            draw=runs,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "v2_merge worker_slots=held workers=1": "FAIL L-04 L-05",
                "fixed": "PASS",
                "fixed workers=1": "PASS",
            },
        ),
    ),
)

working = Scenario(
    name="wakes_overtake_bodies",
    title="a payload is seen soon, also while a step runs inline",
    law="L-05",
    laws=("I-16", "I-20", "L-04"),
    workflow=approval_or_report,
    steps=(report,),
    args=lambda workload: ("order-1", *workload.durations_ms),
    client=approvers,
    cases=(
        Case(
            name="R-82",
            title="flow messages of a run are handled one by one, bodies included",
            races=("R-82",),
            draw=one_run,
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                "fixed flow_order=one_by_one": "FAIL L-05 L-04",
            },
        ),
    ),
)

races = (
    Race(
        id="R-72",
        title="parents that poll their children hold all workers",
        trigger="Each run of the chain keeps a worker while its step polls the next run; when all "
        "workers are held so, the last run never gets one.",
        laws=("L-09",),
        scenario="parents_leave_a_worker_to_the_child",
        case="R-72",
        faulty="fixed workers=2",
        fixes=(
            Fix(system="fixed"),
            Fix(system=f"fixed workers={DEPTH_MAX + 1}"),
            Fix(
                system="fixed workers=4",
                remains="a larger pool only moves the limit: a chain that is as deep stands again",
            ),
        ),
        source="spec §6 R-72; scenario child_pool has the field's own form of it",
    ),
    Race(
        id="R-74",
        title="sleeping messages hold workers",
        trigger="A run sleeps, and the message that is to wake it keeps the only worker meanwhile; "
        "the payload that has won the race is delivered when the sleep is over.",
        laws=("L-04", "L-05"),
        scenario="sleepers_leave_their_workers",
        case="R-74",
        faulty="v2_merge worker_slots=held workers=1",
        fixes=(
            Fix(system="v2_merge workers=1"),
            Fix(system="v2_merge wait_dispatch=message worker_slots=held workers=1"),
            Fix(system="fixed worker_slots=held workers=1"),
            Fix(system="fixed"),
            Fix(
                system="v2_merge worker_slots=held workers=2",
                remains="a larger pool only moves the limit: as many runs that sleep fill it",
            ),
        ),
        answer="confirmed: on one worker no timeout is ever beaten, and other runs wait as long.  "
        "A wait with a delayed message of its own holds no worker, whatever the queue does.",
        source="spec §6 R-74",
    ),
    Race(
        id="R-82",
        title="a wake waits behind a body",
        trigger="The first flow message runs report#2 inline; the one that a payload has sent "
        "waits for its turn until the body has ended.",
        laws=("L-05", "L-04"),
        scenario="wakes_overtake_bodies",
        case="R-82",
        faulty="fixed flow_order=one_by_one",
        fixes=(
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-82; #4219",
    ),
)
