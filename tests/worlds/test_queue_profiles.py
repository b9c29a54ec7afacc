"""What the queues of the field differ in (spec §2.3): each knob alone, and the presets."""

from __future__ import annotations

import attrs
import pytest

from simworld import marks
from simworld.errors import UsageError
from simworld.ports import Message
from simworld.records import QueueProfile
from simworld.worlds import QUEUES
from tests.worlds.queue_rig import FLOW, STEP, Rig

OTHER_RUN = Message("wrun_2")


def preset_rig(name, *script, **changed):
    """A queue of the field, and what its handlers do."""
    return Rig(*script, **{**attrs.asdict(QUEUES[name]), **changed})


# --- the hard stop (R-21) -----------------------------------------------------------------------


def test_a_message_that_is_delivered_too_often_is_dropped():
    before = marks.snapshot()
    rig = Rig((0, "throw"), (0, "throw"), (0, "throw"), dead_after=3, redelivery_ms=1_000)
    rig.send(key="k")
    rig.run()
    assert (rig.times, rig.numbers) == ([0, 1_000, 2_000], [1, 2, 3])
    assert marks.since(before)["message.dead"] == 1


def test_the_key_of_a_dropped_message_is_free_again():
    rig = Rig((0, "throw"), dead_after=1)
    rig.send(key="k")
    rig.run()
    assert rig.send(key="k")


def test_without_a_hard_stop_a_message_comes_back_for_ever():
    rig = Rig(*[(0, "throw")] * 100, redelivery_ms=1)
    rig.send()
    rig.run()
    assert rig.numbers[-1] == 101


def test_a_delivery_under_way_outlives_the_hard_stop():
    rig = Rig((10, "throw"), (50, "ack"), dead_after=2)
    rig.queue.duplicate(rig.send(key="k"))
    rig.line.at(20, lambda: rig.send(key="k"))  # it is not dropped yet: its key is taken
    rig.run()
    assert rig.ended == [(10, "throw"), (50, "ack")]


@pytest.mark.parametrize(("counting", "reached"), [("free", 5), ("counted", 3), ("restarted", 5)])
def test_timeouts_run_into_the_hard_stop_only_where_they_count(counting, reached):
    rig = Rig(*[(0, 1)] * 4, dead_after=3, timeout_counting=counting)
    rig.send()
    rig.run()
    assert len(rig.reached) == reached


def test_a_reschedule_may_be_a_new_job_counted_from_one():
    rig = Rig((0, "throw"), (0, 1), (0, "throw"), timeout_counting="restarted")
    message_id = rig.send()
    rig.run()
    assert rig.numbers == [1, 2, 1, 2]
    assert {each.message_id for each in rig.reached} == {message_id}
    assert len({each.receipt for each in rig.reached}) == 4


# --- delays -------------------------------------------------------------------------------------


def test_a_growing_delay_is_flat_at_first_and_has_a_longest():
    profile = QueueProfile(redelivery_ms=5, redelivery_flat=2, redelivery_max_ms=100)
    assert [profile.again_after_ms(n) for n in (1, 2, 3, 4, 5, 6, 500)] == [5, 5, 15, 45, 100] + [
        100
    ] * 2
    rig = Rig(*[(0, "throw")] * 4, redelivery_ms=5, redelivery_flat=2, redelivery_max_ms=100)
    rig.send()
    rig.run()
    assert rig.times == [0, 5, 10, 25, 70]


def test_a_delay_does_not_grow_unless_it_may():
    profile = QueueProfile(redelivery_ms=5)
    assert profile.again_after_ms(1) == profile.again_after_ms(10_000) == 5


def test_48_deliveries_of_the_hosted_queue_take_about_20_hours():
    profile = QUEUES["hosted"]
    hours = sum(profile.again_after_ms(n) for n in range(1, 49)) / 3_600_000
    assert hours == pytest.approx(20, abs=2)


def test_a_delay_that_is_too_long_is_cut():
    rig = Rig((0, 60), (0, 5), delay_max_s=10)
    rig.send(FLOW, delay_s=40)
    rig.run()
    assert rig.times == [10_000, 20_000, 25_000]


# --- delivery timeouts (R-22) -------------------------------------------------------------------


def test_a_handler_that_takes_too_long_gets_company_and_lives_on():
    before = marks.snapshot()
    rig = Rig((700, "ack"), (50, "throw"), delivery_timeout_ms=300, redelivery_ms=5_000)
    rig.send()
    rig.run()
    assert (rig.times, rig.numbers) == ([0, 300], [1, 2])
    assert rig.ended == [(350, "throw"), (700, "ack")]
    assert marks.since(before)["delivery.timed_out"] == 1


