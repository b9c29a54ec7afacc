"""Lifecycles beyond the legality matrix: conditions of starts, and what facts leave in rows."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    RUN_TERMINAL,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookReceived,
    HookRow,
    HookStatus,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunRow,
    RunStarted,
    RunStatus,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    StepStatus,
    WaitCompleted,
    WaitCreated,
    WaitRow,
    WaitStatus,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
    check_step,
)
from simworld.errors import EntityConflictError, RunExpiredError, TooEarlyError, WorldError

NOW = 5_000
STEP = "step_1"

RUN_FACTS = {
    "run_created": RunCreated("order", b"in"),
    "run_started": RunStarted(),
    "run_completed": RunCompleted(b"out"),
    "run_failed": RunFailed(b"why", "USER_ERROR"),
    "run_cancelled": RunCancelled(),
}
STEP_FACTS = {
    "step_created": StepCreated(STEP, "work", b"in"),
    "step_started": StepStarted(STEP, "work"),
    "step_completed": StepCompleted(STEP, b"out"),
    "step_failed": StepFailed(STEP, b"why"),
    "step_retrying": StepRetrying(STEP, b"why"),
}


def run_row(status):
    return RunRow("wrun_1", RunStatus(status), "order", b"in", 1_000)


def step_row(status, **changes):
    return attrs.evolve(
        StepRow("wrun_1", STEP, "work", StepStatus(status), b"in", 1_000, attempt=1), **changes
    )


# --- conditions beyond the tables -------------------------------------------------------------


def refused(row, fact, *, run="running", now=NOW):
    with pytest.raises(WorldError) as caught:
        check_step(run_row(run), row, fact, now)
    return caught.value


def test_a_start_before_retry_after_is_too_early():
    row = step_row("pending", retry_after_ms=NOW + 2_500)
    error = refused(row, StepStarted(STEP, "work"))
    assert isinstance(error, TooEarlyError)
    assert (error.status, error.retry_after_s) == (425, 2.5)


def test_a_start_at_retry_after_is_in_time():
    row = step_row("pending", retry_after_ms=NOW)
    assert check_step(run_row("running"), row, StepStarted(STEP, "work"), NOW) == "running"


def test_an_ended_run_is_looked_at_before_retry_after():
    row = step_row("pending", retry_after_ms=NOW + 2_500)
    assert refused(row, StepStarted(STEP, "work"), run="completed").status == 410


@pytest.mark.parametrize("event", ["step_completed", "step_failed", "step_retrying"])
def test_only_starts_wait_for_retry_after(event):
    row = step_row("pending", retry_after_ms=NOW + 2_500)
    check_step(run_row("running"), row, STEP_FACTS[event], NOW)
    assert refused(row, STEP_FACTS["step_started"]).status == 425


def test_not_running_refuses_a_second_start_and_admits_a_first_one():
    fact = StepStarted(STEP, "work", admit="not_running")
    error = refused(step_row("running"), fact)
    assert isinstance(error, EntityConflictError)
    assert (error.status, error.reason) == (409, "running")
    assert check_step(run_row("running"), step_row("pending"), fact, NOW) == "running"


LEASED = {"owner": "msg_1.1", "lease_until_ms": NOW + 4_500}


def leased_start(owner):
    return StepStarted(STEP, "work", owner, NOW + 60_000, "lease_free")


def test_a_live_lease_refuses_another_owner_with_the_time_that_is_left():
    error = refused(step_row("running", **LEASED), leased_start("msg_1.2"))
    assert isinstance(error, TooEarlyError)
    assert (error.status, error.retry_after_s) == (425, 4.5)


@pytest.mark.parametrize(
    ("owner", "later_ms"),
    [("msg_1.1", 0), ("msg_1.2", 4_500), ("msg_1.2", 4_501)],
    ids=["same owner", "expired just now", "expired"],
)
def test_a_lease_lets_its_owner_in_and_anybody_once_it_has_expired(owner, later_ms):
    row = step_row("running", **LEASED)
    assert check_step(run_row("running"), row, leased_start(owner), NOW + later_ms) == "running"


def test_a_pending_step_is_free_whatever_lease_it_still_carries():
    row = step_row("pending", **LEASED)
    assert check_step(run_row("running"), row, leased_start("msg_1.2"), NOW) == "running"


def test_an_unconditional_start_ignores_leases():
    row = step_row("running", **LEASED)
    assert check_step(run_row("running"), row, StepStarted(STEP, "work"), NOW) == "running"


@pytest.mark.parametrize("fact", [StepFailed, StepRetrying])
def test_a_failure_told_by_a_former_owner_is_refused(fact):
    row = step_row("running", **LEASED)
    error = refused(row, fact(STEP, b"why", owner="msg_0.1"))
    assert isinstance(error, EntityConflictError)
    assert (error.status, error.reason) == (409, "not_owner")
    check_step(run_row("running"), row, fact(STEP, b"why", owner="msg_1.1"), NOW)
    check_step(run_row("running"), row, fact(STEP, b"why"), NOW)  # unstamped: nobody to compare


def test_a_terminal_step_is_looked_at_before_its_owner():
    error = refused(step_row("failed", **LEASED), StepFailed(STEP, b"why", owner="msg_0.1"))
    assert error.reason == "terminal"


# --- what an accepted fact leaves in the rows -------------------------------------------------


def rows_after(*facts):
    """The step's row after each fact; fact n happens at n seconds."""
    row, rows = None, []
    for number, fact in enumerate(facts, start=1):
        row = apply_step(row, "wrun_1", fact, number * 1_000)
        rows.append(row)
    return rows


