"""What may be asked of an engine that nobody here wrote, and what would be a false alarm."""

from __future__ import annotations

import pytest

from simworld.check import FOREIGN, judge, laws_named
from simworld.engine import HookReceived, RunFailed
from simworld.records import BodyEnded, ClientCall, LogRead, LostAnswer
from tests.check.build import FLOW, RUN, Tape, broken, context, hook_id

WORK = "work#1"
HOOK = "hook#2"


def found(tape: Tape, max_retries: int = 3) -> list[str]:
    """What a tape breaks of all that is asked."""
    promises = context(max_retries=max_retries, crashes_max=0, foreign=True)
    anomalies = judge(laws_named(FOREIGN), promises, tape.records, tape.final())
    return [f"{each.law} {each.kind} {each.place}" for each in anomalies]


def given_up(tape: Tape, max_retries: int = 0) -> list[str]:
    """Steps that were given up too early."""
    return broken("I-12", tape, max_retries=max_retries, foreign=True)


EARLY = ["retries-not-exhausted run/work#1"]


def began(tape: Tape, number: int) -> Tape:
    """A delivery of the step's message starts it, and its body begins."""
    task = f"{FLOW}/work~{number}"
    return tape.delivered(WORK, task=task).started(WORK, task=task).began(WORK, task=task)


def test_a_healthy_run_breaks_nothing() -> None:
    tape = began(Tape().opened(WORK), 1).ends(WORK).completed(WORK).run_completed()
    assert found(tape) == []


@pytest.mark.parametrize("max_retries", [0, 3])
@pytest.mark.parametrize("last", ["ok", "error"])
def test_a_step_fails_once_its_tries_have_failed(max_retries: int, last: str) -> None:
    tape = Tape().opened(WORK)
    for number in range(max_retries):
        began(tape, number).ends(WORK, "error").retrying(WORK)
    began(tape, max_retries).ends(WORK, last).failed(WORK)
    assert given_up(tape, max_retries) == (EARLY if last == "ok" else [])


def test_a_start_whose_host_has_died_was_a_try() -> None:
    """Its own count is of starts, whatever has become of them; ours has a second budget."""

    def died(host: str) -> Tape:
        tape = began(Tape().opened(WORK), 1).crash("host", host)
        return tape.started(WORK, task=f"{FLOW}/work~2").failed(WORK)

    mine, other = died(f"{FLOW}/work~1"), died("start/other")
    assert given_up(mine) == []
    assert given_up(other) == EARLY


@pytest.mark.parametrize("begun", [False, True])
def test_a_start_whose_answer_was_lost_was_a_try(begun: bool) -> None:
    """Unless it has a body all the same: then it was another answer that was lost."""
    task = f"{FLOW}/work~1"
    tape = Tape().opened(WORK).started(WORK, task=task)
    if begun:
        tape.began(WORK, task=task)
    tape.adds(LostAnswer, task, "record step_started").started(WORK, task="start/other")
    assert given_up(tape.failed(WORK)) == (EARLY if begun else [])


def test_a_start_on_a_wire_is_its_delivery_s() -> None:
    task = f"{FLOW}/work~1"
    tape = Tape().opened(WORK).started(WORK, task=f"{task}/step_started")
    tape.adds(LostAnswer, task, "record step_started").started(WORK, task="start/other")
    assert given_up(tape.failed(WORK)) == []


def test_a_start_beside_a_running_body_is_none() -> None:
    """Four duplicates and a healthy body: it is given up while it runs."""
    tape = Tape().opened(WORK)
    for number in range(5):
        began(tape, number)
    assert given_up(tape.failed(WORK), 3) == EARLY


def test_a_body_that_has_returned_has_not_failed() -> None:
    """What it returned could not be recorded: that is nobody's failure but the world's."""
    tape = began(Tape().opened(WORK), 1).ends(WORK).failed(WORK)
    assert given_up(tape) == EARLY


def test_a_body_that_says_so_fails_its_step() -> None:
    tape = began(Tape().opened(WORK), 1).ends(WORK, "fatal").failed(WORK, "fatal")
    assert given_up(tape) == []


def at_a_hook(*, read_again: bool) -> Tape:
    """A run that waits for a payload, and has read its log once."""
    tape = began(Tape().opened(WORK), 1).hooked(HOOK).ends(WORK)
    tape.adds(LogRead, FLOW, RUN, 4).completed(WORK)
    return tape.adds(LogRead, FLOW, RUN, 6) if read_again else tape


def test_who_waits_for_the_world_outside_is_not_stuck() -> None:
    """Unless nobody has looked at a result since it was recorded."""
    assert found(at_a_hook(read_again=True)) == []
    assert found(at_a_hook(read_again=False)) == ["L-01 stuck-run run/work#1"]


@pytest.mark.parametrize(("token", "read"), [("", True), ("t", True), ("other", True), ("", False)])
def test_a_payload_is_given_by_a_read(token: str, read: bool) -> None:
    tape = at_a_hook(read_again=True)
    tape.adds(ClientCall, "client", 1, "invoke", "resume_hook", "", "t")
    tape.commit(HookReceived(hook_id(HOOK), token, b""), label=HOOK, task="client")
    tape.adds(ClientCall, "client", 1, "ok", "resume_hook", "", "t")
    if read:
        tape.adds(LogRead, FLOW, RUN, 7)
    kinds = [each.split()[1] for each in found(tape)]
    assert kinds == (
        ["payload-unseen"] if not read else ["payload-changed"] if token == "other" else []
    )


@pytest.mark.parametrize("code", ["USER_ERROR", "ValueError", "REPLAY_DIVERGENCE"])
def test_the_first_versions_tell_a_class_for_a_code(code: str) -> None:
    error = b'devl[["Error",1],{"name":2,"message":3},"ValueError","boom"]'
    tape = began(Tape().opened(WORK), 1).ends(WORK, "fatal").failed(WORK, "fatal")
    anomalies = found(tape.commit(RunFailed(error, code)))
    laws = [each.split()[0] for each in anomalies]
    assert laws == (["I-18"] if code != "REPLAY_DIVERGENCE" else ["I-18", "I-17", "I-21"])


def test_a_body_that_its_workflow_cancels_has_not_failed() -> None:
    tape = began(Tape().opened(WORK), 1)
    tape.adds(BodyEnded, FLOW, RUN, WORK, 1, "fatal", "CancelledError: no more")
    assert broken("I-18", tape, foreign=True) == []
    assert broken("I-18", tape) == ["unplanned-body-failure run/work#1"]


@pytest.mark.parametrize("told", ["EntityConflictError", "RunExpiredError"])
@pytest.mark.parametrize("end", ["run", "step", "cancel", "nothing"])
def test_a_body_that_outlives_its_run_is_told_so(told: str, end: str) -> None:
    """It was begun once more, lawfully; what it asks for then is refused."""
    tape = began(began(Tape().opened(WORK), 1), 2).ends(WORK, number=1)
    match end:
        case "run":
            tape.run_completed()
        case "step":
            tape.completed(WORK)
        case "cancel":
            tape.run_cancelled()
    tape.adds(BodyEnded, FLOW, RUN, WORK, 2, "error", f"{told}: no longer")
    late = [] if end != "nothing" else ["unplanned-body-failure run/work#1"]
    assert broken("I-18", tape, foreign=True) == late
    assert broken("I-18", tape) == ["unplanned-body-failure run/work#1"]
