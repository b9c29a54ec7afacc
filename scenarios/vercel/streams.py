"""Goal: what a step has written to a stream is there for a step that reads it meanwhile.

Method: one step writes lines with pauses between them and closes the stream; another, side by side
with it, reads until the stream ends.  Right outcome: the reader has every line (I-18).  A writer
that is tried again writes its lines again, so the reader takes each once.
"""

from __future__ import annotations

from scenarios.vercel.troubles import labels, scenario
from simworld.entropy import Stream
from simworld.records import Workload

LINES = (1, 3)
PAUSES_MS = (0, 10, 400)


def drawn(stream: Stream) -> Workload:
    """How many lines, and how far apart."""
    extra = (("lines", stream.choice(LINES)), ("pause_ms", stream.choice(PAUSES_MS)))
    return Workload(steps=2, extra=extra)


streaming = scenario(
    "vercel_streaming",
    "one step writes a stream, another reads it meanwhile",
    "streaming",
    law="I-18",
    draw=drawn,
    args=lambda workload: (workload.value("lines", 1), workload.value("pause_ms", 0)),
    oracle=lambda workload, log: [f"line {n}" for n in range(workload.value("lines", 1))],
    targets=lambda workload: labels(("tell", 1), ("listen", 1)),
)
