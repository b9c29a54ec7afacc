"""What an application asks of its runs, over a real world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import trio

from simworld.engine import Event, RunRow, Workflow
from simworld.runtime import Client, Services, WebhookRequest, WebhookResponse


class App:
    """Starts runs, waits for them, and talks to them; made by ``connect``, or a worker's own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._client = Client(services)

    async def start(self, *args: object, **kwargs: object) -> str:
        """Start a run of the program's main workflow; its run id."""
        return await self._client.start(*args, **kwargs)

    async def start_run(self, workflow: Workflow[Any, Any], *args: object, **kwargs: object) -> str:
        """Start a run of any workflow of the program; its run id."""
        return await self._client.start_run(workflow, *args, **kwargs)

    async def result(self, run_id: str, *, timeout_s: float | None = None) -> Any:
        """The run's output, once it has completed; ``RunFailedError`` if it ended otherwise.

        ``TimeoutError`` after ``timeout_s``; the run goes on.
        """
        if timeout_s is None:
            return await self._client.result(run_id)
        with trio.move_on_after(timeout_s):
            return await self._client.result(run_id)
        raise TimeoutError(f"run {run_id} has not ended within {timeout_s} s; it goes on")

    async def run(self, run_id: str) -> RunRow:
        """The run as it is now; ``EntityNotFoundError`` if there is none."""
        return await self._services.storage.run(run_id)

    async def active_runs(self) -> list[str]:
        """The runs of this world that have not ended."""
        return list(await self._services.storage.active_runs())

    async def events(self, run_id: str) -> list[Event]:
        """The run's log; empty if there is no such run."""
        found: list[Event] = []
        cursor: str | None = None
        while True:
            page = await self._services.storage.events(run_id, cursor)
            found += page.events
            cursor = page.cursor
            if cursor is None or not page.has_more:
                return found

    async def resume_hook(self, token: str, payload: object) -> None:
        """Send a payload to the hook that owns ``token``; ``HookNotFoundError`` if none does."""
        await self._client.resume_hook(token, payload)

    async def resume_webhook(
        self, token: str, request: WebhookRequest | Mapping[str, object]
    ) -> WebhookResponse:
        """Send a request to a webhook; its answer, or ``HookNotFoundError``."""
        return await self._client.resume_webhook(token, request)

    async def wake_up(self, run_id: str) -> None:
        """End every sleep of the run now."""
        await self._client.wake_up(run_id)

    async def cancel(self, run_id: str) -> None:
        """End the run as it is; ``EntityConflictError`` if it has completed or failed."""
        await self._client.cancel(run_id)

    async def reenqueue(self, run_id: str) -> None:
        """Have the run looked at again, in case its last message got lost."""
        await self._client.reenqueue(run_id)

    def read_stream(self, run_id: str, name: str, start: int = 0) -> AsyncIterator[bytes]:
        """The stream's chunks from index ``start``, as they come; negative: from the end."""
        return self._client.read_stream(run_id, name, start)
