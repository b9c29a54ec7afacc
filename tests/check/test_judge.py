"""Judging: pure, one anomaly per law and place, each record to those who listen; and verdicts."""

from __future__ import annotations

import copy
import random

import pytest

from simworld.check import ALWAYS, LAWS, Law, judge, laws_named, verdict
from simworld.errors import UsageError
from simworld.records import (
    FAIL,
    PASS,
    UNKNOWN,
    Anomaly,
    BodyBegan,
    Committed,
    Crash,
    Record,
    Sent,
    Verdict,
)
from tests.check.build import Tape, context, healthy

ALL = tuple(LAWS.values())


def wreck() -> Tape:
    """A trial that breaks most laws, some of them in several places."""
    tape = Tape().opened("work#1", "work#2").run_created()
    tape.started("work#1").began("work#1").began("work#1").ends("work#1", "error")
    tape.failed("work#1", "fatal", "IndefiniteFailure").started("work#1").shows_step(attempt=9)
    tape.completed("work#2").retrying("work#2").crash("start/flow").hooked("hook#4").wakes("nap#5")
    tape.hooked("hook#6").disposed("hook#4").received("hook#4").sleeps("nap#5", 9).checked("a | b")
    tape.run_completed("wrong").received("hook#6").attrs_set().run_cancelled()
    return tape.run_failed("WorldError", "RUNTIME_ERROR").started("work#3")


def test_a_healthy_trial_breaks_no_law() -> None:
    tape = healthy()
    promises = context(exclusive_bodies=True, oracle=lambda log: "done")
    assert judge(ALL, promises, tape.records, tape.final()) == []
    assert len(tape.records) > 60


def test_judging_is_pure() -> None:
    tape, promises = wreck(), context(exclusive_bodies=True, max_retries=0, crashes_max=0)
    before = copy.deepcopy((tape.records, tape.final()))
    first = judge(ALL, promises, tape.records, tape.final())
    judge(ALL, promises, healthy().records, healthy().final())
    assert judge(ALL, promises, tape.records, tape.final()) == first
    assert (tape.records, tape.final()) == before
    assert {each.law for each in first} >= {
        *("I-01", "I-03", "I-05", "I-10", "I-11", "I-12", "I-13", "I-13a", "I-14", "I-21")
    }


def test_an_anomaly_does_not_depend_on_who_else_judges() -> None:
    tape, promises = wreck(), context(exclusive_bodies=True)
    together = judge(ALL, promises, tape.records, tape.final())
    for law in ALL:
        alone = judge([law], promises, tape.records, tape.final())
        assert alone == [each for each in together if each.law == law.id]


def test_one_anomaly_per_law_and_place() -> None:
    tape = Tape().opened("work#1", "work#2").works("work#1").works("work#2")
    first = tape.turn + 1
    tape.completed("work#1").completed("work#1").completed("work#2").completed("work#1")
    found = judge(laws_named(["I-05"]), context(), tape.records, tape.final())
    assert [(each.place, each.turn) for each in found] == [
        ("run/work#1", first),
        ("run/work#2", first + 2),
    ]


def test_anomalies_come_in_the_order_they_showed() -> None:
    tape = wreck()
    turns = [each.turn for each in judge(ALL, context(), tape.records, tape.final())]
    assert turns == sorted(turns)
    assert len(set(turns)) > 3


def test_messages_name_no_ids() -> None:
    tape = wreck()
    promises = context(exclusive_bodies=True, max_retries=0, crashes_max=0)
    for anomaly in judge(ALL, promises, tape.records, tape.final()):
        assert "wrun_" not in anomaly.message + anomaly.place
        assert "step_work" not in anomaly.message + anomaly.place


