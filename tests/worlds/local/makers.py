"""File worlds to be tested: on files in memory, as one process or as several on one tree."""

from __future__ import annotations

from contextlib import asynccontextmanager

import trio

from simworld.conformance import WorldUnderTest
from simworld.records import LocalProfile, WorldProfile
from simworld.substrates import MemoryFiles
from simworld.worlds import LocalStreams, LocalWorld, read_local


class TrioLatch:
    """``ports.Latch``."""

    def __init__(self):
        self._event = trio.Event()

    def set(self):
        self._event.set()

    async def wait(self, timeout_ms=None):
        await self._event.wait()
        return True


class TrioTasks:
    """As much of ``ports.Tasks`` as file worlds use."""

    def latch(self, wish):
        return TrioLatch()

    async def gather(self, parts):
        return [await coroutine for _, coroutine in parts]


class Processes:
    """``ports.Storage``: every call goes to the next of several instances."""

    def __init__(self, worlds):
        self._worlds = worlds
        self._calls = 0

    def __getattr__(self, name):
        self._calls += 1
        return getattr(self._worlds[self._calls % len(self._worlds)], name)


def instance(files, clock, ids, *, page_max=1_000, tasks=None, **knobs):
    """One process's file world."""
    return LocalWorld(
        files,
        clock=clock,
        ids=ids,
        tasks=tasks or TrioTasks(),
        profile=LocalProfile(**knobs),
        world=WorldProfile(page_max=page_max),
    )


def local(*, turns=None, processes=1, page_max=1_000, **knobs):
    """A maker of file worlds in memory."""

    @asynccontextmanager
    async def make_world(clock, ids):
        tasks = TrioTasks()
        memory = MemoryFiles(tasks=tasks)
        files = turns.files(memory) if turns else memory
        worlds = [instance(files, clock, ids, page_max=page_max, **knobs) for _ in range(processes)]
        storage = worlds[0] if processes == 1 else Processes(worlds)

        async def state():
            return await read_local(memory, LocalProfile(**knobs))

        yield WorldUnderTest(storage, LocalStreams(files, tasks=tasks), state)

    return make_world
