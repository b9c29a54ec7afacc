"""Bugs of the engine that a review found and that must not come back."""

from __future__ import annotations

import gc
import sys

import pytest

from simworld.engine import (
    Failed,
    StepFailedError,
    create_hook,
    encode,
    encode_error,
    gather,
    race,
    sleep,
)
from simworld.errors import UsageError
from tests.engine.journal import D0, D4, POLICIES, Journal, work
from tests.engine.test_prefixes import violations

# --- passes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), (1, 2, 3)], ids=["too few", "too many"])
def test_arguments_that_do_not_fit_the_workflow_are_its_failure(arguments):
    """A TypeError let out of ``run_pass`` would make the handler throw for ever."""

    async def flow(only):
        await work(only)

    outcome = Journal(flow, *arguments).outcome()
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, TypeError)


class Foreign:
    """Something that another event loop would understand."""

    def __await__(self):
        yield object()


async def helper():
    await Foreign()  # the line a user must be told


async def calls_a_helper():
    await helper()


async def awaits_the_helper_in_a_branch():
    await gather(calls_a_helper())


@pytest.mark.parametrize("function", [calls_a_helper, awaits_the_helper_in_a_branch])
def test_a_foreign_await_in_a_helper_names_the_helpers_line(function):
    """Not that of the function which awaits the helper."""
    with pytest.raises(UsageError) as caught:
        Journal(function).outcome()
    line = helper.__code__.co_firstlineno + 1
    assert str(caught.value).startswith(f"{__file__}:{line} awaits object")


def test_a_workflow_cannot_hide_a_foreign_await():
    """``except Exception`` around a branch is the workflow's, the mistake is its author's."""

    async def hides():
        try:
            await gather(calls_a_helper())
        except Exception:
            return "hidden"

    with pytest.raises(UsageError, match="awaits object"):
        Journal(hides).outcome()


def test_a_steps_input_is_what_it_was_called_with():
    """A list that is changed after the call does not rewrite the request (spec §5.1, I-16)."""

    async def flow():
        items = [1]
        first = work(items)
        await work("other")
        items.append(2)
        await first

    journal = Journal(flow).creates().completes("work#2")
    assert violations(journal, D4) == []


def test_finally_blocks_that_wait_again_and_again_close_silently(monkeypatch):
    """``close`` closes each coroutine once; what still waits then complains when it is freed."""
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: complaints.append(str(it.exc_value)))

    async def flow():
        one, two = work(1), work(2)
        try:
            try:
                await work(3)
            finally:
                await one
        finally:
            await two

    journal = Journal(flow)
    journal.run()
    gc.collect()
    assert complaints == []


async def failing_step():
    await work(1)


async def caught_in_a_branch():
    try:
        await gather(failing_step(), work(2))
    except StepFailedError:
        await race(create_hook("t"), gather(failing_step()), sleep(5))


async def conflicting_hook():
    await create_hook("t")


async def raising():
    raise ValueError


def broken_step(journal):
    return journal.creates().fails("work#2").creates()


def lost_token(journal):
    return journal.conflicts()


def untouched(journal):
    return journal


@pytest.mark.parametrize(
    ("function", "happens"),
    [
        (raising, untouched),
        (caught_in_a_branch, untouched),
        (caught_in_a_branch, broken_step),
        (conflicting_hook, lost_token),
    ],
)
@pytest.mark.parametrize("policy", [D0, D4], ids=POLICIES)
def test_a_pass_that_is_over_leaves_nothing_to_the_garbage_collector(function, happens, policy):
    """Trials run without it: errors and joined futures of a pass know each other in circles."""
    journal = happens(Journal(function))
    journal.run(policy)
    gc.collect()
    gc.disable()
    try:
        journal.run(policy)
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- the payload codec ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [[{1, 2}], {"key": frozenset({1})}, [[], {"argument": {1}}]],
    ids=["in a list", "in a dict", "as a step's argument"],
)
def test_a_set_inside_a_value_is_refused_too(value):
    """Only the outermost value is looked at, and arguments are never outermost."""
    with pytest.raises(UsageError, match="use a sorted list"):
        encode(value)


@pytest.mark.parametrize(
    "value",
    [2**64, -(2**63) - 1, "\ud800"],
    ids=["large int", "small int", "lone surrogate"],
)
def test_what_does_not_come_back_as_it_was_is_refused(value):
    """Overflow and Unicode errors escape."""
    with pytest.raises(UsageError):
        encode(value)


def test_a_value_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(UsageError):
        encode(value)


def test_an_error_whose_text_is_no_utf_8_can_be_recorded():
    """File names with stray bytes get into messages of OSErrors; the executor then throws."""
    assert encode_error(OSError("no such file: caf\udce9"), kind="error")
