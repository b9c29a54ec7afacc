"""Goal: steps one after the other and side by side give their results, each under its own name.

Method: a sequence, a gather of three to eight branches with one and with two steps each, and
branches of all kinds in one gather; bodies take no time, some, or more than a second, so they end
in any order.  Right outcome: every result is where its branch is (I-18), and no step fails, since
no body ever does (I-12).

What breaks it: a delivery that finds all branches done asks for the step behind them, as every
other one does; if each of its starts counts as a try, a healthy step runs out of tries.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from scenarios.vercel.troubles import durations, labels, scenario
from simworld.engine import Event
from simworld.entropy import Stream
from simworld.records import Workload

BRANCHES = (3, 8)
NESTED_COUNT = 5


def some(count: int, most: int = 0) -> Stream | object:
    """Draw so many steps, or up to ``most`` of them."""

    def draw(stream: Stream) -> Workload:
        steps = stream.between(count, max(count, most))
        return Workload(steps=steps, durations_ms=durations(stream, steps))

    return draw
