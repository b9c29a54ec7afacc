"""What a pass tells of what it has given to the workflow: results, decisions, clock readings."""

from __future__ import annotations

import pytest

from simworld.campaign.generated import GENERATED
from simworld.engine import Pass, create_hook, gather, now_ms, race, sleep
from simworld.entropy import Stream
from tests.engine.generated_logs import drawn_pair
from tests.engine.journal import D0, D4, EPOCH_MS, POLICIES, Journal, work


def labels(result):
    return [each.label for each in result.handed]


async def two_steps():
    return await gather(work(1), work(2))


@pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)
def test_results_are_told_with_the_calls_they_were_given_to(policy):
    journal = Journal(two_steps, policy=policy).creates()
    assert labels(journal.run()) == []
    journal.completes("work#2").fails("work#1")
    assert labels(journal.run()) == ["work#2", "work#1"]


async def a_race():
    hook = create_hook("token")
    await hook
    late = sleep(1_000)
    return (await race(hook, work("raced"), late)).which


def event_of(journal, kind, number=-1):
    return [each.event_id for each in journal.log if each.type == kind][number]


@pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)
def test_a_race_is_told_with_its_branches_and_the_event_that_decided_it(policy):
    journal = Journal(a_race, policy=policy).creates().receives("hook#1").creates()
    assert journal.run().decisions == []
    journal.completes("work#3").receives("hook#1")
    (decision,) = journal.run().decisions
    assert (decision.race, decision.winner) == (1, 1)
    assert decision.event_id == event_of(journal, "step_completed")
    assert decision.called_id == event_of(journal, "hook_received", 0)
    ids = journal.ids
    assert decision.parts == ((ids["hook#1"], 2), (ids["work#3"], 0), (ids["sleep#2"], 0))


async def branches():
    async def both():
        return await gather(work(1), work(2))

    return (await race(both(), work(3))).which


def test_nobody_can_tell_when_a_composition_will_be_decided():
    journal = Journal(branches).creates().completes("work#2").completes("work#3")
    (decision,) = journal.run().decisions
    assert decision.parts == (("", 0), (journal.ids["work#1"], 0))
    assert (decision.winner, decision.event_id) == (0, event_of(journal, "step_completed"))


async def lets_go():
    hook = create_hook("token")
    first = race(hook, work("raced"))
    hook.dispose()
    return (await first).which


def test_a_hook_that_is_let_go_of_decides_nothing():
    """Payloads may still come, until its end is in the log, and nobody is given them."""
    journal = Journal(lets_go).creates().receives("hook#1").completes("work#2")
    (decision,) = journal.run().decisions
    assert decision.parts == (("", 0), (journal.ids["work#2"], 0))


async def fails_first():
    await race(work(1), work(2))


def test_a_branch_may_win_by_failing():
    journal = Journal(fails_first).creates().fails("work#2")
    assert [each.winner for each in journal.run().decisions] == [1]


async def called_late():
    first = work(1)
    await work(2)
    return (await race(first, work(3))).which


def test_a_race_that_does_not_wait_is_no_decision():
    """Its winner is the first argument that is done, and no event has decided that."""
    journal = Journal(called_late).creates().completes("work#1").completes("work#2")
    assert journal.output() == 0
    assert journal.run().decisions == []


async def reads():
    told = [now_ms()]
    await work("first")
    return [*told, now_ms(), now_ms()]


def test_readings_of_the_clock_are_told_in_order():
    journal = Journal(reads).creates().completes("work#1", at_ms=EPOCH_MS + 500)
    result = journal.run()
    assert list(result.readings) == result.outcome.output
    assert (len(result.readings), result.read_before) == (3, 0)


def test_a_retained_pass_tells_everything_once():
    seen = [0, 0, 0]
    for number in range(150):
        drawn = drawn_pair(number)
        cuts = Stream(number).fork("cuts")
        kept = Pass(GENERATED, drawn.identity, drawn.policy)
        told = [[], [], []]
        length = 1
        while True:
            result = kept.feed(drawn.log[:length], EPOCH_MS)
            assert result.read_before == len(told[2])
            given = [each.correlation_id for each in result.handed]
            for whole, more in zip(told, (given, result.decisions, result.readings), strict=True):
                whole.extend(more)
            if length == len(drawn.log):
                break
            length = min(len(drawn.log), length + 1 + cuts.below(4))
        kept.close()
        scratch = drawn.scratch(length, now_ms=EPOCH_MS)
        given = [each.correlation_id for each in scratch.handed]
        assert told == [given, list(scratch.decisions), list(scratch.readings)]
        seen = [count + len(each) for count, each in zip(seen, told, strict=True)]
    assert min(seen) > 100, seen
