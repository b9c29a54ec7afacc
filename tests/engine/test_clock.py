"""The clock that workflow code reads (spec §5.4, R-43)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    Completed,
    Delivery,
    Seed,
    WorkflowClock,
    create_hook,
    gather,
    now_ms,
    run_pass,
    set_attributes,
    sleep,
)
from tests.engine.journal import D0, D4, EPOCH_MS, Journal, work

C0 = attrs.evolve(D4, clock=WorkflowClock.C0)
C1 = attrs.evolve(D4, clock=WorkflowClock.C1)
every_clock = pytest.mark.parametrize("policy", [C0, C1], ids=["C0", "C1"])


async def reads_twice():
    first = now_ms()
    await work()
    return [first, now_ms()]


@every_clock
def test_it_begins_with_the_run_and_a_result_moves_it_to_its_event(policy):
    journal = Journal(reads_twice).creates().completes("work#1", at_ms=EPOCH_MS + 500)
    assert journal.outcome(policy) == Completed([EPOCH_MS, EPOCH_MS + 500])


@every_clock
@pytest.mark.parametrize(("seed", "begins"), [(Seed.STARTED_AT, 700), (Seed.RUN_ID, 300)])
def test_it_begins_where_the_seed_says(policy, seed, begins):
    async def flow():
        return now_ms()

    journal = Journal(flow)
    identity = attrs.evolve(journal.identity, started_at_ms=700, created_at_ms=300)
    result = run_pass(journal.program, identity, journal.log, attrs.evolve(policy, seed=seed))
    assert result.outcome == Completed(begins)


@every_clock
def test_it_stands_still_while_the_workflow_runs(policy):
    async def flow():
        work()
        first = now_ms()
        await gather(work(), set_attributes(a=1))
        return [first, now_ms(), now_ms()]

    journal = Journal(flow).creates().completes("work#1", at_ms=EPOCH_MS + 90)
    first, *rest = journal.completes("work#2", at_ms=EPOCH_MS + 95).output(policy)
    assert (first, rest) == (EPOCH_MS, [EPOCH_MS + 95] * 2)


@pytest.mark.parametrize("delivery", [Delivery.D0, Delivery.D1, Delivery.D2, Delivery.D3])
def test_a_peeked_event_moves_it_under_c0_only(delivery):
    """R-43: a longer prefix changes what an earlier continuation reads."""

    async def flow():
        hook = create_hook("t")
        await work("first")
        await work(now_ms())
        await hook

    journal = Journal(flow).creates().completes("work#2", at_ms=EPOCH_MS + 100)
    longer = len(journal.receives("hook#1", at_ms=EPOCH_MS + 60_000).log)
    read = {
        clock: [
            journal.calls(attrs.evolve(D0, delivery=delivery, clock=clock), upto=longer - missing)[
                1
            ]
            for missing in (1, 0)
        ]
        for clock in WorkflowClock
    }
    assert read == {
        WorkflowClock.C0: [(EPOCH_MS + 100,), (EPOCH_MS + 60_000,)],
        WorkflowClock.C1: [(EPOCH_MS + 100,)] * 2,
    }


def test_what_is_no_result_moves_it_under_c0_only():
    async def flow():
        await set_attributes(a=1)
        return now_ms()

    journal = Journal(flow).creates()
    assert journal.output(C0) == journal.log[-1].created_at_ms
    assert journal.output(C1) == EPOCH_MS


def test_it_never_goes_back_under_c1():
    async def flow():
        await work()
        first = now_ms()
        await work()
        return [first, now_ms()]

    journal = Journal(flow).creates().completes("work#1", at_ms=EPOCH_MS + 80)
    journal.creates().completes("work#2", at_ms=EPOCH_MS + 50)  # a host whose clock is behind
    assert journal.output(C1) == [EPOCH_MS + 80] * 2
    assert journal.output(C0) == [EPOCH_MS + 80, EPOCH_MS + 50]


@every_clock
def test_payloads_and_sleeps_move_it_too(policy):
    async def flow():
        await create_hook("t")
        first = now_ms()
        await sleep(5)
        return [first, now_ms()]

    journal = Journal(flow).creates().receives("hook#1", at_ms=EPOCH_MS + 40).creates()
    journal.wakes("sleep#2", at_ms=EPOCH_MS + 60)
    assert journal.output(policy) == [EPOCH_MS + 40, EPOCH_MS + 60]
