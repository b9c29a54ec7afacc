"""The flow route: what it delivers, what it answers, and all that it refuses."""

from __future__ import annotations

import base64
import json

import msgspec
import psycopg
import pytest
import trio

from simworld.engine import encode
from simworld.errors import (
    DefiniteFailure,
    EntityConflictError,
    IndefiniteFailure,
    InternalError,
    ThrottleError,
    UsageError,
    WorldError,
)
from simworld.ports import Delivery, Message, Redeliver, RunInput
from simworld.service import (
    QUIET,
    ServeOptions,
    ServiceLog,
    encode_message,
    flow_app,
    working,
)
from simworld.service.server import worker_app
from tests.service.flow_rig import HEADERS, client_of, routes, runs_of
from tests.service.programs import program

INPUT = base64.b64encode(encode([[3], {}])).decode()
START = {"runId": "wrun_1", "runInput": {"workflowName": "sequence", "input": INPUT}}


def posts(app, body, path="/flow", **headers):
    """The answer of one request to an application."""

    async def main():
        async with client_of(app) as client:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return await client.post(path, content=content, headers=headers)

    return trio.run(main)


def handling(handler, **options):
    """An application with a handler of the test's own."""
    return flow_app(handler, workflows=program.workflows, log=QUIET, **options)


def answering(answer, **options):
    """An application whose handler answers or raises that, and what it has seen."""
    seen = []

    async def handler(message, delivery):
        seen.append((message, delivery))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handling(handler, **options), seen


def test_one_delivery_of_one_message():
    app, seen = answering(None)
    answer = posts(app, {**START, "recoveries": 2}, **{"x-simworld-attempt": "7"})
    assert (answer.status_code, answer.json()) == (200, {})
    message = Message("wrun_1", "", "", RunInput("sequence", encode([[3], {}])), 2)
    assert seen == [(message, Delivery("msg_1", 7, "msg_1.1"))]


def test_a_step_message():
    app, seen = answering(None)
    posts(app, {"runId": "wrun_1", "stepId": "step_1", "stepName": "double"})
    assert seen[0][0] == Message("wrun_1", "step_1", "double")


def test_a_message_that_is_to_come_again():
    app, _ = answering(Redeliver(30))
    assert posts(app, START).json() == {"timeoutSeconds": 30}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DefiniteFailure("no"), 503),
        (IndefiniteFailure("silence"), 503),
        (WorldError("broken"), 503),
        (WorldError("a bad name", status=400), 400),
        (EntityConflictError("it has ended", reason="terminal"), 409),
        (UsageError("the author's"), 500),
        (InternalError("ours"), 500),
        (ZeroDivisionError("anybody's"), 500),
    ],
)
def test_a_handler_that_fails_is_no_acknowledgement(error, status):
    app, _ = answering(error)
    answer = posts(app, START)
    assert answer.status_code == status
    assert "error" in answer.json()


def test_a_world_that_is_busy_says_when_to_come_again():
    app, _ = answering(ThrottleError("busy", retry_after_s=3))
    answer = posts(app, START)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")


def given(data):
    """A message that starts a run with those bytes as its input."""
    text = base64.b64encode(data).decode()
    return {"runId": "wrun_1", "runInput": {"workflowName": "sequence", "input": text}}


def bare(value):
    """A value's bytes, unchecked."""
    return msgspec.msgpack.encode(value)


def step_of(run_id="wrun_1", step_id="step_1", step_name="double"):
    return {"runId": run_id, "stepId": step_id, "stepName": step_name}


REFUSED = [
    ("a run id of another kind", step_of("run_1"), 400, "runId is wrun_"),
    ("a run id that is a path", {**START, "runId": "wrun_../../etc"}, 400, "runId is wrun_"),
    ("a run id with a line", {**START, "runId": "wrun_1\n"}, 400, "runId is wrun_"),
    ("a run id with an end", {**START, "runId": "wrun_"}, 400, "runId is wrun_"),
    ("a long run id", {**START, "runId": "wrun_" + "x" * 191}, 400, "runId is wrun_"),
    ("a step id with a NUL", step_of(step_id="a\0"), 400, "stepId"),
    ("a long step id", step_of(step_id="s" * 201), 400, "stepId"),
    ("a step name with a line", step_of(step_name="a\nb"), 400, "stepName"),
    ("a long step name", step_of(step_name="s" * 1_001), 400, "stepName"),
    ("an input of nothing", given(b""), 400, "runInput.input"),
    ("an input that is noise", given(b"\xc1\xff"), 400, "runInput.input"),
    ("an input that is a number", given(bare(3)), 400, "runInput.input"),
    ("an input of one part", given(bare([[]])), 400, "runInput.input"),
    ("an input of maps", given(bare([{}, {}])), 400, "runInput.input"),
    ("an input of lists", given(bare([[], []])), 400, "runInput.input"),
    ("an input with numbers as names", given(bare([[], {1: 2}])), 400, "runInput.input"),
    ("an input with more behind it", given(bare([[3], {}]) + b"x"), 400, "runInput.input"),
    ("an input of no payload", given(bare([[{1: 2}], {}])), 400, "runInput.input"),
    ("a strange kind", given(bare([[msgspec.msgpack.Ext(9, b"")], {}])), 400, "runInput.input"),
    ("a bad stream", given(bare([[msgspec.msgpack.Ext(1, b"\x03")], {}])), 400, "runInput.input"),
    ("an input without end", given(b"\x91" * 50_000), 400, "runInput.input"),
    ("no JSON", b"{", 400, "no message"),
    ("no object", b"[]", 400, "Expected `object`"),
    ("not UTF-8", b'{"runId": "\xff"}', 400, "no message"),
    ("nothing", b"", 400, "no message"),
    ("no run", {}, 400, "runId is missing"),
    ("a run that is no text", {"runId": 1}, 400, r"$.runId"),
    ("an unknown field", {"runId": "wrun_1", "color": 1}, 400, "color"),
    ("half a step", {"runId": "wrun_1", "stepId": "step_1"}, 400, "stepName"),
    ("a wait of strange letters", {"runId": "wrun_1", "waitId": "a\nb"}, 400, "waitId"),
    ("a negative count", {"runId": "wrun_1", "recoveries": -1}, 400, "recoveries"),
    (
        "a strange workflow",
        {"runId": "wrun_1", "runInput": {"workflowName": "x"}},
        400,
        "workflowName",
    ),
    (
        "no base64",
        {"runId": "wrun_1", "runInput": {"workflowName": "x", "input": "?"}},
        400,
        "input",
    ),
    ("nested without end", b'{"a":' * 100_000, 400, "no message"),
]


