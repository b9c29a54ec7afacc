"""I-25 and L-05: payloads are recorded once, and seen in time."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from simworld.check.clients import SEEN_MS
from simworld.engine import HookReceived, encode
from simworld.records import ClientCall, Fault, Passed
from tests.check.build import Tape, broken, hook_id

HOOK = "hook#2"
TOKEN = "t"


def calls(tape: Tape, phase: str, *, task: str = "resume", verb: str = "resume_hook") -> Tape:
    payload = encode(1) if phase == "invoke" and verb == "resume_hook" else b""
    return tape.adds(ClientCall, task, 1, phase, verb, "", TOKEN, payload)


def resumed(phase: str, times: int, **how: Any) -> Tape:
    """A resume that records so many payloads and ends like this; then a pass sees them."""
    tape = calls(Tape().opened().hooked(HOOK), "invoke", **how)
    for _ in range(times):
        tape.received(HOOK, TOKEN)
    return calls(tape, phase, **how).passed()


@pytest.mark.parametrize("verb", ["resume_hook", "resume_webhook"])
@pytest.mark.parametrize(
    ("phase", "times", "found"),
    [
        ("ok", 0, ["resume-lost run/hook t"]),
        ("ok", 1, []),
        ("ok", 2, ["resume-doubled run/hook#2"]),
        ("fail", 0, []),
        ("fail", 1, ["refused-yet-recorded run/hook#2"]),
        ("info", 0, []),
        ("info", 1, []),
        ("info", 2, ["resume-doubled run/hook#2"]),
    ],
)
def test_i25_an_answer_says_how_often_it_is_recorded(
    phase: str, times: int, found: list[str], verb: str
) -> None:
    assert broken("I-25", resumed(phase, times, verb=verb)) == found


@pytest.mark.parametrize(
    ("phase", "least", "found"),
    [
        ("ok", 1, "resume-doubled run/hook#2"),
        ("info", 0, "resume-doubled run/hook#2"),
        ("fail", 0, "refused-yet-recorded run/hook#2"),
    ],
)
def test_i25_a_request_may_arrive_when_the_call_is_over(phase: str, least: int, found: str) -> None:
    tape = resumed(phase, least)
    if phase == "info":  # it has not been recorded yet
        assert broken("I-25", tape.received(HOOK, TOKEN).passed()) == []
    assert broken("I-25", tape) == []
    assert broken("I-25", tape.received(HOOK, TOKEN).passed()) == [found]


def test_i25_what_others_record_is_not_counted() -> None:
    assert broken("I-25", resumed("ok", 1, task="other")) == ["resume-lost run/hook t"]
    tape = calls(Tape().opened().hooked(HOOK), "invoke", task="client")
    fact = HookReceived(hook_id(HOOK), TOKEN, encode(1))
    tape.commit(fact, label=HOOK, task="client/hook_received.hook#2")  # its own, on a wire
    tape.commit(fact, label=HOOK, task="client/flow")  # a handler's, which is named below it
    assert broken("I-25", calls(tape, "ok", task="client").passed()) == []


def test_i25_the_payload_is_the_one_that_was_sent() -> None:
    tape = calls(Tape().opened().hooked(HOOK), "invoke")
    tape.commit(HookReceived(hook_id(HOOK), TOKEN, encode(2)), label=HOOK, task="resume")
    assert broken("I-25", calls(tape, "ok").passed()) == ["payload-changed run/hook#2"]


def test_i25_it_stays_in_the_log() -> None:
    tape = resumed("ok", 1)
    tape.logs[tape.run_id].pop()
    assert broken("I-25", tape) == ["resume-forgotten run/hook#2"]


def test_i25_the_workflow_gets_it_or_the_run_ends() -> None:
    tape = resumed("ok", 1)
    unseen = Tape()
    attributes = ("runs", "hooks", "logs", "labels", "turn", "now_ms")
    for name in attributes:
        setattr(unseen, name, getattr(tape, name))
    unseen.records = tape.records[:-1]
    assert broken("I-25", unseen) == ["payload-unseen run/hook#2"]
    assert broken("I-25", unseen, minted=True) == []
    assert broken("I-25", unseen, unseen.final(drained=False)) == []
    assert broken("I-25", unseen.run_completed()) == []


# --- L-05 -----------------------------------------------------------------------------------------

LATE, UNSEEN = ["late-payload run/hook#2"], ["unseen-payload run/hook#2"]


def received() -> Tape:
    return Tape().opened().hooked(HOOK).received(HOOK)


def test_l05_a_payload_is_seen_in_time() -> None:
    assert broken("L-05", received().wait(SEEN_MS - 1).passed()) == []
    assert broken("L-05", received().wait(SEEN_MS).passed()) == LATE
    assert broken("L-05", received().wait(SEEN_MS - 1).run_completed()) == []
    assert broken("L-05", received().wait(SEEN_MS).run_completed()) == LATE


def test_l05_a_pass_that_lacks_it_has_not_seen_it() -> None:
    tape = received()
    without = len(tape.logs[tape.run_id]) - 1
    assert broken("L-05", tape.passed(without)) == UNSEEN
    assert broken("L-05", tape.passed()) == []


def test_l05_a_pass_of_another_run_has_not_seen_it() -> None:
    tape = received()
    assert broken("L-05", tape.adds(Passed, "x", "wrun_2", 9, 9, "suspended")) == UNSEEN


def test_l05_at_quiescence_it_must_have_been_seen() -> None:
    tape = received()
    assert broken("L-05", tape) == UNSEEN
    assert broken("L-05", tape, tape.final(drained=False)) == []
    assert broken("L-05", tape.wait(SEEN_MS + 1), tape.final(drained=False)) == LATE


def test_l05_the_clock_starts_after_the_last_fault() -> None:
    tape = received().wait(100_000).passed()
    calm = tape.final(last_fault_ms=tape.now_ms - SEEN_MS - 3_000)
    assert broken("L-05", tape, calm, redelivery_ms=3_000) == []
    assert broken("L-05", tape, calm, redelivery_ms=2_999) == LATE
    slow = (Fault("slow_host", "start/flow@3", 500_000),)
    assert broken("L-05", tape, faults=slow) == []


def test_l05_who_aborts_knows_it_already() -> None:
    tape = Tape().opened().hooked(HOOK)
    key = (tape.run_id, hook_id(HOOK))
    tape.hooks[key] = attrs.evolve(tape.hooks[key], is_system=True)
    assert broken("L-05", tape.received(HOOK)) == []


def test_l05_what_comes_after_the_end_is_another_law() -> None:
    tape = Tape().opened().hooked(HOOK).run_completed()
    assert broken("L-05", tape.received(HOOK).wait(100_000)) == []
