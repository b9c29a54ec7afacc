"""What a handler keeps asking of its cached log, folded in event by event (spec §3.4, §3.10)."""

from __future__ import annotations

import pytest

from simworld.engine import (
    Event,
    RunCompleted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.runtime.log_view import LogView


def event(position, fact):
    correlation_id = getattr(fact, "correlation_id", "")
    return Event("r", f"e{position}", position, position * 10, fact.type, correlation_id, fact)


def view_of(*facts):
    return LogView(event(number, fact) for number, fact in enumerate(facts, 1))


CREATED = StepCreated("s", "work", b"in")
STARTED = StepStarted("s", "work", "m1", 500)


def test_a_step_is_pending_from_its_creation_to_its_result():
    assert list(view_of(CREATED).pending_steps) == ["s"]
    assert list(view_of(CREATED, STARTED).pending_steps) == ["s"]
    assert not view_of(CREATED, STARTED, StepCompleted("s", b"out")).pending_steps
    assert not view_of(CREATED, StepFailed("s", b"why")).pending_steps


def test_a_start_with_an_input_creates_its_step_and_one_without_does_not():
    assert list(view_of(StepStarted("s", "work", input=b"in")).pending_steps) == ["s"]
    assert not view_of(STARTED).pending_steps


@pytest.mark.parametrize("late", [CREATED, STARTED, StepRetrying("s", b"why")])
def test_a_step_that_is_over_stays_over_whatever_the_order_of_the_list(late):
    assert not view_of(StepCompleted("s", b"out"), late).pending_steps


def test_the_latest_start_owns_the_step():
    later = StepStarted("s", "work", "m2", 900)
    step = view_of(CREATED, STARTED, later).pending_steps["s"]
    assert (step.owner, step.lease_until_ms, step.started_ms, step.starts) == ("m2", 900, 30, 2)


@pytest.mark.parametrize("last", [StepStarted("s", "work"), StepRetrying("s", b"why")])
def test_a_start_without_owner_and_a_retry_end_ownership(last):
    assert view_of(CREATED, STARTED, last).pending_steps["s"].owner == ""


def test_a_start_is_over_once_a_retry_or_another_start_follows():
    step = view_of(CREATED, STARTED).pending_steps["s"]
    assert (step.starts, step.over) == (1, 0)
    step = view_of(CREATED, STARTED, STARTED).pending_steps["s"]
    assert (step.starts, step.over) == (2, 1)
    step = view_of(CREATED, STARTED, StepRetrying("s", b"why")).pending_steps["s"]
    assert (step.starts, step.over) == (1, 1)
    step = view_of(CREATED, STARTED, StepRetrying("s", b"why"), STARTED).pending_steps["s"]
    assert (step.starts, step.over) == (2, 1)


def test_open_waits_stand_in_the_order_of_the_list():
    view = view_of(
        WaitCreated("w2", 700), WaitCreated("w1", 300), WaitCreated("w3", 1), WaitCompleted("w3")
    )
    assert list(view.open_waits.items()) == [("w2", 700), ("w1", 300)]
    assert not view_of(WaitCompleted("w1"), WaitCreated("w1", 300)).open_waits


def test_the_run_has_ended_once_its_terminal_event_is_in_the_list():
    assert not view_of(CREATED).ended
    assert view_of(CREATED, RunCompleted(b"out")).ended


def test_what_is_known_is_dropped_or_kept_as_the_knob_says():
    view = view_of(CREATED, STARTED)
    view.extend([event(2, STARTED), event(3, StepCompleted("s", b"out"))], dedupe=True)
    assert [each.position for each in view.events] == [1, 2, 3]
    assert view.in_order
    view.extend([event(3, StepCompleted("s", b"out"))], dedupe=False)
    assert [each.position for each in view.events] == [1, 2, 3, 3]
    assert not view.in_order


def test_an_event_that_belongs_before_the_last_one_is_noticed():
    view = LogView([event(9, WaitCompleted("w"))])
    view.extend([event(8, CREATED)], dedupe=True)
    assert [each.position for each in view.events] == [9, 8]
    assert not view.in_order
