"""The flow route over a world in memory, driven by an HTTP client in the same process."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx

from simworld.service import QUIET, flow_app, working
from tests.service.programs import program

HEADERS = {
    "content-type": "application/json",
    "x-simworld-message-id": "msg_1",
    "x-simworld-attempt": "1",
    "x-simworld-receipt": "msg_1.1",
}


def client_of(app):
    """A client of an ASGI application; the application's own errors come out."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://worker", headers=HEADERS
    )


@asynccontextmanager
async def routes(log=QUIET, **options):
    """(a client, the worker behind it)."""
    async with working("memory", program, log=log) as worker:
        given = {
            "workflows": program.workflows,
            "log": log,
            "queue": worker.queue,
            "knows": worker.knows,
            "health": worker.health,
            **options,
        }
        async with client_of(flow_app(worker.handler, **given)) as client:
            yield client, worker


async def runs_of(worker):
    """Every run the world has heard of."""
    return list(worker.app._services.storage._storage.logs)
