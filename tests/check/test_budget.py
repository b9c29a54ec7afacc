"""I-12: a step fails for good only when one of its budgets is used up."""

from __future__ import annotations

import pytest

from simworld.records import BodyBegan, Fault
from tests.check.build import Tape, broken

WORK = "work#3"


def errors(count: int) -> Tape:
    """So many bodies that ended with an error, each but the last one tried again."""
    tape = Tape().opened(WORK)
    for number in range(count):
        if number:
            tape.retrying(WORK)
        tape.body(WORK, "error")
    return tape


def killed(count: int) -> Tape:
    """So many bodies that were killed, and the start of the next."""
    tape = Tape().opened(WORK)
    for number in range(count):
        host = f"start/work~{number}"
        tape.started(WORK, task=host).began(WORK, task=host).crash(host)
    return tape.started(WORK)


@pytest.mark.parametrize("max_retries", [0, 3])
def test_exhausted_needs_all_its_errors(max_retries: int) -> None:
    allowed = max_retries + 1
    good, bad = errors(allowed).failed(WORK), errors(allowed - 1).failed(WORK)
    assert broken("I-12", good, max_retries=max_retries) == []
    assert broken("I-12", bad, max_retries=max_retries) == ["retries-not-exhausted run/work#3"]


def test_scenario_d_one_error_among_four_starts() -> None:
    """R-02: four concurrent starts, one flake; and the same when all four bodies err."""
    tape = Tape().opened(WORK)
    for _ in range(4):
        tape.started(WORK).began(WORK)
    for number in (1, 2, 3):
        tape.ends(WORK, "error", number=number)
    assert broken("I-12", tape.failed(WORK)) == ["retries-not-exhausted run/work#3"]
    tape = Tape().opened(WORK)
    for _ in range(4):
        tape.started(WORK).began(WORK)
    for number in (1, 2, 3, 4):
        tape.ends(WORK, "error", number=number)
    assert broken("I-12", tape.failed(WORK)) == []


@pytest.mark.parametrize("outcome", ["ok", "fatal"])
def test_only_errors_count_as_errors(outcome: str) -> None:
    tape = errors(3).retrying(WORK).body(WORK, outcome)
    assert broken("I-12", tape.failed(WORK)) == ["retries-not-exhausted run/work#3"]
    assert broken("I-12", errors(3).retrying(WORK).body(WORK, "error").failed(WORK)) == []


def test_errors_of_another_step_do_not_count() -> None:
    tape = errors(3).created("work#4").retrying(WORK)
    tape.body("work#4", "error").started(WORK)
    assert broken("I-12", tape.failed(WORK)) == ["retries-not-exhausted run/work#3"]
    assert broken("I-12", errors(4).created("work#4").failed(WORK)) == []


def test_fatal_needs_a_fatal_body() -> None:
    good = Tape().opened(WORK).body(WORK, "fatal").failed(WORK, "fatal")
    bad = Tape().opened(WORK).body(WORK, "error").failed(WORK, "fatal")
    assert broken("I-12", good) == []
    assert broken("I-12", bad) == ["fatal-without-fatal-body run/work#3"]


@pytest.mark.parametrize("crashes_max", [1, 4])
def test_interrupted_needs_its_crash_budget(crashes_max: int) -> None:
    good = killed(crashes_max).failed(WORK, "interrupted")
    bad = killed(crashes_max - 1).failed(WORK, "interrupted")
    assert broken("I-12", good, crashes_max=crashes_max) == []
    assert broken("I-12", bad, crashes_max=crashes_max) == ["interrupted-too-early run/work#3"]


def test_a_start_without_a_body_was_interrupted() -> None:
    """The handler died between its start and its body: the start ended without a result."""
    tape = Tape().opened(WORK)
    for _ in range(4):
        tape.started(WORK)
    assert broken("I-12", tape.failed(WORK, "interrupted")) == ["interrupted-too-early run/work#3"]
    tape = Tape().opened(WORK)
    for _ in range(5):
        tape.started(WORK)
    assert broken("I-12", tape.failed(WORK, "interrupted")) == []


