"""I-13, I-13a and I-14: why bodies run again, how often at most, and alone."""

from __future__ import annotations

from simworld.records import Fault
from tests.check.build import FLOW, Tape, broken

WORK = "work#2"
SENT = f"{FLOW}/{WORK}"
"""The task of the step message's first delivery."""
FAULTS = (Fault("duplicate", SENT, 1),)


def begins(tape: Tape, task: str = FLOW, lease_until_ms: int = 0) -> Tape:
    """One more start and its body, which goes on running."""
    return tape.started(WORK, task=task).began(WORK, task=task, lease_until_ms=lease_until_ms)


# --- I-13 -----------------------------------------------------------------------------------------


def test_i13_no_more_bodies_than_starts() -> None:
    tape = Tape().opened(WORK).delivered(WORK, task=SENT).delivered(WORK, task=f"{SENT}~2")
    begins(tape, SENT)
    assert broken("I-13", tape) == []
    assert broken("I-13", tape.began(WORK, task=f"{SENT}~2")) == [
        "more-bodies-than-starts run/work#2"
    ]


def test_i13_no_result_without_a_body() -> None:
    good = begins(Tape().opened(WORK)).completed(WORK)
    bad = Tape().opened(WORK).started(WORK).completed(WORK)
    assert broken("I-13", good) == []
    assert broken("I-13", bad) == ["result-without-body run/work#2"]


def test_i13_an_undisturbed_step_runs_inline_once() -> None:
    tape = begins(Tape().opened(WORK))
    assert broken("I-13", tape) == []
    assert broken("I-13", begins(tape, "start/flow/flow")) == ["unexplained-body run/work#2"]


def test_i13_an_undisturbed_message_runs_its_step_once() -> None:
    tape = begins(Tape().opened(WORK).delivered(WORK, task=SENT), SENT)
    assert broken("I-13", tape) == []
    assert broken("I-13", begins(tape, SENT)) == ["unexplained-body run/work#2"]


def test_i13_a_delivery_speaks_for_one_more_body() -> None:
    tape = begins(Tape().opened(WORK).delivered(WORK, task=SENT), SENT)
    tape.delivered(WORK, task=f"{SENT}~2", number=2)
    assert broken("I-13", begins(tape, f"{SENT}~2"), faults=FAULTS) == []
    tape = begins(Tape().opened(WORK, "work#9").delivered(WORK, task=SENT), SENT)
    tape.delivered("work#9", task=f"{FLOW}/work#9")
    assert broken("I-13", begins(tape, SENT), faults=FAULTS) == ["unexplained-body run/work#2"]


def test_i13_a_message_for_an_inline_step_is_one_delivery_more() -> None:
    """Re-dispatched by somebody who did not know the owner (decisions §1.2)."""
    tape = begins(Tape().opened(WORK))
    tape.delivered(WORK, task=SENT)
    assert broken("I-13", begins(tape, SENT)) == []
    assert broken("I-13", begins(tape, SENT)) == ["unexplained-body run/work#2"]


def test_i13_a_failed_body_speaks_for_one_more() -> None:
    good = begins(begins(Tape().opened(WORK)).ends(WORK, "error"))
    bad = begins(begins(Tape().opened(WORK)).ends(WORK, "ok"))
    assert broken("I-13", good) == []
    assert broken("I-13", bad) == ["unexplained-body run/work#2"]


def test_i13_a_killed_body_speaks_for_one_more() -> None:
    good = begins(begins(Tape().opened(WORK)).crash(FLOW), "start/flow~2")
    bad = begins(begins(Tape().opened(WORK)).crash("start/flow/flow"), "start/flow~2")
    assert broken("I-13", good, faults=FAULTS) == []
    assert broken("I-13", bad, faults=FAULTS) == ["unexplained-body run/work#2"]


def test_i13_a_handler_killed_after_its_body_speaks_for_one_more() -> None:
    """The body ended, its result was never recorded."""
    tape = begins(Tape().opened(WORK)).ends(WORK, "ok").crash(FLOW)
    assert broken("I-13", begins(tape, "start/flow~2"), faults=FAULTS) == []


def test_i13_a_lost_answer_speaks_for_one_more() -> None:
    good = begins(begins(Tape().opened(WORK)).lost_answer())
    bad = begins(begins(Tape().opened(WORK)))
    assert broken("I-13", good, faults=FAULTS) == []
    assert broken("I-13", bad, faults=FAULTS) == ["unexplained-body run/work#2"]


def test_i13_a_redelivered_flow_message_speaks_for_one_more_after_faults() -> None:
    def again() -> Tape:
        tape = begins(Tape().opened(WORK)).delivered(task="start/flow~2", number=2)
        return begins(tape, "start/flow~2")

    assert broken("I-13", again(), faults=FAULTS) == []
    assert broken("I-13", again()) == ["unexplained-body run/work#2"]


def test_i13_an_expired_lease_speaks_for_one_more() -> None:
    def takeover(lease_ms: int) -> Tape:
        tape = Tape().opened(WORK)
        begins(tape, lease_until_ms=tape.now_ms + lease_ms)
        return begins(tape.wait(10_000), lease_until_ms=tape.now_ms + lease_ms)

    # 10 s, and one millisecond for each of: first start, its body, second start, its body
    assert broken("I-13", takeover(10_004)) == []
    assert broken("I-13", takeover(10_005)) == ["unexplained-body run/work#2"]


def test_i13_keeps_runs_apart() -> None:
    tape = begins(Tape().opened(WORK))
    tape.run_id = "wrun_2"
    assert broken("I-13", begins(tape.opened(WORK))) == []
    assert broken("I-13", begins(tape)) == ["unexplained-body run/work#2"]


