"""Workers of a queue: how many deliveries are under way at a time (R-72, R-74)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld import marks
from simworld.records import Dedup
from tests.worlds.queue_rig import FLOW, STEP, Rig


def test_as_many_as_are_due_run_at_once_unless_workers_are_limited():
    rig = Rig(*[(100, "ack")] * 3)
    for _ in range(3):
        rig.send()
    rig.run()
    assert rig.times == [0, 0, 0]
    assert (rig.queue.workers_busy(), rig.queue.workers_wanted()) == ((), ())


def test_a_delivery_without_a_worker_waits_for_the_first_that_is_free():
    rig = Rig((100, "ack"), (40, "ack"), (10, "ack"), (10, "ack"), workers=2)
    ids = [rig.send() for _ in range(4)]
    before = marks.snapshot()
    rig.run()
    assert rig.times == [0, 0, 40, 50]
    assert [each.message_id for each in rig.reached] == ids
    assert marks.since(before) == {"worker.awaited": 2}


def test_who_has_a_worker_and_who_waits_for_one():
    rig = Rig((100, "ack"), (50, "ack"), (10, "ack"), workers=1)
    for _ in range(3):
        rig.send()
    told = []
    for ms in (5, 105, 155):
        rig.line.at(ms, lambda: told.append((rig.queue.workers_busy(), rig.queue.workers_wanted())))
    rig.run()
    assert told == [
        (("test/flow",), ("test/flow.2", "test/flow.3")),
        (("test/flow.2",), ("test/flow.3",)),
        (("test/flow.3",), ()),
    ]
    assert (rig.queue.workers_busy(), rig.queue.workers_wanted()) == ((), ())


def test_nobody_who_comes_later_gets_in_between():
    """The worker is the waiting one's from the moment it is free, before that one goes on."""
    rig = Rig((100, "ack"), (10, "ack"), (10, "ack"), workers=1)
    first, second = rig.send(), rig.send()
    handle = rig.queue.handler
    third = []

    async def sends_at_its_end(message, delivery):
        answer = await handle(message, delivery)
        if delivery.message_id == first:
            third.append(rig.send())
        return answer

    rig.queue.handler = sends_at_its_end
    rig.run()
    assert [each.message_id for each in rig.reached] == [first, second, third[0]]


@pytest.mark.parametrize("how", ["ack", "throw", 7, "die"])
def test_a_worker_is_free_when_its_delivery_is_over(how):
    rig = Rig((100, "ack" if how == "die" else how), (1_000, "ack"), workers=1)
    rig.send()
    rig.send(STEP)
    if how == "die":
        rig.line.at(100, lambda: rig.line.kill("test/flow"))
    rig.run(until_ms=500)
    assert rig.times == [0, 100]
    assert rig.queue.workers_busy() == ("test/step_1",)


def test_a_waiting_delivery_is_not_delivered_yet():
    """Under ``queued_only`` a message has its key as long as nobody has it in hand."""
    rig = Rig((100, "ack"), (100, "ack"), workers=1, dedup=Dedup.QUEUED_ONLY)
    rig.send()
    rig.send(STEP, key="k")
    answers = []
    for ms in (50, 150):
        rig.line.at(ms, lambda: answers.append(bool(rig.send(STEP, key="k"))))
    rig.run()
    assert answers == [False, True]


def test_a_waiting_host_that_dies_wants_no_worker_and_loses_no_message():
    rig = Rig((100, "ack"), workers=1, redelivery_ms=5_000)
    rig.send()
    rig.send(STEP)
    rig.line.at(50, lambda: rig.line.kill("test/step_1"))
    rig.run(until_ms=200)
    assert (rig.queue.workers_busy(), rig.queue.workers_wanted()) == ((), ())
    rig.run()
    assert rig.times == [0, 5_050]


def test_a_host_that_dies_with_a_worker_it_has_just_been_given():
    rig = Rig((100, "ack"), workers=1, redelivery_ms=5_000)
    first = rig.send()
    rig.send(STEP)
    handle = rig.queue.handler

    async def the_next_one_dies(message, delivery):
        answer = await handle(message, delivery)
        if delivery.message_id == first:
            rig.line.at(rig.line.ms, give_and_kill)
        return answer

    def give_and_kill():
        if rig.queue.workers_busy() != ("test/step_1",):
            rig.line.at(rig.line.ms, give_and_kill)
            return
        assert len(rig.reached) == 1  # it has a worker, and has not gone on
        rig.line.kill("test/step_1")

    rig.queue.handler = the_next_one_dies
    rig.send(FLOW, delay_s=1)
    rig.run()
    assert rig.times == [0, 1_000, 5_100]


