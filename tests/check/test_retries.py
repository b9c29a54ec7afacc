"""L-06: retries start in time, and never before."""

from __future__ import annotations

import pytest

from simworld.check import EPSILON_MS
from simworld.check.retries import RETRY_MS
from simworld.engine import StepRetrying
from simworld.records import Fault
from tests.check.build import FLOW, Tape, broken, error_bytes, step_id

WORK = "work#1"
LATE, EARLY = ["late-retry run/work#1"], ["early-retry run/work#1"]


def failed(*, retry_after_ms: int = 0) -> Tape:
    """A step that is to be tried again, so many milliseconds from the record of that on."""
    tape = Tape().opened(WORK).body(WORK, "error")
    after_ms = tape.now_ms + 1 + retry_after_ms if retry_after_ms else 0
    fact = StepRetrying(step_id(WORK), error_bytes("error"), after_ms)
    return tape.commit(fact, label=WORK)


def test_l06_a_retry_does_not_start_early() -> None:
    assert broken("L-06", failed(retry_after_ms=3_000).wait(2_999).started(WORK)) == []
    tape = failed(retry_after_ms=3_000).wait(2_998)
    # The rows are those of a world that lets it.
    key = (tape.run_id, step_id(WORK))
    row = tape.steps[key]
    tape.step_becomes(WORK, retry_after_ms=0)
    tape.started(WORK)
    assert row.retry_after_ms > 0
    assert broken("L-06", tape) == EARLY
    assert broken("L-06", tape, minted=True) == []
    wrong_clock = (Fault("clock_ahead", "start/flow", 2_000),)
    assert broken("L-06", tape, faults=wrong_clock) == []


def test_l06_a_plain_error_forbids_nobody_to_be_quick() -> None:
    assert broken("L-06", failed().started(WORK)) == []


def test_l06_the_message_of_a_plain_retry_waits_for_its_second() -> None:
    def retried(wait_ms: int, *, after_ms: int = 0) -> Tape:
        tape = failed(retry_after_ms=after_ms).sent(WORK, delay_ms=1_000)
        return tape.wait(wait_ms).delivered(WORK, task=f"{FLOW}/{WORK}")

    assert broken("L-06", retried(998)) == EARLY
    assert broken("L-06", retried(999)) == []  # the delivery takes the last millisecond
    assert broken("L-06", retried(998, after_ms=2_000)) == []  # an early start is refused
    wrong_clock = (Fault("clock_ahead", "start/flow", 2_000),)
    assert broken("L-06", retried(998), faults=wrong_clock) == []
    first = Tape().opened(WORK).sent(WORK, delay_ms=1_000).delivered(WORK, task=f"{FLOW}/{WORK}")
    assert broken("L-06", first) == []  # it is no retry


@pytest.mark.parametrize("after_ms", [0, 3_000])
def test_l06_a_retry_starts_in_time(after_ms: int) -> None:
    due_ms = after_ms or EPSILON_MS
    in_time = failed(retry_after_ms=after_ms).wait(due_ms + RETRY_MS - 1)
    assert broken("L-06", in_time.started(WORK)) == []
    late = failed(retry_after_ms=after_ms).wait(due_ms + RETRY_MS)
    assert broken("L-06", late.started(WORK)) == LATE


def test_l06_a_retry_that_never_starts() -> None:
    tape = failed().wait(EPSILON_MS + RETRY_MS)
    assert broken("L-06", tape) == []
    assert broken("L-06", tape.wait(1)) == LATE


def test_l06_the_clock_starts_after_the_last_fault() -> None:
    tape = failed().wait(100_000)
    calm = tape.final(last_fault_ms=tape.now_ms - RETRY_MS - 3_000)
    assert broken("L-06", tape, calm, redelivery_ms=3_000) == []
    assert broken("L-06", tape, calm, redelivery_ms=2_999) == LATE
    slow = (Fault("slow_host", "start/flow@3", 500_000),)
    assert broken("L-06", tape, faults=slow) == []


def test_l06_what_has_ended_needs_no_retry() -> None:
    assert broken("L-06", failed().completed(WORK).wait(100_000).run_completed()) == []
    assert broken("L-06", failed().run_completed().wait(100_000)) == []
    assert broken("L-06", failed().wait(100_000).run_completed()) == LATE
    straggler = Tape().opened(WORK).body(WORK, "error").run_completed().retrying(WORK)
    assert broken("L-06", straggler.wait(100_000)) == []
