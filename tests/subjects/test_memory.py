"""A trial leaves nothing behind: no task, no timer, no object that the next one would find."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from simworld.campaign import Hunter, load_scenarios, placed, preset

pytest.importorskip("vercel.workflow", reason="pip install 'simworld[vercel]'")

NAMES = ("vercel_gather", "vercel_letters", "vercel_streaming")
TRIALS = 50
"""Of each of them before the first count, and the same again before the second: caches have seen
all that there is to see."""
GROWTH_MAX = 0.1
"""Objects a trial; a trial makes thousands."""


def objects() -> tuple[int, int]:
    """How many asyncio tasks and futures there are, and how many objects in all."""
    gc.collect()
    there = gc.get_objects()
    return sum(1 for each in there if isinstance(each, asyncio.Future)), len(there)


def test_nothing_is_left_behind() -> None:
    """The SDK leaves circles, which the collector finds."""
    scenarios = load_scenarios("scenarios/vercel")
    variant = placed(preset("vercel-workflow"), "atomic")
    hunters = [Hunter(scenarios[name], variant) for name in NAMES]
    others, _ = objects()  # of other tests of this process
    counts = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            for hunter in hunters:
                for number in range(TRIALS):
                    hunter.trial(number)
            counts.append(objects())
    (left, before), (still_left, after) = counts
    assert max(left, still_left) <= others
    assert after - before < GROWTH_MAX * TRIALS * len(NAMES)
