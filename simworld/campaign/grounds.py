"""Grounds: a variant's world, put under the kernel, ready for an engine to stand on.

The atomic world's calls are operations of the kernel; of the others every operation on their files
or tables is one, or every message to their server.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from simworld.campaign.places import Ground, place_named
from simworld.campaign.variants import Variant
from simworld.engine import Commits
from simworld.entropy import Stream
from simworld.errors import InternalError, UsageError
from simworld.ports import Clock, Ids, Row, Storage, Streams, Tasks
from simworld.records import (
    FaultBudget,
    LateChunks,
    LocalCommits,
    LocalLog,
    LogPosition,
    PostgresPosition,
    PostgresWrites,
)
from simworld.sim import (
    POSITION_MAX,
    AskerIds,
    HostClock,
    InsideStorage,
    InsideStreams,
    Kernel,
    Labels,
    Nemesis,
    SimFiles,
    SimStorage,
    SimStreams,
    SimTables,
    SimWire,
    by_position,
    per_host,
)
from simworld.subjects import own_world
from simworld.substrates import MemoryFiles, MemoryTables, Sync
from simworld.worlds import (
    AtomicWorld,
    EndingStreams,
    HostedStreams,
    HostedWorld,
    LocalStreams,
    LocalWitness,
    LocalWorld,
    MemoryStreams,
    PostgresStreams,
    PostgresWorld,
    Prefixes,
    TableWitness,
    WorldState,
    minted_cursor,
    read_local,
    read_postgres,
    world_tables,
)

T = TypeVar("T")

_PREFIXES = Prefixes()
"""Of all trials of this process: simulated processes begin with nothing, over and over."""


class Sim(NamedTuple):
    """What a simulated world is made with."""

    kernel: Kernel
    labels: Labels
    tasks: Tasks
    clock: Clock
    """A server's; who lives in a process reads that host's."""
    ids: Ids


class Standing(NamedTuple):
    """A world under the kernel."""

    storage: Storage
    streams: Streams
    state: Callable[[], WorldState]
    """Everything it holds, for the judges; not a part of the trial."""
    release: Callable[[], None] = lambda: None
    """After the trial: let go of what leads round in a circle."""


def stand_on(sim: Sim, variant: Variant) -> Standing:
    """The variant's world."""
    standing = _GROUNDS[place_named(variant.place).ground](sim, variant)
    if variant.world.late_chunks is LateChunks.ACCEPTED:
        return standing
    return standing._replace(streams=EndingStreams(standing.streams, standing.storage))


def nemesis(
    variant: Variant, stream: Stream, budget: FaultBudget, victims: Sequence[str]
) -> Nemesis:
    """The nemesis of a trial; where a call is several operations, it reaches as many calls."""
    reach = POSITION_MAX * place_named(variant.place).parts
    return Nemesis(stream, budget, victims, reach=reach)


def mints_first(variant: Variant) -> bool:
    """Whether positions are minted before events are visible, so that these may come late."""
    ground = place_named(variant.place).ground
    if ground is Ground.LOCAL:
        return variant.local.local_log is LocalLog.MINTED
    if ground is Ground.POSTGRES:
        return variant.postgres.pg_position is not PostgresPosition.SLOTS
    return variant.world.log_position is LogPosition.MINT_AT_START


@functools.lru_cache(maxsize=256)
def check_together(variant: Variant) -> None:
    """``UsageError`` where ``commits=together`` meets a knob that it cannot go with."""
    if variant.engine.commits is Commits.EACH:
        return
    knobs, wrong = variant.knobs, [("engine", "v1"), ("publish", "beside_create")]
    wrong += _ONE_BY_ONE[place_named(variant.place).ground]
    for knob, value in wrong:
        if knobs[knob] == value:
            raise UsageError(
                f"commits=together records several events in one commit, and with {knob}={value} "
                f"each is recorded by itself; use commits=each, or another value of {knob}"
            )


