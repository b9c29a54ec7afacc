"""Webhooks: hooks that are resumed by an HTTP request, and answer it (spec §2.5, §3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from simworld.engine import RUN_TERMINAL, StreamRef, decode
from simworld.errors import HookNotFoundError, unknown_name
from simworld.ports import Chunks
from simworld.runtime.runs import POLL_MS, deliver
from simworld.runtime.services import Services

ACCEPTED = 202


@attrs.frozen
class WebhookRequest:
    """What a webhook's caller has sent; a workflow gets it as a dict with these keys."""

    method: str = "POST"
    path: str = "/"
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""


@attrs.frozen
class WebhookResponse:
    """What a webhook's caller is answered."""

    status: int = ACCEPTED
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""


class WebhookUnanswered(Exception):
    """The run was to write the answer itself, and has not written any."""


async def resume_webhook(
    services: Services, token: str, request: WebhookRequest | Mapping[str, object]
) -> WebhookResponse:
    """Send a request to a webhook; its answer.

    ``HookNotFoundError`` for hooks of other kinds as well: from outside there is nothing there.
    """
    if not isinstance(request, WebhookRequest):
        request = _request_of(request)
    hook = await services.storage.hook(token)
    if not hook.is_webhook:
        raise HookNotFoundError(f"no webhook has the token {token!r}; resume other hooks directly")
    payload: dict[str, Any] = attrs.asdict(request)
    answers = decode(hook.metadata)
    if answers["respond"] != "manual":
        await deliver(services, hook, payload)
        return WebhookResponse(**(answers["response"] or {}))
    response = StreamRef(hook.run_id, f"response/{services.ids.message_id()}")
    payload["response"] = response
    await deliver(services, hook, payload)
    found = await _first_chunk(services, response)
    if found.chunks:
        return WebhookResponse(200, body=found.chunks[0])
    raise WebhookUnanswered(
        f"run {hook.run_id} has {'closed the response' if found.closed else 'ended'} without an "
        f"answer to a request at webhook {token!r}; have a step write one to request['response'], "
        "or create the webhook without manual"
    )


def _request_of(fields: Mapping[str, Any]) -> WebhookRequest:
    """The request with these fields; ``UsageError`` for one that requests do not have."""
    known = [field.name for field in attrs.fields(WebhookRequest)]
    for name in fields:
        if name not in known:
            raise unknown_name("field of a webhook request", name, known)
    return WebhookRequest(**fields)


async def _first_chunk(services: Services, response: StreamRef) -> Chunks:
    """What the response holds as soon as there is something, or the run has ended."""
    arrived = services.tasks.latch("see an answer to its request")

    async def listen() -> None:
        await services.streams.read(response.run_id, response.name, 0, live=True)
        arrived.set()

    job = services.tasks.start("listen", listen())
    while not await arrived.wait(POLL_MS):
        if (await services.storage.run(response.run_id)).status in RUN_TERMINAL:
            job.cancel()
            break
    return await services.streams.read(response.run_id, response.name, 0, live=False)
