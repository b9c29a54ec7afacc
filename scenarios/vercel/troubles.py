"""What the scenarios of this engine share: its name, its laws, and a case for each sort of trouble.

Right outcome of all of them: the run ends with what its log calls for, and no healthy step fails.
Nothing is claimed of any version; what a hunt finds is a finding.  One sort of trouble is one case,
so that what fails in it fails because of it; ``quiet`` has none, and only who comes first is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simworld.campaign import Case, Scenario
from simworld.check import FOREIGN
from simworld.engine import Event
from simworld.entropy import Stream
from simworld.records import FaultBudget, ForeignProgram, Workload

SUBJECT = "vercel-workflow"
MODULE = "scenarios.vercel.flows"
BODY_MS = (0, 0, 10, 100, 1_500)
"""A body may take longer than the second after which a failed one is tried again."""
TURNS_MAX = 1_200
"""A healthy trial takes 60 to 300; one that goes on for ever need not do so any longer."""
TROUBLES: dict[str, tuple[str, FaultBudget, tuple[str, ...]]] = {
    "quiet": ("nothing goes wrong; only who comes first is open", FaultBudget(), ()),
    "duplicates": (
        "messages are delivered more than once",
        FaultBudget(duplicates=3),
        ("delivery.duplicate",),
    ),
    "crashes": (
        "processes die between two operations",
        FaultBudget(crashes=2),
        ("handler.crashed",),
    ),
    "lost_answers": (
        "what was asked for is done, and its answer is lost",
        FaultBudget(lost_answers=2),
        (),
    ),
    "refused": (
        "calls are refused with 5xx or 429",
        FaultBudget(server_errors=2, throttles=1),
        ("call.throttled",),
    ),
    "slow": (
        "bodies take very long, and deliveries that take long come again",
        FaultBudget(slow_bodies=1, redeliveries=2, slow_hosts=1),
        ("host.frozen",),
    ),
    "clocks": (
        "clocks of hosts are wrong by up to two seconds, and jump",
        FaultBudget(clocks_ahead=1, clocks_behind=1, clock_jumps=1),
        ("clock.wrong",),
    ),
}
"""Name of a case → what happens, how much of it, and where a search of it must have been."""

Draw = Callable[[Stream], Workload]


def scenario(
    name: str,
    title: str,
    workflow: str,
    *,
    draw: Draw,
    args: Callable[[Workload], tuple[object, ...]],
    failing: Draw | None = None,
    law: str = "I-12",
    since: str = "",
    **more: Any,
) -> Scenario:
    """A scenario of one workflow; ``failing`` draws a case more, with bodies that fail.

    ``since`` is the first version of the SDK that has what the workflow needs.
    """
    cases = [
        Case(name=trouble, title=told, draw=draw, budget=budget, expect={}, marks=marks)
        for trouble, (told, budget, marks) in TROUBLES.items()
    ]
    if failing is not None:
        cases.append(
            Case(
                name="failing",
                title="bodies raise, as often as the scenario says",
                draw=failing,
                budget=FaultBudget(),
                expect={},
                marks=("body.flaked",),
            )
        )
    return Scenario(
        name=name,
        title=title,
        law=law,
        laws=tuple(each for each in FOREIGN if each != law),
        workflow=ForeignProgram(SUBJECT, MODULE, workflow, since),
        steps=(),
        args=args,
        cases=tuple(cases),
        turns_max=TURNS_MAX,
        **more,
    )


def durations(stream: Stream, count: int) -> tuple[int, ...]:
    """How long so many bodies take."""
    return tuple(stream.choice(BODY_MS) for _ in range(count))


def bodies_ms(workload: Workload, count: int) -> list[int]:
    """The durations of so many bodies; those that were shrunk away take no time."""
    given = list(workload.durations_ms[:count])
    return given + [0] * (count - len(given))


def labels(*parts: tuple[str, int]) -> list[str]:
    """Labels of steps by name and count, in the order in which the workflow asks for them.

    The ordinals are those of everything that it asks for.
    """
    names = [name for name, count in parts for _ in range(count)]
    return [f"{name}#{ordinal}" for ordinal, name in enumerate(names, 1)]


def first_of(log: Sequence[Event], *types: str) -> str:
    """Which of these types of events is the first in the log; ``""`` if none is there."""
    return next((event.type for event in log if event.type in types), "")
