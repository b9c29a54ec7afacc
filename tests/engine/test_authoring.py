"""What a workflow author imports: the decorators, programs and the two errors of a step."""

from __future__ import annotations

import datetime

import pytest

from simworld.engine import (
    FatalError,
    Program,
    RetryableError,
    Step,
    Workflow,
    step,
    workflow,
)
from simworld.errors import UsageError


async def body(ctx):
    """A step's body."""


def test_a_plain_step_is_named_after_its_function_and_tries_four_times():
    made = step(body)
    assert isinstance(made, Step)
    assert (made.name, made.max_retries, made.function) == ("body", 3, body)


def test_a_step_with_arguments():
    made = step(max_retries=0, name="other")(body)
    assert (made.name, made.max_retries, made.function) == ("other", 0, body)
    assert step(max_retries=7)(body).name == "body"


def test_negative_retries_are_refused():
    with pytest.raises(UsageError, match="max_retries of step … cannot be negative: -1"):
        step(max_retries=-1)


@pytest.mark.parametrize("name", ["a/b", "a~2", "a#1"])
def test_names_that_would_break_a_tasks_path_are_refused(name):
    with pytest.raises(UsageError, match="may not contain"):
        step(name=name)
    assert step(name="billing.charge")(body).name == "billing.charge"


def test_a_workflow_is_named_after_its_function():
    async def order():
        pass

    made = workflow(order)
    assert isinstance(made, Workflow)
    assert (made.name, made.function) == ("order", order)


def test_a_program_knows_its_steps_by_name_and_refuses_two_of_one_name():
    flow, one = workflow(body), step(body)
    other = step(name="other", max_retries=1)(body)
    program = Program.of(flow, one, other)
    assert dict(program.steps) == {"body": one, "other": other}
    with pytest.raises(UsageError, match="two steps are called 'body'"):
        Program.of(flow, one, step(body))


def test_a_program_may_override_the_retries_of_every_step():
    other = step(name="other", max_retries=1)(body)
    program = Program.of(workflow(body), step(body), other, max_retries=1)
    assert {name: each.max_retries for name, each in program.steps.items()} == {
        "body": 1,
        "other": 1,
    }
    assert program.steps["other"] is other


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        (0, 0),
        (250, 250),
        (datetime.timedelta(seconds=2), 2_000),
        (datetime.timedelta(minutes=1, milliseconds=5), 60_005),
        (datetime.timedelta(0), 0),
    ],
)
def test_a_retryable_error_takes_milliseconds_or_a_timedelta(given, ms):
    error = RetryableError("later", retry_after=given)
    assert (error.retry_after_ms, str(error)) == (ms, "later")


def test_a_retryable_error_waits_a_second_by_default():
    assert RetryableError().retry_after_ms == 1_000


@pytest.mark.parametrize("given", [-1, datetime.timedelta(seconds=-1)])
def test_a_retry_cannot_be_in_the_past(given):
    with pytest.raises(UsageError, match="cannot be negative"):
        RetryableError(retry_after=given)


def test_neither_error_is_the_other():
    assert not issubclass(FatalError, RetryableError)
    assert not issubclass(RetryableError, FatalError)


async def grandchild():
    """Another workflow."""


def test_a_program_knows_the_workflows_its_steps_may_start():
    flow, child = workflow(body), workflow(grandchild)
    program = Program.of(flow, children=[child])
    assert program.workflow is flow
    assert dict(program.workflows) == {"body": flow, "grandchild": child}
    assert list(Program.of(flow, children=[flow, child]).workflows) == ["body", "grandchild"]


def test_two_workflows_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two workflows are called 'body'; give one another name"):
        Program.of(workflow(body), children=[workflow(body)])


@pytest.mark.parametrize("make", [step, workflow])
def test_only_async_functions_become_steps_and_workflows(make):
    def plain(ctx):
        pass

    with pytest.raises(UsageError, match=f"a {make.__name__} is made of an 'async def' function"):
        make(plain)
