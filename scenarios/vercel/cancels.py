"""Goal: what is cancelled stops, and nothing of it begins any more.

Method: a client ends a run while its steps run, early or late; and a workflow tells a step of its
own to stop when a sleep runs out (where the SDK has steps that can be cancelled).  Right outcome:
no body begins behind the end of its run (I-26); the workflow goes on as the step's end in the log
has it: stopped, or done before it heard of it (I-18).
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.vercel.troubles import bodies_ms, durations, first_of, labels, scenario
from simworld.engine import Event, StepCreated
from simworld.entropy import Stream
from simworld.errors import DefiniteFailure, EntityConflictError
from simworld.marks import reached
from simworld.records import Workload
from simworld.subjects import SubjectClient

STEPS = 3
LATE_MS = (0, 10, 50, 100, 1_500)
SLEEPS_MS = (10, 100, 1_000)
LONG_MS = (100, 1_500, 30_000)
"""How long the step takes that is told to stop."""


async def cancels(user: SubjectClient, workload: Workload) -> None:
    """Start the run, and end it after a while, unless it has ended."""
    run_id = await user.start(bodies_ms(workload, STEPS))
    await user.sleep(workload.value("late_ms", 0))
    try:
        await user.cancel(run_id)
        reached("run.cancelled")
    except (DefiniteFailure, EntityConflictError):
        reached("run.not_cancelled")


def drawn(stream: Stream) -> Workload:
    """The end may come at any time."""
    late = ("late_ms", stream.choice(LATE_MS))
    return Workload(steps=STEPS, durations_ms=durations(stream, STEPS), extra=(late,))


cancelled = scenario(
    "vercel_cancelled",
    "a client ends a run while its steps run",
    "sequence",
    since="0.11.0",
    law="I-26",
    draw=drawn,
    args=lambda workload: (bodies_ms(workload, STEPS),),
    client=cancels,
    oracle=lambda workload, log: list(range(STEPS)),
    marks=("run.cancelled", "run.not_cancelled"),
    targets=lambda workload: labels(("work", STEPS)),
)


def lasting(stream: Stream) -> Workload:
    """The step may be done before the sleep, or long after it."""
    sleep = ("sleep_ms", stream.choice(SLEEPS_MS))
    return Workload(steps=1, durations_ms=(stream.choice(LONG_MS),), extra=(sleep,))


def outcome(workload: Workload, log: Sequence[Event]) -> str:
    """Stopped by the sleep, if that came first and the step has failed by it."""
    step = next(event.correlation_id for event in log if isinstance(event.fact, StepCreated))
    ends = [event.type for event in log if event.correlation_id == step]
    first = first_of(log, "step_completed", "step_failed", "wait_completed")
    if first == "wait_completed" and "step_failed" in ends:
        reached("step.stopped")
        return "recovered from the sleep"
    return "settled by the step"


stopping = scenario(
    "vercel_stopping",
    "a workflow tells a step to stop when a sleep runs out",
    "stopping",
    since="0.10.2",
    law="I-18",
    draw=lasting,
    args=lambda workload: (*bodies_ms(workload, 1), workload.value("sleep_ms", 10)),
    oracle=outcome,
    marks=("step.stopped",),
    targets=lambda workload: labels(("endless", 1)),
)
