"""The flow route: messages come in over HTTP.

``POST /flow`` delivers one message to the handler, for a queue that pushes; ``POST /messages`` puts
one into the worker's own queue, for clients in other processes; ``GET /health`` says that we live.

Whatever does not fit is refused before anything is written: 404 and 405 for the route, 401 for the
secret, 415, 413 and 400 for the body, which names the field.  A fault of the world while a message
is handled is its status or a 503, and the queue that has sent the message will send it again.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import attrs
import msgspec

from simworld.engine import Workflow, encode, hydrate_args
from simworld.errors import SimworldError, WorldError
from simworld.ports import Delivery, Handler, Message, Queue, RunInput
from simworld.service.asgi import (
    Gone,
    Receive,
    Refused,
    Reply,
    Request,
    Scope,
    Send,
    lifespan,
    request_of,
    send_reply,
)
from simworld.service.faults import MISTAKES
from simworld.service.log import ServiceLog, cut
from simworld.worlds import check_name

BODY_MAX = 4 << 20
"""Bytes of a request's body."""
HEADER_MAX = 200
"""Characters of a message id and of a receipt."""
RUN_ID = re.compile(r"wrun_[A-Za-z0-9_-]{1,190}")
STEP_ID_MAX = 200
"""Characters, as of the worlds."""
RECOVERIES_MAX = 1_000
DELAY_MAX_S = 366 * 86_400
ID_HEADER, ATTEMPT_HEADER, RECEIPT_HEADER = (
    "x-simworld-message-id",
    "x-simworld-attempt",
    "x-simworld-receipt",
)

T = TypeVar("T")


class _RunInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    workflow_name: str
    input: bytes = b""


class _Flow(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of both routes; base64 for bytes."""

    run_id: str = ""
    step_id: str = ""
    step_name: str = ""
    run_input: _RunInput | None = None
    recoveries: int = 0
    wait_id: str = ""
    health_check: bool = False


class _Sent(_Flow, rename="camel", forbid_unknown_fields=True):
    """What ``/messages`` takes besides."""

    key: str = ""
    delay_seconds: int = 0
    merge: bool = False


_NO_PAYLOAD = (TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What decoding may raise besides its own errors, whatever the bytes are."""

_flow = msgspec.json.Decoder(_Flow)
_sent = msgspec.json.Decoder(_Sent)


def encode_message(
    message: Message, *, key: str = "", delay_s: int = 0, merge: bool = False
) -> bytes:
    """The body of ``POST /messages``; without the options, of ``POST /flow`` as well."""
    body: dict[str, object] = {"runId": message.run_id}
    if message.step_id:
        body |= {"stepId": message.step_id, "stepName": message.step_name}
    if message.run_input is not None:
        given = message.run_input
        body["runInput"] = {"workflowName": given.workflow_name, "input": given.input}
    if message.recoveries:
        body["recoveries"] = message.recoveries
    if message.wait_id:
        body["waitId"] = message.wait_id
    if key:
        body["key"] = key
    if delay_s:
        body["delaySeconds"] = delay_s
    if merge:
        body["merge"] = True
    return msgspec.json.encode(body)


@attrs.frozen(eq=False)
class FlowApp:
    """The ASGI application; see ``flow_app``."""

    handler: Handler
    workflows: Mapping[str, Workflow[Any, Any]]
    queue: Queue | None
    knows: Callable[[str], Awaitable[bool]] | None
    health: Callable[[], dict[str, object]]
    log: ServiceLog
    secret: str
    body_max: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's event stream."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            try:
                reply = await self.answer(request_of(scope, receive))
            except Gone:
                return
            await send_reply(send, reply)

    async def answer(self, request: Request) -> Reply:
        """What is answered to a request, for whoever hosts the routes in his own way."""
        try:
            return await self._route(request)
        except Refused as refused:
            return refused.reply

    async def _route(self, request: Request) -> Reply:
        routes: dict[str, tuple[str, Callable[[Request], Awaitable[Reply]]]] = {
            "/flow": ("POST", self._deliver),
            "/health": ("GET", self._tell_health),
        }
        if self.queue is not None:
            routes["/messages"] = ("POST", self._enqueue)
        if request.path not in routes:
            raise Refused(404, f"there is nothing here; try {', '.join(routes)}")
        method, answer = routes[request.path]
        if request.method != method:
            raise Refused(405, f"this route takes {method} only", ("allow", method))
        return await answer(request)

    def _check_accepting(self) -> None:
        if self.health()["status"] == "stopping":
            raise Refused(503, "this worker is stopping; try another", ("retry-after", "1"))

    async def _tell_health(self, request: Request) -> Reply:
        health = self.health()
        return Reply(200 if health["status"] == "ok" else 503, health)

    async def _deliver(self, request: Request) -> Reply:
        body = _decoded(_flow, await self._authorised_body(request))
        if body.health_check:
            return await self._tell_health(request)
        message, delivery = self._message(body), _delivery(request)
        if not await self._concerns(message):
            return Reply(200, {})
        try:
            answer = await self.handler(message, delivery)
        except Exception as error:
            if isinstance(error, SimworldError) and not isinstance(error, MISTAKES):
                raise _faulted(error) from error
            self.log.failed(f"delivery {delivery.receipt}", error)
            raise Refused(500, "the program of this worker has a mistake; see its log") from error
        return Reply(200, {} if answer is None else {"timeoutSeconds": answer.after_s})

    async def _enqueue(self, request: Request) -> Reply:
        body = _decoded(_sent, await self._authorised_body(request))
        message = self._message(body)
        if not 0 <= body.delay_seconds <= DELAY_MAX_S:
            raise Refused(400, f"delaySeconds is not in 0…{DELAY_MAX_S}")
        if body.key:
            _check_name("key", body.key)
        if body.merge and (body.key or body.delay_seconds or message != Message(message.run_id)):
            raise Refused(400, "merge goes with runId and nothing else")
        self._check_accepting()
        assert self.queue is not None
        if not await self._concerns(message):
            return Reply(202, {"messageId": ""})
        try:
            sent = await self.queue.send(
                message, key=body.key, delay_s=body.delay_seconds, merge=body.merge
            )
        except SimworldError as error:
            raise _faulted(error) from error
        return Reply(202, {"messageId": sent})

    async def _authorised_body(self, request: Request) -> bytes:
        if self.secret:
            given = request.headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, f"Bearer {self.secret}".encode()):
                raise Refused(401, "this worker wants its secret", ("www-authenticate", "Bearer"))
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "the body is application/json, or nothing is done with it")
        return await request.body(self.body_max)

    async def _concerns(self, message: Message) -> bool:
        """Whether there is such a run, or will be: for one that nobody knows nothing is done."""
        if message.run_input is not None or self.knows is None:
            return True
        try:
            return await self.knows(message.run_id)
        except SimworldError as error:
            raise _faulted(error) from error

    def _message(self, body: _Flow) -> Message:
        """The message; 400 where it is none."""
        if not body.run_id:
            raise Refused(400, "runId is missing")
        if not RUN_ID.fullmatch(body.run_id):
            raise Refused(400, "runId is wrun_ and 1 to 190 letters, digits, _ or -")
        if bool(body.step_id) != bool(body.step_name):
            raise Refused(400, "stepId and stepName come together or not at all")
        if body.step_id:
            _check_name("stepId", body.step_id, STEP_ID_MAX)
            _check_name("stepName", body.step_name)
        if not 0 <= body.recoveries <= RECOVERIES_MAX:
            raise Refused(400, f"recoveries is not in 0…{RECOVERIES_MAX}")
        if body.wait_id:
            _check_name("waitId", body.wait_id, STEP_ID_MAX)
        run_input = None if body.run_input is None else self._run_input(body.run_input)
        names = (body.run_id, body.step_id, body.step_name)
        return Message(*names, run_input, body.recoveries, body.wait_id)

    def _run_input(self, given: _RunInput) -> RunInput:
        """What a run begins with; 400 where no run could."""
        workflow = self.workflows.get(given.workflow_name)
        if workflow is None:
            raise Refused(
                400,
                "runInput.workflowName is none of this worker's workflows: "
                + ", ".join(sorted(self.workflows)),
            )
        try:
            args, kwargs = hydrate_args(workflow.function, given.input, skip=0)
            if not (isinstance(args, list) and isinstance(kwargs, dict)):
                raise TypeError("it is no list of a list and a map")
            encode([args, kwargs])
        except (msgspec.MsgspecError, SimworldError, *_NO_PAYLOAD) as error:
            raise Refused(400, f"runInput.input is no [args, kwargs]: {cut(str(error))}") from error
        return RunInput(given.workflow_name, given.input)