CREATED = STEP_FACTS["step_created"]


def test_step_created_makes_a_pending_row_that_never_ran():
    assert rows_after(CREATED) == [
        StepRow("wrun_1", STEP, "work", StepStatus.PENDING, b"in", created_at_ms=1_000)
    ]
    row = rows_after(CREATED)[0]
    assert (row.attempt, row.started_at_ms, row.retries, row.starts) == (0, 0, 0, ())


def test_every_start_counts_and_only_the_first_sets_started_at():
    _, first, second = rows_after(
        CREATED, StepStarted(STEP, "work", "msg_1.1", 61_000), StepStarted(STEP, "work")
    )
    assert (first.status, first.attempt, first.started_at_ms) == ("running", 1, 2_000)
    assert (first.owner, first.lease_until_ms, first.starts) == ("msg_1.1", 61_000, ("msg_1.1",))
    assert (second.attempt, second.started_at_ms) == (2, 2_000)
    assert (second.owner, second.lease_until_ms, second.starts) == ("", 0, ("msg_1.1", ""))


def test_a_retry_keeps_the_error_counts_and_ends_the_ownership():
    start = StepStarted(STEP, "work", "msg_1.1", 61_000)
    *_, row = rows_after(CREATED, start, StepRetrying(STEP, b"first", 9_000))
    assert (row.status, row.error, row.retry_after_ms, row.retries) == (
        "pending",
        b"first",
        9_000,
        1,
    )
    assert (row.owner, row.lease_until_ms, row.attempt, row.starts) == ("", 0, 1, ("msg_1.1",))


def test_the_next_start_clears_retry_after_and_keeps_the_error():
    start = StepStarted(STEP, "work")
    *_, row = rows_after(CREATED, start, StepRetrying(STEP, b"first", 9_000), start)
    assert (row.status, row.retry_after_ms, row.error) == ("running", 0, b"first")
    assert (row.attempt, row.retries, row.started_at_ms) == (2, 1, 2_000)


def test_a_second_retry_replaces_error_and_retry_after():
    start = StepStarted(STEP, "work")
    facts = (CREATED, start, StepRetrying(STEP, b"1", 9_000), start, StepRetrying(STEP, b"2"))
    row = rows_after(*facts)[-1]
    assert (row.error, row.retry_after_ms, row.retries, row.attempt) == (b"2", 0, 2, 2)


def test_completion_stores_the_output_and_keeps_the_history():
    start = StepStarted(STEP, "work")
    facts = (CREATED, start, StepRetrying(STEP, b"1"), start, StepCompleted(STEP, b"out"))
    row = rows_after(*facts)[-1]
    assert (row.status, row.output, row.completed_at_ms) == ("completed", b"out", 5_000)
    assert (row.attempt, row.retries, row.error, row.started_at_ms) == (2, 1, b"1", 2_000)


def test_failure_stores_its_error_and_no_output():
    facts = (CREATED, StepStarted(STEP, "work"), StepFailed(STEP, b"end"))
    row = rows_after(*facts)[-1]
    assert (row.status, row.error, row.output, row.completed_at_ms) == (
        "failed",
        b"end",
        b"",
        3_000,
    )


def runs_after(*facts):
    row, rows = None, []
    for number, fact in enumerate(facts, start=1):
        row = apply_run(row, "wrun_1", fact, number * 1_000)
        rows.append(row)
    return rows


