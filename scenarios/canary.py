"""Goal: nothing; two false claims, which every hunt that works refutes within a few trials.

Method: two steps race.  The claims: the one that was asked for first always wins (refuted as soon
as another order of turns is tried), and no step starts twice (refuted as soon as a body is killed).
Right outcome: both are refuted, on every variant and every world.  A hunt that finds nothing here
would find nothing anywhere: then the harness itself is broken (exit code 4).
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import Event, StepContext, race, step, workflow
from simworld.records import FaultBudget, Workload

LONG_MS = 60_000


@step
async def first(ctx: StepContext) -> str:
    """Asked for first."""
    await ctx.sleep(0)
    return "first"


@step
async def second(ctx: StepContext, duration_ms: int) -> str:
    """Asked for second."""
    await ctx.sleep(duration_ms)
    return "second"


@workflow
async def contest(duration_ms: int) -> str:
    """The winner."""
    return str((await race(first(), second(duration_ms))).value)


def oracle(workload: Workload, log: Sequence[Event]) -> str:
    """What is claimed, falsely."""
    starts = sum(event.type == "step_started" for event in log)
    return "first" if starts <= 2 else "first, and no step starts twice"


scenario = Scenario(
    name="canary",
    title="false claims that every hunt must refute: a guard of the harness itself",
    law="I-18",
    workflow=contest,
    steps=(first, second),
    args=lambda workload: workload.durations_ms,
    oracle=oracle,
    targets=lambda workload: ("first#1", "second#1"),
    canary=True,
    trials_max=100,
    cases=(
        Case(
            name="order",
            title="the step that was asked for first always wins",
            draw=lambda stream: Workload(steps=2, durations_ms=(0,)),
            budget=FaultBudget(),
            expect={},
        ),
        Case(
            name="killed",
            title="no step starts twice",
            draw=lambda stream: Workload(steps=2, durations_ms=(LONG_MS,)),
            budget=FaultBudget(kill_bodies=1),
            expect={},
            marks=("handler.crashed_in_body",),
        ),
    ),
)
