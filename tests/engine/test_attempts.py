"""The retry guards G0–G8, place by place (decisions §2, spec §3.7).

Every line of a table is a step as an accepted start answered it, and what the guard must say of it
before the body (L198) and after the body has failed (L469).
"""

from __future__ import annotations

import pytest

from simworld import marks
from simworld.engine import (
    EXHAUSTED,
    INTERRUPTED,
    AttemptGuard,
    EnginePolicy,
    InlineGate,
    StartedBy,
    StepCreated,
    StepRetrying,
    StepRow,
    StepStarted,
    StepStatus,
    after_error,
    apply_step,
    authoritative_attempt,
    before_body,
    failure_owner,
    start_condition,
    start_owner,
)

BY = StartedBy("msg_1", "msg_1.3", 1)


def policy(guard, **knobs):
    return EnginePolicy(attempt_guard=AttemptGuard(guard), **knobs)


def row(attempt, *, retries=0, error=None, starts=None):
    """A running step; by default it carries an error exactly when it has been retried."""
    if error is None:
        error = retries > 0
    return StepRow(
        "wrun_1",
        "step_1",
        "work",
        StepStatus.RUNNING,
        b"",
        0,
        attempt=attempt,
        error=b"why" if error else b"",
        retries=retries,
        starts=("",) * attempt if starts is None else starts,
    )


G1_TABLE = [
    # attempt, error, max_retries, before_body, after_error
    (1, False, 3, "", False),
    (3, True, 3, "", False),
    (4, False, 3, "", True),
    (4, True, 3, "", True),
    (5, False, 3, "", True),
    (5, True, 3, EXHAUSTED, True),
    (9, False, 3, "", True),
    (1, False, 0, "", True),
    (2, False, 0, "", True),
    (2, True, 0, EXHAUSTED, True),
]

BY_ATTEMPT = {
    "G0": [
        (1, False, 3, "", False),
        (3, True, 3, "", False),
        (4, False, 3, "", True),
        (4, True, 3, "", True),
        (5, False, 3, EXHAUSTED, True),
        (5, True, 3, EXHAUSTED, True),
        (1, False, 0, "", True),
        (2, False, 0, EXHAUSTED, True),
    ],
    "G1": G1_TABLE,
    "G2": [
        (1, False, 3, "", False),
        (4, False, 3, "", False),
        (4, True, 3, "", True),
        (3, True, 3, "", False),
        (5, False, 3, "", False),
        (5, True, 3, EXHAUSTED, True),
        (1, False, 0, "", False),
        (2, True, 0, EXHAUSTED, True),
    ],
    "G4": G1_TABLE,
    "G5": G1_TABLE,
}


@pytest.mark.parametrize(
    ("guard", "line"),
    [(guard, line) for guard, lines in BY_ATTEMPT.items() for line in lines],
)
def test_guards_by_attempt_number(guard, line):
    attempt, error, max_retries, before, after = line
    step = row(attempt, error=error)
    assert before_body(policy(guard), step, BY, max_retries) == before
    assert after_error(policy(guard), step, BY, max_retries) is after
    assert authoritative_attempt(policy(guard), step, BY) == attempt


@pytest.mark.parametrize(
    ("attempt", "retries", "max_retries", "before", "after"),
    [
        (1, 0, 3, "", False),
        (9, 0, 3, "", False),
        (9, 2, 3, "", False),
        (4, 3, 3, "", True),
        (9, 3, 3, "", True),
        (5, 4, 3, EXHAUSTED, True),
        (1, 0, 0, "", True),
        (9, 0, 0, "", True),
        (2, 1, 0, EXHAUSTED, True),
    ],
)
def test_g3_counts_recorded_failures_and_nothing_else(attempt, retries, max_retries, before, after):
    step = row(attempt, retries=retries)
    assert before_body(policy("G3"), step, BY, max_retries) == before
    assert after_error(policy("G3"), step, BY, max_retries) is after


@pytest.mark.parametrize(
    ("attempt", "delivery", "authoritative", "before", "after"),
    [
        (1, 1, 1, "", False),
        (4, 1, 4, "", True),
        (1, 4, 4, "", True),
        (3, 2, 3, "", False),
        (5, 1, 5, EXHAUSTED, True),
        (1, 5, 5, EXHAUSTED, True),
    ],
)
def test_g6_takes_the_larger_of_delivery_number_and_starts(
    attempt, delivery, authoritative, before, after
):
    by = StartedBy("msg_1", f"msg_1.{delivery}", delivery)
    step = row(attempt)
    assert authoritative_attempt(policy("G6"), step, by) == authoritative
    assert before_body(policy("G6"), step, by, 3) == before
    assert after_error(policy("G6"), step, by, 3) is after


@pytest.mark.parametrize(
    ("starts", "authoritative", "before", "after"),
    [
        (("msg_1",), 1, "", False),
        (("msg_2", "msg_2", "msg_2", "msg_2", "msg_1"), 1, "", False),
        (("msg_2", "", "msg_1"), 2, "", False),
        (("", "", "", "msg_1"), 4, "", True),
        (("msg_1",) * 5, 5, EXHAUSTED, True),
        (("",) * 5, 5, EXHAUSTED, True),
    ],
)
def test_g7_counts_own_and_unstamped_starts(starts, authoritative, before, after):
    step = row(len(starts), starts=starts)
    assert authoritative_attempt(policy("G7"), step, BY) == authoritative
    assert before_body(policy("G7"), step, BY, 3) == before
    assert after_error(policy("G7"), step, BY, 3) is after


