"""I-04, I-06, I-07 and I-08: steps, waits and hooks, each made once, in time, while they live."""

from __future__ import annotations

import pytest

from simworld.check import judge, laws_named
from simworld.engine import HookConflict
from simworld.records import ClientCall, Passed
from tests.check.build import FLOW, Tape, broken, context, hook_id, wait_id

WORK, NAP, HOOK = "work#1", "sleep#2", "hook#3"

# --- I-04 -----------------------------------------------------------------------------------------

CREATIONS = {
    "step": (Tape().opened(WORK).created(WORK), Tape().opened(WORK).created("work#9"), WORK),
    "lazy start": (
        Tape().opened().started(WORK, lazy=True).started(WORK, lazy=True),
        Tape().opened().started(WORK, lazy=True).started(WORK),
        WORK,
    ),
    "lazy start of a created step": (
        Tape().opened(WORK).started(WORK, lazy=True),
        Tape().opened(WORK).started(WORK),
        WORK,
    ),
    "wait": (
        Tape().opened().sleeps(NAP, 5).sleeps(NAP, 4),
        Tape().opened().sleeps(NAP, 5).sleeps("sleep#9", 4),
        NAP,
    ),
    "hook": (
        Tape().opened().hooked(HOOK).hooked(HOOK),
        Tape().opened().hooked(HOOK).hooked("hook#9", "other"),
        HOOK,
    ),
    "hook that conflicts": (
        Tape().opened().hooked(HOOK).conflict(HOOK, "wrun_2"),
        Tape().opened().conflict(HOOK, "wrun_2"),
        HOOK,
    ),
}


@pytest.mark.parametrize("case", CREATIONS)
def test_i04_everything_is_created_once(case: str) -> None:
    bad, good, label = CREATIONS[case]
    assert broken("I-04", bad) == [f"created-twice run/{label}"]
    assert broken("I-04", good) == []


def test_i04_runs_have_ids_of_their_own() -> None:
    tape = Tape().opened(WORK)
    tape.run_id = "wrun_2"
    assert broken("I-04", tape.opened(WORK)) == []


# --- I-06 -----------------------------------------------------------------------------------------


def napping(ms: int = 5_000) -> Tape:
    return Tape().opened().sleeps(NAP, ms)


def test_i06_completed_once_and_after_its_creation() -> None:
    tape = napping().wait(5_000).wakes(NAP)
    assert broken("I-06", tape) == []
    assert broken("I-06", tape.wakes(NAP)) == ["wait-completed-twice run/sleep#2"]
    assert broken("I-06", Tape().opened().wakes(NAP)) == ["wait-not-created run/sleep#2"]


def test_i06_not_before_its_time() -> None:
    # one millisecond for its creation, one for its completion
    assert broken("I-06", napping().wait(4_997).wakes(NAP)) == ["wait-completed-early run/sleep#2"]
    assert broken("I-06", napping().wait(4_998).wakes(NAP)) == []


@pytest.mark.parametrize("task", ["wake", "wake/part.2"])
def test_i06_a_client_may_wake_it_at_any_time(task: str) -> None:
    assert broken("I-06", napping().wakes(NAP, task=task)) == []
    assert broken("I-06", napping().wakes(NAP, task=task).wakes(NAP, task=task)) == [
        "wait-completed-twice run/sleep#2"
    ]


@pytest.mark.parametrize("task", [FLOW, f"{FLOW}/create.1"])
def test_i06_a_handler_and_its_parts_may_not(task: str) -> None:
    assert broken("I-06", napping().wakes(NAP, task=task)) == ["wait-completed-early run/sleep#2"]


def test_i06_its_time_never_changes() -> None:
    tape = napping()
    due_ms = tape.waits[tape.run_id, wait_id(NAP)].resume_at_ms
    tape.wait(5_000)
    assert broken("I-06", tape.wakes(NAP, resume_at_ms=due_ms)) == []
    other = napping().wait(5_000).wakes(NAP, resume_at_ms=due_ms + 1)
    assert broken("I-06", other) == ["resume-at-changed run/sleep#2"]
    assert broken("I-06", napping().sleeps(NAP, 5_000)) == ["resume-at-changed run/sleep#2"]


def test_i06_all_passes_have_it_end_at_one_instant() -> None:
    def passes(*ends_ms: int, length: int = 3) -> Tape:
        tape = Tape().opened()
        for until_ms in ends_ms:
            sleeps = ((wait_id(NAP), NAP, until_ms),)
            seen = (tape.run_id, length, 3, "suspended")
            tape.adds(Passed, FLOW, *seen, (), (), 0, False, sleeps)
        return tape

    assert broken("I-06", passes(5_000, 5_000)) == []
    assert broken("I-06", passes(5_000, 5_001)) == ["instants-differ run/sleep#2"]
    # A pass that has missed an event may have the sleep begin at another time.
    assert broken("I-06", passes(5_000, 5_001, length=2)) == []
    # By hosts' clocks nobody promises it.
    assert broken("I-06", passes(5_000, 5_001), one_instant=False) == []


def test_i06_judges_the_log_that_readers_see() -> None:
    tape = napping().wait(5_000).wakes(NAP)
    log = tape.logs[tape.run_id]
    log[-2:] = log[:-3:-1]
    assert broken("I-06", tape, minted=True) == ["wait-not-created run/sleep#2"]


# --- I-07 -----------------------------------------------------------------------------------------


def hooked() -> Tape:
    return Tape().opened().hooked(HOOK)