def test_run_rows_from_creation_to_completion():
    created, started, completed = runs_after(
        RUN_FACTS["run_created"], RunStarted(), RunCompleted(b"out")
    )
    assert created == RunRow("wrun_1", RunStatus.PENDING, "order", b"in", 1_000)
    assert started == RunRow("wrun_1", RunStatus.RUNNING, "order", b"in", 1_000, 2_000)
    assert completed == RunRow(
        "wrun_1", RunStatus.COMPLETED, "order", b"in", 1_000, 2_000, 3_000, output=b"out"
    )


def test_a_failed_run_keeps_error_and_code():
    *_, failed = runs_after(RUN_FACTS["run_created"], RunStarted(), RUN_FACTS["run_failed"])
    assert (failed.error, failed.error_code, failed.output) == (b"why", "USER_ERROR", b"")
    assert (failed.started_at_ms, failed.completed_at_ms) == (2_000, 3_000)


def test_a_run_that_never_started_may_end_and_has_no_start_time():
    *_, cancelled = runs_after(RUN_FACTS["run_created"], RunCancelled())
    assert (cancelled.status, cancelled.started_at_ms) == ("cancelled", 0)
    assert cancelled.completed_at_ms == 2_000


def test_a_lazy_start_makes_a_running_row_of_its_first_attempt():
    start = StepStarted(STEP, "work", "msg_1.1", 61_000, input=b"in")
    first, second = rows_after(start, StepStarted(STEP, "work"))
    assert first == StepRow(
        "wrun_1",
        STEP,
        "work",
        StepStatus.RUNNING,
        b"in",
        created_at_ms=1_000,
        attempt=1,
        started_at_ms=1_000,
        owner="msg_1.1",
        lease_until_ms=61_000,
        starts=("msg_1.1",),
    )
    assert (second.attempt, second.input, second.started_at_ms) == (2, b"in", 1_000)


def test_a_start_that_creates_its_run_leaves_the_row_of_both_events():
    (row,) = runs_after(RunStarted("order", b"in"))
    assert row == RunRow("wrun_1", RunStatus.RUNNING, "order", b"in", 1_000, 1_000)


def test_the_data_of_a_start_says_nothing_about_a_run_that_is_there():
    *_, row = runs_after(RUN_FACTS["run_created"], RunStarted("other", b"else"))
    assert row == RunRow("wrun_1", RunStatus.RUNNING, "order", b"in", 1_000, 2_000)


def test_a_hook_from_creation_to_disposal():
    fact = HookCreated("hook_1", "token", b"meta", is_webhook=True)
    live = apply_hook(None, "wrun_1", fact, 1_000)
    assert live == HookRow(
        "wrun_1", "hook_1", "token", HookStatus.LIVE, 1_000, b"meta", is_webhook=True
    )
    assert apply_hook(live, "wrun_1", HookReceived("hook_1", "token", b"x"), 2_000) == live
    gone = apply_hook(live, "wrun_1", HookDisposed("hook_1", "token"), 3_000)
    assert gone == attrs.evolve(live, status=HookStatus.DISPOSED)


def test_a_hook_that_never_owned_its_token():
    row = apply_hook(None, "wrun_1", HookConflict("hook_1", "token", "wrun_2"), 1_000)
    assert row == HookRow("wrun_1", "hook_1", "token", HookStatus.CONFLICT, 1_000)


def test_a_wait_keeps_the_time_that_was_recorded_first():
    waiting = apply_wait(None, "wrun_1", WaitCreated("wait_1", 9_000), 1_000)
    assert waiting == WaitRow("wrun_1", "wait_1", WaitStatus.WAITING, 9_000, 1_000)
    over = apply_wait(waiting, "wrun_1", WaitCompleted("wait_1", 8_000), 9_500)
    assert over == WaitRow("wrun_1", "wait_1", WaitStatus.COMPLETED, 9_000, 1_000, 9_500)


@pytest.mark.parametrize("status", sorted(RUN_TERMINAL))
def test_an_expired_lease_is_not_taken_over_once_the_run_has_ended(status):
    """To take over is to start a new body, which an ended run may not have (decisions §1.5)."""
    run = RunRow("wrun_1", RunStatus(status), "flow", b"", 0)
    row = StepRow(
        "wrun_1",
        "step_1",
        "work",
        StepStatus.RUNNING,
        b"",
        0,
        attempt=1,
        owner="a",
        lease_until_ms=5,
    )
    with pytest.raises(RunExpiredError):
        check_step(run, row, StepStarted("step_1", "work", "b", 20, "lease_free"), 10)
    unconditional = check_step(run, row, StepStarted("step_1", "work"), 10)
    assert unconditional is StepStatus.RUNNING  # spec §1.3
