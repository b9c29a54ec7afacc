"""Bugs of world and queue that a review found and that must not come back."""

from __future__ import annotations

import pytest

from simworld.engine import RunCreated
from simworld.errors import UsageError
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld
from tests.worlds.doubles import Clock, Ids, now
from tests.worlds.queue_rig import STEP, Rig


@pytest.mark.parametrize("first", ["ack", "throw"])
def test_queued_only_keeps_the_key_of_a_message_that_still_waits(first):
    """The first message lost its key when it was delivered; its end must not free the second's.

    0 ms the first is delivered (key free), 10 ms a second one takes the key and waits for 20 s,
    100 ms the first ends (or comes back at 5 s and ends then); the second still waits, so a third
    one must be dropped.
    """
    rig = Rig((100, first), dedup="queued_only", redelivery_ms=5_000)
    rig.send(STEP, key="k")
    answers = []

    def send_delayed():
        answers.append(bool(rig.send(STEP, key="k", delay_s=20)))

    rig.line.at(10, send_delayed)
    for at_ms in (50, 150, 6_000):
        rig.line.at(at_ms, lambda: answers.append(bool(rig.send(STEP, key="k"))))
    rig.run()
    assert answers == [True, False, False, False]


def test_an_extra_delivery_comes_no_earlier_than_the_message_itself():
    """A delayed message (a retry in 7 s) is duplicated with delay 0: it overtakes its own delay."""
    rig = Rig((1_000, "ack"))
    rig.queue.duplicate(rig.send(STEP, delay_s=7))
    rig.run()
    assert min(rig.times) == 7_000


def test_a_host_that_dies_before_its_delivery_begins_loses_no_message():
    """``on_lost`` may come before the task has begun; the entry then counts −1 in flight for ever.

    ``ports.Tasks.spawn`` promises the call "if the host dies before the task has ended".
    """
    rig = Rig(redelivery_ms=5_000)
    rig.send(STEP)
    task = rig.line.tasks["test/step_1"]
    task.over = True
    task.on_lost()
    rig.run()
    assert rig.times == [5_000]


@pytest.mark.parametrize("cursor", ["²", "①"])
def test_digits_that_are_no_number_are_no_cursor(cursor):
    """``str.isdigit`` is true of them, ``int`` then raises ValueError."""
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile())
    with pytest.raises(UsageError, match="is not a cursor of this world"):
        now(world.events("wrun_1", cursor))


def test_no_page_promises_more_without_a_cursor():
    """``page_max=0`` is accepted (also by ``--set``) and makes every reader loop for ever."""
    try:
        world = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile(page_max=0))
    except UsageError:
        return  # as good an answer
    now(world.create("wrun_1", RunCreated("order", b"")))
    page = now(world.events("wrun_1"))
    assert page.cursor is not None or not page.has_more