def flow_app(
    handler: Handler,
    *,
    workflows: Mapping[str, Workflow[Any, Any]],
    log: ServiceLog,
    queue: Queue | None = None,
    knows: Callable[[str], Awaitable[bool]] | None = None,
    health: Callable[[], dict[str, object]] = lambda: {"status": "ok"},
    secret: str = "",
    body_max: int = BODY_MAX,
) -> FlowApp:
    """The routes of a worker.

    ``workflows``: those it knows, by their names; ``queue``: where ``/messages`` puts them (None:
    no such route); ``knows``: whether there is a run (None: whoever sends is believed); ``secret``:
    what callers have to send as ``Authorization: Bearer …``.
    """
    return FlowApp(handler, workflows, queue, knows, health, log, secret, body_max)


def _check_name(what: str, name: str, *length_max: int) -> None:
    try:
        check_name(what, name, *length_max)
    except WorldError as error:
        raise Refused(400, str(error)) from error


def _faulted(error: SimworldError) -> Refused:
    """A fault of the world: the status it has, so that the message comes again."""
    if isinstance(error, WorldError) and 400 <= error.status < 500:
        retry_after_s = getattr(error, "retry_after_s", None)
        if retry_after_s is None:
            return Refused(error.status, str(error))
        return Refused(error.status, str(error), ("retry-after", f"{retry_after_s:.0f}"))
    return Refused(503, str(error))


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is no message: {error}") from error


def _delivery(request: Request) -> Delivery:
    """What the headers say of the delivery; 400 where they do not."""
    said = []
    for name in (ID_HEADER, RECEIPT_HEADER):
        value = request.headers.get(name, "")
        if not 0 < len(value) <= HEADER_MAX or not value.isprintable():
            raise Refused(400, f"header {name} is 1 to {HEADER_MAX} characters of text")
        said.append(value)
    attempt = request.headers.get(ATTEMPT_HEADER, "")
    if not (attempt.isascii() and attempt.isdigit() and len(attempt) < 10 and int(attempt)):
        raise Refused(400, f"header {ATTEMPT_HEADER} is a whole number from 1 on")
    return Delivery(said[0], int(attempt), said[1])
