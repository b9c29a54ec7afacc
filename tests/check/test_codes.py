"""I-22: errors are charged to who has raised them."""

from __future__ import annotations

import pytest

from simworld.check import ColdReplay
from simworld.engine import Failed, Outcome, PassResult, StepRetrying, Suspension
from simworld.errors import ReplayDivergence
from simworld.records import BodyEnded
from tests.check.build import FLOW, RUN, Tape, broken, error_bytes, step_id

WORK = "work#1"


def replays(outcome: Outcome) -> ColdReplay:
    return lambda run_id, log: PassResult(outcome, ())


def raised(tape: Tape, name: str) -> Tape:
    """The body that runs ends with this error."""
    return tape.adds(BodyEnded, FLOW, RUN, WORK, 1, "error", f"{name}: planned")


# --- steps ----------------------------------------------------------------------------------------


def recorded(end: str, tape: Tape, name: str) -> Tape:
    if end == "step_failed":
        return tape.failed(WORK, "exhausted", name)
    return tape.commit(StepRetrying(step_id(WORK), error_bytes("error", name)), label=WORK)


@pytest.mark.parametrize("end", ["step_failed", "step_retrying"])
def test_i22_a_step_is_not_charged_with_a_fault_of_its_world(end: str) -> None:
    tape = Tape().opened(WORK).started(WORK).began(WORK).ends(WORK)
    broken_one = recorded(end, tape, "IndefiniteFailure")
    assert broken("I-22", broken_one) == ["fault-charged-to-body run/work#1"]


@pytest.mark.parametrize("end", ["step_failed", "step_retrying"])
def test_i22_what_its_body_has_raised_is_its_own(end: str) -> None:
    for name in ("FlakeError", "HookNotFoundError"):
        tape = raised(Tape().opened(WORK).started(WORK).began(WORK), name)
        assert broken("I-22", recorded(end, tape, name)) == []


def test_i22_the_engine_may_give_up_a_step_in_its_own_words() -> None:
    tape = Tape().opened(WORK).started(WORK).failed(WORK, "interrupted", "RetriesExhausted")
    assert broken("I-22", tape) == []


# --- runs -----------------------------------------------------------------------------------------

RUNS: dict[tuple[str, str], list[str]] = {
    ("ValueError", "USER_ERROR"): [],
    ("StepFailedError", "USER_ERROR"): [],
    ("IndefiniteFailure", "USER_ERROR"): ["fault-charged-to-user run"],
    ("EntityNotFoundError", "RUNTIME_ERROR"): [],
    ("ReplayDivergence", "RUNTIME_ERROR"): [],  # as merged
    ("StepFailedError", "RUNTIME_ERROR"): ["user-error-charged-to-engine run"],
    ("ReplayDivergence", "CORRUPTED_EVENT_LOG"): [],
    ("IndefiniteFailure", "CORRUPTED_EVENT_LOG"): ["wrong-code run"],
    ("RuntimeError", "MAX_DELIVERIES_EXCEEDED"): [],
    ("RuntimeError", "TOO_MANY"): ["unknown-code run"],
}


@pytest.mark.parametrize(("name", "code"), RUNS)
def test_i22_the_code_of_a_run_fits_its_error(name: str, code: str) -> None:
    assert broken("I-22", Tape().opened().run_failed(name, code)) == RUNS[name, code]


def test_i22_what_a_cold_replay_raises_too_is_the_workflows() -> None:
    tape = Tape().opened().run_failed("ValueError", "RUNTIME_ERROR")
    same, other = Failed(ValueError("planned")), Failed(ValueError("other"))
    for outcome, expected in (
        (same, ["user-error-charged-to-engine run"]),
        (other, []),
        (Suspension(()), []),
    ):
        assert broken("I-22", tape, cold_replay=replays(outcome)) == expected
    engines = Tape().opened().run_failed("ReplayDivergence", "RUNTIME_ERROR")
    assert broken("I-22", engines, cold_replay=replays(Failed(ReplayDivergence("planned")))) == []
