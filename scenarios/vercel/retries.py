"""Goal: a step is tried again as often as it may be, and its failure is its workflow's to handle.

Method: a step with three retries beside another; one with three and one without any, whose failure
for good the workflow catches; and one that always fails for good.  Right outcome: a step fails only
when its own bodies have failed as often as it may (I-12), and the workflow then goes on behind its
``except`` (I-18).

What breaks it: deliveries that are counted as tries although no body of theirs has failed.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.vercel.troubles import bodies_ms, durations, first_of, labels, scenario
from simworld.engine import Event
from simworld.entropy import Stream
from simworld.records import Workload

RETRIES = 3
"""Of ``sturdy``."""


def one_body(stream: Stream) -> Workload:
    """How long it takes."""
    return Workload(steps=1, durations_ms=durations(stream, 1))


def failing(label: str, times: int) -> tuple[tuple[str, int], ...]:
    """The first bodies of a step fail."""
    return tuple((label, number) for number in range(1, times + 1))


def sturdy_fails(stream: Stream) -> Workload:
    """Not more often than it may be tried again."""
    failures = failing("sturdy#1", stream.between(1, RETRIES))
    return Workload(steps=1, durations_ms=durations(stream, 1), failures=failures)


def sturdy_gives_up(stream: Stream) -> Workload:
    """Once more than it may be tried again."""
    failures = failing("sturdy#1", RETRIES + 1)
    return Workload(steps=1, durations_ms=durations(stream, 1), failures=failures)


def fragile_fails(stream: Stream) -> Workload:
    """Once is once too often."""
    return Workload(steps=1, durations_ms=durations(stream, 1), failures=failing("fragile#1", 1))


retrying = scenario(
    "vercel_retrying",
    "a step with three retries beside another",
    "retrying",
    draw=one_body,
    failing=sturdy_fails,
    args=lambda workload: tuple(bodies_ms(workload, 1)),
    oracle=lambda workload, log: "whole",
    targets=lambda workload: labels(("sturdy", 1), ("work", 1)),
)


def is_settled(log: Sequence[Event]) -> bool:
    """The step's end is the first there is."""
    return first_of(log, "step_completed", "step_failed") != "step_failed"


def caught(workload: Workload, log: Sequence[Event]) -> str:
    """By the workflow, if the step has failed."""
    return "settled by the step" if is_settled(log) else "recovered from a failure"


catching = scenario(
    "vercel_catching",
    "a step without a retry, whose failure the workflow catches",
    "catching",
    draw=one_body,
    failing=fragile_fails,
    args=lambda workload: tuple(bodies_ms(workload, 1)),
    oracle=caught,
    targets=lambda workload: labels(("fragile", 1)),
)


def outlasted(workload: Workload, log: Sequence[Event]) -> str:
    """By the workflow, if the step has failed; how often, I-12 judges."""
    return "settled by the step" if is_settled(log) else "recovered from four failures"


exhausted = scenario(
    "vercel_exhausted",
    "a step whose three retries all fail, which the workflow catches",
    "exhausted",
    draw=one_body,
    failing=sturdy_gives_up,
    args=lambda workload: tuple(bodies_ms(workload, 1)),
    oracle=outlasted,
    targets=lambda workload: labels(("sturdy", 1)),
)

refused = scenario(
    "vercel_refused",
    "a step that fails for good, beside one that does not",
    "refused",
    draw=one_body,
    args=lambda workload: tuple(bodies_ms(workload, 1)),
    oracle=lambda workload, log: "recovered from a refusal",
    may_fail=True,
    targets=lambda workload: ["work#2", "refuse#1"],
)
