"""Sleeps: who completes them, who wakes the run, and what becomes of the cached log (spec §3.9)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import KeyPolicy, LoopErrors, WaitDispatch, WaitPush, race, sleep
from simworld.errors import EntityConflictError, EntityNotFoundError
from simworld.ports import Page
from simworld.records import LastCursor, WorldProfile
from simworld.worlds import QUEUES
from tests.runtime.programs import program, work
from tests.runtime.rig import B12, FIXED, MERGE, V1, Wrapped, play

MESSAGE = attrs.evolve(MERGE, wait_dispatch=WaitDispatch.MESSAGE)
REFRESH = attrs.evolve(MERGE, wait_push=WaitPush.REFRESH)


async def nap(duration_ms=1_000):
    """Sleep, then do a step."""
    await sleep(duration_ms)
    return await work("up")


@pytest.mark.parametrize("policy", [MERGE, B12, V1], ids=["v2_merge", "b12", "v1"])
def test_the_message_that_suspended_comes_back_when_the_wait_is_over(policy):
    played = play(program(nap), policy=policy)
    assert played.run.status == "completed"
    assert played.messages["flow"] == (2 if policy is V1 else 1)
    assert played.times("wait_completed") == [1_000]
    assert played.delivered[:2] == ["start/flow", "start/flow~2"]


@pytest.mark.parametrize("policy", [MESSAGE, FIXED], ids=["wait_dispatch=message", "fixed"])
def test_a_wait_has_a_delayed_message_of_its_own(policy):
    played = play(program(nap), policy=policy)
    assert played.run.status == "completed"
    assert played.messages == {"flow": 2}
    assert played.delivered == ["start/flow", "start/flow/flow"]
    assert played.times("wait_completed") == [1_000]


@pytest.mark.parametrize(("duration_ms", "woken_ms"), [(1, 1_000), (1_001, 2_000), (3_000, 3_000)])
def test_a_timer_has_whole_seconds_and_at_least_one(duration_ms, woken_ms):
    played = play(program(nap), duration_ms)
    assert played.times("wait_completed") == [woken_ms]


async def naps(*durations_ms):
    """Several sleeps at once; which one was first."""
    return (await race(*[sleep(each) for each in durations_ms])).which


@pytest.mark.parametrize("policy", [MERGE, MESSAGE], ids=["return_value", "message"])
def test_the_soonest_of_several_waits_wakes_the_run(policy):
    played = play(program(naps), 9_000, 2_000, 5_000, policy=policy, watched=True)
    assert played.answer == 1
    assert played.times("wait_completed") == [2_000]
    assert played.types.count("wait_created") == 3


async def step_against_sleep(step_ms, sleep_ms):
    """A race between a step and a sleep; the winner."""
    return (await race(work("x", step_ms), sleep(sleep_ms))).which


def test_a_step_beside_a_wait_runs_on_its_own_message_and_the_wait_is_in_time():
    played = play(program(step_against_sleep), 10_000, 1_000, watched=True)
    assert played.answer == 1
    assert played.messages == {"flow": 1, "work#1": 1}
    assert played.times("run_completed") == [1_000]


def test_inline_with_wait_blocks_the_wait_until_the_step_is_done():
    policy = attrs.evolve(MERGE, inline_with_wait=True)
    played = play(program(step_against_sleep), 10_000, 1_000, policy=policy, watched=True)
    assert played.messages == {"flow": 1}
    assert played.times("run_completed") == [10_000]
    assert played.answer == 0


def test_the_timer_runs_beside_an_inline_body_where_it_has_a_message_of_its_own():
    policy = attrs.evolve(MESSAGE, inline_with_wait=True)
    played = play(program(step_against_sleep), 10_000, 1_000, policy=policy, watched=True)
    assert played.answer == 1
    assert played.times("run_completed") == [1_000]


DAY_MS = 86_400_000


@pytest.mark.parametrize("days", [1, 3])
def test_a_sleep_of_many_hops_has_messages_that_follow_each_other(days):
    # every hop is a delivery, and such a queue counts them all
    played = play(program(nap), days * DAY_MS, policy=FIXED, queue=QUEUES["hosted"])
    assert played.run.status == "completed"
    assert played.times("wait_completed") == [days * DAY_MS]
    assert played.messages["flow"] > 2 + days
    assert len(played.delivered) <= 10 + 96 * days


# --- where a completed wait comes from ---------------------------------------------------------


def test_a_local_push_saves_a_read_and_a_refresh_takes_one():
    local, refresh = (play(program(nap), policy=each) for each in (MERGE, REFRESH))
    assert local.types == refresh.types
    # The second delivery loads everything: run_created, run_started, wait_created.
    assert local.reads[0] == refresh.reads[0] == 3
    assert refresh.reads[1] == 1  # what it has written itself
    assert local.reads[1] == 4  # read after the step: the wait comes again and is dropped


def test_without_dedupe_a_locally_pushed_event_comes_twice_and_breaks_the_run():
    broken = play(program(nap), policy=attrs.evolve(MERGE, dedupe=False))
    assert (broken.run.status, broken.run.error_code) == ("failed", "RUNTIME_ERROR")
    assert play(program(nap)).run.status == "completed"


def test_a_cursor_that_moves_to_the_pushed_event_needs_no_dedupe():
    policy = attrs.evolve(MERGE, dedupe=False, cursor_move=True)
    played = play(program(nap), policy=policy)
    assert played.run.status == "completed"
    assert played.reads[:2] == [3, 3]  # created, started, completed: the wait does not come again


@pytest.mark.parametrize(("policy", "invocations"), [(MERGE, 3), (REFRESH, 2)])
def test_after_a_conflict_only_a_refresh_sees_the_completed_wait_at_once(policy, invocations):
    """R-38: the wait is completed, and this handler is told no more than that."""
    played = play(program(nap), policy=policy, around=Twin)
    assert played.run.status == "completed"
    assert played.invocations == invocations


class Twin(Wrapped):
    """Somebody else completes the wait just before this handler does."""

    async def create(self, run_id, fact):
        answer = await self.inner.create(run_id, fact)
        if fact.type == "wait_completed":
            raise EntityConflictError("it is completed already", reason="terminal")
        return answer


def test_a_wait_that_is_gone_with_its_run_is_no_fault_under_refresh():
    gone = {"wait_completed": [EntityNotFoundError("the run has ended, and its waits with it")]}
    policy = attrs.evolve(REFRESH, loop_errors=LoopErrors.FAIL_RUN)
    assert play(program(nap), policy=policy, errors=gone).run.status == "completed"
    policy = attrs.evolve(MERGE, loop_errors=LoopErrors.FAIL_RUN)
    gone = {"wait_completed": [EntityNotFoundError("the run has ended, and its waits with it")]}
    assert play(program(nap), policy=policy, errors=gone).run.error_code == "USER_ERROR"


def test_a_world_without_a_last_cursor_costs_full_reloads_and_a_note():
    world = WorldProfile(last_cursor=LastCursor.NULL)
    played = play(program(nap), world_profile=world)
    kept = play(program(nap))
    assert played.types == kept.types
    assert sum(played.reads) > sum(kept.reads)
    assert "the world broke the cursor contract" in [phrase for phrase, _ in played.notes]
    assert "the world broke the cursor contract" not in [phrase for phrase, _ in kept.notes]


# --- keys --------------------------------------------------------------------------------------


class StaleOnce(Wrapped):
    """The first read of the log misses its latest event."""

    fresh = False

    async def events(self, run_id, cursor=None):
        page = await self.inner.events(run_id, cursor)
        if self.fresh:
            return page
        self.fresh = True
        events = page.events[:-1]
        return Page(events, str(events[-1].position), has_more=False)


@pytest.mark.parametrize(
    ("key_policy", "status"), [(KeyPolicy.PLAIN, "running"), (KeyPolicy.EPOCH, "completed")]
)
def test_a_wake_that_misses_its_wait_queues_its_successor_only_under_epoch(key_policy, status):
    """R-18: under the plain key the wake's own message absorbs the next one."""
    policy = attrs.evolve(MESSAGE, key_policy=key_policy)
    played = play(program(nap), policy=policy, around=StaleOnce)
    assert played.run.status == status
    assert played.dropped == (1 if key_policy is KeyPolicy.PLAIN else 0)
