"""Goal: what one create writes is there as a whole or not at all, for whoever looks, whoever dies.

Method: a step, a sleep and a hook, as few of each as can be, while the message is delivered twice
(R-54, R-55) or a host dies (R-56, R-57, R-58).
Right outcome: a step is created once (I-04) and nothing of it follows its end (I-05), every row has
its event (I-10), the run completes (I-18), or at least goes on (L-01).

What breaks it: creates of several statements, none of which knows of the others.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, gather, sleep, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

SLEEP_MS = 1_000
BODY_MS = (0, 0, 10)


@step
async def pay(ctx: StepContext, duration_ms: int) -> str:
    """The one step."""
    await ctx.sleep(duration_ms)
    return "paid"


@workflow
async def payment(duration_ms: int) -> str:
    """A step."""
    return await pay(duration_ms)


@workflow
async def two_payments(duration_ms: int) -> list[str]:
    """Two steps side by side: at least the second one is started by a message of its own."""
    return await gather(pay(duration_ms), pay(duration_ms))


@workflow
async def pause(duration_ms: int) -> str:
    """A sleep, then a step."""
    await sleep(SLEEP_MS)
    return await pay(duration_ms)


def args(workload: Workload) -> tuple[int]:
    """What every workflow of this file is called with: how long a body takes."""
    return (sum(workload.durations_ms),)


def drawn(stream: Stream) -> Workload:
    """One step and how long its body takes."""
    return Workload(steps=1, durations_ms=(stream.choice(BODY_MS),))


LAWS = ("I-04", "I-15", "I-17", "I-18", "I-21")

step_is_whole = Scenario(
    name="step_is_whole",
    title="a step is created once, and nothing of it follows its end",
    law="I-05",
    laws=LAWS,
    workflow=payment,
    steps=(pay,),
    args=args,
    oracle=lambda workload, log: "paid",
    cases=(
        Case(
            name="R-55",
            title="two handlers create one step",
            races=("R-55",),
            draw=drawn,
            budget=FaultBudget(duplicates=1),
            expect={"fixed": "PASS"},
        ),
        Case(
            name="R-56",
            title="a host dies between a row and its event",
            races=("R-56", "R-58"),
            draw=drawn,
            budget=FaultBudget(crashes=1),
            expect={"fixed": "PASS"},
        ),
        Case(
            name="R-57",
            title="a host dies while it writes an event",
            races=("R-57",),
            draw=drawn,
            budget=FaultBudget(crashes=1, torn_writes=1),
            knobs=("deliveries_max=4",),
            expect={"fixed": "PASS"},
        ),
    ),
)
starts_come_first = Scenario(
    name="starts_come_first",
    title="nothing of a step follows its end, however many handlers start it",
    law="I-05",
    laws=LAWS,
    workflow=two_payments,
    steps=(pay,),
    args=args,
    oracle=lambda workload, log: ["paid", "paid"],
    targets=lambda workload: ["pay#2"],
    cases=(
        Case(
            name="R-54",
            title="two handlers start a step, and one of them ends it",
            races=("R-54",),
            draw=drawn,
            budget=FaultBudget(duplicates=2),
            expect={"fixed": "PASS"},
        ),
    ),
)
sleep_is_whole = Scenario(
    name="sleep_is_whole",
    turns_max=200,  # a run that never ends need not be watched for long
    title="a sleep ends once, whoever ends it and whoever dies of it",
    law="I-06",
    unpromised=("I-06",),
    laws=("L-02", "L-03", "L-07", *LAWS),
    workflow=pause,
    steps=(pay,),
    args=args,
    oracle=lambda workload, log: "paid",
    cases=(
        Case(
            name="R-35",
            title="two handlers end one sleep",
            races=("R-35",),
            draw=drawn,
            budget=FaultBudget(duplicates=1),
            expect={"fixed": "PASS"},
        ),
        Case(
            name="R-36",
            title="a host dies between the row of the sleep and its event",
            races=("R-36",),
            draw=drawn,
            budget=FaultBudget(crashes=1),
            expect={"fixed": "PASS"},
        ),
    ),
)

AUTOCOMMIT = "fixed pg_writes=autocommit @ postgres"
REPAIRED = (Fix(system="fixed @ postgres"), Fix(system="fixed @ local"), Fix(system="fixed"))

races = (
    Race(
        id="R-35",
        title="wait_completed is written twice",
        trigger="Two deliveries of the wake read the row of the sleep while it is waiting; both "
        "write it and both publish wait_completed.",
        laws=("I-06",),
        scenario="sleep_is_whole",
        case="R-35",
        faulty="v2_merge local_wait_claim=false @ local-pr",
        fixes=(Fix(system="v2_merge @ postgres"), Fix(system="v2_merge"), *REPAIRED),
        source="spec §6 R-35; #1057, #1388",
    ),
    Race(
        id="R-36",
        title="the row says that a wait is completed, and the event is missing",
        trigger="A host dies between the row of the sleep and its wait_completed. From then on "
        "every handler finds the sleep open, is refused (409), and has itself woken again.",
        laws=("L-07", "L-02"),
        scenario="sleep_is_whole",
        case="R-36",
        faulty=AUTOCOMMIT,
        fixes=REPAIRED,
        source="spec §6 R-36; #3541, #4210",
    ),
    Race(
        id="R-54",
        title="step_started lands behind step_completed",
        trigger="Two handlers start pay#2. One of them has changed the row and not yet published "
        "its step_started when the other one has run its body and records step_completed.",
        laws=("I-05",),
        scenario="starts_come_first",
        case="R-54",
        faulty=AUTOCOMMIT,
        fixes=(
            Fix(
                system="v2_merge @ local-pr",
                remains="a mutex reaches the handlers of one process; one of another starts the "
                "step beside it",
            ),
            Fix(system="v2_merge @ postgres"),
            *REPAIRED,
        ),
        source="spec §6 R-54; #2331, #2714, #2295 review",
    ),
    Race(
        id="R-55",
        title="a step is created twice",
        trigger="Two deliveries of the run's message reach the same suspension; the second insert "
        "changes no row, and its event is published all the same. Both run the step inline.",
        laws=("I-04", "I-15"),
        scenario="step_is_whole",
        case="R-55",
        faulty="fixed pg_unique_creations=false pg_writes=autocommit @ postgres",
        fixes=(Fix(system="fixed pg_unique_creations=false @ postgres"), *REPAIRED),
        source="spec §6 R-55; #1877, #2039",
    ),
    Race(
        id="R-56",
        title="a row without its event",
        trigger="A host dies between the row and the event of one create: whoever comes next finds "
        "the row, is refused or goes on from it, and the event never comes.",
        laws=("I-10", "L-01", "I-05"),
        scenario="step_is_whole",
        case="R-56",
        faulty=AUTOCOMMIT,
        fixes=REPAIRED,
        source="spec §6 R-56; #3081, #3575",
    ),
    Race(
        id="R-57",
        title="half an event can be seen",
        trigger="A host dies while it writes an event in place. Whoever reads the log finds half "
        "of it, for ever; whoever reads while a living host writes it only has to come again.",
        laws=("L-01",),
        scenario="step_is_whole",
        case="R-57",
        faulty="fixed local_linked_events=false @ local",
        fixes=REPAIRED,
        source="spec §6 R-57; #2296",
    ),
    Race(
        id="R-58",
        title="a hole in dense positions",
        trigger="A host dies between reserving a position and publishing the event in it. Readers "
        "stop at the hole: everything behind it is there, and nobody ever sees it.",
        laws=("L-01",),
        scenario="step_is_whole",
        case="R-56",
        faulty="fixed pg_position=reserved pg_writes=autocommit @ postgres",
        fixes=(Fix(system="fixed pg_position=reserved @ postgres"), *REPAIRED),
        source="spec §6 R-58; #3492",
    ),
)
