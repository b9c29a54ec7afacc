"""L-01 tells what is missing: which message, lease, timer or token nobody will ever deliver."""

from __future__ import annotations

from typing import Any

import pytest

from simworld.check import judge, laws_named
from simworld.records import Crash, Delivered, LostAnswer, Refused, Sent
from tests.check.build import FLOW, Tape, broken, context, step_id, wait_id

WORK = "work#2"
MESSAGE = f"{FLOW}/{WORK}"


def told(tape: Tape, **changes: Any) -> str:
    """What is said of the one run that is stuck."""
    (anomaly,) = judge(laws_named(["L-01"]), context(), tape.records, tape.final(**changes))
    return anomaly.message


def sends(tape: Tape, message: str = MESSAGE, *, key: str = "") -> Tape:
    return tape.adds(Sent, FLOW, tape.run_id, message, WORK, key)


def delivers(tape: Tape, task: str = MESSAGE, number: int = 1) -> Tape:
    return tape.adds(Delivered, task, tape.run_id, WORK, number)


def test_a_step_that_nobody_sent_a_message_for() -> None:
    tape = Tape().opened(WORK)
    assert told(tape, waiting=("client waits for the run",)) == (
        "the run is running for ever: work#2 is pending (since its step_created at 3 ms; no "
        "message for it was ever sent), and no message, timer or handler is left; waiting: client "
        "waits for the run"
    )


def test_a_message_that_was_dropped() -> None:
    key = f"{step_id(WORK)}:1"
    tape = sends(Tape().opened(WORK), key=key)
    assert f"its last message {MESSAGE} was never delivered" in told(tape)
    sends(delivers(tape), "", key=key)
    assert (
        f"its last message was dropped as a duplicate of work#2:1, the key of {MESSAGE}, which was "
        "delivered in turn 6, and is gone"
    ) in told(tape)


def test_a_key_that_outlives_its_message() -> None:
    tape = sends(Tape().opened(WORK), "", key=step_id(WORK))
    assert "its last message was dropped as a duplicate of work#2)" in told(tape)


def test_a_delivery_that_was_refused() -> None:
    tape = delivers(sends(Tape().opened(WORK)))
    delivers(tape, f"{MESSAGE}~2", 2)
    tape.adds(Refused, f"{MESSAGE}~2", tape.run_id, "step_started", WORK, 409)
    assert (
        "was delivered 2 times, the last time in turn 7, and step_started was refused there (409), "
        "and is gone"
    ) in told(tape)


def test_a_delivery_that_died() -> None:
    tape = delivers(sends(Tape().opened(WORK)))
    tape.started(WORK, task=MESSAGE).adds(Crash, "host-7", (MESSAGE,))
    text = told(tape)
    assert "since its step_started at 6 ms, and host-7, which ran it, has died" in text
    assert "was delivered in turn 6, and died with host-7" in text


def test_a_start_whose_answer_was_lost() -> None:
    tape = Tape().opened(WORK).started(WORK)
    tape.records.append(LostAnswer(tape.turn, tape.now_ms, FLOW, "record step_started of work#2"))
    assert "since its step_started at 4 ms, whose answer was lost" in told(tape)


def test_a_lease_that_nobody_will_look_at() -> None:
    tape = Tape().opened(WORK).started(WORK)
    tape.step_becomes(WORK, lease_until_ms=tape.runs[tape.run_id].created_at_ms + 900)
    assert "since its step_started at 4 ms, under a lease until 900 ms" in told(tape)


def test_a_wait_whose_completion_was_refused() -> None:
    """R-36: its row says that it is over, and its log does not."""
    tape = Tape().opened().sleeps("sleep#4", 50)
    tape.adds(Refused, FLOW, tape.run_id, "wait_completed", "sleep#4", 409)
    assert "sleep#4 is waiting (due at 52 ms; its wait_completed was refused (409))" in told(tape)
    assert wait_id("sleep#4") not in told(tape)


def test_a_flow_message_that_came_to_nothing() -> None:
    tape = Tape().adds(Sent, "start", "wrun_1", FLOW, "").opened()
    assert (
        f"all its steps have ended (its last message {FLOW} was delivered in turn 3, and is gone)"
    ) in told(tape)


POLLING = ("client: read the run", "client: wake up")
TURNING = ("flow: deliver flow", *POLLING)


@pytest.mark.parametrize(
    ("cycle", "found"), [((), []), (POLLING, ["stuck-run run/work#2"]), (TURNING, [])]
)
def test_who_merely_polls_does_not_bring_a_run_further(
    cycle: tuple[str, ...], found: list[str]
) -> None:
    tape = Tape().opened(WORK)
    assert broken("L-01", tape, tape.final(drained=False, cycle=cycle)) == found


def test_a_full_pool_is_another_law() -> None:
    tape = Tape().opened(WORK)
    final = tape.final(drained=False, cycle=POLLING, workers_busy=("a",), workers_wanted=("b",))
    assert broken("L-01", tape, final) == []