@pytest.mark.parametrize(
    ("body", "status", "told"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED]
)
@pytest.mark.parametrize("path", ["/flow", "/messages"])
def test_bodies_that_are_no_message(path, body, status, told):
    async def main():
        async with routes() as (client, worker):
            content = body if isinstance(body, bytes) else json.dumps(body)
            answer = await client.post(path, content=content)
            assert answer.status_code == status
            assert told in answer.json()["error"]
            assert await runs_of(worker) == []

    trio.run(main)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-simworld-message-id", ""),
        ("x-simworld-message-id", "x" * 201),
        ("x-simworld-receipt", ""),
        ("x-simworld-attempt", "0"),
        ("x-simworld-attempt", "-1"),
        ("x-simworld-attempt", "1e3"),
        ("x-simworld-attempt", "9" * 5_000),
    ],
)
def test_headers_that_tell_no_delivery(name, value):
    app, seen = answering(None)
    answer = posts(app, START, **{name: value})
    assert (answer.status_code, seen) == (400, [])
    assert name in answer.json()["error"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/jsonp", "application/xml"])
def test_content_types_that_nobody_reads(kind):
    app, seen = answering(None)
    assert posts(app, START, **{"content-type": kind}).status_code == 415
    assert seen == []


def test_a_content_type_may_have_parameters():
    app, seen = answering(None)
    kind = "Application/JSON; charset=utf-8"
    assert posts(app, START, **{"content-type": kind}).status_code == 200
    assert len(seen) == 1


def test_routes_and_methods():
    async def main():
        async with routes() as (client, _):
            nowhere = await client.post("/flow/../x", content=b"{}")
            assert nowhere.status_code == 404
            got = await client.get("/flow")
            assert (got.status_code, got.headers["allow"]) == (405, "POST")
            assert (await client.delete("/health")).status_code == 405

    trio.run(main)


def test_without_a_queue_there_is_no_route_to_it():
    app, _ = answering(None)
    assert posts(app, START, "/messages").status_code == 404


class Body:
    """A body in pieces, which counts how many were asked for."""

    def __init__(self, pieces):
        self.asked = 0
        self._pieces = pieces

    async def __call__(self):
        self.asked += 1
        more = self.asked < len(self._pieces)
        return {
            "type": "http.request",
            "body": self._pieces[self.asked - 1],
            "more_body": more,
        }


def asgi(app, receive, *headers):
    """Status of the answer to a request whose body comes from ``receive``; None without any."""
    sent = []

    async def send(event):
        sent.append(event)

    given = [(name.encode(), value.encode()) for name, value in [*HEADERS.items(), *headers]]
    scope = {"type": "http", "method": "POST", "path": "/flow", "headers": given}
    trio.run(app, scope, receive, send)
    return sent[0]["status"] if sent else None


def test_a_body_that_grows_too_large_is_not_read_to_its_end():
    app, seen = answering(None)
    body = Body([b"x" * (1 << 20)] * 10)
    assert asgi(app, body) == 413
    assert (body.asked, seen) == (5, [])


def test_a_body_that_says_it_is_too_large_is_not_read_at_all():
    app, _ = answering(None)
    body = Body([b""])
    assert asgi(app, body, ("content-length", str((4 << 20) + 1))) == 413
    assert body.asked == 0
    assert asgi(app, body, ("content-length", "9" * 5_000)) == 413
    assert asgi(app, body, ("content-length", "many")) == 400


def test_a_client_that_hangs_up_is_answered_nothing():
    app, seen = answering(None)

    async def receive():
        return {"type": "http.disconnect"}

    assert asgi(app, receive) is None
    assert seen == []


def test_a_secret():
    app = handling(None, secret="open sesame")
    for given in ("", "Bearer", "Bearer open", "open sesame", "Basic open sesame"):
        assert posts(app, b"{}", authorization=given).status_code == 401
    assert posts(app, b"{}", authorization="Bearer open sesame").status_code == 400
    assert posts(app, {"healthCheck": True}, authorization="x").status_code == 401


def test_a_health_check_is_answered_by_both_roads():
    async def main():
        async with routes() as (client, _):
            told = (await client.get("/health")).json()
            assert (told["status"], told["world"], told["active"]) == ("ok", "memory", 0)
            asked = await client.post("/flow", content=b'{"healthCheck": true}')
            assert (asked.status_code, asked.json()["status"]) == (200, "ok")

    trio.run(main)


def test_a_message_for_a_run_that_nobody_knows_is_acknowledged():
    async def main(said):
        async with routes(ServiceLog(said.append)) as (client, worker):
            for more in ({}, {"stepId": "step_1", "stepName": "double"}):
                answer = await client.post("/flow", json={"runId": "wrun_x", **more})
                assert (answer.status_code, answer.json()) == (200, {})
                answer = await client.post("/messages", json={"runId": "wrun_x", **more})
                assert (answer.status_code, answer.json()) == (202, {"messageId": ""})
            assert await runs_of(worker) == []
            assert await worker.app.events("wrun_x") == []

    said = []
    trio.run(main, said)
    assert said == []  # least of all that a run has failed


def test_a_message_for_a_run_that_nobody_knows_is_in_no_table(pg_dsn):
    async def main():
        async with working(f"postgres:{pg_dsn}", program) as worker:
            app = worker_app(worker, ServeOptions("", program, log=QUIET))
            worker.queue.stop()  # what is in the table now stays there
            async with client_of(app) as client:
                answer = await client.post("/messages", json={"runId": "wrun_x"})
                assert answer.status_code == 202
        with psycopg.connect(pg_dsn) as connection:
            assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)

    trio.run(main)


