"""What may befall a queue: deliveries that count as failed, few workers, a restart."""

from __future__ import annotations

import pytest

from simworld import marks
from simworld.errors import UsageError
from simworld.records import Dedup, Keeps, QueueProfile
from simworld.worlds import QUEUES, TableQueue
from tests.worlds.queue_rig import FLOW, STEP, Rig


def times_out(rig, number, after_ms):
    """Have the n-th delivery to begin time out."""
    handle = rig.queue.handler

    async def told(message, delivery):
        if len(rig.reached) + 1 == number:
            rig.queue.time_out(delivery.message_id, _name(delivery), after_ms)
        return await handle(message, delivery)

    rig.queue.handler = told
    return rig


def _name(delivery):
    number = delivery.receipt.rpartition(".")[2]
    return "test/flow" if number == "1" else f"test/flow~{number}"


def test_a_delivery_that_times_out_comes_again_while_its_handler_lives_on():
    rig = times_out(Rig((100, "ack"), (10, "ack")), 1, 30)
    rig.send()
    before = marks.snapshot()
    rig.run()
    assert (rig.times, rig.numbers) == ([0, 30], [1, 2])
    assert rig.ended == [(40, "ack"), (100, "ack")]
    assert marks.since(before)["delivery.timed_out"] == 1


def test_a_delivery_that_ends_in_time_does_not_come_again():
    rig = times_out(Rig((20, "ack")), 1, 30)
    rig.send()
    assert rig.run().times == [0]


def test_only_the_delivery_that_timed_out_has_failed():
    """Its message comes once; the one that comes may take as long as it likes."""
    rig = times_out(Rig((100, "ack"), (500, "ack")), 1, 0)
    rig.send()
    assert rig.run().times == [0, 0]


def test_the_earlier_of_two_time_outs_is_the_one_that_counts():
    rig = times_out(Rig((100, "ack"), (10, "ack"), delivery_timeout_ms=90), 1, 30)
    rig.send()
    assert rig.run().times == [0, 30]


def test_a_message_that_would_be_dead_does_not_time_out():
    rig = times_out(Rig((100, "ack"), dead_after=1), 1, 30)
    rig.send()
    assert rig.run().times == [0]


def test_few_workers_and_then_enough():
    rig = Rig(*[(100, "ack")] * 4)
    rig.queue.limit_workers(1)
    for _ in range(4):
        rig.send()
    rig.line.at(150, lambda: rig.queue.limit_workers(0))
    rig.run()
    assert rig.times == [0, 100, 150, 150]


def test_enough_workers_are_as_many_as_the_profile_has():
    rig = Rig(*[(100, "ack")] * 4, workers=2)
    rig.queue.limit_workers(1)
    for _ in range(4):
        rig.send()
    rig.line.at(50, lambda: rig.queue.limit_workers(0))
    rig.run()
    assert rig.times == [0, 50, 100, 150]


def test_fewer_workers_take_none_from_who_has_one():
    rig = Rig(*[(100, "ack")] * 4, workers=2)
    for _ in range(4):
        rig.send()
    rig.line.at(50, lambda: rig.queue.limit_workers(1))
    rig.run()
    assert rig.times == [0, 0, 100, 200]


def test_a_durable_queue_keeps_its_messages_when_everybody_dies():
    rig = Rig()
    rig.send(delay_s=1)
    rig.send(STEP, key="k", delay_s=1)
    rig.queue.restart()
    assert not rig.send(STEP, key="k")
    assert rig.run().times == [1_000, 1_000]


def test_a_queue_in_memory_is_gone_with_its_keys():
    rig = Rig(keeps=Keeps.NOTHING)
    rig.send(delay_s=1)
    rig.send(STEP, key="k", delay_s=1)
    before = marks.snapshot()
    rig.queue.restart()
    assert marks.since(before)["message.lost"] == 2
    assert rig.send(STEP, key="k", delay_s=2)
    assert rig.run().times == [2_000]


@pytest.mark.parametrize("dedup", [Dedup.COMPLETED_LRU, Dedup.JOB_KEY])
def test_what_processes_remember_of_completed_keys_dies_with_them(dedup):
    rig = Rig(dedup=dedup)
    rig.send(STEP, key="k")
    rig.run()
    assert not rig.send(STEP, key="k")
    rig.queue.restart()
    assert rig.send(STEP, key="k")


def test_a_handler_that_outlives_its_queue_changes_nothing():
    """In the simulation it dies, too; its answer, if there is one, is about a message long gone."""
    rig = Rig((100, 5), keeps=Keeps.NOTHING)
    rig.send(FLOW)
    rig.line.at(50, rig.queue.restart)
    assert rig.run().times == [0]


def test_which_queues_are_in_memory():
    kept = {name: profile.keeps for name, profile in QUEUES.items()}
    lost = [name for name, keeps in kept.items() if keeps is Keeps.NOTHING]
    assert lost == ["local", "local-merged", "sdk-local"]


def test_a_queue_in_a_table_keeps_its_messages_whatever_a_knob_says():
    with pytest.raises(UsageError, match="keeps"):
        TableQueue(None, tasks=None, clock=None, ids=None, profile=QueueProfile(keeps="nothing"))


def test_a_message_survives_the_death_of_all_its_deliveries_also_of_one_called_off():
    """The second one waits for a worker, and is called off by the death of the first."""
    rig = times_out(Rig((100, "ack"), (100, "ack"), workers=1, redelivery_ms=500), 1, 0)
    rig.send()
    for ms, name in ((50, "test/flow"), (50, "test/flow~2"), (560, "test/flow~3")):
        rig.line.at(ms, lambda name=name: rig.line.kill(name))
    assert rig.run().times == [0, 550, 1_060]
