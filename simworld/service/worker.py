"""A worker: the engine over a real world and its queue; and a client of such a worker.

The queue of a memory or file world lives in this process and dies with it, so a worker begins by
sending every run that has not ended a message, whatever has become of the last one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import trio

from simworld import __version__
from simworld.engine import Program
from simworld.errors import EntityNotFoundError
from simworld.ports import Handler, Queue, RunLog, Storage, Streams
from simworld.runtime import Services, handler_for, recover
from simworld.service.app import App
from simworld.service.bodies import RealBodies
from simworld.service.drain import Drain, DrainedStorage
from simworld.service.faults import Faults, WatchedTables
from simworld.service.log import QUIET, ServiceLog
from simworld.service.opening import (
    MEMORY,
    Settings,
    memory_queue,
    open_ground,
    parse_place,
    table_queue,
    world_on,
)
from simworld.service.remote import HttpQueue
from simworld.substrates import RealIds, TrioHost, exit_now, open_host
from simworld.worlds import MemoryQueue, TableQueue

PORT = 8338
"""Where a worker listens and a client looks for it, unless told otherwise."""


class Worker:
    """Made by ``working``."""

    def __init__(
        self,
        kind: str,
        services: Services,
        handler: Handler,
        drain: Drain,
        jobs: TableQueue | None,
        faults: Sequence[Faults],
    ) -> None:
        self._kind = kind
        self._jobs = jobs
        self._services = services
        self._drain = drain
        self._faults = faults
        self.handler = handler
        """Takes one delivery, from whatever queue."""
        self.app = App(services, queue_lasts=jobs is not None)
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
        """Whether it takes messages, whether it can do anything, and how many are under way."""
        fault = next((each.current for each in self._faults if each.current), "")
        status = "failing" if fault else "ok"
        told = {
            "status": "stopping" if self._drain.closed else status,
            "world": self._kind,
            "version": __version__,
            "active": self._drain.active,
        }
        return {**told, "fault": fault} if fault else told

    async def knows(self, run_id: str) -> bool:
        """Whether there is such a run."""
        try:
            await self._services.storage.run(run_id)
        except EntityNotFoundError:
            return False
        return True

    async def recover(self) -> None:
        """Have every run looked at that has not ended."""
        self.recovered += await recover(self._services)

    async def stop(self, grace_s: float) -> bool:
        """Begin nothing from now on; whether all that was under way has ended within the grace."""
        if self._jobs is not None:
            self._jobs.stop()
        return await self._drain.close(grace_s)


Front = Callable[[Worker, trio.Nursery], Awaitable[Handler]]
"""Serves a worker's handler from within the nursery, and gives what its queue delivers to."""


@asynccontextmanager
async def working(
    world: str,
    program: Program,
    *,
    settings: Settings | None = None,
    log: ServiceLog = QUIET,
    die: Callable[[str], object] = exit_now,
    front: Front | None = None,
) -> AsyncIterator[Worker]:
    """A worker on ``world`` for as long as the block lasts.

    ``front``: what its own queue delivers through, in place of calling the handler.
    Leaving the block ends everything where it stands; ``stop`` is for a good order.
    """
    place, settings = parse_place(world), settings or Settings()
    async with (
        open_ground(place, settings) as ground,
        open_host(on_error=log.failed, die=die) as host,
    ):
        ids = RealIds(host.clock.now_ms)
        drain = Drain()
        storage, streams = world_on(ground, host, ids, settings)
        jobs, taking = None, Faults(log, "taking messages")
        if ground.tables is not None:
            jobs = table_queue(WatchedTables(ground.tables, taking), host, ids, settings)
        queue = jobs or memory_queue(host, ids, settings)
        services = _services(
            program, settings, host, ids, DrainedStorage(storage, drain), streams, queue, log
        )
        faults = Faults(log, "a delivery")
        handler = drain.handler(handler_for(services).handle, faults)
        worker = Worker(place.kind, services, handler, drain, jobs, (faults, taking))
        deliver = handler if front is None else await front(worker, host.nursery)
        if isinstance(queue, MemoryQueue):
            queue.handler = deliver
        else:
            host.nursery.start_soon(queue.consume, deliver)
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
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(open_ground(place, settings))
        host = await stack.enter_async_context(open_host(on_error=log.failed))
        ids = RealIds(host.clock.now_ms)
        storage, streams = world_on(ground, host, ids, settings)
        queue: Queue
        if ground.tables is None:
            client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            queue = HttpQueue(client, workers, secret=secret)
        else:
            queue = table_queue(ground.tables, host, ids, settings)
        services = _services(program, settings, host, ids, storage, streams, queue, log)
        yield App(services, queue_lasts=ground.tables is not None)


def _services(
    program: Program,
    settings: Settings,
    host: TrioHost,
    ids: RealIds,
    storage: Storage,
    streams: Streams,
    queue: Queue,
    log: RunLog,
) -> Services:
    return Services(
        program=program,
        policy=settings.engine,
        storage=storage,
        queue=queue,
        streams=streams,
        tasks=host.tasks,
        clock=host.clock,
        bodies=RealBodies(),
        ids=ids,
        log=log,
    )
