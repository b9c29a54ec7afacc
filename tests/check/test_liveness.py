"""L-01, L-02, L-03 and L-09: runs end, waits end, and pools make progress."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from simworld.check import DEADLOCK_MS, EPSILON_MS, SLACK_MS, Context, judge, laws_named
from simworld.check.liveness import LEASES_MAX
from simworld.engine import HookStatus, StepRetrying
from simworld.records import Fault
from tests.check.build import EPOCH_MS, Tape, broken, context, error_bytes, hook_id, step_id

WORK = "work#2"


def test_l01_a_run_without_end_is_stuck() -> None:
    tape = Tape().opened("work#1", WORK).works("work#1")
    assert broken("L-01", tape.started(WORK)) == ["stuck-run run/work#2"]
    assert broken("L-01", tape.completed(WORK)) == ["stuck-run run"]
    assert broken("L-01", tape.run_completed()) == []


def test_l01_is_judged_at_quiescence() -> None:
    tape = Tape().opened(WORK)
    assert broken("L-01", tape, tape.final(drained=False)) == []
    assert broken("L-01", tape, tape.final(drained=True)) == ["stuck-run run/work#2"]


def test_l01_a_cancelled_run_has_ended() -> None:
    tape = Tape().opened(WORK).started(WORK)
    assert broken("L-01", tape) == ["stuck-run run/work#2"]
    assert broken("L-01", tape.run_cancelled()) == []


def test_l01_finds_the_one_run_that_is_stuck() -> None:
    tape = Tape().opened("work#1").works("work#1").run_completed()
    tape.run_id = "wrun_2"
    tape.opened("work#1", WORK).works("work#1")
    assert broken("L-01", tape) == ["stuck-run run/work#2"]


HOOK, NAP = "hook#3", "sleep#4"


def test_l01_a_run_may_wait_for_a_payload_from_outside() -> None:
    tape = Tape().opened(WORK).works(WORK)
    assert broken("L-01", tape) == ["stuck-run run"]
    tape.given(WORK).hooked(HOOK)
    assert broken("L-01", tape) == []
    assert broken("L-01", tape.disposed(HOOK)) == ["stuck-run run"]


@pytest.mark.parametrize("changes", [{"is_system": True}, {"status": HookStatus.CONFLICT}])
def test_l01_nobody_outside_resumes_such_a_hook(changes: dict[str, Any]) -> None:
    tape = Tape().opened().hooked(HOOK)
    assert broken("L-01", tape) == []
    key = (tape.run_id, hook_id(HOOK))
    tape.hooks[key] = attrs.evolve(tape.hooks[key], **changes)
    assert broken("L-01", tape) == ["stuck-run run"]


def test_l01_it_may_wait_for_nothing_else() -> None:
    tape = Tape().opened(WORK).hooked(HOOK)
    assert broken("L-01", tape) == ["stuck-run run/work#2"]
    assert broken("L-01", tape.works(WORK).given(WORK)) == []
    assert broken("L-01", tape.sleeps(NAP, 5)) == ["stuck-run run/sleep#4"]
    assert broken("L-01", tape.wakes(NAP)) == []


def test_l01_a_result_that_no_pass_was_given_is_not_waited_for() -> None:
    """R-51: the run waits for a payload, and somebody else in it for what is in the log."""
    tape = Tape().opened(WORK).hooked(HOOK).works(WORK)
    (anomaly,) = judge(laws_named(["L-01"]), context(), tape.records, tape.final())
    assert f"no pass was ever given the result of {WORK}" in anomaly.message
    assert broken("L-01", tape) == ["stuck-run run/work#2"]
    assert broken("L-01", tape.given(WORK)) == []


def test_l01_the_hook_of_another_run_helps_nobody() -> None:
    tape = Tape().opened().hooked(HOOK)
    tape.run_id = "wrun_2"
    assert broken("L-01", tape.opened()) == ["stuck-run run"]


def test_l01_what_another_run_left_behind_holds_nobody_up() -> None:
    """A straggler of an ended run, and a wait that its world forgot to remove."""
    tape = Tape().opened(WORK).started(WORK).sleeps(NAP, 5)
    left = dict(tape.waits)
    tape.run_completed().waits.update(left)
    tape.run_id = "wrun_2"
    assert broken("L-01", tape.opened().hooked(HOOK)) == []
    assert broken("L-01", tape.created("work#5")) == ["stuck-run run/work#5"]


def test_l01_names_the_sleep_that_never_ends() -> None:
    tape = Tape().opened(WORK).sleeps(NAP, 5)
    (anomaly,) = judge(laws_named(["L-01"]), context(), tape.records, tape.final())
    assert "sleep#4 is waiting (due at 8 ms), and no message" in anomaly.message


PROMISES: dict[str, Any] = {
    "max_retries": 1,
    "crashes_max": 1,
    "durations_max_ms": 200,
    "redelivery_ms": 3_000,
    "lease_ms": 9_000,
}
UNLEASED_MS = 3 * (200 + 3_000 + EPSILON_MS) + SLACK_MS
LEASED_MS = UNLEASED_MS + LEASES_MAX * 9_000


def ends_after(ms: int, *steps: str) -> Tape:
    """A run that ends so long after its creation."""
    tape = Tape().opened(*steps)
    tape.now_ms = EPOCH_MS + ms  # created in the first millisecond, and ending is one more
    return tape.run_completed()


def test_l02_a_run_ends_within_its_bound() -> None:
    assert broken("L-02", ends_after(UNLEASED_MS), **PROMISES) == []
    assert broken("L-02", ends_after(UNLEASED_MS + 1), **PROMISES) == ["late-end run"]


def test_l02_leases_count_where_they_are_promised() -> None:
    exclusive = {**PROMISES, "exclusive_bodies": True}
    assert broken("L-02", ends_after(LEASED_MS), **exclusive) == []
    assert broken("L-02", ends_after(LEASED_MS + 1), **exclusive) == ["late-end run"]


def test_l02_steps_may_follow_one_another() -> None:
    two_ms = 2 * (UNLEASED_MS - SLACK_MS) + SLACK_MS
    assert broken("L-02", ends_after(two_ms, "work#1", WORK), **PROMISES) == []
    assert broken("L-02", ends_after(two_ms, "work#1"), **PROMISES) == ["late-end run"]


def test_l02_the_clock_starts_after_the_last_fault() -> None:
    tape = ends_after(UNLEASED_MS + 100)
    created_ms = tape.runs[tape.run_id].created_at_ms
    late = tape.final(last_fault_ms=created_ms + 99)
    assert broken("L-02", tape, late, **PROMISES) == ["late-end run"]
    assert broken("L-02", tape, tape.final(last_fault_ms=created_ms + 100), **PROMISES) == []


def test_l02_leaves_a_run_without_end_to_l01() -> None:
    tape = Tape().opened(WORK).wait(10 * LEASED_MS)
    assert broken("L-02", tape, **PROMISES) == []
    assert broken("L-02", tape.run_completed(), **PROMISES) == ["late-end run"]


def test_context_is_named_throughout() -> None:
    assert Context(max_retries=3, crashes_max=4) == context()


def test_l02_sleeps_and_payloads_take_their_time() -> None:
    def slept(ms: int) -> Tape:
        tape = Tape().run_created().sleeps(NAP, 60_000)
        tape.now_ms = EPOCH_MS + ms
        return tape.run_completed()

    # the sleep is recorded one millisecond later than it counts from
    bound_ms = UNLEASED_MS + 60_000 - 1 + EPSILON_MS
    assert broken("L-02", slept(bound_ms), **PROMISES) == []
    assert broken("L-02", slept(bound_ms + 1), **PROMISES) == ["late-end run"]
    waits = Tape().opened().hooked(HOOK).wait(10 * LEASED_MS)
    assert broken("L-02", waits.received(HOOK).run_completed(), **PROMISES) == []
    alone = Tape().opened().hooked(HOOK).wait(10 * LEASED_MS)
    assert broken("L-02", alone.run_completed(), **PROMISES) == ["late-end run"]


def test_l02_a_retry_may_be_put_off() -> None:
    def retried(ms: int) -> Tape:
        tape = Tape().opened(WORK).started(WORK)
        later = StepRetrying(step_id(WORK), error_bytes("error"), tape.now_ms + 1 + 60_000)
        tape.commit(later, label=WORK)
        tape.now_ms = EPOCH_MS + ms
        return tape.run_completed()

    assert broken("L-02", retried(UNLEASED_MS + 60_000), **PROMISES) == []
    assert broken("L-02", retried(UNLEASED_MS + 60_001), **PROMISES) == ["late-end run"]


def test_l02_leaves_a_cancellation_to_its_client() -> None:
    tape = Tape().opened().wait(10 * LEASED_MS)
    assert broken("L-02", tape.run_cancelled(), **PROMISES) == []


# --- L-03 -----------------------------------------------------------------------------------------

LATE = ["late-wait run/sleep#4"]
DUE_MS = 60_000


def napped(ms: int) -> Tape:
    """A sleep, and so many milliseconds that it has been due when the next event is recorded."""
    tape = Tape().opened().sleeps(NAP, DUE_MS)
    return tape.wait(DUE_MS - 2 + ms)  # one for its creation, one for that event


@pytest.mark.parametrize("record", [Tape.wakes, Tape.run_completed, Tape.run_cancelled])
def test_l03_a_wait_ends_in_time_or_with_its_run(record: Any) -> None:
    def ends(ms: int) -> Tape:
        tape = napped(ms)
        record(tape, *([NAP] if record is Tape.wakes else []))
        return tape.wait(10 * DUE_MS)

    assert broken("L-03", ends(EPSILON_MS + SLACK_MS)) == []
    assert broken("L-03", ends(EPSILON_MS + SLACK_MS + 1)) == LATE


def test_l03_a_wait_that_never_ends() -> None:
    assert broken("L-03", napped(EPSILON_MS + SLACK_MS)) == []
    assert broken("L-03", napped(EPSILON_MS + SLACK_MS + 2)) == LATE


def test_l03_the_clock_starts_after_the_last_fault() -> None:
    tape = napped(100_000).wakes(NAP)
    fault_ms = tape.now_ms - EPSILON_MS - SLACK_MS - 3_000
    calm = tape.final(last_fault_ms=fault_ms)
    assert broken("L-03", tape, calm, redelivery_ms=3_000) == []
    assert broken("L-03", tape, calm, redelivery_ms=2_999) == LATE
    promises: dict[str, Any] = {"redelivery_ms": 0, "lease_ms": 3_000}
    assert broken("L-03", tape, calm, **promises, exclusive_bodies=True) == []
    assert broken("L-03", tape, calm, **promises) == LATE


def test_l03_times_are_those_of_clocks_that_may_be_wrong() -> None:
    late = napped(EPSILON_MS + SLACK_MS + 2_000).wakes(NAP)
    off = (Fault("clock_behind", "start/flow", 1_500), Fault("clock_jump", "start/flow@4", 500))
    assert broken("L-03", late, faults=off) == []
    assert broken("L-03", late, faults=off[:1]) == LATE


# --- L-09 -----------------------------------------------------------------------------------------

BUSY = ("start/flow/fib#1 polls run.2", "start/flow/fib#2 polls run.3")
DEADLOCK = ["pool-deadlock run"]


def polled(ms: int) -> Tape:
    return Tape().opened("fib#1", "fib#2").wait(ms)


@pytest.mark.parametrize("drained", [True, False])
def test_l09_a_pool_held_by_those_who_wait_for_it(drained: bool) -> None:
    stuck: dict[str, Any] = {
        "drained": drained,
        "workers_busy": BUSY,
        "workers_wanted": ("fib#3",),
    }
    tape = polled(DEADLOCK_MS)
    assert broken("L-09", tape, tape.final(**stuck)) == DEADLOCK
    assert broken("L-09", tape, tape.final(**{**stuck, "workers_wanted": ()})) == []
    assert broken("L-09", tape, tape.final(**{**stuck, "workers_busy": ()})) == []
    tape = polled(DEADLOCK_MS - 1)
    assert broken("L-09", tape, tape.final(**stuck)) == []


def test_l09_leases_of_the_dead_and_long_bodies_end() -> None:
    held: dict[str, Any] = {"drained": False, "workers_busy": BUSY, "workers_wanted": ("a",)}
    leased: dict[str, Any] = {"exclusive_bodies": True, "lease_ms": 9_000}
    tape = polled(DEADLOCK_MS + 8_999)
    fault_ms = tape.now_ms - DEADLOCK_MS - 8_999
    final = tape.final(**held, last_fault_ms=fault_ms)
    assert broken("L-09", tape, final, **leased) == []
    assert broken("L-09", tape, final._replace(now_ms=final.now_ms + 1), **leased) == DEADLOCK
    assert broken("L-09", tape, tape.final(**held), **leased) == DEADLOCK
    assert broken("L-09", tape, tape.final(**held), durations_max_ms=9_000) == []
    assert broken("L-09", tape, tape.final(**held), durations_max_ms=8_999) == DEADLOCK


def test_l09_any_event_is_progress() -> None:
    tape = polled(DEADLOCK_MS)
    tape.run_id = "wrun_2"
    tape.run_created()
    assert broken("L-09", tape, tape.final(workers_busy=BUSY, workers_wanted=("a",))) == []


def test_l09_a_pool_without_runs_waits_for_none() -> None:
    tape = Tape()
    assert broken("L-09", tape, tape.final(workers_busy=BUSY, workers_wanted=("a",))) == []


def test_l09_names_the_slots() -> None:
    tape = polled(DEADLOCK_MS)
    final = tape.final(workers_busy=BUSY, workers_wanted=("a", "b", "c"))
    (anomaly,) = judge(laws_named(["L-09"]), context(), tape.records, final)
    assert anomaly.message == (
        "nothing has been recorded for 60000 ms: all 2 workers are held (start/flow/fib#1 polls "
        "run.2; start/flow/fib#2 polls run.3), and 3 deliveries wait for one"
    )
