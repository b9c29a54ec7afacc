"""Goal: what a run notes about itself is noted once, and costs it nothing.

Method: a workflow sets attributes, runs two branches, has a step set one, and takes one away again
(where the SDK has attributes).  Right outcome: the run ends with its results (I-18), whoever meets
whom on the way.
"""

from __future__ import annotations

from scenarios.vercel.troubles import bodies_ms, durations, scenario
from simworld.entropy import Stream
from simworld.records import Workload

BRANCHES = 2


def drawn(stream: Stream) -> Workload:
    """Two branches."""
    return Workload(steps=BRANCHES, durations_ms=durations(stream, BRANCHES))


marked = scenario(
    "vercel_marked",
    "a run notes how far it is",
    "marked",
    since="0.10.2",
    law="I-18",
    draw=drawn,
    args=lambda workload: (bodies_ms(workload, BRANCHES),),
    oracle=lambda workload, log: list(range(BRANCHES)),
    targets=lambda workload: ["work#2", "work#3", "mark#4"],
)
