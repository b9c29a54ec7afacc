"""I-01, I-03 and I-05: each broken once, beside the nearest sequence that keeps it."""

from __future__ import annotations

import attrs
import pytest

from simworld.check import judge, laws_named
from simworld.engine import RunStatus, StepStatus, WaitStatus
from tests.check.build import Tape, broken, context, wait_id

WORK = "work#1"

RUN_ORDERS = {
    "created first": (
        Tape().created(WORK).run_created(),
        ["run-not-created-first run"],
        Tape().run_created().created(WORK),
    ),
    "created once": (
        Tape().run_created().run_created(),
        ["run-created-twice run"],
        Tape().run_created(),
    ),
    "started once": (
        Tape().run_created().run_started().run_started(),
        ["run-started-late run"],
        Tape().run_created().run_started(),
    ),
    "started before everything else": (
        Tape().run_created().created(WORK).run_started(),
        ["run-started-late run"],
        Tape().run_created().run_started().created(WORK),
    ),
    "never started after its end": (
        Tape().run_created().run_cancelled().run_started(),
        ["run-started-late run"],
        Tape().run_created().run_cancelled(),
    ),
    "one end": (
        Tape().opened().run_completed().run_failed(),
        ["second-terminal-event run"],
        Tape().opened().run_completed(),
    ),
    "no completion of a cancelled run": (
        Tape().opened().run_cancelled().run_completed(),
        ["second-terminal-event run"],
        Tape().opened().run_cancelled().run_cancelled().run_cancelled(),
    ),
    "no cancellation of a failed run": (
        Tape().opened().run_failed().run_cancelled(),
        ["second-terminal-event run"],
        Tape().opened().run_failed(),
    ),
}


@pytest.mark.parametrize("case", RUN_ORDERS)
def test_i01_order_of_a_run(case: str) -> None:
    bad, expected, good = RUN_ORDERS[case]
    assert broken("I-01", bad) == expected
    assert broken("I-01", good) == []


def test_i01_says_when_it_showed() -> None:
    tape = Tape().opened().run_completed().run_failed()
    turn = tape.turn
    tape.created(WORK).created("work#2")
    (anomaly,) = judge(laws_named(["I-01"]), context(), tape.records, tape.final())
    assert (anomaly.law, anomaly.place, anomaly.turn) == ("I-01", "run", turn)


def test_i01_walks_the_final_log_again() -> None:
    """A world that sorts run_started behind a step_created has told its readers another story."""
    tape = Tape().opened(WORK)
    assert broken("I-01", tape) == []
    first, second, third = tape.logs[tape.run_id]
    tape.logs[tape.run_id] = [first, third, second]
    assert broken("I-01", tape) == ["run-started-late run"]


def test_i01_lets_stragglers_finish() -> None:
    tape = Tape().opened(WORK).started(WORK).began(WORK).run_completed().ends(WORK)
    assert broken("I-01", tape.completed(WORK)) == []


def test_i01_other_events_are_not_about_the_run() -> None:
    """An attr_set of a step body has no correlation id."""
    tape = Tape().opened(WORK).started(WORK).attrs_set().hooked("hook#2").sleeps("sleep#3", 1)
    tape.received("hook#2").wakes("sleep#3").disposed("hook#2").run_completed().attrs_set()
    assert broken("I-01", tape) == []


@pytest.mark.parametrize("minted", [False, True])
def test_i01_judges_commits_and_logs_whoever_numbers_them(minted: bool) -> None:
    tape = Tape().opened(WORK)
    tape.logs[tape.run_id][1:] = tape.logs[tape.run_id][:0:-1]
    assert broken("I-01", tape, minted=minted) == ["run-started-late run"]


STEP_ORDERS = {
    "created before it starts": (
        Tape().opened().started(WORK),
        ["step-not-created run/work#1"],
        Tape().opened(WORK).started(WORK),
    ),
    "created before it is tried again": (
        Tape().opened().retrying(WORK),
        ["step-not-created run/work#1"],
        Tape().opened(WORK).retrying(WORK),
    ),
    "created before it ends": (
        Tape().opened().completed(WORK),
        ["step-not-created run/work#1"],
        Tape().opened(WORK).completed(WORK),
    ),
    "created once": (
        Tape().opened(WORK).started(WORK).created(WORK),
        ["step-created-twice run/work#1"],
        Tape().opened(WORK, "work#2").started(WORK),
    ),
    "ends once": (
        Tape().opened(WORK).works(WORK).completed(WORK),
        ["event-after-step-end run/work#1"],
        Tape().opened(WORK, "work#2").works(WORK).works("work#2"),
    ),
    "completed or failed, not both": (
        Tape().opened(WORK).works(WORK).failed(WORK),
        ["event-after-step-end run/work#1"],
        Tape().opened(WORK).started(WORK).failed(WORK),
    ),
    "no start after the end": (
        Tape().opened(WORK).works(WORK).started(WORK),
        ["event-after-step-end run/work#1"],
        Tape().opened(WORK).started(WORK).started(WORK).completed(WORK),
    ),
    "no retry after the end": (
        Tape().opened(WORK).works(WORK).retrying(WORK),
        ["event-after-step-end run/work#1"],
        Tape().opened(WORK).started(WORK).retrying(WORK).started(WORK).completed(WORK),
    ),
}


