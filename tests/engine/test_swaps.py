"""Decisions on a log that is no prefix of the durable one: ids change hands (R-46, R-50).

The stale log misses one event that the durable one has.  Under positional ids both passes give the
same id to different steps; ids by call site do not.
"""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    Completed,
    Diverged,
    IdScheme,
    Seed,
    Suspension,
    Unconsumed,
    gather,
    race,
    sleep,
    step,
)
from tests.engine.journal import D4, Journal, work

POSITIONAL = [
    attrs.evolve(D4, ids=each)
    for each in (IdScheme.MONOTONIC, IdScheme.FRESH_RANDOM, IdScheme.PER_KIND)
]
BY_CALL_SITE = attrs.evolve(D4, ids=IdScheme.CALL_SITE, seed=Seed.RUN_ID)
positional = pytest.mark.parametrize("policy", POSITIONAL, ids=lambda each: each.ids)


@step
async def notify(ctx):
    """What the workflow does when it has waited too long."""


async def settle_or_watchdog(name_differs):
    settled = (await race(work("settle"), sleep(100))).which == 0
    if settled:
        return await work("settled")
    return await (notify() if name_differs else work("watchdog"))


async def two_launches():
    async def branch(name):
        await work("launch", name)
        await work("final", name)

    await gather(branch("a"), branch("b"))


def without(journal, event_type, label):
    """The same run for somebody who has not read one of its events."""
    stale = Journal(journal.program.workflow, steps=list(journal.program.steps.values()))
    stale.log = [
        each
        for each in journal.log
        if (each.type, each.correlation_id) != (event_type, journal.ids[label])
    ]
    return stale


def settled_first(policy, *, name_differs):
    """The durable log, and what somebody reads who misses that the step has settled it."""
    journal = Journal(settle_or_watchdog, name_differs, steps=(work, notify), policy=policy)
    journal.creates().completes("work#1").wakes("sleep#2")
    return journal, without(journal, "step_completed", "work#1")


def launched(policy):
    """The durable log, and what somebody reads who misses that the first launch is over."""
    journal = Journal(two_launches, policy=policy).creates()
    journal.completes("work#1").completes("work#2")
    return journal, without(journal, "step_completed", "work#1")


def holders(journals, policy):
    """Whose id each step has in the one pass and in the other; only ids that both know."""
    one, other = (
        {
            each.correlation_id: each.input
            for each in journal.run(policy).requests
            if each.kind == "step"
        }
        for journal in journals
    )
    return [(one[each], other[each]) for each in one if each in other]


@positional
@pytest.mark.parametrize(
    "logs",
    [lambda policy: settled_first(policy, name_differs=False), launched],
    ids=["R-46", "R-50"],
)
def test_positional_ids_go_to_another_step(logs, policy):
    assert any(one != other for one, other in holders(logs(policy), policy))
    assert all(one == other for one, other in holders(logs(BY_CALL_SITE), BY_CALL_SITE))


@positional
def test_a_result_goes_silently_to_the_wrong_call(policy):
    """I-19: nothing fails, and the watchdog's caller is told what the other step returned."""
    journal, _ = settled_first(policy, name_differs=False)
    journal.creates().completes("work#3", "the result of settled")
    stale = without(journal, "step_completed", "work#1")
    assert stale.calls(policy)[1] == ("watchdog",)
    assert stale.outcome(policy) == Completed("the result of settled")


def test_by_call_site_the_same_log_is_refused():
    journal, _ = settled_first(BY_CALL_SITE, name_differs=False)
    journal.creates().completes("work#3", "the result of settled")
    stale = without(journal, "step_completed", "work#1")
    assert isinstance(stale.outcome(BY_CALL_SITE), Unconsumed)


@positional
def test_validation_sees_the_swap_where_the_names_differ(policy):
    journal, _ = settled_first(policy, name_differs=True)
    journal.creates().completes("work#3")
    stale = without(journal, "step_completed", "work#1")
    outcome = stale.outcome(attrs.evolve(policy, validate=True))
    assert isinstance(outcome, Diverged)
    assert "step 'work'; in this pass: step 'notify' (notify#3)" in outcome.message


def test_who_reads_the_whole_log_agrees_again():
    """R-53: what a stale read spoils, a fresh one heals; nothing in the log is wrong."""
    journal, _ = settled_first(BY_CALL_SITE, name_differs=False)
    journal.creates()
    stale = without(journal, "step_completed", "work#1")
    assert isinstance(stale.outcome(BY_CALL_SITE), Unconsumed)
    assert isinstance(journal.outcome(BY_CALL_SITE), Suspension)
