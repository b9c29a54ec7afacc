"""Entries R-51, R-52: when a pass takes itself for idle, or an event for one that nobody asked for.

Goal: a pass ends when nothing more can happen in it, and no earlier.
Method: steps before a race make the log longer, and with it what hydrating a result costs; the race
is between a step and a customer who may regret the order, at about the same time or never.  Right
outcome: the run ends (L-01) in the order of its log (I-20, I-16), and nothing is taken for corrupt
that a little patience explains (I-17).

What breaks it: an idle detection that fires between the end of a step and the code that awaits it:
the pass suspends on what else is open, and that is a hook nobody resumes (R-51); a verdict on the
next event that does not wait for who will ask for it (R-52).  Both must be looked at together with
the order of results: D0 with a patient pass is never dormant, and still tells the wrong winner.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import (
    Event,
    HookReceived,
    StepContext,
    StepStarted,
    create_hook,
    race,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

DURATION_MS = 1_000
NEVER = 0
REGRET_MS = (NEVER, 999, 1_000, 1_000, 1_001)
"""How long after the start the customer regrets."""
PATIENT = "fixed delivery=D3"
HASTY_IDLE = "fixed delivery=D3 idle_hops=5"
HASTY_VERDICT = "fixed delivery=D3 verdict_hops=5"


@step
async def prepare(ctx: StepContext, number: int) -> None:
    """Makes the log longer."""


@step
async def ship(ctx: StepContext) -> None:
    """Takes a while."""
    await ctx.sleep(DURATION_MS)


@workflow
async def order(count: int) -> str:
    """Shipped, unless the customer regrets it before."""
    for number in range(count):
        await prepare(number)
    async with create_hook("regret") as regret:
        first = await race(ship(), regret)
    return "shipped" if first.which == 0 else "cancelled"


async def client(user: Client, workload: Workload) -> None:
    """Start the run; perhaps regret it when the shipment ends."""
    await user.start(workload.steps)
    regret_ms = workload.value("regret_ms", NEVER)
    if regret_ms == NEVER:
        return
    await user.sleep(regret_ms)
    try:
        await user.resume_hook("regret", "regret")
    except HookNotFoundError:
        return  # the run has ended


def drawn(stream: Stream) -> Workload:
    """Steps before the race, and when the customer regrets."""
    return Workload(steps=stream.between(0, 5), extra=(("regret_ms", stream.choice(REGRET_MS)),))


def oracle(workload: Workload, log: Sequence[Event]) -> str:
    """Whatever the log has first: the end of the shipment, or the regret."""
    shipment = ""
    for event in log:
        if isinstance(event.fact, StepStarted) and event.fact.step_name == "ship":
            shipment = event.correlation_id
        if event.type == "step_completed" and event.correlation_id == shipment:
            return "shipped"
        if isinstance(event.fact, HookReceived):
            return "cancelled"
    return ""


patient_passes = Scenario(
    name="patient_passes",
    title="a pass ends when nothing more can happen in it, and no earlier",
    law="L-01",
    laws=("I-16", "I-17", "I-18", "I-20", "L-02", "L-04"),
    workflow=order,
    steps=(prepare, ship),
    args=lambda workload: (workload.steps,),
    client=client,
    oracle=oracle,
    targets=lambda workload: [],
    cases=(
        Case(
            name="R-51",
            title="a result that is on its way is not waited for",
            races=("R-51",),
            draw=drawn,
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                PATIENT: "PASS",
                HASTY_IDLE: "FAIL L-01 I-16 I-18 I-20 L-04",
                "fixed delivery=D0": "FAIL I-20 I-16 I-18",
            },
        ),
        Case(
            name="R-52",
            title="an event is given up before the code that asks for it has run",
            races=("R-52",),
            draw=drawn,
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                PATIENT: "PASS",
                HASTY_VERDICT: "FAIL I-17 I-16 I-18",
                "fixed delivery=D3 verdict_hops=100": "PASS",
            },
        ),
    ),
)

races = (
    Race(
        id="R-51",
        title="a pass suspends while a result is on its way",
        trigger="The log has the end of the shipment; its hydration takes longer than the timer "
        "that takes a quiet pass for idle, so the pass suspends on the hook alone and the message "
        "is acknowledged.",
        laws=("L-01", "I-20"),
        scenario="patient_passes",
        case="R-51",
        faulty=HASTY_IDLE,
        fixes=(
            Fix(system=PATIENT),
            Fix(
                system="fixed delivery=D0",
                remains="no run is dormant any more, but a result may overtake one that is before "
                "it in the log: liveness and order must be judged together",
            ),
            Fix(system="fixed"),
        ),
        source="spec §6 R-51; #1294, #3183, #3188, #3198",
    ),
    Race(
        id="R-52",
        title="an event is unconsumed because hydration is slow",
        trigger="The next event belongs to a step that is asked for once an earlier result has "
        "been hydrated; the timer for unconsumed events is over before.",
        laws=("I-17",),
        scenario="patient_passes",
        case="R-52",
        faulty=HASTY_VERDICT,
        fixes=(
            Fix(system="fixed delivery=D3 verdict_hops=100"),
            Fix(system=PATIENT),
            Fix(system="fixed"),
        ),
        source="spec §6 R-52; #1254, #1778, #3439",
    ),
)
