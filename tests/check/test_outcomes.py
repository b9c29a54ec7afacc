"""I-18 and I-21: the right output, and no fault that surfaces."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from simworld.check import Cost
from simworld.engine import Event, StepCompleted, decode
from simworld.records import BodyEnded, Fault, Passed
from tests.check.build import FLOW, Tape, broken

WORK = "work#1"


def results(log: Sequence[Event]) -> object:
    """The workflow under test returns its steps' results in the order they were recorded."""
    return tuple(
        decode(event.fact.result) for event in log if isinstance(event.fact, StepCompleted)
    )


def test_i18_output_is_what_the_oracle_says() -> None:
    def run(output: object) -> Tape:
        tape = Tape().opened(WORK, "work#2").works(WORK).works("work#2")
        return tape.run_completed(output)

    assert broken("I-18", run([1, 1]), oracle=results) == []
    assert broken("I-18", run([1, 2]), oracle=results) == ["wrong-output run"]
    assert broken("I-18", run([1, 2])) == []


def test_i18_equal_values_are_equal() -> None:
    tape = Tape().opened().run_completed({"sum": 2.0})
    assert broken("I-18", tape, oracle=lambda log: {"sum": 2}) == []
    assert broken("I-18", tape, oracle=lambda log: {"sum": 3}) == ["wrong-output run"]


def test_i18_an_output_that_cannot_be_read_is_wrong() -> None:
    tape = Tape().opened().run_completed(None)
    assert broken("I-18", tape, oracle=lambda log: None) == []
    tape.run_becomes(output=b"")
    assert broken("I-18", tape, oracle=lambda log: None) == ["wrong-output run"]


def test_i18_asks_only_completed_runs_for_an_output() -> None:
    assert broken("I-18", Tape().opened().run_cancelled(), oracle=results) == []
    assert broken("I-18", Tape().opened().run_completed(), oracle=results) == ["wrong-output run"]


def test_i18_the_oracle_speaks_of_its_own_workflow() -> None:
    """A child run may be of another one."""
    tape = Tape().opened().run_completed("wrong")
    assert broken("I-18", tape, oracle=results, workflow="order") == ["wrong-output run"]
    assert broken("I-18", tape, oracle=results, workflow="other") == []


def test_i18_a_run_fails_only_if_a_step_has() -> None:
    tape = Tape().opened()
    tape.run_failed()
    assert broken("I-18", tape) == ["run-failed-by-itself run"]
    assert broken("I-18", tape, may_fail=True) == []
    after = Tape().opened(WORK).body(WORK, "error").failed(WORK)
    after.run_failed()
    assert broken("I-18", after, failures=((WORK, 1),)) == []


@pytest.mark.parametrize("outcome", ["error", "fatal"])
def test_i18_a_body_fails_only_as_planned(outcome: str) -> None:
    tape = Tape().opened(WORK).body(WORK, outcome)
    assert broken("I-18", tape) == [f"unplanned-body-failure run/{WORK}"]
    assert broken("I-18", tape, failures=((WORK, 1),)) == []
    assert broken("I-18", tape, may_fail=True) == []


def test_i18_a_body_may_fail_of_a_fault_that_its_own_stream_has_met() -> None:
    tape = Tape().opened(WORK).body(WORK, "error")
    ended = tape.records[-1]
    assert isinstance(ended, BodyEnded)
    tape.records[-1] = ended._replace(error="IndefiniteFailure: the answer was lost")
    lost = (Fault("lost_answer", FLOW, 3),)
    assert broken("I-18", tape, faults=lost) == []
    assert broken("I-18", tape) == [f"unplanned-body-failure run/{WORK}"]  # of what, then?
    tape.records[-1] = ended._replace(error="ValueError: boom")
    assert broken("I-18", tape, faults=lost) == [f"unplanned-body-failure run/{WORK}"]


@pytest.mark.parametrize(
    "name",
    ["IndefiniteFailure", "DefiniteFailure", "EntityConflictError", "ThrottleError", "WorldError"],
)
def test_i21_a_world_error_is_nobodys_step_failure(name: str) -> None:
    bad = Tape().opened(WORK).body(WORK, "error").failed(WORK, "exhausted", name)
    good = Tape().opened(WORK).body(WORK, "error").failed(WORK, "exhausted", "ValueError")
    assert broken("I-21", bad) == ["step-failed-by-fault run/work#1"]
    assert broken("I-21", good) == []


@pytest.mark.parametrize(
    "code", ["RUNTIME_ERROR", "MAX_DELIVERIES_EXCEEDED", "REPLAY_DIVERGENCE", ""]
)
def test_i21_a_run_fails_by_its_user_only(code: str) -> None:
    assert broken("I-21", Tape().opened().run_failed("ValueError", code)) == [
        "run-failed-by-fault run"
    ]
    assert broken("I-21", Tape().opened().run_failed("ValueError", "USER_ERROR")) == []


