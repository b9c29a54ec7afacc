"""Grounds: a variant's world, put under the kernel, ready for an engine to stand on.

The atomic world's calls are operations of the kernel; of the others every operation on their files
or tables is one, or every message to their server.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeVar

from simworld.campaign.places import Ground, place_named
from simworld.campaign.variants import Variant
from simworld.errors import InternalError
from simworld.ports import Clock, Ids, Storage, Streams, Tasks
from simworld.records import LocalLog, LogPosition, PostgresPosition
from simworld.sim import Kernel, Labels, SimStorage, SimStreams, SimWire
from simworld.worlds import AtomicWorld, HostedStreams, HostedWorld, MemoryStreams, WorldState

T = TypeVar("T")


class Sim(NamedTuple):
    """What a simulated world is made with."""

    kernel: Kernel
    labels: Labels
    tasks: Tasks
    clock: Clock
    ids: Ids


class Standing(NamedTuple):
    """A world under the kernel."""

    storage: Storage
    streams: Streams
    state: Callable[[], WorldState]
    """Everything it holds, for the judges; not a part of the trial."""


def stand_on(sim: Sim, variant: Variant) -> Standing:
    """The variant's world."""
    return _GROUNDS[place_named(variant.place).ground](sim, variant)


def mints_first(variant: Variant) -> bool:
    """Whether positions are minted before events are visible, so that these may come late."""
    ground = place_named(variant.place).ground
    if ground is Ground.LOCAL:
        return variant.local.local_log is LocalLog.MINTED
    if ground is Ground.POSTGRES:
        return variant.postgres.pg_position is PostgresPosition.MINTED
    return variant.world.log_position is LogPosition.MINT_AT_START


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that, on a substrate in memory, has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise InternalError("a substrate in memory has made its caller wait")


def _atomic(sim: Sim, variant: Variant) -> Standing:
    world = AtomicWorld(clock=sim.clock, ids=sim.ids, profile=variant.world, tasks=sim.tasks)
    streams = MemoryStreams(tasks=sim.tasks)
    return Standing(
        SimStorage(sim.kernel, sim.labels, world),
        SimStreams(sim.kernel, sim.labels, streams),
        partial(_state, world, streams),
    )


def _state(world: AtomicWorld, streams: MemoryStreams) -> WorldState:
    return WorldState(
        world.runs, world.steps, world.hooks, world.waits, world.logs, streams.contents()
    )


def _hosted(sim: Sim, variant: Variant) -> Standing:
    server = AtomicWorld(clock=sim.clock, ids=sim.ids, profile=variant.world, tasks=sim.tasks)
    streams = MemoryStreams(tasks=sim.tasks)
    wire = SimWire(sim.kernel, sim.labels, variant.hosted)
    return Standing(
        HostedWorld(wire, server=server, profile=variant.hosted),
        HostedStreams(wire, server=streams),
        partial(_state, server, streams),
    )


_GROUNDS: dict[Ground, Callable[[Sim, Variant], Standing]] = {
    Ground.ATOMIC: _atomic,
    Ground.HOSTED: _hosted,
}