def test_i13_a_handler_that_ended_itself_speaks_for_one_more() -> None:
    """A replay timer kills its own host: no fault, and yet the step must run again."""
    tape = begins(Tape().opened(WORK)).crash(FLOW).delivered(task=f"{FLOW}~2", number=2)
    assert broken("I-13", begins(tape, f"{FLOW}~2")) == []


# --- I-13a ----------------------------------------------------------------------------------------


def test_i13a_bodies_are_bounded() -> None:
    tape = Tape().opened(WORK)
    for number in range(5):
        begins(tape, f"{SENT}~{number}").crash(f"{SENT}~{number}")
    assert broken("I-13a", tape, max_retries=2, crashes_max=2) == []
    begins(tape, SENT)
    assert broken("I-13a", tape, max_retries=2, crashes_max=2) == ["unbounded-bodies run/work#2"]
    assert broken("I-13a", tape, max_retries=2, crashes_max=3) == []


def test_i13a_counts_each_step_by_itself() -> None:
    tape = Tape().opened(WORK, "work#3")
    tape.body(WORK).body("work#3")
    assert broken("I-13a", tape, max_retries=0, crashes_max=0) == []
    tape.body("work#3")
    assert broken("I-13a", tape, max_retries=0, crashes_max=0) == ["unbounded-bodies run/work#3"]


def test_i13a_a_body_beside_another_is_no_further_try() -> None:
    """A hook's payload wakes replays; each may send a step that runs inline already."""
    tape = begins(begins(begins(Tape().opened(WORK))))
    assert broken("I-13a", tape, max_retries=0, crashes_max=1) == []
    for number in (1, 2, 3):
        tape.ends(WORK, number=number)
    assert broken("I-13a", begins(tape), max_retries=0, crashes_max=1) == []
    assert broken("I-13a", begins(tape.ends(WORK)), max_retries=0, crashes_max=1) == [
        "unbounded-bodies run/work#2"
    ]


def test_i13a_counts_every_body_where_they_are_exclusive() -> None:
    tape = begins(begins(begins(Tape().opened(WORK))))
    assert broken("I-13a", tape, max_retries=0, crashes_max=1, exclusive_bodies=True) == [
        "unbounded-bodies run/work#2"
    ]


# --- I-14 -----------------------------------------------------------------------------------------

OVERLAP = ["overlapping-bodies run/work#2"]


def overlap(tape: Tape) -> list[str]:
    return broken("I-14", tape, exclusive_bodies=True)


def test_i14_is_judged_where_it_is_promised() -> None:
    tape = begins(begins(Tape().opened(WORK)))
    assert overlap(tape) == OVERLAP
    assert broken("I-14", tape, exclusive_bodies=False) == []


def test_i14_one_after_the_other() -> None:
    assert overlap(begins(begins(Tape().opened(WORK)).ends(WORK))) == []
    assert overlap(begins(begins(begins(Tape().opened(WORK)).ends(WORK)))) == OVERLAP


def test_i14_each_end_is_that_of_its_own_body() -> None:
    """The second body ends; the third still meets the first."""
    tape = begins(begins(Tape().opened(WORK), lease_until_ms=1), "start/flow/flow")
    assert overlap(tape) == []
    assert overlap(begins(tape.ends(WORK, number=2))) == []
    tape = begins(begins(Tape().opened(WORK), lease_until_ms=1), "start/flow/flow")
    assert overlap(begins(tape.ends(WORK, number=1))) == OVERLAP


def test_i14_a_dead_host_runs_nothing() -> None:
    good = begins(begins(Tape().opened(WORK)).crash(FLOW), "start/flow~2")
    bad = begins(begins(Tape().opened(WORK)).crash("start/flow~7"), "start/flow~2")
    assert overlap(good) == []
    assert overlap(bad) == OVERLAP


def test_i14_the_lease_counts_at_the_later_begin() -> None:
    def takeover(lease_ms: int) -> Tape:
        tape = Tape().opened(WORK).started(WORK)
        tape.began(WORK, lease_until_ms=tape.now_ms + 1 + lease_ms)
        return tape.started(WORK).began(WORK, task=SENT, lease_until_ms=tape.now_ms + 900)

    assert overlap(takeover(lease_ms=2)) == []
    assert overlap(takeover(lease_ms=3)) == OVERLAP


def test_i14_it_is_the_earlier_start_whose_lease_counts() -> None:
    """The first owner stalled before its body: it begins after the one who took its lease over."""

    def stalled(lease_ms: int) -> Tape:
        tape = Tape().opened(WORK).started(WORK)
        lease_until_ms = tape.now_ms + lease_ms
        tape.wait(1_000).started(WORK)
        tape.began(WORK, task=SENT, start=2, lease_until_ms=tape.now_ms + 60_000)
        return tape.began(WORK, start=1, lease_until_ms=lease_until_ms)

    assert overlap(stalled(lease_ms=1_000)) == []
    assert overlap(stalled(lease_ms=2_000)) == OVERLAP


def test_i14_other_steps_may_run_at_the_same_time() -> None:
    tape = begins(Tape().opened(WORK, "work#3"))
    assert overlap(tape.started("work#3").began("work#3")) == []


def test_each_step_has_its_own_budgets() -> None:
    """Two steps, two budgets: what one of them may do is too much for the other."""
    own = {"work": (0, 0), "rest": (3, 4)}
    tape = Tape().opened("rest#1", "work#2").body("rest#1").body("rest#1").body("work#2")
    assert broken("I-13a", tape, budgets=own) == []
    assert broken("I-13a", tape.body("work#2"), budgets=own) == ["unbounded-bodies run/work#2"]
