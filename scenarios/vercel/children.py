"""Goal: a run that waits for another one ends when that does, with its result.

Method: a step starts a child run and tells its id, the next step looks again and again until the
child has ended, or it has looked often enough, and fails.  Right outcome: a parent that completes
returns what its child does (I-18); a step that is tried again may have started a second child, and
both end (L-01).

What breaks it: a call of the world that fails in a step's body is a failed body, and costs a try.
"""

from __future__ import annotations

from scenarios.vercel.troubles import bodies_ms, durations, labels, scenario
from simworld.entropy import Stream
from simworld.records import Workload

INDEX = 7
"""What the child gives back."""
PAUSES_MS = (100, 1_000)


def drawn(stream: Stream) -> Workload:
    """The child's body takes a while, and so do the pauses between two looks."""
    pause = ("pause_ms", stream.choice(PAUSES_MS))
    return Workload(steps=2, durations_ms=durations(stream, 1), extra=(pause,))


child_polling = scenario(
    "vercel_child_polling",
    "a step starts a child run, a later one waits for its end",
    "child_polling",
    law="I-18",
    draw=drawn,
    args=lambda workload: (
        INDEX,
        *bodies_ms(workload, 1),
        workload.value("pause_ms", PAUSES_MS[0]),
    ),
    oracle=lambda workload, log: INDEX,
    may_fail=True,
    targets=lambda workload: labels(("begin_child", 1), ("await_child", 1)),
)
