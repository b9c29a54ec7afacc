"""Goal: steps one after the other and side by side give their results, each in its own place.

Method: a sequence, a gather of three to eight branches with one and with two steps each, and
branches of all kinds in one gather; bodies take no time, some, or more than a second, so they end
in any order.  Right outcome: every result is where its branch is (I-18), and no step fails, since
none of their bodies does (I-12).

What breaks it: whoever finds all branches done asks for the step behind them, and several do; an
engine that takes each of its starts for a try lets a healthy step run out of tries.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from scenarios.vercel.troubles import bodies_ms, durations, labels, scenario
from simworld.engine import Event
from simworld.entropy import Stream
from simworld.records import Workload

BRANCHES = (3, 3, 3, 4, 5, 8)
"""Three meet as well as eight do, and cost less."""
NESTED = ("work", "work", "work", "check", "work")
"""The steps of ``nested``, in the order in which they are asked for if none takes any time."""
TRIES = 4
"""Of a step that says nothing about its retries."""


def args(workload: Workload) -> tuple[object, ...]:
    """What the run is started with."""
    return (bodies_ms(workload, workload.steps),)


def in_order(workload: Workload, log: Sequence[Event]) -> list[int]:
    """Every branch's index, in its place."""
    return list(range(workload.steps))


def counted(workload: Workload, log: Sequence[Event]) -> list[int]:
    """The same, and the result of the step behind them."""
    return list(range(workload.steps + 1))


def branches(stream: Stream) -> Workload:
    """Some branches."""
    return fixed(stream, stream.choice(BRANCHES))


def fixed(stream: Stream, count: int) -> Workload:
    """So many steps."""
    return Workload(steps=count, durations_ms=durations(stream, count))


def flaky(stream: Stream) -> Workload:
    """One of the branches has bodies that fail, but not as many as it may have."""
    workload = branches(stream)
    label = f"work#{stream.between(1, workload.steps)}"
    times = stream.between(1, TRIES - 1)
    return attrs.evolve(workload, failures=tuple((label, n) for n in range(1, times + 1)))


sequence = scenario(
    "vercel_sequence",
    "steps one after the other",
    "sequence",
    draw=lambda stream: fixed(stream, 3),
    args=args,
    oracle=in_order,
    targets=lambda workload: labels(("work", workload.steps)),
)

gather = scenario(
    "vercel_gather",
    "branches side by side, and a step behind them",
    "gather",
    draw=branches,
    failing=flaky,
    args=args,
    oracle=counted,
    targets=lambda workload: labels(("work", workload.steps), ("check", 1)),
)

gather_fragile = scenario(
    "vercel_gather_fragile",
    "branches side by side, and behind them a step that has no second try",
    "gather_fragile",
    draw=branches,
    args=args,
    oracle=lambda workload, log: "whole",
    targets=lambda workload: labels(("work", workload.steps), ("fragile", 1)),
)

gather_twice = scenario(
    "vercel_gather_twice",
    "branches of two steps side by side",
    "gather_twice",
    draw=branches,
    failing=flaky,
    args=args,
    oracle=in_order,
    targets=lambda workload: labels(("work", workload.steps)),
)

nested = scenario(
    "vercel_nested",
    "a sequence and a gather side by side, and a step behind them",
    "nested",
    draw=lambda stream: fixed(stream, len(NESTED)),
    args=lambda workload: (bodies_ms(workload, len(NESTED)),),
    oracle=lambda workload, log: list(range(len(NESTED))),
    targets=lambda workload: [f"{name}#{n}" for n, name in enumerate(NESTED, 1)],
)
