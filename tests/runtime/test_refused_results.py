"""A step message whose start or result is refused with 409: who goes on with the run (R-83)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import RefusedResult, gather
from simworld.records import Fault
from tests.runtime.programs import program, work
from tests.runtime.rig import FIXED, MERGE, V1, play

BASES = {"v1": V1, "v2_merge": MERGE, "fixed": FIXED}
TASK = "start/flow/work#2"
"""The background one of two steps."""


async def quick_and_slow():
    """The second one is the last to end."""
    return list(await gather(work("quick"), work("slow", 1_000)))


def ends(base, on_409):
    """How runs end whose background step's handler dies before its k-th operation."""
    policy = attrs.evolve(BASES[base], on_409=on_409)
    return [
        play(program(quick_and_slow), policy=policy, faults=(Fault("crash", TASK, k),)).run.status
        for k in range(1, 9)
    ]


@pytest.mark.parametrize("base", BASES)
def test_whoever_has_recorded_the_result_may_be_gone(base):
    assert set(ends(base, RefusedResult.CONTINUE)) == {"completed"}


@pytest.mark.parametrize("base", BASES)
def test_who_trusts_another_may_be_the_last(base):
    assert "running" in ends(base, RefusedResult.ACKNOWLEDGE)
