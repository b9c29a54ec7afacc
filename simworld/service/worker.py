"""A worker: the engine over a real world and its queue; and a client of such a worker.

The queue of a memory or file world lives in this process and dies with it, so a worker begins by
sending every run that has not ended a message, whatever has become of the last one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx

from simworld import __version__
from simworld.engine import Program
from simworld.ports import Handler, Message, Queue, RunLog
from simworld.runtime import Services, handler_for
from simworld.service.app import App
from simworld.service.bodies import RealBodies
from simworld.service.drain import Drain, DrainedStorage
from simworld.service.log import QUIET, ServiceLog
from simworld.service.opening import (
    MEMORY,
    Opened,
    Settings,
    open_world,
    parse_place,
    queue_profile,
)
from simworld.service.remote import HttpQueue
from simworld.substrates import RealIds, TrioHost, exit_now, open_host
from simworld.worlds import MemoryQueue

PORT = 8338
"""Where a worker listens and a client looks for it, unless told otherwise."""


class Worker:
    """Made by ``working``."""

    def __init__(self, kind: str, services: Services, handler: Handler, drain: Drain) -> None:
        self._kind = kind
        self._services = services
        self._drain = drain
        self.handler = handler
        """Takes one delivery, from whatever queue."""
        self.app = App(services)
        self.recovered = 0
        """Runs that had not ended when it started."""

    @property
    def queue(self) -> Queue:
        """Its own queue."""
        return self._services.queue

    @property
    def program(self) -> Program:
        """What it runs."""
        return self._services.program

    def health(self) -> dict[str, object]:
        """Whether it takes messages, and how many are under way."""
        return {
            "status": "stopping" if self._drain.closed else "ok",
            "world": self._kind,
            "version": __version__,
            "active": self._drain.active,
        }

    async def recover(self) -> None:
        """Have every run looked at that has not ended."""
        for run_id in await self._services.storage.active_runs():
            await self._services.queue.send(Message(run_id))
            self.recovered += 1

    async def stop(self, grace_s: float) -> bool:
        """Begin nothing from now on; whether all that was under way has ended within the grace."""
        return await self._drain.close(grace_s)


@asynccontextmanager
async def working(
    world: str,
    program: Program,
    *,
    settings: Settings | None = None,
    log: ServiceLog = QUIET,
    die: Callable[[str], object] = exit_now,
) -> AsyncIterator[Worker]:
    """A worker on ``world`` for as long as the block lasts.

    Leaving the block ends everything where it stands; ``stop`` is for a good order.
    """
    place, settings = parse_place(world), settings or Settings()
    async with open_host(on_error=log.failed, die=die) as host:
        ids = RealIds(host.clock.now_ms)
        async with open_world(place, host, ids, settings) as opened:
            drain = Drain()
            queue = MemoryQueue(
                tasks=host.tasks, clock=host.clock, ids=ids, profile=queue_profile(place, settings)
            )
            guarded = opened._replace(storage=DrainedStorage(opened.storage, drain))
            services = _services(program, settings, host, ids, guarded, queue, log)
            queue.handler = drain.handler(handler_for(services).handle)
            worker = Worker(place.kind, services, queue.handler, drain)
            await worker.recover()
            yield worker


@asynccontextmanager
async def connect(
    world: str,
    program: Program,
    *,
    settings: Settings | None = None,
    workers: Sequence[str] = (f"http://127.0.0.1:{PORT}",),
    secret: str = "",
    log: ServiceLog = QUIET,
) -> AsyncIterator[App]:
    """A client of ``world`` for as long as the block lasts.

    ``workers``: the addresses of the workers of a file world, and ``secret`` what they want to be
    told; a world in tables needs neither.  A world in memory has its only worker in here.
    """
    place, settings = parse_place(world), settings or Settings()
    if place.kind == MEMORY:
        async with working(world, program, settings=settings, log=log) as worker:
            yield worker.app
        return
    async with open_host(on_error=log.failed) as host:
        ids = RealIds(host.clock.now_ms)
        async with (
            open_world(place, host, ids, settings) as opened,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            queue = HttpQueue(client, workers, secret=secret)
            yield App(_services(program, settings, host, ids, opened, queue, log))


def _services(
    program: Program,
    settings: Settings,
    host: TrioHost,
    ids: RealIds,
    opened: Opened,
    queue: Queue,
    log: RunLog,
) -> Services:
    return Services(
        program=program,
        policy=settings.engine,
        storage=opened.storage,
        queue=queue,
        streams=opened.streams,
        tasks=host.tasks,
        clock=host.clock,
        bodies=RealBodies(),
        ids=ids,
        log=log,
    )
