"""I-10 and I-11: rows that say something else than the log, and bodies without a start."""

from __future__ import annotations

from typing import Any

import pytest

from simworld.engine import Event, RunStatus, StepStatus
from tests.check.build import EPOCH_MS, Tape, broken, error_bytes, step_id

WORK = "work#1"

STEP_COLUMNS: list[dict[str, Any]] = [
    {"status": StepStatus.PENDING},
    {"attempt": 2},
    {"output": b"x"},
    {"error": b"x"},
    {"started_at_ms": EPOCH_MS},
]
RUN_COLUMNS: list[dict[str, Any]] = [
    {"status": RunStatus.COMPLETED},
    {"output": b"x"},
    {"error": b"x"},
    {"error_code": "USER_ERROR"},
    {"started_at_ms": EPOCH_MS},
]


def named(columns: dict[str, Any]) -> str:
    return next(iter(columns))


@pytest.mark.parametrize("columns", STEP_COLUMNS, ids=named)
def test_i10_step_row_right_after_an_event(columns: dict[str, Any]) -> None:
    tape = Tape().opened(WORK).started(WORK)
    assert broken("I-10", tape) == []
    assert broken("I-10", tape.shows_step(**columns)) == ["row-differs-from-log run/work#1"]


@pytest.mark.parametrize("columns", RUN_COLUMNS, ids=named)
def test_i10_run_row_right_after_an_event(columns: dict[str, Any]) -> None:
    tape = Tape().opened()
    assert broken("I-10", tape) == []
    assert broken("I-10", tape.shows_run(**columns)) == ["row-differs-from-log run"]


def test_i10_a_step_event_shows_a_stale_run_row() -> None:
    tape = Tape().opened(WORK)
    assert broken("I-10", tape) == []
    assert broken("I-10", tape.shows_run(status=RunStatus.PENDING)) == ["row-differs-from-log run"]


@pytest.mark.parametrize("columns", STEP_COLUMNS, ids=named)
def test_i10_step_row_at_the_end(columns: dict[str, Any]) -> None:
    tape = Tape().opened(WORK).started(WORK)
    tape.step_becomes(WORK, **columns)
    assert broken("I-10", tape) == ["row-differs-from-log run/work#1"]


@pytest.mark.parametrize("columns", RUN_COLUMNS, ids=named)
def test_i10_run_row_at_the_end(columns: dict[str, Any]) -> None:
    tape = Tape().opened()
    tape.run_becomes(**columns)
    assert broken("I-10", tape) == ["row-differs-from-log run"]


def test_i10_follows_every_event() -> None:
    """The whole life of both kinds of rows, with every field that is ever set."""
    tape = Tape().opened(WORK, "work#2", "work#3").body(WORK, "error").retrying(WORK).works(WORK)
    tape.body("work#2", "fatal").failed("work#2", "fatal").started("work#3")
    assert broken("I-10", tape) == []
    assert broken("I-10", tape.run_failed()) == []
    assert broken("I-10", Tape().opened().run_completed()) == []
    assert broken("I-10", Tape().run_created().run_cancelled().run_cancelled()) == []


def test_i10_a_retry_overwrites_a_completion() -> None:
    """R-08: an old snapshot, written back, loses the output."""
    tape = Tape().opened(WORK).works(WORK)
    assert broken("I-10", tape) == []
    tape.step_becomes(WORK, status=StepStatus.PENDING, output=b"", error=error_bytes("error"))
    assert broken("I-10", tape) == ["row-differs-from-log run/work#1"]


def test_i10_nothing_is_materialised_without_an_event() -> None:
    tape = Tape().opened(WORK)
    tape.labels[step_id("work#2")] = "work#2"
    assert broken("I-10", tape) == []
    tape.steps[tape.run_id, step_id("work#2")] = tape.steps[tape.run_id, step_id(WORK)]
    assert broken("I-10", tape) == ["row-without-event run/work#2"]
    tape.runs["wrun_2"] = tape.runs[tape.run_id]
    assert broken("I-10", tape) == ["row-without-event run/work#2", "row-without-event run"]


def test_i10_every_event_is_materialised() -> None:
    tape = Tape().opened(WORK)
    assert broken("I-10", tape) == []
    del tape.steps[tape.run_id, step_id(WORK)]
    assert broken("I-10", tape) == ["event-without-row run/work#1"]
    tape.runs.clear()
    assert broken("I-10", tape) == ["event-without-row run", "event-without-row run/work#1"]


def test_i10_an_event_was_never_committed() -> None:
    """The final log decides, not what was seen to be committed."""
    tape = Tape().opened(WORK)
    assert broken("I-10", tape) == []
    log: list[Event] = tape.logs[tape.run_id]
    other = Tape().opened(WORK).started(WORK)
    log.append(other.logs[other.run_id][-1])
    assert broken("I-10", tape) == ["row-differs-from-log run/work#1"]


def test_i10_waits_for_calls_under_way() -> None:
    """Before the trial has drained, a row may be ahead of its event."""
    tape = Tape().opened(WORK)
    tape.step_becomes(WORK, status=StepStatus.RUNNING, attempt=1)
    assert broken("I-10", tape, tape.final(drained=False)) == []
    assert broken("I-10", tape, tape.final(drained=True)) == ["row-differs-from-log run/work#1"]


def test_i11_attempts_are_accepted_starts() -> None:
    tape = Tape().opened(WORK).started(WORK).started(WORK)
    assert broken("I-11", tape) == []
    assert broken("I-11", tape.shows_step(attempt=1)) == ["attempt-is-not-starts run/work#1"]


def test_i11_attempts_stay_at_the_end() -> None:
    tape = Tape().opened(WORK, "work#2").works("work#2").body(WORK, "error").retrying(WORK)
    assert broken("I-11", tape) == []
    tape.step_becomes(WORK, attempt=0)
    assert broken("I-11", tape) == ["attempt-is-not-starts run/work#1"]


@pytest.mark.parametrize("start", [0, 3])
def test_i11_a_body_has_a_start_that_was_accepted(start: int) -> None:
    tape = Tape().opened(WORK).started(WORK).started(WORK)
    assert broken("I-11", tape.began(WORK, start=2)) == []
    assert broken("I-11", tape.began(WORK, start=start)) == ["body-without-own-start run/work#1"]


def test_i11_a_body_begins_before_any_start() -> None:
    tape = Tape().opened(WORK, "work#2").started("work#2")
    assert broken("I-11", tape) == []
    assert broken("I-11", tape.began(WORK, start=1)) == ["body-without-own-start run/work#1"]


def test_i11_each_body_has_its_own_start() -> None:
    tape = Tape().opened(WORK).started(WORK).started(WORK).began(WORK, start=2)
    assert broken("I-11", tape.began(WORK, start=1)) == []
    again = Tape().opened(WORK).started(WORK).started(WORK).began(WORK, start=2)
    assert broken("I-11", again.began(WORK, start=2)) == ["start-used-twice run/work#1"]


def test_i11_a_body_is_told_the_number_of_its_own_start() -> None:
    def told(attempt: int) -> Tape:
        tape = Tape().opened(WORK).started(WORK).began(WORK)
        tape.records[-1] = tape.records[-1]._replace(attempt=attempt)  # type: ignore[call-arg]
        return tape

    assert broken("I-11", told(1), attempt_is_start=True) == []
    assert broken("I-11", told(77), attempt_is_start=True) == ["wrong-attempt-told run/work#1"]
    assert broken("I-11", told(77)) == []  # some guards tell another number
