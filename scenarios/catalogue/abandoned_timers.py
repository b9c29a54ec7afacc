"""Goal: a timer that nobody waits for any more costs a run nothing (R-84).

Method: a hook races a day's sleep and wins; then some steps, one after the other.  Right outcome:
the run needs a message for its start, one for the payload and one for the sleep, as many
deliveries, and runs its steps inline, however many there are (I-27).

What breaks it: a wait cannot be disposed of, so that it stays pending for the rest of the run, and
no step runs inline beside a pending wait.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.check import Cost
from simworld.engine import StepContext, create_hook, race, sleep, step, workflow
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

DAY_MS = 86_400_000
TOKEN = "order"
MESSAGES_MAX = DELIVERIES_MAX = 4
"""For the start, the sleep, the payload; one to spare."""
TRIES_MAX = 10


@step
async def ship(ctx: StepContext, parcel: int) -> int:
    """One of the things to do."""
    await ctx.sleep(100)
    return parcel


@workflow
async def order(parcels: int) -> list[int]:
    """Wait for the payment, a day at most; then send one parcel after the other."""
    first = await race(create_hook(TOKEN), sleep(DAY_MS))
    if first.which:
        return []
    return [await ship(parcel) for parcel in range(parcels)]


async def pay(user: Client, workload: Workload) -> None:
    """Start the run, and pay as soon as that is possible."""
    await user.start(workload.steps)
    await user.sleep(workload.value("moment", 0))
    for _ in range(TRIES_MAX):
        try:
            await user.resume_hook(TOKEN, "paid")
        except HookNotFoundError:
            await user.sleep(1_000)
        else:
            return


def drawn(stream: Stream) -> Workload:
    """Some parcels, and the moment of the payment."""
    return Workload(stream.between(3, 6), extra=(("moment", stream.choice((0, 2_000, 60_000))),))


scenario = Scenario(
    name="abandoned_timer_costs_nothing",
    title="a timer that nobody waits for any more costs no message and no delivery",
    law="I-27",
    laws=("I-16", "I-18", "I-20", "L-02", "L-07"),
    workflow=order,
    steps=(ship,),
    args=lambda workload: (workload.steps,),
    client=pay,
    oracle=lambda workload, log: list(range(workload.steps)),
    cost=lambda workload: Cost(messages_max=MESSAGES_MAX, deliveries_max=DELIVERIES_MAX),
    cases=(
        Case(
            name="R-84",
            title="a day's sleep has lost its race; steps follow",
            races=("R-84",),
            draw=drawn,
            budget=FaultBudget(),
            expect={
                "v2_merge": "FAIL I-27",
                "fixed inline_with_wait=true": "PASS",
            },
        ),
    ),
)

races = (
    Race(
        id="R-84",
        title="an abandoned timer disables inline execution for the rest of the run",
        trigger="hook#1 wins its race with sleep#2, which stays open; from then on every step "
        "becomes a message, and each of those messages is to come again when sleep#2 is due.",
        laws=("I-27",),
        scenario="abandoned_timer_costs_nothing",
        case="R-84",
        faulty="v2_merge",
        fixes=(
            Fix(system="fixed inline_with_wait=true"),
            Fix(system="v2_merge inline_with_wait=true wait_dispatch=message"),
            Fix(
                system="fixed",
                remains="no step runs inline beside the open sleep: each costs a message and a "
                "continuation, though none of them sleeps",
            ),
            Fix(
                system="v2_merge wait_dispatch=message",
                remains="no message sleeps on behalf of a step, and still no step runs inline",
            ),
        ),
        answer="confirmed: as long as the sleep is open, every step costs a message, which comes "
        "again when the sleep is due.  A message for the wait alone is half the repair; steps have "
        "to be allowed inline beside an open wait, which that message makes safe (see R-12).",
        source="spec §6 R-84; #3916",
    ),
)