STEP_ORDERS |= {
    "started lazily before it exists": (
        Tape().opened(WORK).started(WORK, lazy=True),
        ["step-created-twice run/work#1"],
        Tape().opened().started(WORK, lazy=True).started(WORK).completed(WORK),
    ),
    "not created after a lazy start": (
        Tape().opened().started(WORK, lazy=True).created(WORK),
        ["step-created-twice run/work#1"],
        Tape().opened().started(WORK, lazy=True).retrying(WORK).started(WORK),
    ),
}


@pytest.mark.parametrize("case", STEP_ORDERS)
def test_i05_order_of_a_step(case: str) -> None:
    bad, expected, good = STEP_ORDERS[case]
    assert broken("I-05", bad) == expected
    assert broken("I-05", good) == []


def test_i05_does_not_mind_the_end_of_the_run() -> None:
    tape = Tape().opened(WORK).started(WORK).run_completed().started(WORK).retrying(WORK)
    assert broken("I-05", tape.completed(WORK)) == []


def test_i05_keeps_runs_apart() -> None:
    """Two runs may use one correlation id."""
    tape = Tape().opened(WORK).works(WORK)
    tape.run_id = "wrun_2"
    tape.opened(WORK)
    assert broken("I-05", tape.works(WORK)) == []


def test_i05_walks_the_final_log_again() -> None:
    tape = Tape().opened(WORK).works(WORK)
    assert broken("I-05", tape) == []
    tape.logs[tape.run_id][-2:] = tape.logs[tape.run_id][:-3:-1]
    assert broken("I-05", tape) == ["event-after-step-end run/work#1"]


def test_i03_an_ended_run_stays_ended() -> None:
    tape = Tape().opened(WORK).started(WORK).run_completed().completed(WORK)
    assert broken("I-03", tape) == []
    tape.shows_run(status=RunStatus.RUNNING)
    assert broken("I-03", tape) == ["terminal-status-changed run"]


def test_i03_an_ended_run_keeps_the_same_end() -> None:
    tape = Tape().opened().run_completed()
    assert broken("I-03", tape) == []
    tape.run_cancelled().shows_run(status=RunStatus.CANCELLED)
    assert broken("I-03", tape) == ["terminal-status-changed run"]


def test_i03_an_ended_step_stays_ended() -> None:
    tape = Tape().opened(WORK).works(WORK)
    assert broken("I-03", tape) == []
    tape.retrying(WORK)
    assert broken("I-03", tape) == ["terminal-status-changed run/work#1"]
    tape.shows_step(status=StepStatus.COMPLETED).step_becomes(WORK, status=StepStatus.COMPLETED)
    assert broken("I-03", tape) == []


def test_i03_looks_at_the_rows_once_more_at_the_end() -> None:
    tape = Tape().opened(WORK, "work#2").works(WORK).works("work#2").run_completed()
    assert broken("I-03", tape) == []
    tape.step_becomes("work#2", status=StepStatus.PENDING)
    assert broken("I-03", tape) == ["terminal-status-changed run/work#2"]
    tape.run_becomes(status=RunStatus.FAILED)
    assert broken("I-03", tape) == [
        "terminal-status-changed run",
        "terminal-status-changed run/work#2",
    ]


def test_i03_an_ended_wait_stays_ended() -> None:
    tape = Tape().opened().sleeps("sleep#1", 1).wakes("sleep#1")
    assert broken("I-03", tape) == []
    key = (tape.run_id, wait_id("sleep#1"))
    tape.waits[key] = attrs.evolve(tape.waits[key], status=WaitStatus.WAITING)
    assert broken("I-03", tape) == ["terminal-status-changed run/sleep#1"]
    del tape.waits[key]
    assert broken("I-03", tape) == []
