"""What an application asks of its runs, over a real world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import trio

from simworld.engine import Event, RunCreated, RunRow, Workflow, encode
from simworld.errors import (
    DefiniteFailure,
    IndefiniteFailure,
    SimworldError,
    UsageError,
    WorldError,
)
from simworld.ports import Message
from simworld.runtime import Client, Services, WebhookRequest, WebhookResponse


class App:
    """Starts runs, waits for them, and talks to them; made by ``connect``, or a worker's own."""

    def __init__(self, services: Services, *, queue_lasts: bool) -> None:
        self._services = services
        self._queue_lasts = queue_lasts
        """The queue outlives its process, so a first message is as good as a record."""
        self._client = Client(services)

    async def start(self, *args: object, **kwargs: object) -> str:
        """Start a run of the program's main workflow; its run id."""
        if self._queue_lasts:
            return await self._client.start(*args, **kwargs)
        return await self._start_recorded(self._services.program.workflow, args, kwargs)

    async def start_run(self, workflow: Workflow[Any, Any], *args: object, **kwargs: object) -> str:
        """Start a run of any workflow of the program; its run id."""
        known = self._services.program.workflows.get(workflow.name) is workflow
        if self._queue_lasts or not known:  # which is refused there
            return await self._client.start_run(workflow, *args, **kwargs)
        return await self._start_recorded(workflow, args, kwargs)

    async def _start_recorded(
        self, workflow: Workflow[Any, Any], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> str:
        """Record the run, and only then send its message, which a dying worker takes along."""
        services = self._services
        run_id, payload = services.ids.run_id(), encode([list(args), kwargs])
        try:
            await services.storage.create(run_id, RunCreated(workflow.name, payload))
        except IndefiniteFailure as error:
            raise IndefiniteFailure(
                f"whether run {run_id} was recorded is not known: {error}; if run({run_id!r}) "
                f"finds it, reenqueue({run_id!r}), else start again"
            ) from error
        except DefiniteFailure as error:
            if isinstance(error, WorldError) and error.status < 500 and error.status != 429:
                raise  # for a reason that starting again does not mend
            raise DefiniteFailure(
                f"run {run_id} was not started, as it cannot be recorded: {error}; nothing was "
                "kept, start again"
            ) from error
        try:
            if not await services.queue.send(Message(run_id)):
                raise UsageError("the worker does not know it; does it work on another world?")
        except SimworldError as error:
            kind = UsageError if isinstance(error, UsageError) else IndefiniteFailure
            raise kind(
                f"run {run_id} exists and is recorded, but no worker was told of it: {error}. The "
                f"next worker that starts will take it, or reenqueue({run_id!r}) has one take it; "
                "starting again makes a second run"
            ) from error
        return run_id

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
