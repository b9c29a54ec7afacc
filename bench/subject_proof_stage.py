"""What the proofs of ``bench.subject_proofs`` play on: the engine as it is, with its own world.

Nothing of the engine is changed.  Its ``LocalWorld`` is subclassed: it counts deliveries, and a
proof may delay or refuse a call before it is made.  Its embedded queue is the one that comes with
it; a proof may set the clock of the process forward instead of waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import importlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import time_machine
from vercel.workflow import start
from vercel.workflow._internal import world as engine
from vercel.workflow._internal.world import set_world
from vercel.workflow._internal.worlds.local import LocalWorld

FLOWS = "bench.subject_proof_flows"
ENDED = ("completed", "failed", "cancelled")
LOOK_S = 0.05
FLOW = ""
Call = Callable[[str, Any], Awaitable[None]]
"""What is done before a call: it is told the run or the queue, and what is recorded or sent."""


async def _as_it_is(*_: object) -> None:
    """Neither delays nor refuses anything."""


def _refusing(is_that: Callable[[str, Any], bool]) -> Call:
    left = [engine.WorkflowWorldError("503, once", status=503)]

    async def before(where: str, what: Any) -> None:
        if left and is_that(where, what):
            raise left.pop()

    return before


class Watched(LocalWorld):
    """``LocalWorld``; tells what was sent and delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.before_event: Call = _as_it_is
        self.before_send: Call = _as_it_is
        self.sent: list[tuple[str, Any]] = []
        """Queue and message."""
        self.delivered: list[tuple[str, str]] = []
        """The step, or ``FLOW``, and the error that the handler ended with."""

    async def events_create(self, run_id: str, data: Any) -> Any:
        await self.before_event(run_id, data)
        return await super().events_create(run_id, data)

    async def queue(self, queue_name: str, message: Any, **kwargs: Any) -> str:
        self.sent.append((queue_name, message))
        await self.before_send(queue_name, message)
        return await super().queue(queue_name, message, **kwargs)

    def create_queue_handler(self, prefix: str, handler: Callable[..., Any]) -> Any:
        async def watched(payload: Any, **kwargs: Any) -> Any:
            error = ""
            try:
                return await handler(payload, **kwargs)
            except BaseException as raised:
                error = f"{type(raised).__name__}: {raised}"
                raise
            finally:
                self.delivered.append((payload.get("stepId") or FLOW, error))

        return super().create_queue_handler(prefix, watched)


class Steady:
    """A clock for the queue that goes on when the clock of the process is set."""

    def __init__(self) -> None:
        self._begun = datetime.datetime.now(datetime.UTC)
        self._zero = time.monotonic()

    def now(self) -> datetime.datetime:
        return self._begun + datetime.timedelta(seconds=time.monotonic() - self._zero)

    def monotonic(self) -> float:
        return time.monotonic()


class Stage:
    """One world, the workflows on it, and what a proof asks of them."""

    def __init__(self) -> None:
        logging.disable(logging.CRITICAL)
        self.world = Watched()
        # A registry of workflows asks for the world when it is made.
        set_world(self.world)
        self.flows: Any = importlib.import_module(FLOWS)

    @property
    def bodies(self) -> int:
        """How many bodies of steps have begun."""
        return len(self.flows.BODIES)

    def deliveries(self, *, of_steps: bool) -> int:
        """How many messages of steps, or of flows, were delivered."""
        return sum((step != FLOW) == of_steps for step, _ in self.world.delivered)

    async def start(self, name: str, value: object) -> Any:
        """A run of the workflow of that name."""
        return await start(getattr(self.flows, name), value)

    async def status(self, run: Any) -> str:
        """What the run's row says."""
        return (await self.world.runs_get(run.run_id)).status

    async def ended(self, run: Any, within_s: float) -> str:
        """Its status once it has ended, or when that time is over."""
        until = time.monotonic() + within_s
        while (status := await self.status(run)) not in ENDED and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
        return status

    async def events(self, run: Any) -> list[str]:
        """Types of the events in its log."""
        return [each.event_type for each in (await self.world.events_list(run.run_id)).data]

    async def until_event(self, run: Any, kind: str) -> None:
        """Wait until its log has such an event."""
        while kind not in await self.events(run):
            await asyncio.sleep(LOOK_S / 5)

    async def error(self, run: Any) -> str:
        """What a run has failed of."""
        failed = (await self.world.events_list(run.run_id)).data[-1]
        told = failed.event_data.error
        if isinstance(told, dict):  # 0.9.0, where a client is told of no error
            return told["message"]
        try:
            await run.return_value()
        except Exception as error:
            return str(error)
        return ""

    def refuse_send(self, is_that: Callable[[str, Any], bool]) -> None:
        """The first send of such a message to such a queue is answered with 503."""
        self.world.before_send = _refusing(is_that)

    def refuse_event(self, kind: str) -> None:
        """The first such event is answered with 503."""
        self.world.before_event = _refusing(lambda _, data: data.event_type == kind)

    async def send_again(self, number: int) -> None:
        """The message that was sent as the ``number``-th comes once more."""
        queue_name, message = self.world.sent[number]
        await self.world.queue(queue_name, message)

    async def steady_queue(self) -> None:
        """The queue keeps to the right time whatever is done to the clock of the process."""
        await self.world._get_queue_client()
        self.world._embedded_queue_service.server.state.clock = Steady()

    @contextlib.contextmanager
    def clock(self) -> Iterator[Callable[[float], None]]:
        """A clock that goes on by itself; calling it sets it forward, and the queue looks again."""
        with time_machine.travel(datetime.datetime.now(datetime.UTC), tick=True) as traveller:

            def forward(seconds: float) -> None:
                traveller.shift(seconds)
                self.world._embedded_queue_service.dispatcher.wake()

            yield forward