def test_a_retried_start_was_not_interrupted() -> None:
    tape = Tape().opened(WORK).body(WORK, "error").retrying(WORK)
    for _ in range(4):
        tape.started(WORK)
    assert broken("I-12", tape.failed(WORK, "interrupted")) == ["interrupted-too-early run/work#3"]
    tape = Tape().opened(WORK).body(WORK, "error").retrying(WORK)
    for _ in range(5):
        tape.started(WORK)
    assert broken("I-12", tape.failed(WORK, "interrupted")) == []


def leased(lease_ms: int) -> Tape:
    """Four bodies under a lease; three are killed, the last one is running a second later."""
    tape = Tape().opened(WORK)
    for number in range(4):
        host = f"start/work~{number}"
        tape.started(WORK).began(WORK, task=host, lease_until_ms=tape.now_ms + lease_ms)
        if number < 3:
            tape.crash(host)
    return tape.wait(1_000).started(WORK).failed(WORK, "interrupted")


def lease_at_failure() -> int:
    """The lease that ends in the millisecond in which the step fails."""
    tape = leased(0)
    last = [each for each in tape.records if isinstance(each, BodyBegan)][-1]
    return tape.now_ms - last.lease_until_ms


def test_a_running_body_was_not_interrupted() -> None:
    lease_ms = lease_at_failure()
    assert broken("I-12", leased(lease_ms + 1)) == ["interrupted-too-early run/work#3"]
    assert broken("I-12", leased(lease_ms)) == []


def test_a_body_without_lease_runs_while_its_host_lives() -> None:
    tape = killed(3).began(WORK, task="start/work~9").started(WORK)
    assert broken("I-12", tape.failed(WORK, "interrupted")) == ["interrupted-too-early run/work#3"]
    tape = killed(3).began(WORK, task="start/work~9").crash("start/work~9").started(WORK)
    assert broken("I-12", tape.failed(WORK, "interrupted")) == []


@pytest.mark.parametrize("kind", ["error", "", "tired"])
def test_a_step_may_not_fail_for_any_other_reason(kind: str) -> None:
    tape = errors(4).failed(WORK, kind)
    assert broken("I-12", tape) == ["unexplained-step-failure run/work#3"]
    assert broken("I-12", errors(4).failed(WORK, "exhausted")) == []


def test_a_used_up_crash_budget_may_be_called_exhausted() -> None:
    """R-06 under guards with one budget only (G0, G6, G7): four killed bodies, then no fifth."""
    assert broken("I-12", killed(4).failed(WORK, "exhausted")) == []
    assert broken("I-12", killed(3).failed(WORK, "exhausted")) == [
        "retries-not-exhausted run/work#3"
    ]


def test_a_step_is_not_tried_again_after_its_retries() -> None:
    """Judged where no fault can excuse it."""
    assert broken("I-12", errors(4)) == []
    assert broken("I-12", errors(5)) == ["retries-beyond-budget run/work#3"]
    assert broken("I-12", errors(5), faults=(Fault("duplicate", "start/flow", 1),)) == []


def test_bodies_that_began_side_by_side_are_no_further_tries() -> None:
    """A payload woke a replay while the step ran inline; both bodies fail, the first for good."""
    tape = Tape().opened(WORK).started(WORK).began(WORK).started(WORK).began(WORK)
    tape.ends(WORK, "error", number=1).ends(WORK, "error", number=2).failed(WORK)
    assert broken("I-12", tape, max_retries=0) == []
    again = Tape().opened(WORK).body(WORK, "error").retrying(WORK).body(WORK, "error")
    assert broken("I-12", again, max_retries=0) == ["retries-beyond-budget run/work#3"]


def test_a_host_that_ended_itself_excuses_what_a_fault_excuses() -> None:
    assert broken("I-12", errors(5).crash("start/flow")) == ["retries-beyond-budget run/work#3"]
    tape = errors(4).retrying(WORK).crash("start/flow")
    assert broken("I-12", tape.body(WORK, "error")) == []


def test_each_step_has_its_own_budgets() -> None:
    own = {"work": (1, 2), "rest": (3, 4)}
    assert broken("I-12", errors(2).failed(WORK), budgets=own) == []
    assert broken("I-12", errors(2).failed(WORK), budgets={"work": (3, 4)}) == [
        "retries-not-exhausted run/work#3"
    ]
