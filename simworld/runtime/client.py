"""The client: what an application asks of its runs (spec §2.5).

A scenario's script is written against it, too: ``sleep`` and ``together`` are for that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

from simworld.engine import RunCancelled, WaitCompleted, WaitCreated, Workflow, encode
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    UsageError,
)
from simworld.ports import ClientCalled, Message
from simworld.runtime.runs import (
    RunFailedError,
    have_looked_at,
    resume_hook,
    run_output,
    start_run,
)
from simworld.runtime.services import Services
from simworld.runtime.streams import read_stream
from simworld.runtime.webhooks import WebhookRequest, WebhookResponse, resume_webhook

NO_REQUEST = WebhookRequest()
"""A request that says nothing: an empty POST."""

_REFUSALS = (
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    RunFailedError,
    UsageError,
)
"""Errors after which a call is known not to have happened."""

T = TypeVar("T")


class Client:
    """Talks to the world on behalf of an application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.run_ids: list[str] = []
        """The runs started so far."""
        self._calls = 0

    async def _called(self, what: Coroutine[Any, Any, T], verb: str, **about: Any) -> T:
        """Make the call, and have its beginning and its end written down."""
        log, call = self._services.log, self._call(verb, **about)
        log.client_called(call, "invoke")
        try:
            answer = await what
        except _REFUSALS:
            log.client_called(call, "fail")
            raise
        except Exception:
            log.client_called(call, "info")
            raise
        log.client_called(call, "ok")
        return answer

    def _call(self, verb: str, **about: Any) -> ClientCalled:
        self._calls += 1
        return ClientCalled(self._calls, verb, **about)

    async def start(self, *args: object, **kwargs: object) -> str:
        """Start a run of the program's main workflow; its run id."""
        return await self._start(self._services.program.workflow, args, kwargs)

    async def start_run(self, workflow: Workflow[Any, Any], *args: object, **kwargs: object) -> str:
        """Start a run of any workflow of the program; its run id."""
        return await self._start(workflow, args, kwargs)

    async def _start(
        self, workflow: Workflow[Any, Any], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> str:
        run_id = self._services.ids.run_id()
        self.run_ids.append(run_id)
        starting = start_run(self._services, run_id, workflow, args, kwargs)
        await self._called(starting, "start", run_id=run_id)
        return run_id

    async def result(self, run_id: str) -> Any:
        """The run's output, once it has completed; ``RunFailedError`` if it ended otherwise."""
        return await self._called(run_output(self._services, run_id), "result", run_id=run_id)

    async def resume_hook(self, token: str, payload: object) -> None:
        """Send a payload to the hook that owns ``token``; ``HookNotFoundError`` if none does."""
        sent = encode(payload)
        resuming = resume_hook(self._services, token, payload)
        await self._called(resuming, "resume_hook", target=token, payload=sent)

    async def resume_webhook(
        self, token: str, request: WebhookRequest | Mapping[str, object] = NO_REQUEST
    ) -> WebhookResponse:
        """Send a request to a webhook; its answer, or ``HookNotFoundError``."""
        asking = resume_webhook(self._services, token, request)
        return await self._called(asking, "resume_webhook", target=token)

    async def wake_up(self, run_id: str) -> None:
        """End every sleep of the run now."""
        await self._called(self._wake_up(run_id), "wake_up", run_id=run_id)

    async def _wake_up(self, run_id: str) -> None:
        storage = self._services.storage
        for wait in (await self._open_waits(run_id)).values():
            try:
                fact = WaitCompleted(wait.correlation_id, wait.resume_at_ms)
                await storage.create(run_id, fact)
            except (EntityConflictError, EntityNotFoundError):
                continue  # it is over already, or its run is
        await have_looked_at(self._services, run_id)

    async def _open_waits(self, run_id: str) -> dict[str, WaitCreated]:
        waits: dict[str, WaitCreated] = {}
        cursor: str | None = None
        while True:
            page = await self._services.storage.events(run_id, cursor)
            for event in page.events:
                if isinstance(event.fact, WaitCreated):
                    waits[event.correlation_id] = event.fact
                elif isinstance(event.fact, WaitCompleted):
                    waits.pop(event.correlation_id, None)
            cursor = page.cursor
            if cursor is None or not page.has_more:
                return waits

    async def cancel(self, run_id: str) -> None:
        """End the run as it is; ``EntityConflictError`` if it has completed or failed."""
        cancelling = self._services.storage.create(run_id, RunCancelled())
        await self._called(cancelling, "cancel", run_id=run_id)

    async def reenqueue(self, run_id: str) -> None:
        """Have the run looked at again, in case its last message got lost."""
        await self._services.queue.send(Message(run_id))

    def read_stream(self, run_id: str, name: str, start: int = 0) -> AsyncIterator[bytes]:
        """The stream's chunks from index ``start``, as they come; negative: from the end."""
        return self._read_stream(run_id, name, start)

    async def _read_stream(self, run_id: str, name: str, start: int) -> AsyncIterator[bytes]:
        log = self._services.log
        call = self._call("read_stream", run_id=run_id, target=name, start=start)
        log.client_called(call, "invoke")
        async for chunk in read_stream(self._services, run_id, name, start):
            yield chunk
        log.client_called(call, "ok")

    # For scripts.

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass."""
        if duration_ms < 0:
            raise UsageError(f"a client cannot sleep for a negative time: {duration_ms} ms")
        await self._services.clock.sleep_ms(duration_ms)

    async def together(self, *acts: Coroutine[Any, Any, Any]) -> list[Any]:
        """Do several things side by side; their results, or the first error in their order."""
        return await self._services.tasks.gather([("side", act) for act in acts])
