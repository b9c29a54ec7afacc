"""The at-least-once queue: deliveries, acknowledgements, redeliveries (decisions §3.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld import marks
from simworld.errors import InternalError, UsageError
from simworld.records import QueueProfile
from simworld.worlds import MemoryQueue
from tests.worlds.doubles import Ids, Timeline
from tests.worlds.queue_rig import FLOW, STEP, Rig


def test_a_message_is_delivered_once_and_acknowledged():
    rig = Rig()
    message_id = rig.send(STEP)
    rig.run()
    (reached,) = rig.reached
    assert (reached.message, reached.message_id, reached.number) == (STEP, message_id, 1)


def test_every_message_has_an_id_of_its_own():
    rig = Rig()
    ids = [rig.send(FLOW), rig.send(FLOW), rig.send(STEP)]
    rig.run()
    assert [each.message_id for each in rig.reached] == ids
    assert len(set(ids)) == 3


def test_a_delayed_message_is_delivered_when_its_delay_is_over():
    rig = Rig()
    rig.send(FLOW, delay_s=7)
    rig.send(STEP)
    rig.run()
    assert [(each.at_ms, each.message) for each in rig.reached] == [(0, STEP), (7_000, FLOW)]


def test_a_queue_may_ignore_what_its_senders_ask_for_and_not_what_handlers_do():
    """R-77: the delay of a send is dropped; ``{timeoutSeconds}`` and redeliveries keep theirs."""
    rig = Rig((0, 2), (0, "throw"), delays="ignored", redelivery_ms=5_000)
    rig.send(FLOW, delay_s=7)
    rig.run()
    assert rig.times == [0, 2_000, 7_000]


def test_deliveries_are_tasks_with_causal_names():
    rig = Rig((0, "throw"))
    sent = [rig.send(FLOW), rig.send(FLOW), rig.send(STEP)]
    assert [rig.queue.name_of(each) for each in sent] == ["test/flow", "test/flow.2", "test/step_1"]
    rig.run()
    assert list(rig.line.tasks) == ["test/flow", "test/flow.2", "test/step_1", "test/flow~2"]


# --- failures ---------------------------------------------------------------------------------


def test_a_throw_has_the_message_delivered_again_with_the_next_number():
    rig = Rig((10, "throw"), (0, "throw"), redelivery_ms=5_000)
    rig.send()
    rig.run()
    assert rig.times == [0, 5_010, 10_010]
    assert rig.numbers == [1, 2, 3]
    assert len({each.message_id for each in rig.reached}) == 1


def test_the_death_of_a_handler_has_the_message_delivered_again():
    rig = Rig((100, "ack"), redelivery_ms=5_000)
    rig.send()
    rig.line.at(40, lambda: rig.line.kill("test/flow"))
    rig.run()
    assert (rig.times, rig.numbers) == ([0, 5_040], [1, 2])
    assert rig.ended == [(5_040, "ack")]  # the dead one never got there


def test_death_between_the_handlers_end_and_its_acknowledgement():
    rig = Rig((50, "ack"), redelivery_ms=5_000)
    handle = rig.queue.handler

    async def dies_before_it_acknowledges(message, delivery):
        answer = await handle(message, delivery)
        if len(rig.ended) == 1:
            rig.line.at(rig.line.ms, lambda: rig.line.kill("test/flow"))
        return answer

    rig.queue.handler = dies_before_it_acknowledges
    rig.send()
    rig.run()
    assert rig.ended == [(50, "ack"), (5_050, "ack")]


@pytest.mark.parametrize("second", ["throw", "die"])
def test_a_failure_reschedules_nothing_while_another_delivery_is_in_flight(second):
    rig = Rig((100, "ack"), (20, "throw"))
    rig.queue.duplicate(rig.send())
    if second == "die":
        rig.line.at(10, lambda: rig.line.kill("test/flow~2"))
    rig.run()
    assert rig.times == [0, 0]


def test_a_failure_reschedules_nothing_while_another_delivery_is_due():
    # The first asks for a delivery in 3 s, then the second fails; the third outlasts what that
    # failure would have scheduled.
    rig = Rig((0, 3), (10, "throw"), (9_000, "ack"), redelivery_ms=5_000)
    rig.queue.duplicate(rig.send())
    rig.run()
    assert rig.times == [0, 0, 3_000]


def test_when_all_deliveries_fail_the_last_one_reschedules_once():
    rig = Rig((10, "throw"), (30, "throw"), (20, "throw"), redelivery_ms=5_000)
    message_id = rig.send()
    rig.queue.duplicate(message_id)
    rig.queue.duplicate(message_id)
    rig.run()
    assert rig.times == [0, 0, 0, 5_030]
    assert rig.numbers == [1, 2, 3, 4]


def test_a_failure_of_a_message_that_is_gone_reschedules_nothing():
    rig = Rig((50, "throw"), (10, "ack"), (30, "throw"))
    message_id = rig.send()
    rig.queue.duplicate(message_id)
    rig.queue.duplicate(message_id)
    rig.run()
    assert rig.times == [0, 0, 0]


# --- acknowledgement --------------------------------------------------------------------------


def test_the_first_acknowledgement_cancels_deliveries_that_have_not_begun():
    rig = Rig((0, 60), (0, "ack"))  # one delivery becomes due in a minute, the other acknowledges
    rig.queue.duplicate(rig.send())
    rig.run()
    assert rig.times == [0, 0]
    assert rig.line.tasks["test/flow~3"].over


def test_redeliver_of_a_deleted_message_does_nothing():
    rig = Rig((100, 1), (10, "ack"))
    rig.queue.duplicate(rig.send())
    rig.run()
    assert rig.ended == [(10, "ack"), (100, 1)]
    assert rig.times == [0, 0]


def test_a_deleted_message_cannot_be_duplicated():
    rig = Rig()
    message_id = rig.send()
    rig.run()
    before = marks.snapshot()
    rig.queue.duplicate(message_id)
    rig.run()
    assert (rig.times, marks.since(before)) == ([0], {})


def test_an_acknowledgement_is_for_its_own_message_only():
    rig = Rig((0, "ack"), (0, "throw"))
    rig.send()
    other = rig.send()
    rig.run()
    assert [each.message_id for each in rig.reached[1:]] == [other, other]


# --- redelivery on request --------------------------------------------------------------------


def test_redeliver_brings_the_same_message_back_after_so_long():
    rig = Rig((10, 2), (0, 0))
    message_id = rig.send()
    rig.run()
    assert rig.times == [0, 2_010, 2_010]
    assert {each.message_id for each in rig.reached} == {message_id}


def test_redeliver_reschedules_also_while_another_delivery_is_in_flight():
    rig = Rig((10, 2), (50_000, "throw"))
    rig.queue.duplicate(rig.send())
    rig.run()
    assert rig.times == [0, 0, 2_010]


@pytest.mark.parametrize(("counting", "numbers"), [("free", [1, 1, 2]), ("counted", [1, 2, 3])])
def test_whether_a_timeout_counts_as_a_delivery(counting, numbers):
    rig = Rig((0, 1), (0, "throw"), timeout_counting=counting)
    rig.send()
    assert rig.run().numbers == numbers


@pytest.mark.parametrize(
    ("duplicates", "numbers"), [("rises", [1, 2, 3, 4]), ("same", [1, 1, 1, 2])]
)
def test_the_number_an_extra_delivery_carries(duplicates, numbers):
    rig = Rig((5, "throw"), (5, "throw"), (5, "throw"), duplicate_attempt=duplicates)
    message_id = rig.send()
    rig.queue.duplicate(message_id)
    rig.queue.duplicate(message_id)
    assert rig.run().numbers == numbers
    assert len({each.receipt for each in rig.reached}) == 4


# --- whatever happens -------------------------------------------------------------------------


ACTIONS = st.sampled_from(["ack", "throw", "throw", 0, 1, 30])
SCRIPTS = st.lists(st.tuples(st.sampled_from([0, 10, 400, 7_000]), ACTIONS), max_size=8)


@given(
    script=SCRIPTS,
    extra=st.lists(st.integers(0, 2), min_size=1, max_size=3),
    kills=st.lists(st.integers(0, 9_000), max_size=3),
    profile=st.fixed_dictionaries(
        {
            "duplicate_attempt": st.sampled_from(["rises", "same"]),
            "timeout_counting": st.sampled_from(["free", "counted"]),
        }
    ),
)
def test_every_message_is_acknowledged_and_nothing_follows(script, extra, kills, profile):
    """At least once: whatever handlers do, each message comes back until it is acknowledged."""
    rig = Rig(*script, **profile)
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
    assert len({each.receipt for each in rig.reached}) == len(rig.reached)
    for message_id in ids:
        deliveries = [each for each in rig.reached if each.message_id == message_id]
        assert deliveries[0].number == 1
    acknowledged = sum(1 for _, action in rig.ended if action == "ack")
    assert acknowledged >= len(ids)
    assert not any(task.coroutine is None and not task.over for task in rig.line.tasks.values())


# --- misuse -----------------------------------------------------------------------------------


def test_a_queue_without_handler_is_our_own_fault():
    line = Timeline()
    queue = MemoryQueue(tasks=line, clock=line, ids=Ids(), profile=QueueProfile())
    queue.accept(FLOW, key="", delay_ms=0)
    with pytest.raises(InternalError, match="no handler"):
        line.run()


def test_errors_of_the_harness_are_no_failed_deliveries():
    rig = Rig()

    async def misused(message, delivery):
        raise UsageError("the caller's fault")

    rig.queue.handler = misused
    rig.send()
    with pytest.raises(UsageError):
        rig.run()
