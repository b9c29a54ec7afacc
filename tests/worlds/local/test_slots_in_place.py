"""The log of slots with its one guard taken away: events written in place (R-57)."""

from __future__ import annotations

import pytest

from simworld.engine import StepCreated, StepStarted
from simworld.errors import UsageError, WorldError
from simworld.worlds.codec import encode_event
from simworld.worlds.local.layout import slot_path
from tests.worlds.doubles import now
from tests.worlds.local.stepping import CREATED, STARTED, Call, Rig

STEP = StepCreated("step_1", "work", b"")
TORN = slot_path("wrun_1", 3)


def torn(*, linked):
    """A rig whose third event is half there."""
    rig = Rig(local_linked_events=linked)
    rig.create(rig.process(), CREATED, STARTED)
    event = rig.create(rig.process(), STEP).event
    now(rig.memory.unlink(TORN))
    rig.memory.tear(TORN, encode_event(event), 20)
    return rig


def test_an_event_is_written_in_place():
    rig = Rig(local_linked_events=False)
    world = rig.process()
    rig.create(world, CREATED, STARTED)
    assert rig.done_by(Call(world.create("wrun_1", STEP)))[-1] == f"create {TORN}"
    assert rig.types() == ["run_created", "run_started", "step_created"]


def test_whoever_looks_at_half_an_event_is_told_to_come_again():
    rig = torn(linked=False)
    world = rig.process()
    for call in (world.events("wrun_1"), world.create("wrun_1", StepStarted("step_1", "work"))):
        with pytest.raises(WorldError, match="half an event") as refused:
            Call(call).finish()
        assert refused.value.status == 500
    assert rig.types() == ["run_created", "run_started"]


def test_half_an_event_that_was_linked_is_nothing_of_ours():
    with pytest.raises(UsageError, match="restore it from a copy"):
        Call(torn(linked=True).process().events("wrun_1")).finish()
