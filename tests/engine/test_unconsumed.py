"""Events that nobody asked for, and events that mean something else (spec §5.2, §5.5, R-53)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    AttrSet,
    Completed,
    Diverged,
    EnginePolicy,
    HookConflict,
    HookCreated,
    HookReceived,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepStarted,
    Suspension,
    Unconsumed,
    UnconsumedEvents,
    WaitCompleted,
    WaitCreated,
    create_hook,
    encode,
    gather,
    sleep,
)
from tests.engine.journal import D0, D4, POLICIES, Journal, error_bytes, work

both_deliveries = pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)
U0, U1, U2, U3 = (attrs.evolve(D4, unconsumed=each) for each in UnconsumedEvents)
EVERY_RULE = {each.unconsumed: each for each in (U0, U1, U2, U3)}


async def everything():
    return await gather(work("a"), sleep(10), create_hook("t"))


def begun():
    """A run that has asked for a step, a sleep and a hook, all of them recorded."""
    return Journal(everything).creates()


def fatal(journal):
    """The rules under which the log's last event ends the pass."""
    found = []
    for rule, policy in EVERY_RULE.items():
        outcome = journal.outcome(policy)
        if isinstance(outcome, Unconsumed):
            assert outcome.event_id == journal.log[-1].event_id
            found.append(rule.value)
        else:
            assert isinstance(outcome, Suspension)
    return found


# --- who is strict about what -----------------------------------------------------------------


def test_what_everybody_asked_for_troubles_nobody():
    assert fatal(begun()) == []


@pytest.mark.parametrize(
    "fact",
    [
        StepCreated("step_unknown", "work", b""),
        WaitCreated("wait_unknown", 5),
        HookCreated("hook_unknown", "t"),
        HookConflict("hook_unknown", "t", "wrun_7"),
    ],
    ids=lambda fact: fact.type,
)
def test_a_creation_nobody_asked_for_troubles_all_but_the_draft(fact):
    """Which skips what its own creation explains, and so accepts a corrupt log."""
    assert fatal(begun().add(fact)) == ["U0", "U2", "U3"]


@pytest.mark.parametrize(
    ("creation", "fact"),
    [
        (StepCreated("step_unknown", "work", b""), StepStarted("step_unknown", "work")),
        (StepCreated("step_unknown", "work", b""), StepCompleted("step_unknown", encode(1))),
        (WaitCreated("wait_unknown", 5), WaitCompleted("wait_unknown", 5)),
        (HookCreated("hook_unknown", "t"), HookReceived("hook_unknown", "t", encode(1))),
    ],
    ids=lambda fact: fact.type,
)
def test_later_events_nobody_asked_for_trouble_even_the_draft_without_a_creation(creation, fact):
    assert fatal(begun().add(fact)) == ["U0", "U1", "U2", "U3"]
    journal = begun().add(creation).add(fact)
    assert isinstance(journal.outcome(U1), Suspension)


def test_a_conflict_of_a_hook_that_was_created_is_none():
    journal = begun()
    journal.add(HookConflict(journal.ids["hook#3"], "t", "wrun_7"))
    assert fatal(journal) == ["U0", "U2", "U3"]


def test_attributes_nobody_asked_for_trouble_everybody():
    assert fatal(begun().add(AttrSet("attr_unknown", encode({})))) == ["U0", "U1", "U2", "U3"]


@pytest.mark.parametrize(
    "again",
    [
        lambda journal: journal.add(StepCreated(journal.ids["work#1"], "work", b"")),
        lambda journal: journal.add(WaitCreated(journal.ids["sleep#2"], 10)),
        lambda journal: journal.add(HookCreated(journal.ids["hook#3"], "t")),
        lambda journal: journal.wakes("sleep#2").wakes("sleep#2"),
        lambda journal: journal.disposes("hook#3").disposes("hook#3"),
        lambda journal: journal.completes("work#1").add(
            StepCompleted(journal.ids["work#1"], encode(None))
        ),
    ],
    ids=["step_created", "wait_created", "hook_created", "wait_completed", "disposed", "completed"],
)
def test_what_the_log_says_twice_troubles_neither_the_draft_nor_the_last_rule(again):
    assert fatal(again(begun())) == ["U0", "U2"]


@pytest.mark.parametrize(
    "late",
    [
        lambda journal: journal.completes("work#1").add(
            StepFailed(journal.ids["work#1"], error_bytes())
        ),
        lambda journal: journal.disposes("hook#3").receives("hook#3"),
        lambda journal: journal.receives("hook#3").disposes("hook#3").receives("hook#3"),
    ],
    ids=["another end", "late payload", "late second payload"],
)
def test_what_comes_too_late_is_no_repetition(late):
    """R-26: a payload that nobody will ever see must not be passed over as a duplicate."""
    assert fatal(late(begun())) == ["U0", "U2", "U3"]


@pytest.mark.parametrize("rule", [U1, U3], ids=["U1", "U3"])
def test_the_pass_goes_on_behind_what_it_skips(rule):
    journal = begun().wakes("sleep#2").wakes("sleep#2").completes("work#1", "a")
    journal.receives("hook#3", "p")
    assert journal.outcome(rule) == Completed(["a", None, "p"])
    assert isinstance(journal.outcome(U0), Unconsumed)