def test_a_handler_in_time_has_no_company():
    rig = Rig((299, "throw"), (299, 1), (299, "ack"), delivery_timeout_ms=300, redelivery_ms=10)
    rig.send()
    rig.run()
    assert (rig.times, rig.numbers) == ([0, 309, 1_608], [1, 2, 2])


def test_each_delivery_has_its_own_time():
    rig = Rig((1_000, "ack"), (1_000, "ack"), (1_000, "ack"), delivery_timeout_ms=400)
    rig.send()
    rig.run()
    assert rig.times == [0, 400, 800]
    assert rig.numbers == [1, 2, 3]


def test_the_death_of_a_handler_ends_its_time():
    rig = Rig((100, "ack"), (0, "ack"), delivery_timeout_ms=300, redelivery_ms=5_000)
    rig.send()
    rig.line.at(40, lambda: rig.line.kill("test/flow"))
    rig.run()
    assert (rig.times, rig.numbers) == ([0, 5_040], [1, 2])


def test_no_company_comes_beyond_the_hard_stop():
    rig = Rig((1_000, "throw"), (1_000, "throw"), delivery_timeout_ms=300, dead_after=2)
    rig.send()
    rig.run()
    assert rig.times == [0, 300]


def test_company_that_finds_no_worker_in_time_does_not_come():
    rig = Rig((700, "throw"), (0, "ack"), workers=1, delivery_timeout_ms=300, redelivery_ms=5_000)
    rig.send()
    rig.run()
    assert (rig.times, rig.numbers) == ([0, 5_700], [1, 2])
    assert (rig.queue.workers_busy(), rig.queue.workers_wanted()) == ((), ())


# --- job keys -----------------------------------------------------------------------------------


def test_a_second_job_with_the_key_waits_for_the_first_and_ends_without_running():
    before = marks.snapshot()
    rig = Rig((100, "ack"), dedup="job_key")
    assert rig.send(STEP, key="k")
    rig.line.at(10, lambda: rig.send(STEP, key="k"))
    rig.line.at(20, lambda: rig.send(STEP, key="other"))
    rig.run()
    assert rig.times == [0, 20]
    assert marks.since(before)["delivery.spared"] == 1


def test_a_queued_job_has_its_key_and_a_locked_one_has_lost_it():
    rig = Rig((100, "ack"), dedup="job_key")
    assert rig.send(STEP, key="k", delay_s=1)
    assert not rig.send(STEP, key="k")
    rig.line.at(1_010, lambda: ids.append(rig.send(STEP, key="k")))
    ids = []
    rig.run()
    assert ids != [""]
    assert rig.times == [1_000]


@pytest.mark.parametrize("end", ["throw", "die"])
def test_a_second_job_runs_if_the_first_was_not_handled(end):
    rig = Rig((100, "ack" if end == "die" else end), (300, "ack"), dedup="job_key")
    rig.send(STEP, key="k")
    rig.line.at(10, lambda: rig.send(STEP, key="k"))
    if end == "die":
        rig.line.at(100, lambda: rig.line.kill("test/step_1"))
    rig.run()
    # The first one's own redelivery comes later, and finds its key completed.
    assert rig.times == [0, 100]
    assert rig.ended[-1] == (400, "ack")


def test_a_key_that_was_completed_lately_swallows_what_comes_later():
    rig = Rig(dedup="job_key", completed_max=1)
    rig.send(STEP, key="k")
    rig.run()
    assert not rig.send(STEP, key="k")
    rig.send(STEP, key="other")
    rig.run()
    assert rig.send(STEP, key="k")  # it has been forgotten
    rig.run()
    assert len(rig.reached) == 3


def test_a_job_that_is_put_off_does_not_complete_its_key():
    rig = Rig((100, 1), dedup="job_key")
    rig.send(STEP, key="k")
    rig.line.at(10, lambda: rig.send(STEP, key="k"))
    rig.run()
    assert rig.times == [0, 1_100]


def test_an_extra_delivery_is_another_processs_and_waits_for_nobody():
    rig = Rig((100, "ack"), (10, "throw"), dedup="job_key")
    rig.queue.duplicate(rig.send(STEP, key="k"))
    rig.run()
    assert rig.times == [0, 0]


def test_a_delivery_that_is_spared_leaves_the_message_to_the_one_before_it():
    # Both extra deliveries are put off to one second, and meet in the lane.
    rig = Rig((0, 1), (0, 1), (0, 1), (100, 1), dedup="job_key")
    message = rig.send(STEP, key="k")
    rig.queue.duplicate(message)
    rig.queue.duplicate(message)
    rig.run()
    assert rig.times == [0, 0, 0, 1_000, 2_100]
    assert rig.ended[-1] == (2_100, "ack")