HOOKS = {
    "no payload before it": (
        Tape().opened().received(HOOK),
        ["payload-without-live-hook run/hook#3"],
        hooked().received(HOOK).received(HOOK),
    ),
    "no payload after its disposal": (
        hooked().disposed(HOOK).received(HOOK),
        ["payload-without-live-hook run/hook#3"],
        hooked().received(HOOK).disposed(HOOK),
    ),
    "no payload after its run": (
        hooked().run_completed().received(HOOK),
        ["payload-without-live-hook run/hook#3"],
        hooked().received(HOOK).run_completed(),
    ),
    "no payload after a conflict": (
        Tape().opened().conflict(HOOK, "wrun_2").received(HOOK),
        ["payload-without-live-hook run/hook#3"],
        hooked().received(HOOK),
    ),
    "disposed once": (
        hooked().disposed(HOOK).disposed(HOOK),
        ["disposed-without-live-hook run/hook#3"],
        hooked().hooked("hook#4", "u").disposed(HOOK).disposed("hook#4", "u"),
    ),
    "disposed after its run, which is not for this law to judge": (
        hooked().disposed(HOOK).run_completed().disposed(HOOK),
        ["disposed-without-live-hook run/hook#3"],
        hooked().run_completed().disposed(HOOK),
    ),
    "disposed after its creation": (
        Tape().opened().disposed(HOOK),
        ["disposed-without-live-hook run/hook#3"],
        hooked().disposed(HOOK),
    ),
}


@pytest.mark.parametrize("case", HOOKS)
def test_i07_hooks_live_between_creation_and_disposal(case: str) -> None:
    bad, expected, good = HOOKS[case]
    assert broken("I-07", bad) == expected
    assert broken("I-07", good) == []


# --- I-08 -----------------------------------------------------------------------------------------


def two_runs(first: Tape) -> Tape:
    """The second run is open, too."""
    first.run_id = "wrun_2"
    return first.opened()


TWICE = ["token-owned-twice run/hook#4"]


def test_i08_one_live_hook_per_token() -> None:
    assert broken("I-08", two_runs(hooked()).hooked("hook#4")) == TWICE
    assert broken("I-08", two_runs(hooked()).hooked("hook#4", "another")) == []
    assert broken("I-08", hooked().hooked("hook#4")) == TWICE


def test_i08_a_token_is_free_after_its_hook() -> None:
    assert broken("I-08", two_runs(hooked().disposed(HOOK)).hooked("hook#4")) == []
    assert broken("I-08", two_runs(hooked().disposed("hook#9")).hooked("hook#4")) == TWICE


@pytest.mark.parametrize("end", [Tape.run_completed, Tape.run_failed, Tape.run_cancelled])
def test_i08_a_token_is_free_after_its_run(end: object) -> None:
    tape = hooked()
    assert callable(end)
    end(tape)
    assert broken("I-08", two_runs(tape).hooked("hook#4")) == []
    other = two_runs(hooked())
    end(other)
    other.run_id = "wrun_3"
    assert broken("I-08", other.opened().hooked("hook#4")) == TWICE


def test_i08_a_conflict_needs_another_owner() -> None:
    without = ["conflict-without-owner run/hook#4"]
    assert broken("I-08", two_runs(hooked()).conflict("hook#4", "wrun_1")) == []
    assert broken("I-08", two_runs(hooked().disposed(HOOK)).conflict("hook#4", "wrun_1")) == without
    assert broken("I-08", two_runs(hooked().run_failed()).conflict("hook#4", "wrun_1")) == without
    assert broken("I-08", hooked().conflict("hook#4", "wrun_1")) == []  # its own run, another hook


@pytest.mark.parametrize("task", ["start/b", "start/b/create.hook#4"])
def test_i08_the_owner_may_let_go_while_the_token_is_refused(task: str) -> None:
    """A world finds the owner, and records what it has found some time later."""

    def refused(*, asked_first: bool) -> Tape:
        tape = two_runs(hooked())
        if asked_first:
            tape.adds(Passed, "start/b", "wrun_2", 1, 1, "suspended")
        tape.run_id = "wrun_1"
        tape.disposed(HOOK)
        tape.run_id = "wrun_2"
        if not asked_first:
            tape.adds(Passed, "start/b", "wrun_2", 1, 1, "suspended")
        fact = HookConflict(hook_id("hook#4"), "t", "wrun_1")
        return tape.commit(fact, label="hook#4", task=task)

    assert broken("I-08", refused(asked_first=True)) == []
    assert broken("I-08", refused(asked_first=False)) == ["conflict-without-owner run/hook#4"]


@pytest.mark.parametrize("phase", ["invoke", "ok"])
def test_i08_who_was_given_the_result_may_have_the_token(phase: str) -> None:
    """The end of the run is visible before it is recorded (R-28)."""
    tape = two_runs(hooked()).adds(ClientCall, "client", 1, phase, "result", "wrun_1")
    told = ["conflict-without-owner run/hook#4"] if phase == "ok" else []
    assert broken("I-08", tape.conflict("hook#4", "wrun_1")) == told


def test_i08_a_hook_is_not_in_conflict_with_itself() -> None:
    tape = hooked().commit(HookConflict(hook_id(HOOK), "t", "wrun_1"), label=HOOK)
    assert broken("I-08", tape) == ["conflict-without-owner run/hook#3"]


def test_i08_a_conflict_names_the_owner() -> None:
    assert broken("I-08", two_runs(hooked()).conflict("hook#4", "wrun_2")) == [
        "conflict-names-wrong-run run/hook#4"
    ]


def test_i08_says_whose_token_it_was() -> None:
    tape = two_runs(hooked()).hooked("hook#4")
    (anomaly,) = judge(laws_named(["I-08"]), context(), tape.records, tape.final())
    assert (
        anomaly.message == "hook#4 was given the token 't', which a live hook of another run owns"
    )
    assert anomaly.turn == tape.turn