def test_a_world_that_cannot_be_asked_for_a_run():
    async def knows(run_id):
        raise DefiniteFailure("down")

    app, seen = answering(None, knows=knows)
    assert posts(app, {"runId": "wrun_1"}).status_code == 503
    assert posts(app, START).status_code == 200  # which brings its run along
    assert len(seen) == 1


def test_a_key_that_is_no_name():
    async def main():
        async with routes() as (client, worker):
            for key in ("a\0b", "k" * 1_001):
                answer = await client.post("/messages", json={**START, "key": key})
                assert (answer.status_code, "key" in answer.json()["error"]) == (400, True)
            assert await runs_of(worker) == []

    trio.run(main)


@pytest.mark.parametrize(
    "more",
    [{"key": "k"}, {"delaySeconds": 1}, {"stepId": "s", "stepName": "double"}, {"waitId": "w"}],
)
def test_what_says_more_than_that_the_run_is_to_be_looked_at_is_not_merged(more):
    async def main():
        async with routes() as (client, _):
            body = {"runId": "wrun_1", "merge": True, **more}
            answer = await client.post("/messages", json=body)
            assert (answer.status_code, "merge" in answer.json()["error"]) == (400, True)

    trio.run(main)


def test_one_message_stands_for_several():
    sent = []

    class Queue:
        async def send(self, message, **options):
            sent.append((message, options))
            return "" if sent[:-1] else "msg_1"

    app = handling(None, queue=Queue())
    content = encode_message(Message("wrun_1"), merge=True)
    answers = [posts(app, content, "/messages").json() for _ in range(2)]
    assert answers == [{"messageId": "msg_1"}, {"messageId": ""}]
    assert sent == [(Message("wrun_1"), {"key": "", "delay_s": 0, "merge": True})] * 2


@pytest.mark.parametrize("name", ["", "x\0", "a" * 10_000, "../../etc/passwd\n"])
def test_a_run_id_that_no_world_takes_is_refused(name):
    async def main():
        async with routes() as (client, worker):
            answer = await client.post("/flow", json={**START, "runId": name})
            assert answer.status_code == 400
            assert await runs_of(worker) == []

    trio.run(main)


def test_a_run_from_its_first_message_to_its_end():
    async def main():
        async with routes() as (client, worker):
            message = Message("wrun_1", run_input=RunInput("sequence", encode([[3], {}])))
            answer = await client.post("/messages", content=encode_message(message))
            assert answer.status_code == 202
            assert answer.json()["messageId"].startswith("msg_")
            assert await worker.app.result("wrun_1", timeout_s=10) == 8

    trio.run(main)


def test_a_worker_that_stops_takes_no_messages():
    async def main():
        async with routes() as (client, worker):
            assert await worker.stop(0)
            assert (await client.post("/messages", json=START)).status_code == 503
            assert (await client.post("/flow", json=START)).status_code == 503
            health = await client.get("/health")
            assert (health.status_code, health.json()["status"]) == (503, "stopping")
            assert await runs_of(worker) == []

    trio.run(main)
