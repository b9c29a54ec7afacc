"""The client: what an application asks of its runs (spec §2.5).

A scenario's script is written against it, too: ``sleep`` and ``together`` are for that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from simworld.engine import RunCancelled, WaitCompleted, WaitCreated, Workflow
from simworld.errors import EntityConflictError, EntityNotFoundError, UsageError
from simworld.ports import Message
from simworld.runtime.runs import resume_hook, run_output, start_run
from simworld.runtime.services import Services
from simworld.runtime.streams import read_stream
from simworld.runtime.webhooks import WebhookRequest, WebhookResponse, resume_webhook

NO_REQUEST = WebhookRequest()
"""A request that says nothing: an empty POST."""


class Client:
    """Talks to the world on behalf of an application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.run_ids: list[str] = []
        """The runs started so far."""

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
        await start_run(self._services, run_id, workflow, args, kwargs)
        return run_id

    async def result(self, run_id: str) -> Any:
        """The run's output, once it has completed; ``RunFailedError`` if it ended otherwise."""
        return await run_output(self._services, run_id)

    async def resume_hook(self, token: str, payload: object) -> None:
        """Send a payload to the hook that owns ``token``; ``HookNotFoundError`` if none does."""
        await resume_hook(self._services, token, payload)

    async def resume_webhook(
        self, token: str, request: WebhookRequest | Mapping[str, object] = NO_REQUEST
    ) -> WebhookResponse:
        """Send a request to a webhook; its answer, or ``HookNotFoundError``."""
        return await resume_webhook(self._services, token, request)

    async def wake_up(self, run_id: str) -> None:
        """End every sleep of the run now."""
        storage = self._services.storage
        for wait in (await self._open_waits(run_id)).values():
            try:
                fact = WaitCompleted(wait.correlation_id, wait.resume_at_ms)
                await storage.create(run_id, fact)
            except (EntityConflictError, EntityNotFoundError):
                continue  # it is over already, or its run is
        await self._services.queue.send(Message(run_id))

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
        await self._services.storage.create(run_id, RunCancelled())

    async def reenqueue(self, run_id: str) -> None:
        """Have the run looked at again, in case its last message got lost."""
        await self._services.queue.send(Message(run_id))

    def read_stream(self, run_id: str, name: str, start: int = 0) -> AsyncIterator[bytes]:
        """The stream's chunks from index ``start``, as they come; negative: from the end."""
        return read_stream(self._services, run_id, name, start)

    # For scripts.

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass."""
        if duration_ms < 0:
            raise UsageError(f"a client cannot sleep for a negative time: {duration_ms} ms")
        await self._services.clock.sleep_ms(duration_ms)

    async def together(self, *acts: Coroutine[Any, Any, Any]) -> list[Any]:
        """Do several things side by side; their results, or the first error in their order."""
        return await self._services.tasks.gather([("side", act) for act in acts])