def listening(*keys: type | str) -> tuple[Law, list[Record]]:
    """A law that writes down what it is shown."""
    heard: list[Record] = []
    law = Law(
        id="X-01",
        title="hears",
        on=dict.fromkeys(keys, lambda state, record: state.append(record)),
        start=lambda context: heard,
    )
    return law, heard


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        (["step_started"], 3),
        ([BodyBegan], 3),
        ([BodyBegan, "step_started", "run_created"], 7),
        ([Committed], 12),
        ([Committed, "step_started"], 12),
        ([Crash], 0),
        ([Sent], 2),
        ([], 0),
    ],
)
def test_a_law_is_shown_what_it_listens_to(keys: list[type | str], count: int) -> None:
    tape = healthy(3)
    law, heard = listening(*keys)
    assert judge([law], context(), tape.records, tape.final()) == []
    by_hand = [each for each in tape.records if type(each) in keys or _event(each) in keys]
    assert heard == by_hand
    assert len(heard) == count


def _event(record: Record) -> str:
    return record.event.type if isinstance(record, Committed) else ""


def test_an_event_nobody_knows_is_shown_to_those_who_hear_all() -> None:
    tape = Tape().opened()
    last = tape.records[-1]
    assert isinstance(last, Committed)
    object.__setattr__(last.event, "type", "noop")
    (every, heard), (starts, silent) = listening(Committed), listening("step_started")
    judge([every, starts], context(), tape.records, tape.final())
    assert heard[-1] == last
    assert silent == []


@pytest.mark.parametrize("law", ALL, ids=lambda law: law.id)
def test_a_single_law_can_be_folded_by_hand(law: Law) -> None:
    """``Law.step`` is what the tables say: watching one law gives what judging gives."""
    tape, promises = wreck(), context(exclusive_bodies=True)
    state = law.start(promises)
    seen = [law.step(state, each) for each in tape.records]
    first: dict[str, Anomaly] = {}
    for each in [*seen, *law.end(state, tape.final())]:
        if each is not None:
            first.setdefault(each.place, each)
    assert list(first.values()) == judge([law], promises, tape.records, tape.final())
    assert {type(each) for each, what in zip(tape.records, seen, strict=True) if what} <= set(
        law.kinds
    )


def test_laws_do_not_mind_a_shuffled_trial() -> None:
    """Whatever a foreign engine records, the answer is anomalies, never an exception."""
    shuffler = random.Random(5)
    for _ in range(50):
        tape = wreck()
        shuffler.shuffle(tape.records)
        for log in tape.logs.values():
            shuffler.shuffle(log)
        found = judge(ALL, context(exclusive_bodies=True), tape.records, tape.final())
        assert {each.law for each in found} & {"I-01", "I-05", "I-10"}


# --- verdicts and names ---------------------------------------------------------------------------


def anomaly(law: str) -> Anomaly:
    return Anomaly(law, "broken", "it broke", "run", 7)


def test_the_primary_law_gives_the_verdict() -> None:
    broken = [anomaly("I-10"), anomaly("I-12")]
    assert verdict(broken, "I-12", True) == Verdict(FAIL, "I-12")
    assert verdict(broken, "I-14", True) == Verdict(FAIL, "I-10")


def test_a_broken_law_is_a_failure_even_before_the_end() -> None:
    assert verdict([anomaly("I-10")], "I-12", False) == Verdict(FAIL, "I-10")


def test_without_an_end_nobody_knows() -> None:
    assert verdict([], "I-12", True) == Verdict(PASS)
    unknown = verdict([], "I-12", False)
    assert (unknown.outcome, unknown.law) == (UNKNOWN, "")
    assert "turns_max" in unknown.reason


def test_laws_are_found_by_name() -> None:
    assert list(LAWS) == sorted(LAWS)
    assert all(law.id == name for name, law in LAWS.items())
    assert set(ALWAYS) <= set(LAWS)


def test_laws_named_keeps_the_order_and_drops_repetitions() -> None:
    found = laws_named(["I-12", *ALWAYS, "I-12", "I-10"])
    assert [each.id for each in found] == ["I-12", *ALWAYS]


def test_an_unknown_law_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError, match=r"unknown law 'I-113'.*did you mean.*I-13"):
        laws_named(["I-01", "I-113"])
