"""I-15: at most one handler at a time considers itself the inline owner of a step."""

from __future__ import annotations

import pytest

from simworld.check import SLACK_MS
from simworld.engine import StepStarted, encode
from simworld.records import InlineOwned
from tests.check.build import FLOW, RUN, Tape, broken, step_id

WORK = "work#1"
OTHER = f"{FLOW}/flow"
TWO = ["two-inline-owners run/work#1"]


def owns(tape: Tape, task: str = FLOW, step: str = WORK) -> Tape:
    """A handler is about to run the step inline."""
    return tape.adds(InlineOwned, task, RUN, step)


def found(tape: Tape) -> list[str]:
    return broken("I-15", tape, exclusive_bodies=True)


def test_i15_two_handlers_that_live_cannot_both_own_a_step() -> None:
    tape = owns(Tape().opened(WORK, "work#2"))
    assert found(owns(owns(tape), OTHER, "work#2")) == []  # again itself, and another step
    assert found(owns(tape, OTHER)) == TWO


def test_i15_is_judged_where_it_is_promised() -> None:
    assert broken("I-15", owns(owns(Tape().opened(WORK)), OTHER)) == []


@pytest.mark.parametrize("end", ["retrying", "completed", "failed"])
def test_i15_a_body_that_has_ended_ends_the_epoch(end: str) -> None:
    tape = owns(Tape().opened(WORK)).started(WORK).began(WORK)
    assert found(owns(getattr(tape, end)(WORK), OTHER)) == []


def test_i15_the_death_of_the_owners_host_ends_the_epoch() -> None:
    assert found(owns(owns(Tape().opened(WORK)).crash(FLOW), OTHER)) == []
    assert found(owns(owns(Tape().opened(WORK)).crash("another"), OTHER)) == TWO


@pytest.mark.parametrize("over", [True, False])
def test_i15_a_lease_that_is_over_ends_the_epoch(over: bool) -> None:
    tape = owns(Tape().opened(WORK))
    until_ms = tape.now_ms + 10_000
    tape.commit(StepStarted(step_id(WORK), "work", "me", until_ms, "", encode([])), label=WORK)
    tape.wait(10_000 if over else 10_000 - SLACK_MS - 100)
    assert found(owns(tape, OTHER)) == ([] if over else TWO)
