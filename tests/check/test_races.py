"""I-20 and L-04: the log says who wins a race, and then the run goes on."""

from __future__ import annotations

import pytest

from simworld.check import EPSILON_MS, SLACK_MS, ColdReplay
from simworld.engine import Decision, PassResult, Suspension
from simworld.records import Decided, Fault
from tests.check.build import FLOW, RUN, Tape, broken, hook_id, step_id, wait_id

WORK, SLEEP, HOOK = "work#1", "sleep#2", "hook#3"
PARTS = ((step_id(WORK), 0), (wait_id(SLEEP), 0), (hook_id(HOOK), 2))
STEP, WAIT, PAYLOAD = range(3)
"""What races: a step, a sleep, and the second payload of a hook."""
SOMETHING = ("", 0)
"""A branch that is a coroutine."""
UNTRUE = ["winner-not-first run/race#1"]


def racing(sleep_ms: int = 100_000) -> Tape:
    return Tape().opened(WORK).sleeps(SLEEP, sleep_ms).hooked(HOOK).received(HOOK)


def event(tape: Tape, kind: str, number: int = -1) -> str:
    """The id of the last event of this type, or of the one with this number."""
    return [each.event_id for each in tape.logs[RUN] if each.type == kind][number]


def decides(
    tape: Tape,
    winner: int,
    event_id: str,
    *,
    called: str = "",
    parts: tuple[tuple[str, int], ...] = PARTS,
    missed: int = 0,
) -> Tape:
    """A pass over the whole log, but for ``missed`` events, has decided the race."""
    position = len(tape.logs[RUN])
    decision = Decision(1, winner, event_id, called, parts)
    return tape.adds(Decided, FLOW, RUN, position - missed, position, decision)


# --- I-20: the order of the log -------------------------------------------------------------------


@pytest.mark.parametrize("winner", [STEP, WAIT, PAYLOAD])
def test_i20_the_branch_that_the_log_decides_first_wins(winner: int) -> None:
    tape = racing(0)
    ends = [
        ("step_completed", lambda: tape.completed(WORK)),
        ("wait_completed", lambda: tape.wakes(SLEEP)),
        ("hook_received", lambda: tape.received(HOOK)),
    ]
    for _, happens in ends[winner:] + ends[:winner]:
        happens()
    for each, (kind, _) in enumerate(ends):
        told = broken("I-20", decides(tape, each, event(tape, kind)))
        assert told == ([] if each == winner else UNTRUE)
        tape.records.pop()


def test_i20_an_earlier_payload_was_for_somebody_else() -> None:
    tape = racing().completed(WORK)
    assert broken("I-20", decides(tape, STEP, event(tape, "step_completed"))) == []
    first = (PARTS[0], PARTS[1], (hook_id(HOOK), 1))
    bad = decides(tape, STEP, event(tape, "step_completed"), parts=first)
    assert broken("I-20", bad) == UNTRUE


def test_i20_a_conflict_decides_every_payload() -> None:
    tape = Tape().opened(WORK).conflict(HOOK, "wrun_2").completed(WORK)
    assert broken("I-20", decides(tape, STEP, event(tape, "step_completed"))) == UNTRUE
    assert broken("I-20", decides(Tape().opened(WORK).completed(WORK), STEP, "nowhere")) == []


def test_i20_a_race_called_late_goes_by_its_arguments() -> None:
    """Two branches were decided when it was called: a pass that knows both takes the first."""
    tape = racing().received(HOOK).completed(WORK).attrs_set()
    last = event(tape, "attr_set")
    won = event(tape, "step_completed")
    assert broken("I-20", decides(tape, STEP, won, called=last)) == []
    assert broken("I-20", decides(tape, STEP, won)) == UNTRUE


def test_i20_asks_nothing_of_branches_that_only_a_pass_can_tell() -> None:
    tape = racing().received(HOOK).completed(WORK)
    parts = (PARTS[0], PARTS[1], SOMETHING)
    assert broken("I-20", decides(tape, STEP, event(tape, "step_completed"), parts=parts)) == []
    won = event(tape, "step_completed")
    bad = decides(tape, 1, won, parts=(PARTS[2], SOMETHING))
    assert broken("I-20", bad) == UNTRUE  # whatever it was, it came after the payload


# --- I-20: agreement ------------------------------------------------------------------------------

VAGUE = (SOMETHING, SOMETHING)


