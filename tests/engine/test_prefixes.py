"""The contract of a pass (spec §5.1): a longer log never changes what was asked for before.

Hypothesis draws small workflows and the order in which their steps are created, completed and
failed; the log that comes of it is then replayed from each of its prefixes.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simworld.engine import (
    Completed,
    Failed,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepFailedError,
    StepRetrying,
    StepStarted,
    Suspension,
    encode,
    gather,
    race,
)
from tests.engine.journal import D0, D4, POLICIES, Journal, asked, error_bytes, new_requests, work

ROUNDS_MAX = 12


async def interpret(node):
    """Perform a drawn program; results flow into the arguments of later steps."""
    verb, *parts = node
    if verb == "step":
        return await work(*parts)
    if verb == "sequence":
        last = 0
        for part in parts:
            last = [await interpret(part), last]
        return await work("sum", last)
    if verb == "handles":
        handles = [work(number) for number in range(parts[0])]
        return [await handle for handle in reversed(handles)]
    if verb == "gather":
        return await gather(*[interpret(part) for part in parts])
    if verb == "race":
        winner = await race(*[interpret(part) for part in parts])
        return await work("won", winner.which, winner.value)
    try:
        return await interpret(parts[0])
    except StepFailedError as error:
        return await work("rescue", error.step)


def several(children):
    return st.lists(children, min_size=1, max_size=3)


LEAVES = st.one_of(
    st.builds(lambda number: ("step", number), st.integers(0, 9)),
    st.builds(lambda count: ("handles", count), st.integers(1, 3)),
)


def deeper(children):
    return st.one_of(
        *[
            st.builds(lambda parts, verb=verb: (verb, *parts), several(children))
            for verb in ("sequence", "gather", "race")
        ],
        st.builds(lambda part: ("try", part), children),
    )


PROGRAMS = deeper(deeper(LEAVES) | LEAVES)


def driven(data, function, *args):
    """The journal of a run in which steps are created and settle in drawn order."""
    journal = Journal(function, *args)
    results = itertools.count(100)
    for _ in range(ROUNDS_MAX):
        result = journal.run()
        if not isinstance(result.outcome, Suspension):
            break
        for request in data.draw(st.permutations(new_requests(result))):
            journal.add(StepCreated(request.correlation_id, "work", request.input))
        waiting = [request.correlation_id for request in result.outcome.requests]
        settling = data.draw(st.permutations(waiting))[: data.draw(st.integers(1, 3))]
        for step_id in settling:
            end = data.draw(st.sampled_from(["ok", "ok", "ok", "retried", "failed"]))
            journal.add(StepStarted(step_id, "work"))
            if end == "retried":
                journal.add(StepRetrying(step_id, error_bytes("error")))
                journal.add(StepStarted(step_id, "work"))
            if end == "failed":
                journal.add(StepFailed(step_id, error_bytes()))
            else:
                journal.add(StepCompleted(step_id, encode(next(results))))
    return journal


def violations(journal, policy):
    """Prefix lengths at which a pass unasks or changes what a shorter prefix had asked for."""
    found, before = [], []
    for length in range(1, len(journal.log) + 1):
        now = asked(journal.run(policy, upto=length))
        if now[: len(before)] != before:
            found.append(length)
        before = now
    return found


@given(program=PROGRAMS, data=st.data())
@settings(max_examples=60)
def test_a_longer_log_only_adds_requests(program, data):
    journal = driven(data, interpret, program)
    assert violations(journal, D4) == []
    assert violations(journal, D0) == []


@given(program=PROGRAMS, data=st.data())
@settings(max_examples=60)
def test_both_deliveries_agree_where_there_are_only_steps(program, data):
    journal = driven(data, interpret, program)
    for length in range(1, len(journal.log) + 1):
        one, other = (journal.run(policy, upto=length) for policy in (D0, D4))
        assert asked(one) == asked(other)
        assert type(one.outcome) is type(other.outcome)
        assert isinstance(one.outcome, Suspension | Completed | Failed)
        if isinstance(one.outcome, Completed):
            assert one.outcome == other.outcome


@given(program=PROGRAMS, data=st.data())
@settings(max_examples=40)
def test_a_suspension_lists_exactly_the_requests_without_a_terminal_event(program, data):
    journal = driven(data, interpret, program)
    ended = {
        event.correlation_id
        for event in journal.log
        if event.type in ("step_completed", "step_failed")
    }
    result = journal.run()
    if isinstance(result.outcome, Suspension):
        assert [each.correlation_id for each in result.outcome.requests] == [
            each.correlation_id for each in result.requests if each.correlation_id not in ended
        ]
    else:
        assert isinstance(result.outcome, Completed | Failed)


@pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)
def test_the_property_notices_a_workflow_that_is_no_function_of_its_log(policy):
    passes = itertools.count()

    async def fickle():
        await work(next(passes) % 2)
        await work("again")

    journal = Journal(fickle).creates().completes("work#1")
    assert violations(journal, policy) == [2, 3, 4, 5]
