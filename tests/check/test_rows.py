"""I-10 and I-11: rows that say something else than the log, and bodies without a start."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from simworld.engine import (
    Event,
    HookStatus,
    RunStatus,
    StepCreated,
    StepStarted,
    StepStatus,
    WaitStatus,
    encode,
)
from tests.check.build import EPOCH_MS, Tape, broken, error_bytes, hook_id, step_id, wait_id

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


def test_i10_a_step_may_be_created_by_its_start() -> None:
    tape = Tape().opened().started(WORK, lazy=True)
    assert broken("I-10", tape) == []
    assert broken("I-10", tape.shows_step(attempt=2)) == ["row-differs-from-log run/work#1"]


@pytest.mark.parametrize("minted", [False, True])
def test_i10_rows_follow_the_commits_where_positions_are_minted(minted: bool) -> None:
    """The retry was minted first and committed last: the row is pending, whatever readers see."""
    tape = Tape().opened(WORK).started(WORK).retrying(WORK)
    tape.steps[tape.run_id, step_id(WORK)] = attrs.evolve(
        tape.steps[tape.run_id, step_id(WORK)], status=StepStatus.PENDING
    )
    log = tape.logs[tape.run_id]
    started, retrying = log[-2:]
    for event, position in ((started, retrying.position), (retrying, started.position)):
        object.__setattr__(event, "position", position)
    log[-2:] = [retrying, started]
    expected = [] if minted else ["row-differs-from-log run/work#1"]
    assert broken("I-10", tape, minted=minted) == expected


HOOK, NAP = "hook#2", "sleep#3"


def owning() -> Tape:
    """A run with a live hook and a wait."""
    return Tape().opened().hooked(HOOK).sleeps(NAP, 5)


def test_i10_a_hook_event_shows_a_stale_run_row() -> None:
    for tape in (owning(), owning().received(HOOK), owning().attrs_set()):
        assert broken("I-10", tape) == []
        tape.shows_run(status=RunStatus.PENDING)
        assert broken("I-10", tape) == ["row-differs-from-log run"]


HOOK_COLUMNS: list[dict[str, Any]] = [
    {"status": HookStatus.DISPOSED},
    {"token": "another"},
    {"metadata": b"x"},
    {"is_webhook": True},
    {"is_system": True},
]


@pytest.mark.parametrize("columns", HOOK_COLUMNS, ids=named)
def test_i10_hook_rows(columns: dict[str, Any]) -> None:
    tape = owning().received(HOOK)
    assert broken("I-10", tape) == []
    key = (tape.run_id, hook_id(HOOK))
    tape.hooks[key] = attrs.evolve(tape.hooks[key], **columns)
    assert broken("I-10", tape) == ["row-differs-from-log run/hook#2"]


@pytest.mark.parametrize("columns", [{"status": WaitStatus.COMPLETED}, {"resume_at_ms": 1}])
def test_i10_wait_rows(columns: dict[str, Any]) -> None:
    tape = owning()
    assert broken("I-10", tape) == []
    key = (tape.run_id, wait_id(NAP))
    tape.waits[key] = attrs.evolve(tape.waits[key], **columns)
    assert broken("I-10", tape) == ["row-differs-from-log run/sleep#3"]


def test_i10_hook_and_wait_rows_right_after_an_event() -> None:
    received = Tape().opened().hooked(HOOK).received(HOOK)
    assert broken("I-10", received) == []
    received.shows_owned(status=HookStatus.DISPOSED)
    assert broken("I-10", received) == ["row-differs-from-log run/hook#2"]
    woken = owning().wakes(NAP)
    assert broken("I-10", woken) == []
    woken.shows_owned(status=WaitStatus.WAITING)
    assert broken("I-10", woken) == ["row-differs-from-log run/sleep#3"]


def test_i10_hooks_and_waits_have_rows_while_they_live() -> None:
    tape = owning()
    hook = tape.hooks.pop((tape.run_id, hook_id(HOOK)))
    assert broken("I-10", tape) == ["event-without-row run/hook#2"]
    tape.hooks[tape.run_id, hook.correlation_id] = hook
    wait = tape.waits.pop((tape.run_id, wait_id(NAP)))
    assert broken("I-10", tape) == ["event-without-row run/sleep#3"]
    tape.waits[tape.run_id, wait.correlation_id] = wait
    assert broken("I-10", tape) == []


def test_i10_a_world_may_forget_a_hook_that_owns_nothing() -> None:
    for tape in (owning().disposed(HOOK), Tape().opened().conflict(HOOK, "wrun_2")):
        assert broken("I-10", tape) == []
        tape.hooks.clear()
        assert broken("I-10", tape) == []


def test_i10_a_world_may_keep_what_is_over() -> None:
    """A hook that never owned its token, and a wait that has been completed."""
    tape = Tape().opened().conflict(HOOK, "wrun_2").sleeps(NAP, 5).wakes(NAP)
    waits = dict(tape.waits)
    tape.run_completed().waits.update(waits)
    assert broken("I-10", tape) == []


def test_i10_no_run_without_its_log() -> None:
    tape = owning()
    tape.run_id = "wrun_2"
    tape.run_created()
    assert broken("I-10", tape) == []
    del tape.logs["wrun_2"]
    assert broken("I-10", tape) == ["row-without-event run"]


def test_i10_no_hook_or_wait_without_an_event() -> None:
    tape = owning()
    tape.labels |= {"other_hook": "hook#8", "other_wait": "sleep#9"}
    tape.hooks[tape.run_id, "other_hook"] = tape.hooks[tape.run_id, hook_id(HOOK)]
    tape.waits[tape.run_id, "other_wait"] = tape.waits[tape.run_id, wait_id(NAP)]
    assert broken("I-10", tape) == [
        "row-without-event run/hook#8",
        "row-without-event run/sleep#9",
    ]


def test_i10_the_end_of_a_run_removes_its_hooks_and_waits() -> None:
    tape = owning()
    hooks, waits = dict(tape.hooks), dict(tape.waits)
    tape.run_completed()
    assert broken("I-10", tape) == []
    tape.hooks.clear()
    assert broken("I-10", tape) == []
    tape.hooks.update(hooks)
    tape.waits.update(waits)
    assert broken("I-10", tape) == [
        "row-differs-from-log run/hook#2",
        "row-differs-from-log run/sleep#3",
    ]


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


def test_i11_two_steps_may_have_one_label() -> None:
    """Where passes have disagreed, both have asked for a step at the same place."""
    tape = Tape().opened(WORK).works(WORK)
    tape.commit(StepCreated("step_other", "work", encode([])), label=WORK)
    tape.commit(StepStarted("step_other", "work"), label=WORK)
    assert broken("I-11", tape) == []
    assert broken("I-11", tape.shows_step(attempt=2)) == ["attempt-is-not-starts run/work#1"]


def test_i11_a_body_is_told_the_number_of_its_own_start() -> None:
    def told(attempt: int) -> Tape:
        tape = Tape().opened(WORK).started(WORK).began(WORK)
        tape.records[-1] = tape.records[-1]._replace(attempt=attempt)  # type: ignore[call-arg]
        return tape

    assert broken("I-11", told(1), attempt_is_start=True) == []
    assert broken("I-11", told(77), attempt_is_start=True) == ["wrong-attempt-told run/work#1"]
    assert broken("I-11", told(77)) == []  # some guards tell another number
