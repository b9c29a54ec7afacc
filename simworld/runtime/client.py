"""The client: start a run, wait for its result (spec §2.5).

``start`` writes run_created first and queues the first message after it; starting both at once,
with run_started able to create the run, joins here with resilient start.
"""

from __future__ import annotations

from typing import Any

from simworld.engine import RunCreated, RunStatus, decode, decode_error, encode
from simworld.ports import Message
from simworld.runtime.services import Services

POLL_MS = 1_000
"""How often ``result`` looks at the run."""


class RunFailedError(Exception):
    """The run ended without a result; ``code`` is the run's error code (spec §1.6)."""

    def __init__(self, run_id: str, status: str, code: str, text: str) -> None:
        super().__init__(f"run {run_id} {status}{f' ({code})' if code else ''}: {text}")
        self.run_id, self.status, self.code = run_id, status, code


class Client:
    """Talks to the world on behalf of an application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def start(self, *args: object, **kwargs: object) -> str:
        """Start a run of the program's workflow; its run id."""
        services = self._services
        run_id = services.ids.run_id()
        payload = encode([list(args), kwargs])
        await services.storage.create(run_id, RunCreated(services.program.workflow.name, payload))
        await services.queue.send(Message(run_id))
        return run_id

    async def result(self, run_id: str) -> Any:
        """The run's output, once it has completed; ``RunFailedError`` if it failed."""
        services = self._services
        while True:
            row = await services.storage.run(run_id)
            if row.status is RunStatus.COMPLETED:
                return decode(row.output)
            if row.status is RunStatus.FAILED:
                error = decode_error(row.error)
                raise RunFailedError(
                    run_id, "failed", row.error_code, f"{error['name']}: {error['message']}"
                )
            if row.status is RunStatus.CANCELLED:
                raise RunFailedError(run_id, "was cancelled", "", "no result")
            await services.clock.sleep_ms(POLL_MS)
