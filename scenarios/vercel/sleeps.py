"""Goal: sleeps end once, at their time, and a race with one is decided once.

Method: sleeps of different lengths side by side, a sleep of more than a day (no queue keeps a
message that long, so it must be sent again on the way), and a step that races a sleep, about as
long as itself.  Right outcome: the winner is who is first in the log (I-18), in every pass; the run
ends soon after its last sleep (L-03), and no step fails (I-12).

What breaks it: a handler that goes by its own clock, or that has not read far enough.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.vercel.troubles import bodies_ms, durations, first_of, labels, scenario
from simworld.engine import Event
from simworld.entropy import Stream
from simworld.marks import reached
from simworld.records import Workload

SLEEPS_MS = (0, 10, 1_000, 1_000, 2_500)
HOURS = (1, 23, 26, 60)
STEP, SLEEP = "the step", "the sleep"


def sleeps(stream: Stream) -> Workload:
    """Three sleeps, some of which may end together."""
    return Workload(steps=3, durations_ms=tuple(stream.choice(SLEEPS_MS) for _ in range(3)))


parallel = scenario(
    "vercel_parallel_sleeps",
    "sleeps side by side, a step behind each",
    "parallel_sleeps",
    draw=sleeps,
    args=lambda workload: (bodies_ms(workload, workload.steps),),
    oracle=lambda workload, log: list(range(workload.steps)),
    targets=lambda workload: [f"work#{n}" for n in range(4, 4 + workload.steps)],
)


def hours(workload: Workload) -> str:
    """How long the sleep is, in words."""
    return f"{workload.value('hours', HOURS[0])}h"


long_sleep = scenario(
    "vercel_long_sleep",
    "a sleep of hours or days between two steps",
    "long_sleep",
    draw=lambda stream: Workload(steps=2, extra=(("hours", stream.choice(HOURS)),)),
    args=lambda workload: (hours(workload),),
    oracle=lambda workload, log: f"settled by {hours(workload)}",
    targets=lambda workload: ["work#1", "settle#3"],
)


def race(stream: Stream) -> Workload:
    """The step may be done earlier, later, or at the sleep's end."""
    return Workload(
        steps=1,
        durations_ms=durations(stream, 1),
        extra=(("sleep_ms", stream.choice(SLEEPS_MS)),),
    )


def winner(workload: Workload, log: Sequence[Event]) -> str:
    """Whose end is the first in the log."""
    if first_of(log, "step_completed", "step_failed", "wait_completed") == "wait_completed":
        reached("race.sleep_won")
        return f"recovered from {SLEEP}"
    reached("race.step_won")
    return f"settled by {STEP}"


step_or_sleep = scenario(
    "vercel_step_or_sleep",
    "a step races a sleep, and each winner has a branch of its own",
    "step_or_sleep",
    law="I-18",
    draw=race,
    args=lambda workload: (*bodies_ms(workload, 1), workload.value("sleep_ms", 0)),
    oracle=winner,
    marks=("race.sleep_won", "race.step_won"),
    targets=lambda workload: labels(("work", 1)),
)
