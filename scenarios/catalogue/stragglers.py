"""Entries R-62, R-79, R-80: what looks wrong in a log, and is right.

Goal: nobody is blamed for a body that ends after its run, for a loser of a race that is tried again
and again while the run goes on, or for a step that was asked for and never awaited.
Method: in ``hurry`` a sleep always beats a step whose body is still running when the run returns,
or is cancelled; in ``go_on_without`` it beats a step that fails, and fails again; ``forgetful``
asks for steps that it does not wait for.  Right outcome: every law holds, on every world.

What would break it: nothing may.  That the thing has really happened is told by the marks of the
cases, or follows from their durations.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import (
    Event,
    StepContext,
    StepCreated,
    create_hook,
    race,
    sleep,
    step,
    workflow,
)
from simworld.errors import EntityConflictError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

SLEEP_MS = 1_000
SLOW_MS = 4_000
"""Longer than everything else in a run."""
CANCEL_MS = (0, 500, 3_000)
"""When the client cancels: before the sleep ends, or too late."""
RETRIED_MS = 5_000
"""In so long a step may fail three times, and each time be tried again a second later."""
SYSTEMS = (
    "v2_merge",
    "fixed",
    "fixed @ local",
    "fixed @ postgres",
    "fixed @ hosted",
)
BENIGN = tuple(Fix(system=each) for each in SYSTEMS)


@step
async def slow(ctx: StepContext, number: int) -> int:
    """Still running when its run has ended."""
    await ctx.sleep(SLOW_MS)
    return number


@workflow
async def hurry() -> str:
    """Does not wait for the slow step, which nobody can stop."""
    first = await race(slow(1), sleep(SLEEP_MS))
    return "done" if first.which == 0 else "gave up"


async def cancels(user: Client, workload: Workload) -> None:
    """Start the run; perhaps cancel it while its step runs."""
    run_id = await user.start()
    cancel_ms = workload.value("cancel_ms", 0)
    if not cancel_ms:
        return
    await user.sleep(cancel_ms)
    try:
        await user.cancel(run_id)
    except EntityConflictError:
        return  # it has ended


@step
async def shaky(ctx: StepContext) -> str:
    """Fails three times before it succeeds."""
    return "succeeded"


@step
async def next_thing(ctx: StepContext) -> str:
    """What the run goes on with."""
    return "went on"


@workflow
async def go_on_without() -> str:
    """Gives up on a step, and is still there when that is tried again."""
    first = await race(shaky(), sleep(500))
    if first.which == 0:
        return "waited"
    told = await next_thing()
    await sleep(RETRIED_MS)
    return told


@step
async def audit(ctx: StepContext, number: int) -> None:
    """Nobody waits for it."""


@step
async def charge(ctx: StepContext) -> str:
    """Somebody waits for it."""
    return "charged"


@workflow
async def forgetful() -> str:
    """One step that it waits for; it forgets one before, and one and a hook behind it."""
    audit(1)
    told = await charge()
    audit(2)
    create_hook("forgotten")
    return told


def made_or_lost(workload: Workload, log: Sequence[Event]) -> str:
    """The first audit is recorded, since the run was suspended behind it; of what was asked for
    behind the charge there is no trace."""
    made = [
        event.fact.step_name if isinstance(event.fact, StepCreated) else "a hook"
        for event in log
        if event.type in ("step_created", "hook_created")
    ]
    return "charged" if sorted(made) == ["audit", "charge"] else f"recorded: {', '.join(made)}"


stragglers = Scenario(
    name="stragglers",
    title="a body that ends after its run is no mistake",
    law="I-02",
    laws=("I-16", "I-17", "I-18", "I-21", "I-26", "L-02"),
    workflow=hurry,
    steps=(slow,),
    args=lambda workload: (),
    client=cancels,
    oracle=lambda workload, log: "gave up",
    cases=(
        Case(
            name="R-62",
            title="a run ends, or is cancelled, while a body of its runs",
            races=("R-62",),
            draw=lambda stream: Workload(steps=1, extra=(("cancel_ms", stream.choice(CANCEL_MS)),)),
            budget=FaultBudget(duplicates=1),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
            marks=("run.ended_before_body",),
        ),
    ),
)

abandoned_branches = Scenario(
    name="abandoned_branches",
    title="the loser of a race may go on being tried while its run goes on",
    law="I-17",
    laws=("I-02", "I-05", "I-13", "I-16", "I-18", "I-20", "L-02", "L-06"),
    workflow=go_on_without,
    steps=(shaky, next_thing),
    args=lambda workload: (),
    oracle=lambda workload, log: "went on",
    cases=(
        Case(
            name="R-79",
            title="a step fails and is tried again after its race was lost",
            races=("R-79",),
            draw=lambda stream: Workload(
                steps=1,
                durations_ms=(stream.choice((0, 1_000)),),
                failures=(("shaky#1", 1), ("shaky#1", 2), ("shaky#1", 3)),
            ),
            budget=FaultBudget(),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
            marks=("body.flaked", "retry.after_error"),
        ),
    ),
)

unawaited_steps = Scenario(
    name="unawaited_steps",
    title="what nobody waits for is recorded with the next suspension, or not at all",
    law="I-16",
    laws=("I-02", "I-04", "I-17", "I-18", "L-02"),
    workflow=forgetful,
    steps=(audit, charge),
    args=lambda workload: (),
    oracle=made_or_lost,
    cases=(
        Case(
            name="R-80",
            title="a run returns with a step and a hook that it has just asked for",
            races=("R-80",),
            draw=lambda stream: Workload(
                steps=1, durations_ms=(stream.choice((0, 1_000)), stream.choice((0, 1_000)))
            ),
            budget=FaultBudget(),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)

races = (
    Race(
        id="R-62",
        title="a step ends after its run",
        trigger="The run returns or is cancelled while slow#1 runs; its step_completed follows the "
        "run's last event.",
        scenario="stragglers",
        case="R-62",
        fixes=BENIGN,
        source="spec §6 R-62",
    ),
    Race(
        id="R-79",
        title="the loser of a race goes on",
        trigger="The sleep has won; shaky#1 fails, is tried again and ends while the run goes on.",
        scenario="abandoned_branches",
        case="R-79",
        fixes=BENIGN,
        source="spec §6 R-79",
    ),
    Race(
        id="R-80",
        title="a step is asked for and not awaited before the return",
        trigger="The workflow returns right after it has asked for audit(2) and a hook: no event "
        "tells of them; audit(1), asked for before a suspension, is recorded like any other, and "
        "runs if its message comes before the run has ended.",
        scenario="unawaited_steps",
        case="R-80",
        fixes=BENIGN,
        source="spec §6 R-80",
    ),
)
