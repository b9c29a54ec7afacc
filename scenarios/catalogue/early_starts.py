"""Goal: nobody begins before he may, and nobody is ended while he does his work.

Method: a client cancels a run whose first delivery does not wait for its run_started (R-63); the
message of a step comes before the step is there (R-64); a delivery is taken for failed while its
handler lives on (R-65); a body takes longer than the replay may (R-66).
Right outcome: run_started comes before all other events (I-01) and nothing is started for a
cancelled run (I-26); every step runs in the end (L-01), alone (I-14), as long as it takes (I-21).

What breaks it: a first pass and a body that run beside run_started; a start that is refused since
there is no such step, taken for the end of that step by its only message; a redelivery that starts
what its predecessor has not given up; a timer that counts the time of bodies as the replay's.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, gather, step, workflow
from simworld.entropy import Stream
from simworld.errors import EntityConflictError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

LAWS = ("I-16", "I-17", "I-18", "I-21", "L-02")
REPLAY_LIMIT_MS = 240_000
DURATIONS_MS = (0, 1_000, 60_000, 300_000)


@step
async def work(ctx: StepContext, duration_ms: int) -> int:
    """Take so long."""
    await ctx.sleep(duration_ms)
    return duration_ms


@workflow
async def one_step(duration_ms: int) -> int:
    """A single step."""
    return await work(duration_ms)


@workflow
async def side_by_side(count: int, duration_ms: int) -> list[int]:
    """One step that runs inline, the others in the background."""
    return await gather(*[work(duration_ms) for _ in range(count)])


def duration(workload: Workload) -> int:
    """Of every body."""
    return max(workload.durations_ms, default=0)


def brief(stream: Stream) -> Workload:
    """Bodies that take no time, or a little."""
    return Workload(steps=1, durations_ms=(stream.choice((0, 10, 1_000)),))


def two(stream: Stream) -> Workload:
    """As brief, for two steps."""
    return Workload(steps=2, durations_ms=brief(stream).durations_ms)


async def cancels(client: Client, workload: Workload) -> None:
    """Start the run, and cancel it at once."""
    run_id = await client.start(duration(workload))
    try:
        await client.cancel(run_id)
    except EntityConflictError:
        return  # it has ended before


EARLY = "fixed early_start=ungated lazy_create=true"
begins = Scenario(
    name="run_begins_first",
    title="nothing happens in a run before it has started, nor once it is cancelled",
    law="I-01",
    laws=("I-26", "L-02"),
    workflow=one_step,
    steps=(work,),
    args=lambda workload: (duration(workload),),
    client=cancels,
    cases=(
        Case(
            name="R-63",
            title="the first delivery runs a pass and a body beside run_started",
            races=("R-63",),
            draw=brief,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                "fixed lazy_create=true": "PASS",
                EARLY: "FAIL I-01 I-11 I-26",
                "fixed early_start=gated lazy_create=true": "FAIL I-11 I-26",
            },
        ),
    ),
)

LOST = "fixed dedup=retention publish=beside_create unstartable=final"
published = Scenario(
    name="message_finds_its_step",
    title="a step whose message comes before it is there runs all the same",
    law="L-01",
    laws=LAWS,
    workflow=side_by_side,
    steps=(work,),
    args=lambda workload: (workload.steps, duration(workload)),
    oracle=lambda workload, log: [duration(workload)] * workload.steps,
    cases=(
        Case(
            name="R-64",
            title="a step message is delivered before its step is created",
            races=("R-64",),
            draw=two,
            budget=FaultBudget(),
            expect={"fixed": "PASS", LOST: "FAIL L-01"},
        ),
    ),
)

again = Scenario(
    name="redelivery_waits_for_its_predecessor",
    title="a message that is delivered again starts nothing that its first delivery still does",
    law="I-14",
    laws=(*LAWS, "I-12", "I-13"),
    workflow=one_step,
    steps=(work,),
    args=lambda workload: (duration(workload),),
    oracle=lambda workload, log: duration(workload),
    unpromised=("I-14",),
    cases=(
        Case(
            name="R-65",
            title="a delivery counts as failed, and its handler goes on",
            races=("R-65",),
            draw=brief,
            budget=FaultBudget(redeliveries=1),
            expect={"v2_merge": "FAIL I-14 I-13", "fixed": "PASS"},
        ),
    ),
)

TIMED = f"fixed replay_limit_ms={REPLAY_LIMIT_MS}"
timed = Scenario(
    name="bodies_take_their_time",
    title="a body may take longer than a replay may",
    law="I-21",
    laws=("I-16", "I-17", "I-18", "I-12", "I-13a", "L-02"),
    workflow=one_step,
    steps=(work,),
    args=lambda workload: (duration(workload),),
    oracle=lambda workload, log: duration(workload),
    cases=(
        Case(
            name="R-66",
            title="the replay's time is over while a body runs inline",
            races=("R-66",),
            draw=lambda stream: Workload(steps=1, durations_ms=(stream.choice(DURATIONS_MS),)),
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                f"v2_merge replay_limit_ms={REPLAY_LIMIT_MS}": "FAIL I-21 I-18",
                f"{TIMED} replay_timer=replay": "PASS",
            },
        ),
    ),
)

scenarios = (begins, published, again, timed)

races = (
    Race(
        id="R-63",
        title="a run's first body runs before its run_started is answered",
        trigger="The first delivery of a run does not wait for run_started; a client cancels the "
        "run, so that run_started is refused while the body of work#1 begins.",
        laws=("I-01", "I-26"),
        scenario="run_begins_first",
        case="R-63",
        faulty=EARLY,
        fixes=(
            Fix(
                system="fixed early_start=gated lazy_create=true",
                remains="what is written waits for run_started, the body does not: it runs for a "
                "run that was cancelled before",
            ),
            Fix(system="fixed lazy_create=true"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-63; #2629, #2685",
    ),
    Race(
        id="R-64",
        title="a step message is published before its step is created",
        trigger="The message of work#2 is sent beside its step_created and delivered first; that "
        "there is no such step is taken for its end, the message is acknowledged, and the queue "
        "remembers its key.",
        laws=("L-01",),
        scenario="message_finds_its_step",
        case="R-64",
        faulty=LOST,
        fixes=(
            Fix(system="fixed dedup=retention publish=beside_create"),
            Fix(system="fixed dedup=retention"),
            Fix(system="fixed"),
            Fix(system="fixed @ hosted"),
        ),
        source="spec §6 R-64; #4102",
    ),
    Race(
        id="R-65",
        title="a redelivery beats the revocation of the first delivery",
        trigger="A delivery that is doing its work is taken for failed and its message delivered "
        "again; the second one starts the body of work#1 while the first one runs it.",
        laws=("I-14",),
        scenario="redelivery_waits_for_its_predecessor",
        case="R-65",
        faulty="fixed attempt_guard=G3",
        fixes=(
            Fix(
                system="fixed attempt_guard=G5",
                remains="the lease is the message's, and a redelivery is the same message",
            ),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-65; #3365",
    ),
    Race(
        id="R-66",
        title="the replay timeout counts step bodies",
        trigger="The timer of 240 s that guards a replay runs on while the body of work#1 takes "
        "300 s; every delivery is killed, and the fourth fails the run.",
        laws=("I-21",),
        scenario="bodies_take_their_time",
        case="R-66",
        faulty=f"v2_merge replay_limit_ms={REPLAY_LIMIT_MS}",
        fixes=(
            Fix(system=f"v2_merge replay_limit_ms={REPLAY_LIMIT_MS} replay_timer=replay"),
            Fix(system=f"{TIMED} replay_timer=replay"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-66; #2009, #2013",
    ),
)
