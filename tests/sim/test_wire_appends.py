"""Appends, and waiting for a run's end, at the end of a wire."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest

from simworld.engine import RunCompleted, StepStarted, WaitCompleted
from simworld.errors import EntityConflictError, IndefiniteFailure
from simworld.records import Committed, Fault
from simworld.sim import SimClock
from tests.sim.test_wire import RUN, STEP, WAIT, Rig


def test_an_append_is_one_request() -> None:
    rig = Rig()

    async def work() -> Sequence[int]:
        facts = [StepStarted(STEP, "work"), WaitCompleted(WAIT, 5)]
        answers = await rig.world.append(RUN, facts, after=4)
        return [answer.event.position for answer in answers if answer.event is not None]

    rig.plays(a=work)
    assert rig.told == [[5, 6]]
    told = "record step_started of work#1, wait_completed of sleep#2"
    assert [each[:2] for each in rig.said][1:] == [
        ("a/append", told),
        ("a", f"get the answer: {told}"),
    ]
    assert rig.said[1][2] == "event 5, attempt 1; event 6"
    assert [each.event.position for each in rig.found(Committed)] == [5, 6]


@pytest.mark.parametrize("kind", ["lost_answer", "duplicate_request"])
def test_an_append_that_is_sent_again_is_refused(kind: str) -> None:
    fault = Fault(kind, "a" if kind == "lost_answer" else "a/append", 2 - (kind[0] == "d"))
    rig = Rig(fault)

    async def work() -> None:
        facts = [StepStarted(STEP, "work"), WaitCompleted(WAIT, 5)]
        with suppress(IndefiniteFailure):
            await rig.world.append(RUN, facts)
        await rig.world.append(RUN, facts)

    rig.plays(a=work)
    assert rig.told == [EntityConflictError]
    assert [each.event.position for each in rig.found(Committed)] == [5, 6]


@pytest.mark.parametrize(("ends_ms", "took_ms"), [(2_000, 2_000), (9_000, 9_000)])
def test_the_server_tells_of_the_end_or_says_after_a_while_that_it_has_waited(
    ends_ms: int, took_ms: int
) -> None:
    rig, heard = Rig(timeout_ms=100), []

    async def wait() -> None:
        await rig.world.wait_end(RUN, 5_000)
        heard.append(rig.took_ms)

    async def end() -> None:
        await SimClock(rig.kernel).sleep_ms(ends_ms)
        await rig.world.create(RUN, RunCompleted(b""))

    rig.plays(a=wait, b=end)
    assert heard == [min(ends_ms, 5_000)]
    assert rig.took_ms == took_ms
