"""Deduplication: whether a second message with a key is accepted, rule by rule (decisions §3.2)."""

from __future__ import annotations

import attrs
import pytest

from simworld import marks
from simworld.ports import Message, RunInput
from simworld.records import Dedup
from tests.worlds.queue_rig import FLOW, STEP, Rig

OTHER = Message("wrun_1", "step_2", "work")
RETENTION_MS = 60_000

TABLE = """
the first message …     none  queued_only  in_flight  completed_lru  retention  key_and_payload
waits for delivery      yes   no           no         no             no         no
is delayed              yes   no           no         no             no         no
is being handled        yes   yes          no         no             no         no
waits after a throw     yes   no           no         no             no         no
waits after a timeout   yes   no           no         no             no         no
is acknowledged         yes   yes          yes        no             no         yes
is long acknowledged    yes   yes          yes        no             yes        yes
"""


def lines():
    head, *rows = [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in TABLE.strip().splitlines()
    ]
    return [
        (rule, row[0], answer == "yes")
        for row in rows
        for rule, answer in zip(head[1:], row[1:], strict=True)
    ]


def brought_to(state, rule):
    """A rig whose first message with the key ``k`` is in this state."""
    script = {
        "is being handled": (1_000, "ack"),
        "waits after a throw": (0, "throw"),
        "waits after a timeout": (0, 30),
    }
    rig = Rig(
        script.get(state, (0, "ack")),
        dedup=rule,
        retention_ms=RETENTION_MS,
        redelivery_ms=5_000,
    )
    assert rig.send(STEP, key="k", delay_s=20 if state == "is delayed" else 0)
    if state != "waits for delivery":
        rig.run(until_ms=10)
    if state == "is long acknowledged":
        rig.line.at(RETENTION_MS, lambda: None)
        rig.run()
    return rig


@pytest.mark.parametrize(("rule", "state", "accepted"), lines())
def test_a_second_message_with_the_same_key_and_body(rule, state, accepted):
    rig = brought_to(state, rule)
    before = marks.snapshot()
    assert bool(rig.send(STEP, key="k")) is accepted
    assert marks.since(before) == ({} if accepted else {"message.deduplicated": 1})


@pytest.mark.parametrize(("rule", "state", "accepted"), lines())
def test_another_body_is_another_key_only_under_key_and_payload(rule, state, accepted):
    rig = brought_to(state, rule)
    assert bool(rig.send(OTHER, key="k")) is (accepted or rule == "key_and_payload")


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(STEP, recoveries=1),
        attrs.evolve(STEP, run_input=RunInput("order", b"in")),
        attrs.evolve(STEP, run_id="wrun_2"),
    ],
    ids=["recoveries", "run input", "run"],
)
def test_the_whole_message_is_the_payload(other):
    rig = brought_to("waits for delivery", "key_and_payload")
    assert rig.send(other, key="k")
    assert not rig.send(other, key="k")
    assert not rig.send(attrs.evolve(other), key="k")


@pytest.mark.parametrize("rule", Dedup)
def test_another_key_or_none_is_always_accepted(rule):
    rig = brought_to("waits for delivery", rule)
    assert rig.send(STEP, key="other")
    assert rig.send(STEP)
    assert rig.send(STEP)


@pytest.mark.parametrize("rule", Dedup)
def test_a_dropped_message_is_never_delivered(rule):
    rig = Rig(dedup=rule)
    accepted = [rig.send(STEP, key="k") for _ in range(3)]
    rig.run()
    assert [each.message_id for each in rig.reached] == [each for each in accepted if each]
    assert len(rig.reached) == (3 if rule is Dedup.NONE else 1)


@pytest.mark.parametrize("rule", [Dedup.IN_FLIGHT, Dedup.COMPLETED_LRU, Dedup.KEY_AND_PAYLOAD])
def test_a_key_lives_through_all_deliveries_of_its_message(rule):
    rig = Rig((10, 1), (10, "throw"), (10, "ack"), dedup=rule, redelivery_ms=5_000)
    rig.send(STEP, key="k")
    answers = []
    for at_ms in (5, 500, 1_015, 3_000, 6_025):
        rig.line.at(at_ms, lambda: answers.append(rig.send(STEP, key="k")))
    rig.run()
    assert answers == [""] * 5
    assert rig.times == [0, 1_010, 6_020]


def test_a_key_that_is_kept_suppresses_its_own_body_for_ever():
    rig = Rig(dedup=Dedup.KEY_AND_PAYLOAD_KEPT)
    assert rig.send(STEP, key="k")
    rig.run()
    assert not rig.send(STEP, key="k")
    assert rig.send(FLOW, key="k")
    assert rig.send(STEP, key="other")


def test_retention_counts_from_the_send_and_a_dropped_one_does_not_prolong_it():
    rig = Rig(dedup="retention", retention_ms=1_000)
    answers = []
    for at_ms in (0, 600, 999, 1_000, 1_999, 2_000):
        rig.line.at(at_ms, lambda: answers.append(bool(rig.send(FLOW, key="k"))))
    rig.run()
    assert answers == [True, False, False, True, False, True]


def test_only_the_newest_completed_keys_are_remembered():
    rig = Rig(dedup="completed_lru", completed_max=2)
    for key in ("a", "b", "c"):
        assert rig.send(FLOW, key=key)
        rig.run()
    assert [bool(rig.send(FLOW, key=key)) for key in ("b", "c", "a")] == [False, False, True]


def test_first_acknowledgement_of_several_deliveries_frees_the_key():
    rig = Rig((100, "ack"), (10, "ack"), dedup="in_flight")
    rig.queue.duplicate(rig.send(STEP, key="k"))
    answers = []
    for at_ms in (5, 15):
        rig.line.at(at_ms, lambda: answers.append(bool(rig.send(STEP, key="k"))))
    rig.run()
    assert answers == [False, True]