def test_i20_passes_over_prefixes_agree() -> None:
    tape = racing().completed(WORK)
    won = event(tape, "step_completed")
    decides(decides(tape, 0, won, parts=VAGUE), 1, won, parts=(SOMETHING, *VAGUE))
    assert broken("I-20", decides(tape, 1, won, parts=VAGUE, missed=1)) == []
    assert broken("I-20", decides(tape, 1, won, parts=VAGUE)) == ["passes-disagree run/race#1"]


def replaying(winner: int, event_id: str) -> ColdReplay:
    decision = Decision(1, winner, event_id, "", VAGUE)
    return lambda run_id, log: PassResult(Suspension(()), (), (), [decision])


def test_i20_a_cold_replay_agrees() -> None:
    tape = racing().completed(WORK)
    won = event(tape, "step_completed")
    decides(tape, 0, won, parts=VAGUE)
    assert broken("I-20", tape, cold_replay=replaying(0, won)) == []
    assert broken("I-20", tape, cold_replay=replaying(1, won)) == ["passes-disagree run/race#1"]


# --- I-20: ideal time -----------------------------------------------------------------------------


def overtaken(late_ms: int) -> Tape:
    """The step has ended so long after the sleep was due, and has won."""
    tape = racing(1_000).wait(1_000 + late_ms).completed(WORK)
    return decides(tape, STEP, event(tape, "step_completed"))


def test_i20_a_sleep_that_was_due_long_before_should_have_won() -> None:
    assert broken("I-20", overtaken(EPSILON_MS - 100)) == []
    assert broken("I-20", overtaken(EPSILON_MS + 100)) == ["late-timer run/race#1"]


def test_i20_faults_may_delay_a_sleep_but_not_for_ever() -> None:
    crash, slow = Fault("crash", FLOW, 1), Fault("slow_host", f"{FLOW}@1", 9_000)
    late_ms = EPSILON_MS + SLACK_MS + 30_000
    for extra_ms, expected in ((-100, []), (100, ["late-timer run/race#1"])):
        tape = overtaken(late_ms + extra_ms)
        assert broken("I-20", tape, faults=(crash,), redelivery_ms=30_000) == expected
        assert broken("I-20", tape, faults=(crash, slow), redelivery_ms=30_000) == []


def test_i20_of_two_sleeps_the_shorter_one_wins() -> None:
    parts = ((wait_id(SLEEP), 0), (wait_id("sleep#4"), 0))
    tape = Tape().opened().sleeps(SLEEP, 5_000).sleeps("sleep#4", 1_000).wait(5_000).wakes(SLEEP)
    won = event(tape, "wait_completed")
    assert broken("I-20", decides(tape, 0, won, parts=parts)) == ["late-timer run/race#1"]
    early = Tape().opened().sleeps(SLEEP, 5_000).sleeps("sleep#4", 1_000).wakes(SLEEP)
    woken = decides(early, 0, event(early, "wait_completed"), parts=parts)
    assert broken("I-20", woken) == []  # by a client, long before both


def test_i20_a_sleep_cannot_end_before_it_is_recorded() -> None:
    tape = Tape().opened(WORK).wait(60_000).sleeps(SLEEP, -50_000).completed(WORK)
    assert broken("I-20", decides(tape, STEP, event(tape, "step_completed"))) == []


# --- L-04 -----------------------------------------------------------------------------------------


def seen_after(ms: int) -> Tape:
    tape = racing().completed(WORK)
    won = event(tape, "step_completed")
    return decides(decides(tape.wait(ms), STEP, won).wait(90_000), STEP, won)


def test_l04_a_decided_race_goes_on_at_once() -> None:
    assert broken("L-04", seen_after(EPSILON_MS + SLACK_MS - 100)) == []
    assert broken("L-04", seen_after(EPSILON_MS + SLACK_MS + 100)) == [
        "late-continuation run/race#1"
    ]


def test_l04_faults_may_delay_it() -> None:
    tape = seen_after(60_000)
    crash = Fault("crash", FLOW, 1)
    calm = tape.final(last_fault_ms=tape.now_ms - 90_000 - 50_000)
    late = tape.final(last_fault_ms=tape.now_ms - 90_000 - 70_000)
    given = {"faults": (crash,), "redelivery_ms": 50_000}
    assert broken("L-04", tape, calm, **given) == []
    assert broken("L-04", tape, late, **given) == ["late-continuation run/race#1"]
    slow = (Fault("slow_host", f"{FLOW}@1", 9_000),)
    assert broken("L-04", tape, faults=slow) == []
