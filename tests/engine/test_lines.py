"""Whose line is named: the author's, and no line of simworld or inside an event loop."""

from __future__ import annotations

import asyncio
import sys

import pytest

from simworld.engine import (
    create_webhook,
    encode,
    encode_error,
    gather,
    innermost_line,
    race,
    sleep,
    workflow,
)
from simworld.engine.payload import decode_error
from simworld.errors import UsageError
from tests.engine.journal import Journal, work


def line_of(function, offset=1):
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


async def awaits_inside_the_library():
    await asyncio.sleep(0)  # suspended at a line of asyncio's


async def asks_for_a_loop():
    await asyncio.sleep(1)  # raises at a line of asyncio's


@pytest.mark.parametrize("function", [awaits_inside_the_library, asks_for_a_loop])
def test_a_foreign_await_names_no_line_of_the_library(function):
    with pytest.raises(UsageError) as caught:
        Journal(function).outcome()
    assert str(caught.value).startswith(f"{line_of(function)} awaits ")


def test_a_foreign_branch_names_no_line_of_simworld():
    async def flow():
        await gather(asyncio.sleep(1))

    with pytest.raises(UsageError, match=r"^the workflow awaits asyncio, "):
        Journal(flow).outcome()


def test_a_coroutine_without_a_line_of_the_authors_has_none():
    coroutine = asyncio.sleep(0)
    coroutine.send(None)
    assert innermost_line(coroutine) == "a coroutine"
    coroutine.close()


async def exits():
    sys.exit(7)


async def exits_in_a_branch():
    await gather(work(1), exits())


@pytest.mark.parametrize("function", [exits, exits_in_a_branch])
def test_a_workflow_cannot_end_simworld(function):
    with pytest.raises(UsageError) as caught:
        Journal(function).outcome()
    assert str(caught.value).startswith(f"{line_of(exits)} calls sys.exit(), ")


@pytest.mark.parametrize("verb", [gather, race])
@pytest.mark.parametrize("kind", [list, tuple, iter, lambda each: (one for one in each)])
def test_a_list_of_steps_is_to_be_unpacked(verb, kind):
    async def flow():
        await verb(kind([work(1)]))

    error = Journal(flow).outcome().error
    hint = f"; unpack it: {verb.__name__}(*[…])"
    assert isinstance(error, UsageError)
    assert str(error).endswith(hint) == (kind is not iter)


def test_a_payload_that_nobody_awaited_is_asked_after():
    async def coroutine():
        pass

    async def flow():
        await work([work(1)])

    assert "StepHandle cannot be a payload; did you forget to await it?" in str(
        Journal(flow).outcome().error
    )
    forgotten = coroutine()
    with pytest.raises(UsageError, match=r"type coroutine .* did you forget to await it"):
        encode({"result": forgotten})
    forgotten.close()


def test_a_workflow_is_not_called_like_a_function():
    async def child(count: int) -> int:
        return count

    flow = workflow(child)

    async def parent():
        return await flow(1)

    error = Journal(parent).outcome().error
    assert isinstance(error, UsageError)
    assert "start it as a child in a step: ctx.start_child(child, …)" in str(error)


class Mute(Exception):
    """An author's error whose own text is broken."""

    def __str__(self):
        raise KeyError("no such field")


def test_an_error_without_a_text_can_be_recorded():
    fields = decode_error(encode_error(Mute(), kind="error"))
    assert fields == {"kind": "error", "message": "(its __str__ raises KeyError)", "name": "Mute"}


@pytest.mark.parametrize(
    ("response", "wrong"),
    [
        ("yes", "it is a str"),
        ({"status": 200, "text": "a"}, "it has the key 'text'"),
        ({"status": "200"}, "its status is '200'"),
        ({"status": 99}, "its status is 99"),
        ({"status": 600}, "its status is 600"),
        ({"status": True}, "its status is True"),
        ({"body": "yes"}, "its body is a str"),
        ({"headers": {"a": 1}}, "its headers are {'a': 1}"),
        ({"headers": ["a"]}, "its headers are ['a']"),
    ],
)
def test_an_answer_that_cannot_be_given_is_refused_where_it_is_written(response, wrong):
    async def flow():
        await create_webhook("door", respond_with=response)

    error = Journal(flow).outcome().error
    assert isinstance(error, UsageError)
    assert str(error).endswith(f"but {wrong}")


def test_an_answer_may_leave_out_what_it_likes():
    async def flow():
        create_webhook("a", respond_with={})
        create_webhook("b", respond_with={"status": 100, "headers": {"a": "b"}, "body": b"c"})
        await sleep(1)

    assert Journal(flow).waits_for() == ["hook#1", "hook#2", "sleep#3"]
