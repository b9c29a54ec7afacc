"""The workflow of the first three scenarios: five parallel steps consumed in a race loop.

It is the stress workflow that exposed R-01 upstream (spec §8.6, promiseRaceStressTest): start all
steps, then race what is still running until nothing is.  The run's output is the order in which
the steps won, which must be the order of their step_completed events.

The property-based form also gives the workflow another shape: groups of steps side by side, in a
sequence or raced, and those again.  A shape is data, such as ``["gather", 0, ["race", 1, 2], 3]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from simworld.campaign import Drawing, reading
from simworld.engine import (
    Event,
    StepCompleted,
    StepContext,
    StepCreated,
    decode,
    gather,
    race,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.records import FaultBudget, Workload

SHORT_MS = (0, 0, 100, 700)
"""Body durations below the 1 s after which a failed body is tried again."""
LONG_MS = (0, 700, 1_500, 3_000)
"""Body durations that outlast a retry."""
PAYLOADS: tuple[Any, ...] = (0, "text", None, [1, [2, {"three": 3}]], "x" * 5_000)
"""What a step of another shape may be given, and returns."""

Shape = list[Any]
"""``race``, ``gather`` or ``sequence``, then numbers of steps and further shapes."""


@step(max_retries=3)
async def work(ctx: StepContext, index: int, duration_ms: int, payload: Any = ...) -> Any:
    """Take a while, then return the index, or the payload."""
    await ctx.sleep(duration_ms)
    return index if payload is ... else payload


@workflow
async def race_loop(
    durations_ms: list[int], shape: Shape | None = None, payloads: list[Any] | None = None
) -> list[Any]:
    """Start every step, race them until all have won; the order of the winners."""
    if shape is not None and payloads is not None:
        return await _shaped(shape, durations_ms, payloads)
    return await _raced([work(index, each) for index, each in enumerate(durations_ms)])


async def _raced(running: list[Any]) -> list[Any]:
    order: list[Any] = []
    while running:
        winner = await race(*running)
        running.pop(winner.which)
        order.append(winner.value)
    return order


async def _shaped(shape: Shape, durations_ms: list[int], payloads: list[Any]) -> list[Any]:
    def begun(part: Any) -> Any:
        if isinstance(part, int):
            return work(part, durations_ms[part], payloads[part])
        return gather(_shaped(part, durations_ms, payloads))

    how, *parts = shape
    if how == "sequence":
        return [await begun(part) for part in parts]
    handles = [begun(part) for part in parts]
    if how == "gather":
        return await gather(*handles)
    return await _raced(handles)


def args(workload: Workload) -> tuple[object, ...]:
    """What the client starts the run with: one duration per step, and what else was drawn."""
    given = workload.durations_ms[: workload.steps]
    durations_ms = [*given, *[0] * (workload.steps - len(given))]
    if not workload.picks:
        return (durations_ms,)
    return durations_ms, shape_of(workload), payloads_of(workload)


def payloads_of(workload: Workload) -> list[Any]:
    """One per step."""
    numbers = [workload.value(f"payload-{index}", 0) for index in range(workload.steps)]
    return [PAYLOADS[number] for number in numbers]


def shape_of(workload: Workload) -> Shape:
    """The shape that was picked."""
    return draw_shape(reading(workload.picks), workload.steps)


def draw_shape(pick: Drawing, steps: int) -> Shape:
    """The steps in their order, those of a group together; 0 is the race loop as it is."""
    how = HOW[pick(len(HOW))]
    groups = [[0]]
    for index in range(1, steps):
        if pick(3) == 1:
            groups.append([index])
        else:
            groups[-1].append(index)
    if len(groups) == 1:
        return [how, *groups[0]]
    parts = [[HOW[pick(len(HOW))], *each] if len(each) > 1 else each[0] for each in groups]
    return [how, *parts]


HOW = ("race", "gather", "sequence")


def oracle(workload: Workload, log: Sequence[Event]) -> list[Any]:
    """Direct interpretation: the results in the order of their step_completed events."""
    if workload.picks:
        return spelled(shape_of(workload), payloads_of(workload), _ends(log))[1]
    return [
        decode(event.fact.result)  # type: ignore[union-attr]  # step_completed carries a result
        for event in log
        if event.type == "step_completed"
    ]


def _ends(log: Sequence[Event]) -> dict[int, int]:
    """Step → the place of its step_completed."""
    ids: dict[str, int] = {}
    ends: dict[int, int] = {}
    for place, event in enumerate(log):
        if isinstance(event.fact, StepCreated):
            ids[event.correlation_id] = decode(event.fact.input)[0][0]
        elif isinstance(event.fact, StepCompleted):
            ends[ids[event.correlation_id]] = place
    return ends


def spelled(shape: Shape, payloads: list[Any], ends: dict[int, int]) -> tuple[int, list[Any]]:
    """Where the log decides a shape's last part, and what the shape comes to."""
    how, *parts = shape
    told: list[tuple[int, Any]] = []
    for part in parts:
        if isinstance(part, int):
            told.append((ends[part], payloads[part]))
        else:
            place, value = spelled(part, payloads, ends)
            told.append((place, [value]))
    if how == "race":
        told.sort(key=lambda each: each[0])
    return max(place for place, _ in told), [value for _, value in told]


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
    """Hypothesis draws steps, their shape, max_retries, times, payloads, failures, the budget."""

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
        drawing = Drawing(lambda bound: draw(st.integers(0, bound - 1)))
        draw_shape(drawing, steps)
        shape = tuple(drawing.picks) if draw(st.booleans()) else ()
        payloads = tuple(
            (f"payload-{index}", draw(st.integers(0, len(PAYLOADS) - 1)))
            for index in range(steps if shape else 0)
        )
        workload = Workload(steps, max_retries, durations, failures, payloads, shape)
        return case, workload, draw(budgets)

    return values()
