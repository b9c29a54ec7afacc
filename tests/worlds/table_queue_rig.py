"""The queue in a table, on tables in memory under virtual time, or on a server under real time."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import trio
from trio.testing import MockClock

from simworld.errors import DefiniteFailure
from simworld.ports import Message, Redeliver
from simworld.substrates import MemoryTables, TrioHost, open_host, open_postgres
from simworld.worlds import JOBS, TableQueue, ddl
from tests.worlds.doubles import Ids

FLOW = Message("wrun_1")
STEP = Message("wrun_1", "step_1", "work")


class Thrown(DefiniteFailure):
    """What a handler throws."""


class Bug(Exception):
    """What no handler should throw."""


@attrs.frozen
class Reached:
    """A handler was reached."""

    at_ms: int
    message: Message
    message_id: str
    number: int
    receipt: str


class Rig:
    """``script``: what the n-th handler to begin does, as ``(after_ms, action)``.

    An action is ``ack``, ``throw``, ``bug`` or a number of seconds after which to deliver again;
    handlers beyond the script acknowledge at once.
    """

    def __init__(self, tables, host, ids, profile, script, errors, lease_ms=30_000):
        self.host: TrioHost = host
        self.queue = TableQueue(
            tables,
            tasks=host.tasks,
            clock=host.clock,
            ids=ids,
            profile=profile,
            lease_ms=lease_ms,
        )
        self.script = list(script)
        self.reached: list[Reached] = []
        self.ended = []
        self.errors = errors

    async def handle(self, message, delivery):
        now_ms = self.host.clock.now_ms
        told = (delivery.message_id, delivery.number, delivery.receipt)
        self.reached.append(Reached(now_ms(), message, *told))
        count = len(self.reached)
        after_ms, action = self.script[count - 1] if count <= len(self.script) else (0, "ack")
        await self.host.clock.sleep_ms(after_ms)
        self.ended.append((now_ms(), action))
        if action == "throw":
            raise Thrown
        if action == "bug":
            raise Bug
        return None if action == "ack" else Redeliver(action)

    @asynccontextmanager
    async def consuming(self, **options):
        """Consume while the block lasts, then end what is under way where it stands."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: self.queue.consume(self.handle, **options))
            yield nursery
            nursery.cancel_scope.cancel()

    async def consume_for(self, duration_ms, **options):
        async with self.consuming(**options):
            await trio.sleep(duration_ms / 1_000)

    @property
    def times(self):
        """When each handler was reached."""
        return [each.at_ms for each in self.reached]

    @property
    def numbers(self):
        """The attempt each handler was told."""
        return [each.number for each in self.reached]


def virtual_ms():
    return round(trio.current_time() * 1_000)


def simulate(body, *script, profile, hosts=1, **options):
    """Run ``body(rig, …)`` with so many processes on tables in memory; time jumps when all wait."""

    async def main():
        errors, ids = [], Ids()
        async with AsyncExitStack() as stack:
            rigs, tables = [], None
            for _ in range(hosts):
                host = await stack.enter_async_context(
                    open_host(
                        on_error=lambda name, error: errors.append(error),
                        die=lambda why: None,
                        wall=virtual_ms,
                    )
                )
                tables = tables or MemoryTables([JOBS], tasks=host.tasks)
                rigs.append(Rig(tables, host, ids, profile, script, errors, **options))
            rigs[0].tables = tables
            return await body(*rigs)

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def on_server(body, dsn, *script, profile, hosts=1, **options):
    """Run ``body(rig, …)`` with so many processes on a server, in real time."""

    async def main():
        errors, ids = [], Ids()
        async with AsyncExitStack() as stack:
            stack.enter_context(trio.fail_after(30))
            rigs = []
            for _ in range(hosts):
                host = await stack.enter_async_context(
                    open_host(
                        on_error=lambda name, error: errors.append(error), die=lambda why: None
                    )
                )
                tables = await stack.enter_async_context(
                    open_postgres(dsn, ddl=ddl([JOBS], "test"), version="test", connections=4)
                )
                rigs.append(Rig(tables, host, ids, profile, script, errors, **options))
            return await body(*rigs)

    return trio.run(main)
