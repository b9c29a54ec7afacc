"""The workflow of the first three scenarios: five parallel steps consumed in a race loop.

It is the stress workflow that exposed R-01 upstream (spec §8.6, promiseRaceStressTest): start all
steps, then race what is still running until nothing is.  The run's output is the order in which
the steps won, which must be the order of their step_completed events.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from simworld.engine import Event, StepContext, decode, race, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Workload

SHORT_MS = (0, 0, 100, 700)
"""Body durations below the 1 s after which a failed body is tried again."""
LONG_MS = (0, 700, 1_500, 3_000)
"""Body durations that outlast a retry."""


@step(max_retries=3)
async def work(ctx: StepContext, index: int, duration_ms: int) -> int:
    """Take a while, then return the index."""
    await ctx.sleep(duration_ms)
    return index


@workflow
async def race_loop(durations_ms: list[int]) -> list[int]:
    """Start every step, race them until all have won; the order of the winners."""
    running = [work(index, each) for index, each in enumerate(durations_ms)]
    order: list[int] = []
    while running:
        winner = await race(*running)
        running.pop(winner.which)
        order.append(winner.value)
    return order


def args(workload: Workload) -> tuple[object, ...]:
    """What the client starts the run with: one duration per step."""
    given = workload.durations_ms[: workload.steps]
    return ([*given, *[0] * (workload.steps - len(given))],)


def oracle(workload: Workload, log: Sequence[Event]) -> list[int]:
    """Direct interpretation: the results in the order of their step_completed events."""
    return [
        decode(event.fact.result)  # type: ignore[union-attr]  # step_completed carries a result
        for event in log
        if event.type == "step_completed"
    ]


def drawn(
    stream: Stream,
    *,
    durations_ms: Sequence[int],
    failing_bodies: int = 0,
    failing_from: int = 0,
    steps: int = 5,
    max_retries: int = 3,
) -> Workload:
    """Draw durations and, if asked for, flakes: the first bodies of one step or of several.

    ``failing_from`` is the index of the first step that may fail.
    """
    durations = tuple(stream.choice(durations_ms) for _ in range(steps))
    failures: list[tuple[str, int]] = []
    if failing_bodies:
        chosen = stream.between(failing_from, steps - 1)
        for index in range(failing_from, steps):
            if index == chosen or stream.chance(0.5):
                failures += [(f"work#{index + 1}", n + 1) for n in range(failing_bodies)]
    return Workload(steps, max_retries, durations, tuple(failures))


def workloads(
    case: str,
    *,
    budgets: st.SearchStrategy[FaultBudget],
    failures_max: int,
    durations_ms: Sequence[int] = LONG_MS,
) -> st.SearchStrategy[tuple[str, Workload, FaultBudget]]:
    """Hypothesis draws steps, max_retries, durations, failures and the fault budget."""

    @st.composite
    def values(draw: st.DrawFn) -> tuple[str, Workload, FaultBudget]:
        steps = draw(st.integers(1, 5))
        max_retries = draw(st.integers(0, 4))
        durations = tuple(draw(st.sampled_from(sorted(set(durations_ms)))) for _ in range(steps))
        failures = tuple(
            (f"work#{index + 1}", number + 1)
            for index in range(steps)
            for number in range(draw(st.integers(0, min(failures_max, max_retries))))
        )
        return case, Workload(steps, max_retries, durations, failures), draw(budgets)

    return values()
