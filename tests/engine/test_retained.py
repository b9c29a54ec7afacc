"""A retained pass is a pass from scratch (decisions §5.3), over drawn programs and drawn logs."""

from __future__ import annotations

import collections

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.campaign.generated import programs
from simworld.engine import (
    Delivery,
    Pass,
    SleepClock,
    StepCompleted,
    Suspension,
    WorkflowClock,
)
from simworld.entropy import Stream
from tests.engine.comparing_passes import (
    complaints,
    first_change,
    first_difference,
    wrong_end,
)
from tests.engine.generated_logs import EVENTS_MAX, POLICIES, Driver, drawn_pair

PAIRS = 1_000
PLANTED = 100
"""Pairs among which a planted bug must be found."""


@pytest.mark.slow
def test_retained_passes_agree_with_passes_from_scratch():
    assert [each for number in range(PAIRS) for each in complaints(number)] == []


@given(program=programs(), policy=st.sampled_from(POLICIES), seed=st.integers(0, 999))
@settings(max_examples=100)
def test_they_agree_on_what_hypothesis_draws(program, policy, seed):
    stream = Stream(seed)
    drawn = Driver(program, policy, stream.fork("log")).play()
    assert first_difference(drawn, stream.fork("cuts")) == ""
    assert first_change(drawn) == ""
    assert wrong_end(drawn) == ""


def test_they_agree_about_logs_that_are_not_legal():
    outcomes = collections.Counter()
    for number in range(300):
        drawn = mangled(drawn_pair(number), Stream(number).fork("mangled"))
        assert first_difference(drawn, Stream(number).fork("cuts")) == ""
        outcomes[type(drawn.scratch().outcome).__name__] += 1
    assert outcomes["Unconsumed"] > 30
    assert outcomes["Diverged"] > 3


def mangled(drawn, stream):
    """The pair with an event lost, repeated, exchanged for another, or under another's id.

    Sleeps go by the log, or else the message about a lost one would tell the host's time.
    """
    log = list(drawn.log)
    one, other = stream.between(1, len(log) - 1), stream.between(1, len(log) - 1)
    match stream.below(4):
        case 0:
            del log[one]
        case 1:
            log.insert(other, log[one])
        case 2:
            log[one], log[other] = log[other], log[one]
        case _:
            log[one] = attrs.evolve(log[one], correlation_id=log[other].correlation_id)
    policy = attrs.evolve(drawn.policy, sleep_clock=SleepClock.WORKFLOW)
    return attrs.evolve(drawn, log=log, policy=policy)


def test_d3_keeps_its_requests_as_well():
    """Its results are late, but in the order of the log; attributes are results, too."""
    for number in range(PLANTED):
        drawn = drawn_pair(number)
        policy = attrs.evolve(drawn.policy, delivery=Delivery.D3)
        assert first_change(attrs.evolve(drawn, policy=policy)) == ""


# --- the generator is worth something -------------------------------------------------------------


def test_the_drawn_logs_hold_everything_that_may_happen_and_nearly_all_end():
    kinds, ended, crowded = collections.Counter(), 0, 0
    for number in range(PLANTED):
        log = drawn_pair(number).log
        kinds.update(each.type for each in log)
        ended += log[-1].type == "run_completed"
        crowded += len(log) > 20
        assert len(log) < EVENTS_MAX + 50
    assert ended >= 0.95 * PLANTED
    assert crowded >= 0.4 * PLANTED
    expected = """
        run_created run_started run_completed step_created step_started step_retrying step_completed
        step_failed hook_created hook_received hook_disposed hook_conflict wait_created
        wait_completed attr_set
    """
    assert sorted(kinds) == sorted(expected.split())


def test_equal_numbers_are_equal_pairs():
    assert drawn_pair(3) == drawn_pair(3)
    assert len({str(drawn_pair(number).program) for number in range(20)}) > 15


# --- planted bugs ---------------------------------------------------------------------------------


