"""A worker's queue from outside: who accepts, who is asked again, and for how long."""

from __future__ import annotations

import json

import httpx
import pytest
import trio
import trio.testing

from simworld.errors import DefiniteFailure, IndefiniteFailure, UsageError, WorldError
from simworld.ports import Message, RunInput
from simworld.service import HttpQueue

MESSAGE = Message(
    "wrun_1", run_input=RunInput("order", b"\x01\xff"), recoveries=2, wait_id="wait_1"
)


def sends(answer, *, workers=("http://one",), patience_s=10, merge=False, **options):
    """Send the message to workers that do ``answer(request)``; (its id, the requests)."""
    seen = []

    def respond(request):
        seen.append(request)
        found = answer(request)
        if isinstance(found, Exception):
            raise found
        return found

    async def main():
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
            queue = HttpQueue(client, workers, patience_s=patience_s, **options)
            return await queue.send(MESSAGE, key="k", delay_s=3, merge=merge)

    clock = trio.testing.MockClock(autojump_threshold=0)
    try:
        return trio.run(main, clock=clock), seen
    except (DefiniteFailure, IndefiniteFailure, UsageError) as error:
        return error, seen


def accepted(request):
    return httpx.Response(202, json={"messageId": "msg_1"})


def test_a_message_with_all_it_carries():
    answer, (request,) = sends(accepted, secret="open sesame")
    assert answer == "msg_1"
    assert json.loads(request.content) == {
        "runId": "wrun_1",
        "runInput": {"workflowName": "order", "input": "Af8="},
        "recoveries": 2,
        "waitId": "wait_1",
        "key": "k",
        "delaySeconds": 3,
    }
    assert request.headers["authorization"] == "Bearer open sesame"
    assert str(request.url) == "http://one/messages"


def test_a_message_that_may_be_merged_says_so():
    _, (request,) = sends(accepted, merge=True)
    assert json.loads(request.content)["merge"] is True


def test_a_message_that_was_dropped_has_no_id():
    answer, _ = sends(lambda request: httpx.Response(202, json={"messageId": ""}))
    assert answer == ""


def test_the_next_worker_is_asked_where_one_is_down():
    def answer(request):
        return httpx.ConnectError("refused") if request.url.host == "one" else accepted(request)

    assert sends(answer, workers=["http://one/", "http://two"])[0] == "msg_1"


def test_a_worker_that_comes_back_is_found():
    answers = iter([httpx.ConnectError("refused"), httpx.Response(503), accepted(None)])
    answer, seen = sends(lambda request: next(answers))
    assert (answer, len(seen)) == ("msg_1", 3)


def test_nobody_waits_for_ever():
    error, seen = sends(lambda request: httpx.ConnectError("refused"))
    assert isinstance(error, DefiniteFailure)
    assert "start one with: simworld serve" in str(error)
    assert 10 < len(seen) < 30


def test_silence_after_the_request_was_sent_may_mean_it_was_accepted():
    error, _ = sends(lambda request: httpx.ReadTimeout("silence"))
    assert isinstance(error, IndefiniteFailure)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, WorldError), (401, UsageError), (404, WorldError)]
)
def test_what_no_second_try_would_mend_is_told_at_once(status, kind):
    error, seen = sends(lambda request: httpx.Response(status, text="why"))
    assert isinstance(error, kind)
    assert len(seen) == 1