@pytest.mark.parametrize("name", ["IndefiniteFailure", "RunExpiredError", "ReplayDivergence"])
def test_i21_a_world_error_is_no_user_error(name: str) -> None:
    assert broken("I-21", Tape().opened().run_failed(name)) == ["run-failed-by-fault run"]
    assert broken("I-21", Tape().opened().run_failed("UsageError")) == []


def test_i21_leaves_interrupted_steps_to_i12() -> None:
    def interrupted(kind: str, code: str) -> Tape:
        tape = Tape().opened(WORK).started(WORK).failed(WORK, kind, "WorldError")
        return tape.run_failed("StepFailedError", code)

    assert broken("I-21", interrupted("interrupted", "RUNTIME_ERROR")) == []
    assert broken("I-21", interrupted("exhausted", "RUNTIME_ERROR")) == [
        "step-failed-by-fault run/work#1",
        "run-failed-by-fault run",
    ]


def test_i21_an_interrupted_step_excuses_no_other_failure() -> None:
    tape = Tape().opened(WORK).started(WORK).failed(WORK, "interrupted")
    assert broken("I-21", tape) == []
    assert broken("I-21", tape.run_failed("IndefiniteFailure")) == ["run-failed-by-fault run"]


# --- I-26 -----------------------------------------------------------------------------------------


def test_i26_nothing_starts_after_a_cancellation() -> None:
    tape = Tape().opened(WORK).started(WORK).run_cancelled().began(WORK)
    assert broken("I-26", tape) == []  # nobody could stop it any more
    assert broken("I-26", tape.ends(WORK).started(WORK)) == []  # it has not begun
    assert broken("I-26", tape.began(WORK)) == ["body-after-cancel run/work#1"]


def test_i26_no_body_runs_ahead_of_a_start_that_comes_too_late() -> None:
    """R-63: it begins before anybody has let it."""
    early = Tape().opened(WORK).began(WORK, start=1)
    assert broken("I-26", early.run_cancelled()) == []
    assert broken("I-26", early.began(WORK, start=1)) == ["body-after-cancel run/work#1"]


def test_i26_other_ends_and_other_runs_are_not_its_matter() -> None:
    assert broken("I-26", Tape().opened(WORK).run_completed().body(WORK)) == []
    tape = Tape().opened(WORK).run_cancelled()
    tape.run_id = "wrun_2"
    assert broken("I-26", tape.opened(WORK).body(WORK)) == []


# --- I-27 -----------------------------------------------------------------------------------------

MESSAGES, DELIVERIES, EVENTS = Cost(messages_max=2), Cost(deliveries_max=2), Cost(events_max=4)


def costly() -> Tape:
    """Two messages, two deliveries, four events."""
    return Tape().sent().opened(WORK).sent(WORK).delivered(WORK, task=f"{FLOW}/{WORK}").run_failed()


@pytest.mark.parametrize("cost", [MESSAGES, DELIVERIES, EVENTS])
def test_i27_what_a_run_may_cost(cost: Cost) -> None:
    assert broken("I-27", costly(), cost=cost) == []
    more = {MESSAGES: Tape.sent, DELIVERIES: Tape.delivered, EVENTS: Tape.attrs_set}[cost]
    what = {MESSAGES: "messages", DELIVERIES: "deliveries", EVENTS: "events"}[cost]
    tape = costly()
    more(tape)
    assert broken("I-27", tape, cost=cost) == [f"too-many-{what} run"]
    assert broken("I-27", tape) == []
    assert broken("I-27", tape, cost=cost, faults=(Fault("duplicate", FLOW, 1),)) == []


def test_i27_a_retained_pass_goes_through_what_is_new() -> None:
    """R-75."""

    def passes(*lengths: int, retained: bool) -> list[str]:
        tape = Tape().opened(WORK)
        for length in lengths:
            tape.passed(length)
            last = tape.records[-1]
            assert isinstance(last, Passed)
            tape.records[-1] = last._replace(retained=retained)
        return broken("I-27", tape, cost=Cost(replayed_max=8))

    assert passes(2, 5, 8, retained=True) == []
    assert passes(2, 6, retained=False) == []
    assert passes(2, 5, 8, retained=False) == ["too-many-events replayed run"]
    assert passes(2, 9, retained=True) == ["too-many-events replayed run"]


def test_i27_counts_each_run_and_no_dropped_message() -> None:
    tape = costly()
    tape.sent()
    tape.records[-1] = tape.records[-1]._replace(message="")  # type: ignore[call-arg]
    tape.run_id = "wrun_2"
    assert broken("I-27", tape.sent(), cost=MESSAGES) == []