@pytest.mark.parametrize(
    ("attempt", "retries", "max_retries", "crashes_max", "before", "after"),
    [
        (1, 0, 3, -1, "", False),
        (4, 0, 3, -1, "", False),  # three starts ended without a result: one is left
        (5, 0, 3, -1, INTERRUPTED, False),
        (5, 1, 3, -1, "", False),
        (7, 3, 3, -1, "", True),
        (5, 4, 3, -1, EXHAUSTED, True),
        (6, 1, 3, -1, INTERRUPTED, False),
        (1, 0, 0, -1, "", True),
        (2, 0, 0, -1, INTERRUPTED, True),
        (2, 1, 0, -1, EXHAUSTED, True),
        (2, 0, 3, 1, INTERRUPTED, False),
        (9, 0, 3, 9, "", False),
        (10, 0, 3, 9, INTERRUPTED, False),
    ],
)
def test_g8_has_one_budget_for_failures_and_one_for_crashes(
    attempt, retries, max_retries, crashes_max, before, after
):
    guard = policy("G8", crashes_max=crashes_max)
    step = row(attempt, retries=retries)
    assert before_body(guard, step, BY, max_retries) == before
    assert after_error(guard, step, BY, max_retries) is after


@pytest.mark.parametrize(
    ("guard", "condition", "owner"),
    [
        ("G0", "always", ""),
        ("G1", "always", ""),
        ("G2", "always", ""),
        ("G3", "always", ""),
        ("G4", "not_running", ""),
        ("G5", "lease_free", "msg_1"),
        ("G6", "always", ""),
        ("G7", "always", ""),
        ("G8", "lease_free", "msg_1.3"),
    ],
)
@pytest.mark.parametrize("inline", [False, True])
def test_what_a_start_asks_of_the_world(guard, condition, owner, inline):
    assert start_condition(policy(guard)) == condition
    assert start_owner(policy(guard), BY, inline=inline) == owner


@pytest.mark.parametrize(
    ("guard", "inline", "background", "failure"),
    [
        ("G1", "msg_1", "", ""),
        ("G4", "msg_1", "", ""),
        ("G7", "msg_1", "", ""),
        ("G5", "msg_1", "msg_1", "msg_1"),
        ("G8", "msg_1.3", "msg_1.3", "msg_1.3"),
    ],
)
def test_inline_starts_are_stamped_and_only_leases_make_a_failure_the_owners(
    guard, inline, background, failure
):
    knobs = policy(guard, inline_gate=InlineGate.OWNER_STAMP)
    assert start_owner(knobs, BY, inline=True) == inline
    assert start_owner(knobs, BY, inline=False) == background
    assert failure_owner(knobs, BY) == failure


@pytest.mark.parametrize("max_retries", range(5))
@pytest.mark.parametrize("guard", AttemptGuard)
def test_a_step_that_always_fails_runs_its_body_max_retries_plus_one_times(guard, max_retries):
    """The healthy case, one start after another: where no guard may be wrong."""
    knobs = policy(guard)
    step = apply_step(None, "wrun_1", StepCreated("step_1", "work", b""), 0)
    bodies = starts = 0
    while starts < 20:
        starts += 1
        owner = start_owner(knobs, BY, inline=False)
        step = apply_step(step, "wrun_1", StepStarted("step_1", "work", owner), starts)
        if before_body(knobs, step, BY, max_retries):
            break
        bodies += 1
        if after_error(knobs, step, BY, max_retries):
            break
        step = apply_step(step, "wrun_1", StepRetrying("step_1", b"why"), starts)
    assert bodies == max_retries + 1
    one_more = guard is AttemptGuard.G2 and max_retries == 0  # decisions §2, last column
    assert starts == bodies + one_more


@pytest.mark.parametrize(
    ("starts", "retries", "attempt"),
    [
        (("",), 0, 1),
        (("", "", ""), 0, 3),
        (("msg_2", "msg_2", "msg_1"), 0, 1),  # others have started it and have not failed
        (("msg_2", "msg_1", ""), 0, 2),
        (("msg_2", ""), 1, 2),  # an inline body of another message has failed
        (("msg_2", "", "", ""), 3, 4),
    ],
)
def test_g7_counts_own_and_unstamped_starts_and_every_failure(starts, retries, attempt):
    step = row(len(starts), retries=retries, starts=starts)
    assert authoritative_attempt(policy("G7"), step, BY) == attempt


def test_the_crash_budget_defaults_to_max_retries_plus_one():
    assert [EnginePolicy().crash_budget(m) for m in (0, 3)] == [1, 4]
    assert [EnginePolicy(crashes_max=0).crash_budget(m) for m in (0, 3)] == [0, 0]
    assert EnginePolicy(crashes_max=7).crash_budget(3) == 7


def test_a_guard_that_fires_leaves_a_mark_and_one_that_does_not_leaves_none():
    before = marks.snapshot()
    before_body(policy("G1"), row(4, error=True), BY, 3)
    after_error(policy("G1"), row(3, error=True), BY, 3)
    assert marks.since(before) == {}
    before_body(policy("G1"), row(5, error=True), BY, 3)
    after_error(policy("G1"), row(4), BY, 3)
    before_body(policy("G8"), row(5), BY, 3)
    assert marks.since(before) == {
        "guard.interrupted": 1,
        "guard.l198_fired": 1,
        "guard.l469_fired": 1,
    }
