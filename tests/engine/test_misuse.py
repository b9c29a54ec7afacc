"""What authors get wrong, and what they are told."""

from __future__ import annotations

import pytest

from simworld.engine import (
    create_abort,
    create_hook,
    create_webhook,
    gather,
    get_writable,
    now_ms,
    race,
    random,
    set_attributes,
    sleep,
    step,
    uuid,
)
from simworld.errors import UsageError
from tests.engine.journal import Journal, work


async def parallel(count):
    return await gather(*[work(number) for number in range(count)])


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        (sleep, (5,)),
        (now_ms, ()),
        (random, ()),
        (uuid, ()),
        (create_hook, ()),
        (create_webhook, ()),
        (create_abort, ()),
        (get_writable, ()),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_verbs_outside_a_workflow_are_refused(verb, arguments):
    with pytest.raises(UsageError) as caught:
        verb(*arguments)
    assert str(caught.value).startswith(f"{verb.__name__} was called outside a workflow: only a")
    assert "a step body uses the verbs of its context" in str(caught.value)


def test_attributes_outside_a_workflow_are_refused():
    with pytest.raises(UsageError, match="set_attributes was called outside a workflow"):
        set_attributes(colour="red")


def test_steps_and_branches_outside_a_workflow_are_refused():
    Journal(parallel, 1).run()  # a pass that is over leaves nothing behind
    with pytest.raises(UsageError, match="step work was called outside a workflow"):
        work(1)

    async def branch():
        pass

    for verb in (gather, race):
        coroutine = branch()
        with pytest.raises(UsageError, match=f"{verb.__name__} outside a workflow"):
            verb(coroutine)
        coroutine.close()


@pytest.mark.parametrize("verb", [gather, race])
def test_only_handles_and_coroutines_can_be_gathered_or_raced(verb):
    async def flow():
        await verb(work(1), 7)

    error = Journal(flow).outcome().error
    assert isinstance(error, UsageError)
    assert f"{verb.__name__} takes steps, sleeps, hooks and coroutines, not int" in str(error)


class Foreign:
    """Something that another event loop would understand."""

    def __await__(self):
        yield object()


async def foreign_directly():
    await Foreign()  # the line a user must be told


async def foreign_in_a_branch():
    await gather(work(1), foreign_directly())


@pytest.mark.parametrize("function", [foreign_directly, foreign_in_a_branch])
def test_a_foreign_await_names_its_line(function):
    with pytest.raises(UsageError) as caught:
        Journal(function).outcome()
    line = foreign_directly.__code__.co_firstlineno + 1
    assert str(caught.value).startswith(f"{__file__}:{line} awaits object, ")


def test_a_step_of_another_name_is_another_request():
    @step(name="other")
    async def same_function_other_name(ctx):
        pass

    async def flow():
        await gather(work(), same_function_other_name(), work())

    journal = Journal(flow, steps=(work, same_function_other_name)).creates()
    assert journal.waits_for() == ["work#1", "other#2", "work#3"]
    assert [each.step_name for each in journal.run().requests] == ["work", "other", "work"]