class Skipping(Pass):
    """Does not see the first event of a chunk."""

    def feed(self, log, now_ms=0):
        if 0 < self._consumer.index < len(log):
            self._consumer.index += 1
        return super().feed(log, now_ms)


class Peeking(Pass):
    """Sets its clock by the end of a chunk, before the chunk is handed over."""

    def feed(self, log, now_ms=0):
        if self._consumer.index:
            self._loop.now_ms = max(self._loop.now_ms, log[-1].created_at_ms)
        return super().feed(log, now_ms)


class Reordering(Pass):
    """Forgets the order of the code: what is created goes to the end."""

    def feed(self, log, now_ms=0):
        waiting = self._loop.open
        for request in [each for each in waiting.values() if each.created]:
            waiting[request.correlation_id] = waiting.pop(request.correlation_id)
        return super().feed(log, now_ms)


def found(make=Pass, **knobs):
    """Pairs that a check complains about, of so many."""
    differing = changing = 0
    for number in range(PLANTED):
        drawn = drawn_pair(number)
        drawn = attrs.evolve(drawn, policy=attrs.evolve(drawn.policy, **knobs))
        differing += first_difference(drawn, Stream(number).fork("cuts"), make) != ""
        changing += first_change(drawn) != ""
    return differing, changing


@pytest.mark.parametrize("make", [Skipping, Peeking, Reordering])
def test_a_broken_retained_pass_is_found(make):
    differing, _ = found(make)
    assert differing >= 20


def test_passes_that_may_not_be_retained_are_found():
    """Under D0 results overtake one another; under C0 the clock has run ahead of them."""
    differing, changing = found(delivery=Delivery.D0)
    assert min(differing, changing) >= 3
    _, changing = found(delivery=Delivery.D0, clock=WorkflowClock.C0)
    assert changing >= 10


class Ahead:
    """A pass that is fed every result of a step before it is recorded."""

    def __init__(self, *args):
        self.args = args
        self.inner = Pass(*args)
        self.decisions, self.counts = [], collections.Counter()
        self.length = 0

    def feed(self, log, now_ms):
        is_new, self.length = len(log) > self.length, len(log)
        if is_new and isinstance(log[-1].fact, StepCompleted):
            known = list(log[:-1])
            result = self.inner.feed(known, now_ms)
            self.decisions += result.decisions
            if isinstance(result.outcome, Suspension):
                ahead = self.inner.feed_ahead(known, log[-1].fact, now_ms)
                assert known == log[:-1]
                self.counts[ahead is not None] += 1
                if ahead is not None:
                    result = self.inner.settle(ahead, log[-1])
                    self.decisions += result.decisions
                    return result
            self.close()
            self.inner, self.decisions = Pass(*self.args), []
        result = self.inner.feed(log, now_ms)
        self.decisions += result.decisions
        return result

    def close(self):
        self.inner.close()


def test_a_pass_that_has_gone_ahead_agrees_with_passes_from_scratch():
    counts, raced = collections.Counter(), 0
    for number in range(250):
        drawn, made = drawn_pair(number), []

        def make(*args, made=made):
            made.append(Ahead(*args))
            return made[0]

        fed = []
        told = first_difference(drawn, Stream(number).fork("cuts"), fed_by(make, fed))
        assert told == "", f"pair {number}"
        assert made[0].decisions == list(drawn.scratch(len(fed[-1])).decisions), f"pair {number}"
        counts += made[0].counts
        raced += bool(made[0].decisions)
    assert counts[True] > 50
    assert counts[False] > 10  # they have asked for the time
    assert raced > 10


def fed_by(make, fed):
    """``make``, with every log that it is fed noted in ``fed``."""

    class Noted:
        def __init__(self, *args):
            self.inner = make(*args)
            self.close = self.inner.close

        def feed(self, log, now_ms):
            fed.append(log)
            return self.inner.feed(log, now_ms)

    return Noted
