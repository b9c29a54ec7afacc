"""The flow route behind web frameworks: every delivery goes over real HTTP, in the same process.

A front hosts ``POST /flow`` on a free port of the loopback, and has the worker's own queue deliver
through it: what a framework and the way over a socket cost is in the measured path then, as it is
where a queue pushes.  Raw ASGI needs no framework; the others are asked for when they are wanted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import httpx
import msgspec
import trio

from simworld.errors import IndefiniteFailure, UsageError, unknown_name
from simworld.ports import Delivery, Handler, Message, Redeliver
from simworld.service.asgi import AsgiApp, Reply, request_of, whole_request
from simworld.service.faults import Faults
from simworld.service.flow import (
    ATTEMPT_HEADER,
    BODY_MAX,
    ID_HEADER,
    RECEIPT_HEADER,
    FlowApp,
    encode_message,
    flow_app,
)
from simworld.service.log import QUIET, ServiceLog
from simworld.service.server import listen, serve_app
from simworld.service.worker import Front, Worker

LOOPBACK = "127.0.0.1"
JSON = "application/json"


def _raw(flow: FlowApp) -> AsgiApp:
    return flow


def _starlette(flow: FlowApp) -> AsgiApp:
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    async def deliver(request: Request) -> Response:
        reply = await flow.answer(request_of(request.scope, request.receive))
        return Response(_body(reply), reply.status, dict(reply.headers), JSON)

    return Starlette(routes=[Route("/flow", deliver, methods=["POST"])])


def _quart(flow: FlowApp) -> AsgiApp:
    from quart import Response, request  # noqa: PLC0415
    from quart_trio import QuartTrio  # noqa: PLC0415

    app = QuartTrio(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX

    @app.post("/flow")
    async def deliver() -> Response:
        body = await request.data
        headers = request.headers.items()
        reply = await flow.answer(whole_request(request.method, request.path, headers, body))
        return Response(_body(reply), reply.status, dict(reply.headers), content_type=JSON)

    return app  # type: ignore[return-value]  # which knows each kind of event by its type


FRONTS: Mapping[str, Callable[[FlowApp], AsgiApp]] = {
    "raw": _raw,
    "starlette": _starlette,
    "quart": _quart,
}
"""By name, what hosts the flow route."""


def _body(reply: Reply) -> bytes:
    return msgspec.json.encode(reply.body)


@asynccontextmanager
async def open_front(name: str, *, log: ServiceLog = QUIET) -> AsyncIterator[Front]:
    """A front to give to ``working``, inside of this block; ``UsageError`` if there is none.

    It outlives its worker, so that no delivery loses the connection that it is on.
    """
    if name not in FRONTS:
        raise unknown_name("front", name, FRONTS)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    timeout = httpx.Timeout(None)  # a delivery may take as long as its step
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=timeout) as client:

        async def serve(worker: Worker, nursery: trio.Nursery) -> Handler:
            flow = flow_app(worker.handler, workflows=worker.program.workflows, log=log)
            app = _hosted(name, flow)
            with listen(LOOPBACK, 0, secret="", insecure=False) as sock:
                await nursery.start(partial(serve_app, app, sock))
                port = sock.getsockname()[1]
            return _Posting(client, f"http://{LOOPBACK}:{port}/flow", Faults(log, name)).deliver

        yield serve


def _hosted(name: str, flow: FlowApp) -> AsgiApp:
    try:
        return FRONTS[name](flow)
    except ImportError as error:
        raise UsageError(
            f"front {name!r} needs {error.name}, which is not installed: "
            "pip install 'simworld[bench]'"
        ) from error


class _Posting:
    """A handler that has the one behind a flow route do it."""

    def __init__(self, client: httpx.AsyncClient, url: str, faults: Faults) -> None:
        self._client = client
        self._url = url
        self._faults = faults
        """Of the way there; those of a delivery are the worker's own to tell."""

    async def deliver(self, message: Message, delivery: Delivery) -> Redeliver | None:
        """``ports.Handler``; a fault of the world for every answer that is none."""
        headers = {
            "content-type": JSON,
            ID_HEADER: delivery.message_id,
            ATTEMPT_HEADER: str(delivery.number),
            RECEIPT_HEADER: delivery.receipt,
        }
        try:
            answer = await self._client.post(
                self._url, content=encode_message(message), headers=headers
            )
        except httpx.TransportError as error:
            failed = IndefiniteFailure(f"POST /flow got no answer: {error!r}")
            self._faults.failed(failed)
            raise failed from error
        self._faults.worked()
        if answer.status_code != 200:
            raise IndefiniteFailure(f"POST /flow was answered {answer.status_code}: {answer.text}")
        after_s = answer.json().get("timeoutSeconds")
        return None if after_s is None else Redeliver(after_s)
