"""Messages that only say: look at the run; which of them one stands for (``Queue.send``, merge)."""

from __future__ import annotations

import pytest

from simworld import marks
from simworld.ports import Delivery, Message
from tests.worlds.queue_rig import FLOW, STEP, Rig

OTHER = Message("wrun_2")


def wake(rig, message=FLOW):
    """Whether the message was accepted."""
    return bool(rig.send(message, merge=True))


def test_one_that_nobody_has_begun_stands_for_all_of_its_run():
    rig, before = Rig(), marks.snapshot()
    assert [wake(rig) for _ in range(3)] == [True, False, False]
    assert wake(rig, OTHER)
    rig.run()
    assert [each.message for each in rig.reached] == [FLOW, OTHER]
    assert marks.since(before)["message.merged"] == 2


def test_one_that_is_being_handled_stands_for_none():
    rig = Rig((100, "ack"))
    wake(rig)
    rig.line.at(50, lambda: wake(rig))
    rig.run()
    assert len(rig.reached) == 2


def test_one_that_was_handled_stands_for_none():
    rig = Rig()
    wake(rig)
    rig.run()
    assert wake(rig)


def test_a_wrong_queue_has_one_that_is_being_handled_stand_for_others():
    rig = Rig((100, "ack"), merging="in_flight")
    wake(rig)
    rig.line.at(50, lambda: wake(rig))
    rig.line.at(200, lambda: wake(rig))
    rig.run()
    assert rig.times == [0, 200]


def test_a_queue_that_cannot_merge_delivers_every_one():
    rig = Rig((100, "ack"), merging="never")
    assert [wake(rig), wake(rig)] == [True, True]
    rig.run()
    assert rig.times == [0, 0]


def test_only_those_merge_that_say_so():
    rig = Rig()
    rig.send(FLOW)
    assert [wake(rig), bool(rig.send(FLOW)), bool(rig.send(STEP))] == [True, True, True]
    assert not wake(rig)
    rig.run()
    assert len(rig.reached) == 4


@pytest.mark.parametrize("dedup", ["none", "in_flight", "retention", "completed_lru", "job_key"])
def test_keys_know_nothing_of_it(dedup):
    rig = Rig(dedup=dedup)
    rig.send(FLOW, key="k")
    assert wake(rig)
    rig.run()
    assert wake(rig)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["throw", "die"])
def test_one_that_comes_again_stands_for_none(end):
    """It is due later, and a queue may count its deliveries."""
    rig = Rig((10, "throw" if end == "throw" else "ack"), redelivery_ms=5_000)
    wake(rig)
    if end == "die":
        rig.line.at(5, lambda: rig.line.kill("test/flow"))
    rig.line.at(100, lambda: wake(rig))
    rig.run()
    assert rig.times == [0, 100, 5_000 + (5 if end == "die" else 10)]


def test_an_extra_delivery_of_one_that_is_being_handled_stands_for_none():
    rig = Rig((100, "ack"), (100, "ack"))
    rig.queue.duplicate(rig.send(merge=True))
    rig.line.at(50, lambda: wake(rig))
    rig.run()
    assert [each.at_ms for each in rig.reached] == [0, 0, 100]


def test_one_that_was_lost_with_its_queue_stands_for_none():
    rig = Rig(keeps="nothing")
    wake(rig)
    rig.queue.restart()
    assert wake(rig)
    rig.run()
    assert len(rig.reached) == 1


# --- one at a time --------------------------------------------------------------------------------


def test_one_waits_until_the_one_before_is_done_and_stands_for_others_meanwhile():
    rig, before = Rig((100, "ack")), marks.snapshot()
    wake(rig)
    for at_ms in (10, 20, 30):
        rig.line.at(at_ms, lambda: wake(rig))
    rig.run()
    assert rig.times == [0, 100]
    assert marks.since(before)["message.merged"] == 2


def test_who_waits_goes_on_when_the_one_before_dies():
    rig = Rig((100, "ack"), redelivery_ms=5_000)
    wake(rig)
    rig.line.at(10, lambda: wake(rig))
    rig.line.at(40, lambda: rig.line.kill("test/flow"))
    rig.run()
    assert rig.times == [0, 40, 5_040]


def test_who_runs_a_body_lets_others_pass():
    """R-82: no wake waits behind a body."""
    rig = Rig((1_000, "ack"))
    message_id = rig.send(merge=True)
    rig.line.at(10, lambda: wake(rig))
    rig.line.at(30, lambda: rig.queue.let_pass(Delivery(message_id, 1, f"{message_id}.1")))
    rig.run()
    assert rig.times == [0, 30]


def test_a_delivery_of_another_queue_lets_nobody_pass():
    rig = Rig((100, "ack"))
    wake(rig)
    rig.line.at(10, lambda: wake(rig))
    rig.line.at(30, lambda: rig.queue.let_pass(Delivery("msg_of_another", 1, "receipt")))
    rig.run()
    assert rig.times == [0, 100]


def test_a_queue_that_serialises_whole_deliveries_lets_nobody_pass():
    rig = Rig((100, "ack"), flow_order="one_by_one")
    message_id = rig.send(merge=True)
    rig.line.at(10, lambda: wake(rig))
    rig.line.at(30, lambda: rig.queue.let_pass(Delivery(message_id, 1, f"{message_id}.1")))
    rig.run()
    assert rig.times == [0, 100]


def test_other_messages_wait_for_none():
    rig = Rig((100, "ack"))
    wake(rig)
    rig.line.at(10, lambda: [rig.send(FLOW), rig.send(STEP), wake(rig, OTHER)])
    rig.run()
    assert rig.times == [0, 10, 10, 10]


def test_processes_know_nothing_of_each_other():
    rig = Rig((100, "ack"), (100, "ack"), processes=2)
    for at_ms in (0, 10):  # the first flow message is in one process, the second in the other
        rig.line.at(at_ms, lambda: wake(rig))
    rig.run()
    assert rig.times == [0, 10]


def test_a_queue_forgets_what_was_handled():
    rig = Rig((0, "throw"), (0, 3))
    for _ in range(5):
        rig.queue.duplicate(rig.send())
        wake(rig)
    rig.run()
    assert rig.queue._entries == {}
