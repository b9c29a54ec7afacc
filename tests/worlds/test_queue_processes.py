"""A queue whose messages several processes handle: what one of them knows, the others do not.

Which process has a delivery is told by its name: with three of them, the first two messages for a
step are in two; with two, the first flow message is alone and the next two are together.
"""

from __future__ import annotations

import pytest

from simworld.errors import UsageError
from simworld.records import QueueProfile
from simworld.worlds import TableQueue
from tests.worlds.doubles import Ids, Timeline
from tests.worlds.queue_rig import FLOW, STEP, Rig


@pytest.mark.parametrize(("processes", "times"), [(1, [0]), (3, [0, 10])])
def test_a_key_that_is_being_handled_keeps_away_its_own_process_only(processes, times):
    """R-23: the second job runs beside the first one, in another process."""
    rig = Rig((100, "ack"), (100, "ack"), dedup="job_key", processes=processes)
    rig.send(STEP, key="k")
    rig.line.at(10, lambda: rig.send(STEP, key="k"))
    rig.run()
    assert rig.times == times


@pytest.mark.parametrize(("processes", "times"), [(1, [0]), (3, [0, 200])])
def test_a_key_that_was_completed_is_known_to_the_process_that_did_it(processes, times):
    rig = Rig((100, "ack"), dedup="job_key", processes=processes)
    rig.send(STEP, key="k")
    rig.line.at(200, lambda: rig.send(STEP, key="k"))
    rig.run()
    assert rig.times == times


def test_the_process_that_completed_a_key_drops_it_later():
    rig = Rig((10, "ack"), dedup="job_key", processes=2)
    rig.send(STEP, key="k")
    rig.run()
    assert rig.send(STEP, key="k")  # nobody knows yet who will have it
    rig.run()
    assert rig.times == [0]


def test_completed_keys_that_are_the_queues_own_are_known_to_all():
    rig = Rig(dedup="completed_lru", flow_order="one_by_one", processes=3)
    rig.send(STEP, key="k")
    rig.run()
    assert not rig.send(STEP, key="k")


def test_flow_messages_come_one_by_one_in_each_process():
    rig = Rig(*[(100, "ack")] * 3, flow_order="one_by_one", processes=2)
    for _ in range(3):
        rig.send(FLOW)
    rig.run()
    assert rig.times == [0, 0, 100]


def test_a_queue_in_a_table_kills_nobody():
    with pytest.raises(UsageError, match="delivery_limit_ms"):
        TableQueue(
            None,
            tasks=Timeline(),
            clock=Timeline(),
            ids=Ids(),
            profile=QueueProfile(delivery_limit_ms=1_000),
        )
