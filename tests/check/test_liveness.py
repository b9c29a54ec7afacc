"""L-01 and L-02: every run ends, and in time."""

from __future__ import annotations

from typing import Any

from simworld.check import EPSILON_MS, SLACK_MS, Context, judge, laws_named
from tests.check.build import EPOCH_MS, Tape, broken, context

WORK = "work#2"


def test_l01_a_run_without_end_is_stuck() -> None:
    tape = Tape().opened("work#1", WORK).works("work#1")
    assert broken("L-01", tape.started(WORK)) == ["stuck-run run/work#2"]
    assert broken("L-01", tape.completed(WORK)) == ["stuck-run run"]
    assert broken("L-01", tape.run_completed()) == []


def test_l01_is_judged_at_quiescence() -> None:
    tape = Tape().opened(WORK)
    assert broken("L-01", tape, tape.final(drained=False)) == []
    assert broken("L-01", tape, tape.final(drained=True)) == ["stuck-run run/work#2"]


def test_l01_names_what_is_missing() -> None:
    tape = Tape().opened("work#1", WORK, "work#3").works("work#1").started("work#3")
    final = tape.final(waiting=("client waits for the run",))
    (anomaly,) = judge(laws_named(["L-01"]), context(), tape.records, final)
    assert anomaly.message == (
        "the run is running for ever: work#2 is pending, work#3 is running, and no message, "
        "timer or handler is left; waiting: client waits for the run"
    )


def test_l01_a_cancelled_run_has_ended() -> None:
    tape = Tape().opened(WORK).started(WORK)
    assert broken("L-01", tape) == ["stuck-run run/work#2"]
    assert broken("L-01", tape.run_cancelled()) == []


def test_l01_finds_the_one_run_that_is_stuck() -> None:
    tape = Tape().opened("work#1").works("work#1").run_completed()
    tape.run_id = "wrun_2"
    tape.opened("work#1", WORK).works("work#1")
    assert broken("L-01", tape) == ["stuck-run run/work#2"]


PROMISES: dict[str, Any] = {
    "max_retries": 1,
    "crashes_max": 1,
    "durations_max_ms": 200,
    "redelivery_ms": 3_000,
    "lease_ms": 9_000,
}
LEASED_MS = 3 * (200 + 9_000 + EPSILON_MS) + SLACK_MS
UNLEASED_MS = 3 * (200 + 3_000 + EPSILON_MS) + SLACK_MS


def ends_after(ms: int, *steps: str) -> Tape:
    """A run that ends so long after its creation."""
    tape = Tape().opened(*steps)
    tape.now_ms = EPOCH_MS + ms  # created in the first millisecond, and ending is one more
    return tape.run_completed()


def test_l02_a_run_ends_within_its_bound() -> None:
    assert broken("L-02", ends_after(UNLEASED_MS), **PROMISES) == []
    assert broken("L-02", ends_after(UNLEASED_MS + 1), **PROMISES) == ["late-end run"]


def test_l02_leases_count_where_they_are_promised() -> None:
    exclusive = {**PROMISES, "exclusive_bodies": True}
    assert broken("L-02", ends_after(LEASED_MS), **exclusive) == []
    assert broken("L-02", ends_after(LEASED_MS + 1), **exclusive) == ["late-end run"]


def test_l02_steps_may_follow_one_another() -> None:
    two_ms = 2 * (UNLEASED_MS - SLACK_MS) + SLACK_MS
    assert broken("L-02", ends_after(two_ms, "work#1", WORK), **PROMISES) == []
    assert broken("L-02", ends_after(two_ms, "work#1"), **PROMISES) == ["late-end run"]


def test_l02_the_clock_starts_after_the_last_fault() -> None:
    tape = ends_after(UNLEASED_MS + 100)
    created_ms = tape.runs[tape.run_id].created_at_ms
    late = tape.final(last_fault_ms=created_ms + 99)
    assert broken("L-02", tape, late, **PROMISES) == ["late-end run"]
    assert broken("L-02", tape, tape.final(last_fault_ms=created_ms + 100), **PROMISES) == []


def test_l02_leaves_a_run_without_end_to_l01() -> None:
    tape = Tape().opened(WORK).wait(10 * LEASED_MS)
    assert broken("L-02", tape, **PROMISES) == []
    assert broken("L-02", tape.run_completed(), **PROMISES) == ["late-end run"]


def test_context_is_named_throughout() -> None:
    assert Context(max_retries=3, crashes_max=4) == context()
