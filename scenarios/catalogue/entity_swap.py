"""Entries R-46, R-50: what is recorded for one call is taken for another's.

Goal: what is made for a call is given to that very call, whatever a handler has missed of the log.
Method: in ``watched`` a payload races a watchdog, and both branches ask for the same step with
other arguments; a handler pushes the end of the wait into its cache, and misses the payload.  In
``launches`` each branch asks for its second step once its first one is over; positions are minted
before events are visible, and a handler's cursor passes the end of a launch by.  Right outcome: a
call is given what a body made for it (I-19); passes agree with one another and with the log (I-16,
I-17, I-18, I-20).

What breaks it: ids by position: two passes that disagree about the order of calls give one id to
two things; the second step_created is refused (409), and its handler takes the other's step for its
own.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import (
    Event,
    HookReceived,
    StepContext,
    create_hook,
    gather,
    race,
    sleep,
    step,
    workflow,
)
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

WATCHDOG_MS = 1_000
SETTLE_MS = (999, 1_000, 1_000, 1_001)
"""When the client settles it: about when the watchdog bites."""
LAUNCH_MS = (0, 500, 1_000)

SWAPPED = "fixed ids=monotonic wait_push=local"
STALE = "fixed wait_push=local"
MINTED = "fixed log_position=mint_at_start"
POSITIONAL = "fixed ids=monotonic log_position=mint_at_start"


@step
async def note(ctx: StepContext, what: str) -> str:
    """The same step in both branches; only its argument tells them apart."""
    return what


@workflow
async def watched() -> str:
    """Settled in time, or not; whoever has won is noted."""
    async with create_hook("settled") as settled:
        first = await race(settled, sleep(WATCHDOG_MS))
    return await note("settled" if first.which == 0 else "too late")


async def settles(user: Client, workload: Workload) -> None:
    """Start the run, and settle it when the watchdog bites."""
    await user.start()
    await user.sleep(workload.value("settle_ms", WATCHDOG_MS))
    try:
        await user.resume_hook("settled", "settled")
    except HookNotFoundError:
        return  # the run has ended


def first_in_the_log(workload: Workload, log: Sequence[Event]) -> str:
    """Whatever the log decides first."""
    for event in log:
        if isinstance(event.fact, HookReceived):
            return "settled"
        if event.type == "wait_completed":
            return "too late"
    return ""


@step
async def launch(ctx: StepContext, name: str, duration_ms: int) -> None:
    """The first step of a branch."""
    await ctx.sleep(duration_ms)


async def launched(name: str, duration_ms: int) -> str:
    """One branch: its second step is asked for once the first one is over."""
    await launch(name, duration_ms)
    return await note(name)


@workflow
async def launches(durations_ms: list[int]) -> list[str]:
    """Branches side by side, which know nothing of one another."""
    return await gather(*[launched("abc"[n], ms) for n, ms in enumerate(durations_ms)])


swapped_watchdog = Scenario(
    name="results_keep_their_calls",
    title="what was made for one branch of a race is never given to the other",
    law="I-19",
    laws=("I-16", "I-17", "I-18", "I-20", "L-02"),
    workflow=watched,
    steps=(note,),
    args=lambda workload: (),
    client=settles,
    oracle=first_in_the_log,
    targets=lambda workload: [],
    cases=(
        Case(
            name="R-46",
            title="one id for two calls of the same step",
            races=("R-46",),
            draw=lambda stream: Workload(steps=1, extra=(("settle_ms", stream.choice(SETTLE_MS)),)),
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                "fixed ids=monotonic": "PASS",
                SWAPPED: "FAIL I-19 I-18 I-20",
                STALE: "FAIL I-17 I-16 I-18 I-20",
                "fixed unconsumed=U1 wait_push=local": "FAIL I-16 I-18 I-20",
            },
        ),
    ),
)

blocked_branches = Scenario(
    name="branches_know_nothing_of_one_another",
    title="a branch gets what its own call has made, whatever a handler knows of the others",
    law="I-19",
    laws=("I-16", "I-17", "I-18", "L-02"),
    workflow=launches,
    steps=(launch, note),
    args=lambda workload: (list(workload.durations_ms),),
    oracle=lambda workload, log: list("abc"[: len(workload.durations_ms)]),
    cases=(
        Case(
            name="R-50",
            title="a pass that misses the end of one launch gives its id to another branch",
            races=("R-50",),
            draw=lambda stream: Workload(
                steps=2, durations_ms=(stream.choice(LAUNCH_MS), stream.choice(LAUNCH_MS))
            ),
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                MINTED: "PASS",
                POSITIONAL: "FAIL I-19 I-18",
                "fixed ids=monotonic": "PASS",
            },
        ),
    ),
)

races = (
    Race(
        id="R-46",
        title="a stale prefix and ids by position: two calls become one step",
        trigger="Handler A has not read the payload, completes the wait, and its pass asks for "
        "note('too late'); for whoever reads the log the payload is first, and note('settled') is "
        "asked for under the same id.  Whose step_created is refused (409) takes the other's step "
        "for its own.",
        laws=("I-19", "I-17"),
        scenario="results_keep_their_calls",
        case="R-46",
        faulty="fixed ids=monotonic validate=false wait_push=local",
        fixes=(
            Fix(system="fixed ids=monotonic"),
            Fix(
                system=SWAPPED,
                remains="names are compared with the log, arguments are not: calls of one step "
                "are still swapped",
            ),
            Fix(
                system=STALE,
                remains="no result goes to another call any more, but both branches of the race "
                "are in the log, and the run is given up as corrupted",
            ),
            Fix(system="fixed"),
        ),
        source="spec §6 R-46; #2300, #3147, #3179, #4090",
    ),
    Race(
        id="R-50",
        title="a blocked branch draws no ids, and another one takes them",
        trigger="Handler A's cursor has passed the end of launch('b') by, so in its pass the third "
        "id is note('a')'s; for everybody else it is note('b')'s.",
        laws=("I-19", "I-16", "I-18"),
        scenario="branches_know_nothing_of_one_another",
        case="R-50",
        faulty=POSITIONAL,
        fixes=(
            Fix(system=MINTED),
            Fix(system="fixed ids=monotonic"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-50; #3696",
    ),
)
