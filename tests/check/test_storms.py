"""L-07: no storm of deliveries, and no circle that leads nowhere."""

from __future__ import annotations

from simworld.check import judge, laws_named
from simworld.check.law import DELIVERIES_MAX
from simworld.check.storms import AGAIN_MAX
from simworld.records import Fault
from tests.check.build import Tape, broken, context

STORM = ["message-storm run"]
MOVES = ("flow: deliver flow", "flow: read the log", "flow: ask for redelivery")


def delivered(count: int, every_ms: int) -> Tape:
    """A run that is delivered so often and does nothing."""
    tape = Tape()
    for number in range(1, count + 1):
        tape.wait(every_ms - 1).delivered(number=number)
    return tape


def test_l07_a_minute_has_room_for_so_many_deliveries() -> None:
    assert broken("L-07", delivered(DELIVERIES_MAX, 1)) == []
    assert broken("L-07", delivered(DELIVERIES_MAX + 1, 1)) == STORM


def test_l07_a_minute_is_over_after_a_minute() -> None:
    assert broken("L-07", delivered(500, 1_000)) == []
    assert broken("L-07", delivered(500, 900)) == STORM


def test_l07_who_records_something_may_be_delivered_for_it() -> None:
    tape = Tape().opened()
    for number in range(3 * DELIVERIES_MAX):
        tape.attrs_set().delivered(number=number + 2)
    assert broken("L-07", tape) == []


def test_l07_runs_have_minutes_of_their_own() -> None:
    tape = delivered(DELIVERIES_MAX, 1)
    tape.run_id = "wrun_2"
    assert broken("L-07", tape.delivered()) == []


def test_l07_a_workload_may_declare_more() -> None:
    tape = delivered(DELIVERIES_MAX + 1, 1)
    assert broken("L-07", tape, deliveries_max=DELIVERIES_MAX + 1) == []


def test_l07_what_faults_repeat_may_be_repeated_further() -> None:
    two_more = (Fault("duplicate", "start/flow", 2),)
    most = DELIVERIES_MAX + 2 * AGAIN_MAX
    assert broken("L-07", delivered(most, 1), faults=two_more) == []
    assert broken("L-07", delivered(most + 1, 1), faults=two_more) == STORM


def test_l07_a_circle_that_delivers_is_a_livelock() -> None:
    tape = Tape().opened().sleeps("sleep#1", 50)
    final = tape.final(drained=False, cycle=MOVES)
    assert broken("L-07", tape, final) == ["livelock run"]
    (anomaly,) = judge(laws_named(["L-07"]), context(), tape.records, final)
    assert anomaly.message == (
        "nothing is recorded any more, and this goes on for ever: flow: deliver flow; flow: read "
        "the log; flow: ask for redelivery; run waits for sleep#1, which is waiting"
    )


def test_l07_who_polls_is_no_livelock() -> None:
    tape = Tape().opened()
    polling = tape.final(drained=False, cycle=("client: read the run", "client: wake up"))
    assert broken("L-07", tape, polling) == []
    assert broken("L-07", tape, tape.final(drained=False)) == []