_MINTED = ("log_position", "mint_at_start")
_ONE_BY_ONE: dict[Ground, tuple[tuple[str, str], ...]] = {
    Ground.ATOMIC: (_MINTED,),
    Ground.HOSTED: (_MINTED,),
    Ground.LOCAL: (("local_log", "minted"),),
    Ground.POSTGRES: (
        ("pg_writes", "autocommit"),
        ("pg_position", "minted"),
        ("pg_position", "reserved"),
    ),
}
"""Knobs of a world under which it cannot record several events at once."""


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
    streams = MemoryStreams(tasks=sim.tasks, order=variant.world.chunk_order)
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
    streams = MemoryStreams(tasks=sim.tasks, order=variant.world.chunk_order)
    wire = SimWire(sim.kernel, sim.labels, variant.hosted)
    return Standing(
        HostedWorld(wire, server=server, profile=variant.hosted),
        HostedStreams(wire, server=streams),
        partial(_state, server, streams),
    )


class _Instance(NamedTuple):
    """The file world in the memory of one process."""

    storage: LocalWorld
    streams: LocalStreams


def _local(sim: Sim, variant: Variant) -> Standing:
    kernel, profile = sim.kernel, variant.local
    inner = MemoryFiles(tasks=sim.tasks, sync=Sync.EACH if profile.local_sync else Sync.NEVER)
    witness = LocalWitness(inner.contents, profile)
    grouped = profile.local_commits is LocalCommits.GROUPED
    askers = AskerIds(kernel, sim.ids) if grouped else None

    def published(path: str, data: bytes) -> None:
        for rows in witness.published(path, data):
            event = rows.event
            assert event is not None
            storage.published(event, rows, "" if askers is None else askers.asker[event.event_id])

    files = SimFiles(kernel, sim.labels, inner, published)

    def make() -> _Instance:
        world = LocalWorld(
            files,
            clock=HostClock(kernel),
            ids=askers or sim.ids,
            tasks=sim.tasks,
            profile=profile,
            world=variant.world,
            prefixes=_PREFIXES,
        )
        return _Instance(world, LocalStreams(files, tasks=sim.tasks))

    here = per_host(kernel, make)
    cursor_of = minted_cursor if profile.local_log is LocalLog.MINTED else by_position
    storage = InsideStorage(kernel, sim.labels, lambda: here().storage, cursor_of=cursor_of)
    streams = InsideStreams(kernel, sim.labels, lambda: here().streams)
    return Standing(storage, streams, lambda: now(read_local(inner, profile)), files.release)


def _postgres(sim: Sim, variant: Variant) -> Standing:
    kernel = sim.kernel

    appends = variant.postgres.pg_writes is PostgresWrites.APPEND
    askers = AskerIds(kernel, sim.ids) if appends else None

    def committed(rows: Sequence[tuple[str, Row]]) -> None:
        for event, after in witness.published(rows):
            asker = "" if askers is None else askers.asker[event.event_id]
            storage.published(event, after, asker)

    inner = MemoryTables(
        world_tables(variant.postgres),
        tasks=sim.tasks,
        owner=lambda: kernel.current,
        on_commit=committed,
    )
    kernel.on_bury.append(inner.abandon)  # a job may be cancelled while its host lives on
    tables = SimTables(kernel, sim.labels, inner)
    witness = TableWitness(inner)

    def make() -> PostgresWorld:
        return PostgresWorld(
            tables,
            clock=HostClock(kernel),
            ids=askers or sim.ids,
            profile=variant.postgres,
            world=variant.world,
            tasks=sim.tasks,
            prefixes=_PREFIXES,
        )

    shared = None if appends else make()
    here = per_host(kernel, make) if shared is None else lambda: shared
    storage = InsideStorage(kernel, sim.labels, here)
    held = PostgresStreams(tables)
    streams = InsideStreams(kernel, sim.labels, lambda: held)

    def release() -> None:
        inner.on_commit = None

    return Standing(storage, streams, lambda: now(read_postgres(inner)), release)


def _sdk_local(sim: Sim, variant: Variant) -> Standing:
    own = own_world(variant.subject, clock=sim.clock, tasks=sim.tasks)
    return Standing(
        SimStorage(sim.kernel, sim.labels, own.storage),
        SimStreams(sim.kernel, sim.labels, own.streams),
        own.state,
        own.release,
    )


_GROUNDS: dict[Ground, Callable[[Sim, Variant], Standing]] = {
    Ground.ATOMIC: _atomic,
    Ground.HOSTED: _hosted,
    Ground.LOCAL: _local,
    Ground.POSTGRES: _postgres,
    Ground.SDK_LOCAL: _sdk_local,
}