def test_a_duplicate_that_waits_is_gone_with_its_message():
    rig = Rig((100, "ack"), (10, "ack"), workers=1)
    rig.queue.duplicate(rig.send())
    rig.send(STEP)
    rig.line.at(50, lambda: waiting.append(rig.queue.workers_wanted()))
    waiting = []
    rig.run()
    assert waiting == [("test/flow~2", "test/step_1")]
    assert [(each.at_ms, each.message) for each in rig.reached] == [(0, FLOW), (100, STEP)]
    assert rig.line.tasks["test/flow~2"].over
    assert (rig.queue.workers_busy(), rig.queue.workers_wanted()) == ((), ())


# --- held through the timeout (R-74) ----------------------------------------------------------


def test_released_a_sleeping_message_leaves_its_worker_to_others():
    rig = Rig((10, 60), (10, "ack"), workers=1)
    rig.send()
    rig.send(STEP)
    rig.run()
    assert [(each.at_ms, each.message) for each in rig.reached] == [
        (0, FLOW),
        (10, STEP),
        (60_010, FLOW),
    ]


def test_held_a_sleeping_message_keeps_its_worker_until_it_is_handled_for_good():
    rig = Rig((10, 60), (10, 5), (10, "ack"), workers=1, worker_slots="held")
    rig.send()
    rig.send(STEP)
    rig.run(until_ms=30_000)
    assert rig.queue.workers_busy() == ("test/flow~2",)
    assert rig.queue.workers_wanted() == ("test/step_1",)
    rig.run()
    assert [(each.at_ms, each.message) for each in rig.reached] == [
        (0, FLOW),
        (60_010, FLOW),
        (65_020, FLOW),
        (65_030, STEP),
    ]


def test_held_a_failed_message_leaves_its_worker_to_others():
    rig = Rig((10, "throw"), (10, "ack"), workers=1, worker_slots="held", redelivery_ms=5_000)
    rig.send()
    rig.send(STEP)
    rig.run()
    assert [each.message for each in rig.reached] == [FLOW, STEP, FLOW]


def test_held_a_worker_is_free_when_the_sleeping_message_is_deleted():
    rig = Rig((10, 60), (20, "ack"), (10, "ack"), workers=2, worker_slots="held")
    rig.queue.duplicate(rig.send())
    busy = []
    for ms in (15, 25):
        rig.line.at(ms, lambda: busy.append(rig.queue.workers_busy()))
    rig.run()
    assert busy == [("test/flow~2", "test/flow~3"), ()]
    assert rig.times == [0, 0]


# --- whatever happens -------------------------------------------------------------------------


ACTIONS = st.sampled_from(["ack", "throw", 0, 1, 30])


@given(
    script=st.lists(st.tuples(st.sampled_from([0, 10, 400, 7_000]), ACTIONS), max_size=8),
    extra=st.lists(st.integers(0, 2), min_size=1, max_size=4),
    kills=st.lists(st.integers(0, 9_000), max_size=3),
    workers=st.integers(1, 3),
    slots=st.sampled_from(["released", "held"]),
)
def test_never_more_than_there_are_workers_and_nothing_is_left(
    script, extra, kills, workers, slots
):
    rig = Rig(*script, workers=workers, worker_slots=slots)
    handle = rig.queue.handler
    most = 0

    async def counted(message, delivery):
        nonlocal most
        busy = rig.queue.workers_busy()
        running = [name for name, task in rig.line.tasks.items() if task.coroutine]
        assert len(busy) <= workers
        most = max(most, sum(name in busy for name in running))
        return await handle(message, delivery)

    rig.queue.handler = counted
    ids = []
    for count in extra:
        ids.append(rig.send())
        for _ in range(count):
            rig.queue.duplicate(ids[-1])

    def kill_somebody():
        for name, task in rig.line.tasks.items():
            if task.coroutine is not None and not task.over:
                rig.line.kill(name)
                return

    for at_ms in kills:
        rig.line.at(at_ms, kill_somebody)
    rig.run()
    acknowledged = [action for _, action in rig.ended if action == "ack"]
    assert len(acknowledged) >= len(ids)
    assert most <= workers
    assert (rig.queue.workers_busy(), rig.queue.workers_wanted()) == ((), ())
    assert all(task.over for task in rig.line.tasks.values())