def test_the_draft_loses_the_result_of_a_step_that_is_asked_for_later():
    """R-53: skipping hides corruption; here the step never gets its result."""

    async def flow():
        await work("first")
        return await work("second")

    right = Journal(flow).creates().completes("work#1").creates().completes("work#2", 7)
    assert right.outcome(U1) == Completed(7)
    wrong = Journal(flow)
    wrong.log = right.log[:3] + right.log[5:] + right.log[3:5]
    assert wrong.waits_for(U1) == ["work#2"]
    assert isinstance(wrong.outcome(U2), Unconsumed)


# --- what the author is told ------------------------------------------------------------------


@both_deliveries
def test_the_message_names_the_event_and_what_the_pass_asks_for(policy):
    journal = begun().add(StepCreated("step_unknown", "charge", b""))
    outcome = journal.outcome(policy)
    ids = journal.ids
    assert outcome == Unconsumed(
        "evnt_6",
        "event 6 of the log is step_created charge (step_unknown), and nobody in this pass takes "
        f"it: this pass asks for work#1 ({ids['work#1']}), sleep#2 ({ids['sleep#2']}), hook#3 "
        f"({ids['hook#3']}); the code or its order of calls has changed, or the log was read in "
        "another order",
    )


@both_deliveries
def test_the_message_says_who_has_all_it_needs(policy):
    journal = begun().wakes("sleep#2").wakes("sleep#2")
    assert "nobody in this pass takes it: sleep#2 has all it needs" in (
        journal.outcome(policy).message
    )


def test_an_event_of_another_kind_is_unconsumed():
    journal = begun()
    journal.add(WaitCompleted(journal.ids["work#1"]))
    assert fatal(journal) == ["U0", "U2", "U3"]


def test_a_result_in_time_makes_the_run_and_an_unconsumed_event_behind_it_does_not_matter():
    async def flow():
        return await work()

    journal = Journal(flow).creates().completes("work#1", 1).completes("work#1", 1)
    assert journal.outcome() == Completed(1)


# --- the log means something else -------------------------------------------------------------

VALIDATED = EnginePolicy(validate=True)


def with_fact(number, **changes):
    """A begun run whose event ``number`` says something else."""
    journal = begun().wakes("sleep#2")
    event = journal.log[number - 1]
    journal.log[number - 1] = attrs.evolve(event, fact=attrs.evolve(event.fact, **changes))
    return journal


@pytest.mark.parametrize("delivery", [D0, D4], ids=POLICIES)
@pytest.mark.parametrize(
    ("number", "changes", "told", "asked"),
    [
        (3, {"step_name": "refund"}, "step 'refund'", "step 'work' (work#1)"),
        (5, {"token": "u"}, "hook 'u'", "hook 't' (hook#3)"),
        (6, {"resume_at_ms": 99}, "wait '99'", "wait '10' (sleep#2)"),
    ],
    ids=["name", "token", "resume_at"],
)
def test_validation_tells_both_sides(delivery, number, changes, told, asked):
    journal = with_fact(number, **changes)
    event = journal.log[number - 1]
    assert journal.outcome(attrs.evolve(delivery, validate=True)) == Diverged(
        event.event_id,
        f"{event.correlation_id} is, in the log (event {number}, {event.type}): {told}; "
        f"in this pass: {asked}",
    )
    assert isinstance(journal.outcome(delivery), Suspension)


@pytest.mark.parametrize("fact", [StepStarted, StepCreated], ids=lambda fact: fact.type)
def test_every_event_that_names_a_step_is_compared(fact):
    journal = begun()
    fields = {"input": b""} if fact is StepCreated else {}
    journal.add(fact(journal.ids["work#1"], "refund", **fields))
    outcome = journal.outcome(VALIDATED)
    assert isinstance(outcome, Diverged)
    assert "step 'refund'; in this pass: step 'work' (work#1)" in outcome.message


def test_a_payload_under_another_token_diverges():
    journal = begun()
    journal.add(HookReceived(journal.ids["hook#3"], "u", encode(1)))
    assert "hook 'u'; in this pass: hook 't' (hook#3)" in journal.outcome(VALIDATED).message


def test_an_event_of_another_kind_diverges():
    journal = begun()
    journal.add(WaitCompleted(journal.ids["work#1"]))
    message = journal.outcome(VALIDATED).message
    assert "wait_completed): wait; in this pass: step (work#1)" in message


def test_an_end_that_is_not_told_is_not_compared():
    journal = begun()
    journal.add(WaitCompleted(journal.ids["sleep#2"]))
    assert journal.waits_for(VALIDATED) == ["work#1", "hook#3"]


def test_validation_finds_nothing_in_a_right_log():
    journal = begun().wakes("sleep#2").receives("hook#3", 1).completes("work#1", 2)
    assert journal.outcome(VALIDATED) == Completed([2, None, 1])
