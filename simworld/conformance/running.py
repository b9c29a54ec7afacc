"""One sequence on one world: the first difference from what was expected, told and made small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TypeAlias

import attrs
import trio

from simworld.conformance.drawing import Step, expected
from simworld.conformance.driver import (
    CountedIds,
    Driver,
    HeldClock,
    MakeWorld,
    WorldUnderTest,
    different,
)
from simworld.conformance.operations import STREAM_OPERATIONS, Operation, Reopen, Seen, literal
from simworld.errors import UsageError
from simworld.records import WorldProfile

TOLD_MAX = 600
"""Characters of each side of a difference."""

NewPlace: TypeAlias = Callable[[], MakeWorld]
"""A place for one sequence, empty at first: what it gives opens the same data every time."""


@attrs.frozen
class Difference:
    """Where a world and the model part: after the last of ``operations``."""

    cell: str
    operations: tuple[Operation, ...]
    parts: tuple[tuple[str, str, str], ...]
    """(part of the answer, what the model says, what the world says)."""

    def __str__(self) -> str:
        lines = [f"differs in {self.cell}"]
        for name, model, world in self.parts:
            lines += [f"  {name}", f"    the model: {model}", f"    the world: {world}"]
        return "\n".join([*lines, "", self.snippet()])

    def snippet(self) -> str:
        """Python that shows it again."""
        kinds = {type(each).__name__ for each in self.operations}
        facts = {type(fact).__name__ for each in self.operations for fact in _facts(each)}
        lines = [f"from simworld.conformance import {', '.join(sorted({*kinds, 'compare'}))}"]
        if facts:
            lines.append(f"from simworld.engine import {', '.join(sorted(facts))}")
        lines += ["", "print(compare(make_world, ["]
        lines += [f"    {literal(each)}," for each in self.operations]
        return "\n".join([*lines, "]))"])


def _facts(operation: Operation) -> Sequence[object]:
    fact: object = getattr(operation, "fact", None)
    facts: Sequence[object] = getattr(operation, "facts", ())
    return facts if fact is None else (fact,)


@attrs.frozen
class Outcome:
    """What came of a sequence on a world."""

    seen: tuple[Seen, ...]
    """Of each operation that was performed."""
    parts: Mapping[str, tuple[object, object]]
    """How the last of them differs from what was expected; empty: it does not."""


async def perform(
    open_world: MakeWorld, steps: Sequence[Step], page_max: int, *, stop: bool = True
) -> Outcome:
    """All steps, or those up to the first that differs; opens the world anew where one says so."""
    clock, ids = HeldClock(), CountedIds()
    seen: list[Seen] = []
    driver = None
    while True:
        async with AsyncExitStack() as stack:
            try:
                world = await stack.enter_async_context(open_world(clock, ids))
            except Exception as error:
                if not seen:
                    raise
                return Outcome(tuple(seen), {"opened again": (True, repr(error))})
            if driver is None:
                _need_streams(world, steps)
                driver = Driver(world, clock, page_max=page_max)
            driver.world = world
            for step in steps[len(seen) :]:
                found = await driver.perform(step.operation)
                seen.append(found)
                if stop and found != step.expected and (parts := different(step.expected, found)):
                    return Outcome(tuple(seen), parts)
                if isinstance(step.operation, Reopen):
                    break
            else:
                return Outcome(tuple(seen), {})


def _need_streams(world: WorldUnderTest, steps: Sequence[Step]) -> None:
    if world.streams is None and any(
        isinstance(each.operation, STREAM_OPERATIONS) for each in steps
    ):
        raise UsageError("the world under test has no streams; leave them out with streams=False")


def compare(
    make_world: MakeWorld,
    operations: Sequence[Operation],
    *,
    profile: WorldProfile | None = None,
    other: MakeWorld | None = None,
) -> Difference | None:
    """The first difference between a world and the model (or an ``other`` world) in a sequence."""
    profile = profile or WorldProfile()
    return against(make_world, expected(operations, profile), profile, other)


def against(
    make_world: MakeWorld, steps: Sequence[Step], profile: WorldProfile, other: MakeWorld | None
) -> Difference | None:
    """The same for steps that know what the model says."""
    if other is not None:
        said = trio.run(as_done_by, other, steps, profile.page_max)
        steps = [step._replace(expected=seen) for step, seen in zip(steps, said, strict=True)]
    outcome = trio.run(perform, make_world, steps, profile.page_max)
    if not outcome.parts:
        return None
    done = steps[: len(outcome.seen)]
    told = [(name, _told(one), _told(two)) for name, (one, two) in outcome.parts.items()]
    return Difference(done[-1].cell, tuple(each.operation for each in done), tuple(told))


async def as_done_by(make_world: MakeWorld, steps: Sequence[Step], page_max: int) -> Sequence[Seen]:
    """What a world makes of all steps, right or wrong."""
    return (await perform(make_world, steps, page_max, stop=False)).seen


def _told(value: object) -> str:
    text = repr(value)
    return text if len(text) <= TOLD_MAX else f"{text[:TOLD_MAX]}…"


def shortened(
    difference: Difference, differs: Callable[[Sequence[Operation]], Difference | None]
) -> Difference:
    """Leave out operations, many at a time and then one, while it still differs in that cell."""
    size = len(difference.operations) // 2
    while size:
        at = len(difference.operations) - 1 - size
        while at >= 0:
            rest = (*difference.operations[:at], *difference.operations[at + size :])
            found = differs(rest)
            if found is not None and found.cell == difference.cell:
                difference = found
            at = min(at, len(difference.operations) - 1) - size
        size //= 2
    return difference
