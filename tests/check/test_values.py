"""I-19 and I-23: results belong to their calls, and a workflow's clock is a clock."""

from __future__ import annotations

from typing import Any

import pytest

from simworld.check import ColdReplay
from simworld.engine import PassResult, StepRequest, StepStarted, Suspension, encode
from simworld.records import BodyBegan, BodyEnded, HandedOver, Passed
from tests.check.build import FLOW, RUN, Tape, broken, step_id

WORK = "work#1"
CALL = ("work", encode([]))
"""What ``Tape.created`` records."""
OTHERS = {"another name": ("rest", CALL[1]), "other arguments": ("work", encode([[1], {}]))}


# --- I-19 -----------------------------------------------------------------------------------------


def handed(tape: Tape, call: tuple[str, bytes], step: str = WORK) -> Tape:
    return tape.adds(HandedOver, FLOW, RUN, step, step_id(step), *call)


def runs(tape: Tape, call: tuple[str, bytes], step: str = WORK) -> Tape:
    body = (FLOW, FLOW, RUN, step, 1, 1, 1, 0, step_id(step))
    return tape.adds(BodyBegan, *body, *call)


@pytest.mark.parametrize("other", OTHERS)
def test_i19_a_result_is_given_to_the_call_that_it_was_made_for(other: str) -> None:
    tape = Tape().opened(WORK)
    assert broken("I-19", handed(tape, CALL)) == []
    assert broken("I-19", handed(tape, OTHERS[other])) == ["result-of-another-call run/work#1"]


@pytest.mark.parametrize("other", OTHERS)
def test_i19_a_body_runs_the_call_that_its_step_was_created_for(other: str) -> None:
    tape = Tape().opened(WORK).started(WORK)
    assert broken("I-19", runs(tape, CALL)) == []
    assert broken("I-19", runs(tape, OTHERS[other])) == ["body-of-another-call run/work#1"]


def test_i19_a_start_that_creates_its_step_says_what_it_is() -> None:
    lazy = StepStarted(step_id(WORK), "work", input=CALL[1])
    tape = Tape().opened().commit(lazy, label=WORK)
    assert broken("I-19", handed(tape, CALL)) == []
    assert broken("I-19", handed(tape, OTHERS["another name"])) == [
        "result-of-another-call run/work#1"
    ]


def test_i19_says_nothing_of_steps_that_nobody_has_created() -> None:
    assert broken("I-19", handed(runs(Tape().opened(), CALL), CALL)) == []


def returning(tape: Tape, *results: object) -> Tape:
    for number, result in enumerate(results, 1):
        tape.adds(BodyEnded, FLOW, RUN, WORK, number, "ok", "", encode(result))
    return tape


def test_i19_the_recorded_result_is_what_a_body_has_returned() -> None:
    assert broken("I-19", returning(Tape().opened(WORK), 1, 2).completed(WORK, 2)) == []
    bad = returning(Tape().opened(WORK), 1, 2).completed(WORK, 3)
    assert broken("I-19", bad) == ["result-of-no-body run/work#1"]
    assert broken("I-19", Tape().opened(WORK).body(WORK).completed(WORK, 3)) == []  # none is told


def replaying(call: tuple[str, bytes]) -> ColdReplay:
    request = StepRequest(step_id(WORK), 1, call[0], (), {}, call[1])
    return lambda run_id, log: PassResult(Suspension(()), (), [request])


def test_i19_a_cold_replay_gives_results_to_the_same_calls() -> None:
    tape = Tape().opened(WORK).works(WORK)
    assert broken("I-19", tape, cold_replay=replaying(CALL)) == []
    for other in OTHERS.values():
        assert broken("I-19", tape, cold_replay=replaying(other)) == [
            "result-of-another-call run/work#1"
        ]


# --- I-23 -----------------------------------------------------------------------------------------


def read(tape: Tape, *readings: int, before: int = 0, missed: int = 0) -> Tape:
    """A pass over the whole log, but for ``missed`` events, that has read the clock."""
    position = len(tape.logs[RUN])
    given: tuple[Any, ...] = (position - missed, position, "suspended", (), readings, before)
    return tape.adds(Passed, FLOW, RUN, *given)


def test_i23_a_longer_log_only_adds_readings() -> None:
    tape = read(read(read(Tape().opened(), 5, 5), 5, 5, 9), 5)
    assert broken("I-23", tape) == []
    assert broken("I-23", read(tape, 5, 6)) == ["reading-changed run"]


def test_i23_a_retained_pass_goes_on_from_what_it_has_read() -> None:
    tape = read(read(Tape().opened(), 5), 7, 8, before=1)
    assert broken("I-23", read(tape, 5, 7, 8)) == []
    assert broken("I-23", read(tape, 5, 8)) == ["reading-changed run"]


def test_i23_the_clock_never_goes_back() -> None:
    assert broken("I-23", read(Tape().opened(), 5, 4)) == ["clock-went-back run"]
    assert broken("I-23", read(read(Tape().opened(), 5), 4, before=1)) == ["clock-went-back run"]


def test_i23_is_not_judged_where_a_pass_has_missed_an_event() -> None:
    tape = read(Tape().opened(), 5)
    assert broken("I-23", read(tape, 6, missed=1)) == []
    assert broken("I-23", read(tape, 7, before=2)) == []  # the second was read in such a one