def test_a_job_that_takes_too_long_holds_up_nobody():
    rig = Rig((900, "ack"), (10, "ack"), dedup="job_key", delivery_timeout_ms=300)
    rig.send(STEP, key="k")
    rig.run()
    assert rig.times == [0, 300]


def test_a_job_that_waits_may_die():
    rig = Rig((100, "ack"), dedup="job_key")
    rig.send(STEP, key="k")
    rig.line.at(10, lambda: rig.send(STEP, key="k"))
    rig.line.at(50, lambda: rig.line.kill("test/step_1.2"))
    rig.run()
    assert rig.times == [0]


# --- flow messages one by one -------------------------------------------------------------------


def test_flow_messages_of_one_run_may_come_one_by_one():
    script = [(100, "ack"), (10, "throw"), (10, "ack"), (10, "ack")]
    rig = Rig(*script, flow_order="one_by_one", redelivery_ms=1_000)
    rig.send(FLOW)
    rig.send(OTHER_RUN)
    rig.send(FLOW)
    rig.send(STEP)
    rig.run()
    assert [(each.at_ms, each.message) for each in rig.reached] == [
        (0, FLOW),
        (0, OTHER_RUN),
        (0, STEP),
        (100, FLOW),
        (1_010, OTHER_RUN),
    ]


def test_each_in_the_line_has_its_turn_and_runs():
    rig = Rig((10, "ack"), (10, 1), (10, "throw"), flow_order="one_by_one", redelivery_ms=5)
    for _ in range(3):
        rig.send(FLOW)
    rig.run()
    assert rig.times == [0, 10, 20, 35, 1_020]


def test_side_by_side_is_the_default():
    rig = Rig((100, "ack"), (100, "ack"))
    rig.send(FLOW)
    rig.send(FLOW)
    rig.run()
    assert rig.times == [0, 0]


# --- the presets --------------------------------------------------------------------------------


def test_each_queue_of_the_field_is_there_as_merged_and_repaired():
    names = ("local", "postgres", "hosted")
    ours = sorted(name for name in QUEUES if name != "sdk-local")
    assert ours == sorted([*names, *(f"{name}-merged" for name in names)])


@pytest.mark.parametrize("name", QUEUES)
def test_every_queue_delivers_at_least_once_whatever_fails_twice(name):
    rig = preset_rig(name, (10, "throw"), (10, "throw"), (10, "ack"))
    rig.send(STEP, key="k")
    rig.run(until_ms=10**9)
    assert rig.numbers == [1, 2, 3]
    assert rig.ended[-1][1] == "ack"


@pytest.mark.parametrize(
    ("name", "deliveries"),
    [("local", 300), ("local-merged", 256), ("postgres", 49), ("postgres-merged", 3)],
)
def test_how_often_a_handler_may_fail(name, deliveries):
    rig = preset_rig(name, *[(0, "throw")] * 299)
    rig.send()
    rig.run(until_ms=10**12)
    assert len(rig.reached) == deliveries


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("local", [1, 1, 2]),
        ("local-merged", [1, 2, 3]),
        ("postgres", [1, 1, 2]),
        ("hosted", [1, 2, 3]),
    ],
)
def test_what_the_queues_count(name, numbers):
    rig = preset_rig(name, (0, 1), (0, "throw"))
    rig.send()
    assert rig.run().numbers == numbers


@pytest.mark.parametrize(
    ("name", "again"), [("local", True), ("postgres", False), ("hosted", False)]
)
def test_which_queues_take_a_key_again_when_its_message_is_handled(name, again):
    """R-17: a key that outlives its message swallows the repair."""
    rig = preset_rig(name)
    rig.send(STEP, key="k")
    rig.run()
    assert bool(rig.send(STEP, key="k")) is again


@pytest.mark.parametrize(
    ("name", "at_ms"), [("local", 2_000_000), ("local-merged", 0), ("hosted", 900_000)]
)
def test_how_long_a_sender_may_have_a_message_wait(name, at_ms):
    rig = preset_rig(name)
    rig.send(delay_s=2_000)
    assert rig.run().times == [at_ms]


@pytest.mark.parametrize(("name", "handlers"), [("postgres-merged", 2), ("postgres", 1)])
def test_a_long_body_is_handled_twice_as_merged_and_once_repaired(name, handlers):
    rig = preset_rig(name, (400_000, "ack"))
    rig.send()
    assert len(rig.run().times) == handlers


@pytest.mark.parametrize("knob", ["dead_after", "delivery_timeout_ms", "delay_max_s"])
def test_a_knob_that_makes_no_sense_is_refused(knob):
    with pytest.raises(UsageError, match=knob):
        QueueProfile(**{knob: -1})
