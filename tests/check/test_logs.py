"""I-02 and I-09: what follows the end of a run, and the one order of a log."""

from __future__ import annotations

import pytest

from simworld import marks
from simworld.records import Passed
from tests.check.build import RUN, Tape, broken

WORK = "work#1"


def running() -> Tape:
    """A run with a body under way, a live hook and a sleep."""
    return Tape().opened(WORK, "work#2").hooked("hook#3").sleeps("sleep#4", 9).started(WORK)


AFTER = {
    "a straggler completes": (Tape.completed, WORK, []),
    "a straggler fails": (Tape.failed, WORK, []),
    "a straggler is to be tried again": (Tape.retrying, WORK, []),
    "a step that nobody had begun": (Tape.completed, "work#2", ["event-after-run-end run/work#2"]),
    "a new start": (Tape.started, WORK, ["event-after-run-end run/work#1"]),
    "a payload": (Tape.received, "hook#3", ["event-after-run-end run/hook#3"]),
    "the end of a sleep": (Tape.wakes, "sleep#4", ["event-after-run-end run/sleep#4"]),
    "a new step": (Tape.created, "work#5", ["event-after-run-end run/work#5"]),
}


@pytest.mark.parametrize("end", [Tape.run_completed, Tape.run_failed, Tape.run_cancelled])
@pytest.mark.parametrize("case", AFTER)
def test_i02_only_stragglers_follow_the_end(case: str, end: object) -> None:
    record, label, expected = AFTER[case]
    tape = running()
    assert callable(end)
    end(tape)
    assert broken("I-02", tape) == []
    record(tape, label)
    assert broken("I-02", tape) == expected


@pytest.mark.parametrize("label", [WORK, "work#2", "hook#3", "sleep#4"])
def test_i02_the_same_events_before_the_end(label: str) -> None:
    tape = running().started("work#2")
    {"hook#3": tape.received, "sleep#4": tape.wakes}.get(label, tape.completed)(label)
    assert broken("I-02", tape.run_completed()) == []


def test_i02_a_straggler_ends_once() -> None:
    tape = running().run_completed().retrying(WORK).completed(WORK)
    assert broken("I-02", tape) == []
    assert broken("I-02", tape.completed(WORK)) == ["event-after-run-end run/work#1"]


@pytest.mark.parametrize(("late", "reached"), [(True, True), (False, False)])
def test_i02_a_straggler_leaves_a_mark(late: bool, reached: bool) -> None:
    """R-62: so that a search can prove that it has met one."""
    before = marks.snapshot()
    tape = running().run_completed() if late else running()
    assert broken("I-02", tape.completed(WORK)) == []
    assert ("run.ended_before_body" in marks.since(before)) == reached


def test_i02_attributes_and_second_ends() -> None:
    assert broken("I-02", running().attrs_set().run_cancelled().run_cancelled()) == []
    assert broken("I-02", running().run_cancelled().attrs_set()) == ["event-after-run-end run"]
    assert broken("I-02", running().run_completed().run_cancelled()) == ["event-after-run-end run"]


def test_i02_judges_the_log_that_readers_see() -> None:
    """Committed in time, but sorted behind the end."""
    tape = running().received("hook#3").run_completed()
    assert broken("I-02", tape, minted=True) == []
    log = tape.logs[tape.run_id]
    log[-2:] = log[:-3:-1]
    assert broken("I-02", tape, minted=True) == ["event-after-run-end run/hook#3"]


def test_i02_keeps_runs_apart() -> None:
    tape = running().run_completed()
    tape.run_id = "wrun_2"
    assert broken("I-02", tape.opened(WORK).works(WORK)) == []


# --- I-09 -----------------------------------------------------------------------------------------


def renumbered(tape: Tape, *positions: int) -> Tape:
    """The tape with its events at other positions."""
    for event, position in zip(tape.logs[tape.run_id], positions, strict=True):
        object.__setattr__(event, "position", position)
    return tape


def three() -> Tape:
    return Tape().run_created().run_started().created(WORK)


def test_i09_positions_rise() -> None:
    assert broken("I-09", three()) == []
    for positions in ((1, 2, 2), (1, 3, 2)):
        tape = renumbered(three(), *positions)
        assert broken("I-09", tape) == ["position-does-not-rise run"]
        assert broken("I-09", tape, minted=True) == ["position-does-not-rise run"]


def test_i09_minted_positions_may_have_gaps_and_be_committed_in_another_order() -> None:
    def minted() -> Tape:
        tape = renumbered(three(), 1, 7, 4)
        tape.logs[tape.run_id].sort(key=lambda event: event.position)
        return tape

    assert broken("I-09", minted(), minted=True) == []
    assert broken("I-09", minted()) == ["position-does-not-rise run"]


def test_i09_event_ids_are_unique_over_all_runs() -> None:
    tape = three()
    tape.run_id = "wrun_2"
    tape.run_created()
    assert broken("I-09", tape) == []
    object.__setattr__(tape.logs["wrun_2"][0], "event_id", tape.logs["wrun_1"][2].event_id)
    assert broken("I-09", tape) == ["event-id-twice run"]


def test_i09_a_reader_sees_a_beginning_of_the_log() -> None:
    """A world that mints positions first shows holes; whether it may is for its own laws to say."""
    tape = three().adds(Passed, "start/flow", RUN, 2, 2, "suspended")
    assert broken("I-09", tape) == []
    tape.adds(Passed, "start/flow", RUN, 2, 3, "suspended")
    assert broken("I-09", tape) == ["no-prefix-read run"]
    assert broken("I-09", tape, minted=True) == []


def test_i09_a_committed_event_stays() -> None:
    tape = three()
    assert broken("I-09", tape) == []
    tape.logs[tape.run_id].pop()
    assert broken("I-09", tape) == ["event-lost run"]
