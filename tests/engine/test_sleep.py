"""Sleeps: when their ids are drawn, from which clock they count, whose end is believed (§3.9)."""

from __future__ import annotations

import datetime

import attrs
import pytest

from simworld.engine import (
    Completed,
    SleepClock,
    Winner,
    WorkflowClock,
    gather,
    now_ms,
    race,
    sleep,
)
from simworld.errors import UsageError
from tests.engine.journal import D0, D4, EPOCH_MS, POLICIES, Journal, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)
BY_WORKFLOW = attrs.evolve(D4, sleep_clock=SleepClock.WORKFLOW, clock=WorkflowClock.C1)
BY_HOST = attrs.evolve(BY_WORKFLOW, sleep_clock=SleepClock.HOST)


async def naps(duration):
    await sleep(duration)
    return "awake"


@both_deliveries
def test_a_sleep_suspends_until_it_is_completed(policy):
    journal = Journal(naps, 30_000)
    assert [(each.label, each.kind, each.created) for each in journal.run(policy).requests] == [
        ("sleep#1", "wait", False)
    ]
    journal.creates()
    assert journal.waits_for(policy) == ["sleep#1"]
    assert [each.created for each in journal.run(policy).requests] == [True]
    assert journal.wakes("sleep#1").outcome(policy) == Completed("awake")


def test_a_sleep_begins_where_it_is_called_not_where_it_is_awaited():
    async def flow():
        nap = sleep(10)
        await work("between")
        await nap

    requests = Journal(flow).run(now_ms=EPOCH_MS).requests
    assert [each.label for each in requests] == ["sleep#1", "work#2"]
    assert requests[0].resume_at_ms == EPOCH_MS + 10


def test_a_sleep_that_is_over_before_it_is_awaited_is_no_wait():
    async def flow():
        nap = sleep(10)
        await work("between")
        await nap
        return "done"

    journal = Journal(flow).creates().wakes("sleep#1")
    assert journal.waits_for() == ["work#2"]
    assert journal.completes("work#2").outcome() == Completed("done")


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        (0, 0),
        (1_500, 1_500),
        (datetime.timedelta(seconds=2), 2_000),
        (datetime.timedelta(days=30), 30 * 86_400_000),
        (datetime.timedelta(milliseconds=7, microseconds=900), 7),
    ],
)
def test_a_sleep_takes_milliseconds_or_a_timedelta(duration, ms):
    async def flow():
        await sleep(duration)

    (request,) = Journal(flow).run(now_ms=EPOCH_MS).requests
    assert request.resume_at_ms == EPOCH_MS + ms


@pytest.mark.parametrize(
    "duration", [-1, 1.5, "1s", None, datetime.timedelta(seconds=-1)], ids=repr
)
def test_other_durations_are_refused(duration):
    async def flow():
        await sleep(duration)

    result = Journal(flow).run()
    assert isinstance(result.outcome.error, UsageError)
    assert "sleep takes a whole number of milliseconds (≥ 0) or a timedelta, not " in str(
        result.outcome.error
    )
    assert result.requests == []


# --- from when it counts ----------------------------------------------------------------------


async def naps_after_work():
    await work()
    await sleep(1_000)


def test_the_hosts_clock_moves_a_deadline_that_is_not_recorded():
    """R-44: every pass before wait_created is seen works it out anew."""
    journal = Journal(naps_after_work).creates().completes("work#1")
    ends = [journal.run(BY_HOST, now_ms=now).requests[1].resume_at_ms for now in (5_000, 9_000)]
    assert ends == [6_000, 10_000]


def test_the_workflows_clock_does_not():
    journal = Journal(naps_after_work).creates().completes("work#1", at_ms=EPOCH_MS + 70)
    journal.add(journal.log[1].fact, at_ms=EPOCH_MS + 900)
    ends = [journal.run(BY_WORKFLOW, now_ms=now).requests[1].resume_at_ms for now in (0, 9_000)]
    assert ends == [EPOCH_MS + 70 + 1_000] * 2


def test_before_any_result_the_workflows_clock_is_the_start():
    (request,) = Journal(naps, 1_000).run(BY_WORKFLOW, now_ms=7).requests
    assert request.resume_at_ms == EPOCH_MS + 1_000


@both_deliveries
def test_a_recorded_end_is_believed_whatever_the_clock(policy):
    journal = Journal(naps, 1_000).creates(now_ms=EPOCH_MS)
    for now in (0, EPOCH_MS + 99_000):
        (request,) = journal.run(policy, now_ms=now).requests
        assert request.resume_at_ms == EPOCH_MS + 1_000


def test_a_sleep_does_not_move_the_clock_to_its_end_but_to_the_event():
    async def flow():
        await sleep(1_000)
        return now_ms()

    journal = Journal(flow).creates(now_ms=EPOCH_MS).wakes("sleep#1", at_ms=EPOCH_MS + 1_234)
    assert journal.outcome(BY_WORKFLOW) == Completed(EPOCH_MS + 1_234)


# --- with others ------------------------------------------------------------------------------


@both_deliveries
@pytest.mark.parametrize("first", ["work#1", "sleep#2"])
def test_a_race_with_a_timeout(policy, first):
    async def flow():
        winner = await race(work("slow"), sleep(100))
        return list(winner)

    journal = Journal(flow).creates()
    if first == "work#1":
        assert journal.completes("work#1", "result").outcome(policy) == Completed([0, "result"])
    else:
        assert journal.wakes("sleep#2").outcome(policy) == Completed([1, None])


def test_sleeps_are_gathered_and_end_in_the_order_of_the_log():
    woken = []

    async def nap(name, duration):
        await sleep(duration)
        woken.append(name)

    async def flow():
        await gather(nap("long", 50), nap("short", 10), sleep(20))

    journal = Journal(flow).creates().wakes("sleep#3").wakes("sleep#2").wakes("sleep#1")
    woken.clear()
    assert journal.outcome() == Completed(None)
    assert woken == ["short", "long"]


def test_a_sleep_can_be_raced_again():
    async def flow():
        deadline = sleep(1_000)
        for attempt in range(3):
            winner = await race(deadline, work(attempt))
            if winner == Winner(0, None):
                return attempt
        return None

    journal = Journal(flow).creates().completes("work#2").creates()
    assert journal.waits_for() == ["sleep#1", "work#3"]
    assert journal.wakes("sleep#1").outcome() == Completed(1)
