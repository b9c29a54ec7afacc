"""The legality matrix of spec §1.3, written out from the spec and compared cell by cell.

Decisions §5.13 settle two cells: an illegal create on a terminal run answers 409, and run_started
on a missing run is 404 until runs can be created by it (resilient start).
"""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    RUN_MOVES,
    RUN_TERMINAL,
    STEP_MOVES,
    STEP_TERMINAL,
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
    apply_run,
    apply_step,
    check_step,
)
from simworld.errors import EntityConflictError, TooEarlyError, WorldError

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

RUN_MATRIX = """
run             missing     pending       running       completed      failed         cancelled
run_created     > pending   409 exists    409 exists    409 exists     409 exists     409 exists
run_started     404         > running     no event      410            410            410
run_completed   404         > completed   > completed   409 terminal   409 terminal   409 terminal
run_failed      404         > failed      > failed      409 terminal   409 terminal   409 terminal
run_cancelled   404         > cancelled   > cancelled   409 terminal   409 terminal   > cancelled
"""

STEP_MATRIX = """
step             missing     pending       running       completed      failed
step_created     > pending   409 exists    409 exists    409 exists     409 exists
step_started     404         > running     > running     409 terminal   409 terminal
step_completed   404         > completed   > completed   409 terminal   409 terminal
step_failed      404         > failed      > failed      409 terminal   409 terminal
step_retrying    404         > pending     > pending     409 terminal   409 terminal
"""

ENDED_RUN_MATRIX = """
step             missing        pending       running       completed      failed
step_created     409 terminal   409 exists    409 exists    409 exists     409 exists
step_started     404            410           > running     409 terminal   409 terminal
step_completed   404            > completed   > completed   409 terminal   409 terminal
step_failed      404            > failed      > failed      409 terminal   409 terminal
step_retrying    404            > pending     > pending     409 terminal   409 terminal
"""
"""The atomic world's choice in step_failed/pending is the SQL world's: the run is not consulted."""


def cells(matrix):
    """(event, state, expected) of every cell."""
    head, *lines = [line.split("  ") for line in matrix.strip().splitlines()]
    states = [each.strip() for each in head if each.strip()][1:]
    found = []
    for line in lines:
        event, *expected = [each.strip() for each in line if each.strip()]
        found += [(event, *cell) for cell in zip(states, expected, strict=True)]
    return found


def run_row(status):
    if status == "missing":
        return None
    return RunRow("wrun_1", RunStatus(status), "order", b"in", 1_000)


def step_row(status, **changes):
    if status == "missing":
        return None
    return attrs.evolve(
        StepRow("wrun_1", STEP, "work", StepStatus(status), b"in", 1_000, attempt=1), **changes
    )


def told(decide):
    """What a decision says, in the words of the matrices."""
    try:
        state = decide()
    except WorldError as refusal:
        return f"{refusal.status} {getattr(refusal, 'reason', '')}".strip()
    return "no event" if state is None else f"> {state}"


@pytest.mark.parametrize(("event", "state", "expected"), cells(RUN_MATRIX))
def test_every_run_cell(event, state, expected):
    def decide():
        after = apply_run(run_row(state), "wrun_1", RUN_FACTS[event], NOW)
        return None if after is None else after.status

    assert told(decide) == expected


@pytest.mark.parametrize("run", ["pending", "running"])
@pytest.mark.parametrize(("event", "state", "expected"), cells(STEP_MATRIX))
def test_every_step_cell_of_a_living_run(event, state, expected, run):
    assert told(lambda: check_step(run_row(run), step_row(state), STEP_FACTS[event], NOW)) == (
        expected
    )


@pytest.mark.parametrize("run", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize(("event", "state", "expected"), cells(ENDED_RUN_MATRIX))
def test_every_step_cell_of_an_ended_run(event, state, expected, run):
    assert told(lambda: check_step(run_row(run), step_row(state), STEP_FACTS[event], NOW)) == (
        expected
    )


@pytest.mark.parametrize("event", STEP_FACTS)
@pytest.mark.parametrize("state", ["missing", *StepStatus])
def test_a_step_of_a_missing_run_is_refused_before_its_row_is_looked_at(event, state):
    assert told(lambda: check_step(None, step_row(state), STEP_FACTS[event], NOW)) == "404"


def test_the_matrices_cover_the_tables():
    run_cells = {(event, state) for event, state, _ in cells(RUN_MATRIX)}
    assert run_cells == {(event, state) for event, moves in RUN_MOVES.items() for state in moves}
    step_cells = {(event, state) for event, state, _ in cells(STEP_MATRIX)}
    assert step_cells == {(event, state) for event, moves in STEP_MOVES.items() for state in moves}
    assert {(event, state) for event, state, _ in cells(ENDED_RUN_MATRIX)} == step_cells
    assert {"completed", "failed", "cancelled"} == RUN_TERMINAL
    assert {"completed", "failed"} == STEP_TERMINAL


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
