"""The client of a foreign engine: what a scenario's script calls, in the verbs of our own client.

The engine's own functions do the work (``start``, ``resume_hook`` …), on a host that never dies;
what they raise the host has sorted, and it comes out in the words of the house.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from simworld.errors import (
    DefiniteFailure,
    EntityConflictError,
    HookNotFoundError,
    UsageError,
)
from simworld.ports import ClientCalled, Clock, RunLog, Tasks
from simworld.runtime import RunFailedError
from simworld.subjects.bridge import Bridge, CallError
from simworld.subjects.seam import Failure


class SubjectClient:
    """One client; ``run_ids`` are the runs it has started so far."""

    def __init__(self, bridge: Bridge, *, tasks: Tasks, clock: Clock, log: RunLog) -> None:
        self._bridge = bridge
        self._tasks = tasks
        self._clock = clock
        self._log = log
        self._calls = 0
        self.run_ids: list[str] = []

    async def start(self, *args: object, **kwargs: object) -> str:
        """Start a run of the program's workflow; its run id."""
        return await self.start_run("", *args, **kwargs)

    async def start_run(self, workflow: str, *args: object, **kwargs: object) -> str:
        """Start a run of any workflow of the program's module, by name; its run id."""
        given: dict[str, object] = {"workflow": workflow, "args": list(args), "kwargs": kwargs}
        run_id = await self._called("start", given)
        assert isinstance(run_id, str)
        self.run_ids.append(run_id)
        return run_id

    async def result(self, run_id: str) -> Any:
        """The run's output, once it has completed; ``RunFailedError`` if it ended otherwise."""
        return await self._called("result", {"run_id": run_id}, run_id=run_id)

    async def resume_hook(self, token: str, payload: object) -> None:
        """Send a payload to the hook that owns ``token``; ``HookNotFoundError`` if none does."""
        given: dict[str, object] = {"token": token, "payload": payload}
        await self._called("resume_hook", given, target=token)

    async def cancel(self, run_id: str) -> None:
        """End the run as it is; ``EntityConflictError`` if it has completed or failed."""
        await self._called("cancel", {"run_id": run_id}, run_id=run_id)

    async def read_stream(self, run_id: str, name: str = "", start: int = 0) -> list[Any]:
        """All of the run's stream from an index on, once it has ended; ``name``: its namespace."""
        given: dict[str, object] = {"run_id": run_id, "name": name, "start": start}
        values = await self._called("read_stream", given, run_id=run_id, target=name, start=start)
        assert isinstance(values, list)
        return values

    async def _called(self, verb: str, given: dict[str, object], **about: Any) -> Any:
        self._calls += 1
        call = ClientCalled(self._calls, verb, **about)
        self._log.client_called(call, "invoke")
        try:
            answer = await self._bridge.call(verb, given)
        except CallError as error:
            told = _in_our_words(error, verb, given)
            self._log.client_called(call, "info" if type(told) is DefiniteFailure else "fail")
            raise told from None
        self._log.client_called(call, "ok")
        return answer

    # For scripts.

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass."""
        if duration_ms < 0:
            raise UsageError(f"a client cannot sleep for a negative time: {duration_ms} ms")
        await self._clock.sleep_ms(duration_ms)

    async def together(self, *acts: Coroutine[Any, Any, Any]) -> list[Any]:
        """Do several things side by side; their results, or the first error in their order."""
        return await self._tasks.gather([("side", act) for act in acts])


def _in_our_words(error: CallError, verb: str, given: dict[str, object]) -> Exception:
    """What the engine's own function has raised, as our own client would."""
    text, run_id = str(error), str(given.get("run_id", ""))
    message = text.partition(": ")[2] or text
    match error.failure:
        case Failure.MISTAKE:
            return UsageError(f"{verb} with {given} is no call that the engine takes: {text}")
        case Failure.NO_HOOK:
            return HookNotFoundError(message)
        case Failure.ENDED:
            return EntityConflictError(message, reason="terminal")
        case Failure.RUN_FAILED:
            return RunFailedError(run_id, "failed", "", message)
        case Failure.RUN_CANCELLED:
            return RunFailedError(run_id, "was cancelled", "", message)
    return DefiniteFailure(text)
