"""Composition: a scenario's engine, its world and its queue, put under a kernel.

The engine is ours, in the form that the variant says, or a subject: one that nobody here wrote,
driven by its host through a bridge.  World, queue, faults and bodies are the same for both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import attrs

from simworld.campaign.grounds import Sim, Standing, stand_on
from simworld.campaign.scenario import TURNS_MAX, Case, Scenario
from simworld.campaign.script import run_script
from simworld.campaign.variants import Variant
from simworld.engine import Program
from simworld.entropy import derive
from simworld.ports import Handler
from simworld.records import Explorer, ForeignProgram, HandlerClock, Op, Workload
from simworld.runtime import Client, Services, handler_for, recover
from simworld.sim import (
    EPOCH_MS,
    Faults,
    HostClock,
    Kernel,
    Labels,
    LateHooks,
    RefusedWrites,
    SimBodies,
    SimClock,
    SimIds,
    SimLog,
    SimQueue,
    SimTasks,
    WatchedStreams,
    restarts,
)
from simworld.subjects import Bridge, SubjectClient, SubjectTrial, Surroundings, open_host
from simworld.worlds import MemoryQueue, WorldState

START = Op("start a run")
SCRIPT = Op("begin the client's script")
CLIENT = "client"
"""The task that runs a scenario's script."""

Script = Callable[[], Coroutine[Any, Any, object]]


@attrs.frozen
class Setup:
    """Everything a trial depends on."""

    scenario: Scenario
    case: Case
    variant: Variant
    """As the case runs it (``case_variant``)."""
    workload: Workload
    explorer: Explorer
    """Already begun."""
    faults: Faults
    turns_max: int = TURNS_MAX
    full_trace: bool = False
    checks: int | None = None
    """The seed that says which passes are run again (``checks_seed``); None: none are."""


@attrs.frozen
class System:
    """What a trial runs."""

    state: Callable[[], WorldState]
    """Everything the world holds."""
    release: Callable[[], None]
    queue: MemoryQueue
    sim_queue: SimQueue
    labels: Labels
    program: Program | None
    """What our own engine runs; None: another engine does."""
    budgets: Mapping[str, tuple[int, int]]
    """Name of a step → its max_retries, and how many of its starts may end without a result."""


@attrs.frozen
class _Parts:
    """What engines of all kinds stand on."""

    kernel: Kernel
    labels: Labels
    tasks: SimTasks
    clock: SimClock
    ids: SimIds
    ground: Standing
    queue: MemoryQueue
    sim_queue: SimQueue
    bodies: SimBodies
    log: SimLog

    @property
    def streams(self) -> WatchedStreams:
        """The world's, where writes may be refused and everything is written down."""
        kernel = self.kernel
        return WatchedStreams(kernel, RefusedWrites(kernel, self.labels, self.ground.streams))


def composed(kernel: Kernel, setup: Setup) -> System:
    """Put what the setup says under the kernel, with the client as its first task."""
    labels, variant = Labels(), setup.variant
    clock, ids, tasks = SimClock(kernel), SimIds(), SimTasks(kernel, labels)
    sim = Sim(kernel, labels, tasks, clock, ids)
    ground = stand_on(sim, variant)
    queue = MemoryQueue(
        tasks=tasks,
        clock=clock,
        ids=ids,
        profile=variant.queue,
        processes=max(1, variant.world.hosts),
    )
    parts = _Parts(
        kernel,
        labels,
        tasks,
        clock,
        ids,
        ground,
        queue,
        SimQueue(kernel, labels, queue),
        SimBodies(kernel, labels, setup.workload.failures),
        SimLog(kernel, labels, checks=setup.checks),
    )
    return _foreign(setup, parts) if setup.scenario.subject else _own(setup, parts)


def _system(
    parts: _Parts,
    *,
    program: Program | None,
    budgets: Mapping[str, tuple[int, int]],
    release: Callable[[], None],
) -> System:
    return System(
        parts.ground.state,
        release,
        parts.queue,
        parts.sim_queue,
        parts.labels,
        program,
        budgets,
    )


def _own(setup: Setup, parts: _Parts) -> System:
    """Our own engine."""
    kernel, variant, workload = parts.kernel, setup.variant, setup.workload
    program = setup.scenario.program(workload)
    by_server = variant.world.handler_clock is HandlerClock.SERVER
    services = Services(
        program=program,
        policy=variant.engine,
        storage=parts.ground.storage,
        queue=parts.sim_queue,
        streams=parts.streams,
        tasks=parts.tasks,
        clock=parts.clock if by_server else HostClock(kernel),
        bodies=parts.bodies,
        ids=parts.ids,
        log=parts.log,
    )
    outside = attrs.evolve(services, storage=LateHooks(kernel, parts.ground.storage))
    recovery = functools.partial(recover, services)
    _begin(setup, parts, handler_for(services).handle, recovery, Client(outside))
    budgets = {
        name: (step.max_retries, variant.engine.crash_budget(step.max_retries))
        for name, step in program.steps.items()
    }
    return _system(parts, program=program, budgets=budgets, release=parts.ground.release)


def _foreign(setup: Setup, parts: _Parts) -> System:
    """An engine behind the World port, driven by its host."""
    kernel, scenario, workload = parts.kernel, setup.scenario, setup.workload
    program = scenario.workflow
    assert isinstance(program, ForeignProgram)
    host = open_host(program.subject)
    seed = derive(0, scenario.name, "subject")  # its ids are the same in all trials, as ours are
    orders = derive(setup.checks or 0, "orders")  # and these are a repro's own, too
    host.begin(
        SubjectTrial(seed, EPOCH_MS, program, setup.variant.adapter, workload.max_retries, orders)
    )

    def release() -> None:
        host.end()
        parts.ground.release()

    on = Surroundings(
        storage=parts.ground.storage,
        outside=LateHooks(kernel, parts.ground.storage),
        queue=parts.sim_queue,
        streams=parts.streams,
        tasks=parts.tasks,
        clock=parts.clock,
        bodies=parts.bodies,
    )
    bridge = Bridge(kernel, parts.labels, host, on)
    client = SubjectClient(bridge, tasks=parts.tasks, clock=parts.clock, log=parts.log)
    _begin(setup, parts, bridge.handle, _no_recovery, client)
    retries = workload.max_retries
    budgets = {
        name: (own if retries is None else retries, 0)  # one budget, of starts
        for name, own in host.steps(program).items()
    }
    return _system(parts, program=None, budgets=budgets, release=release)


async def _no_recovery() -> None:
    """A subject has no service that looks at its runs when it starts."""


def _begin(
    setup: Setup, parts: _Parts, handler: Handler, recovery: Script, client: Client | SubjectClient
) -> None:
    parts.sim_queue.connect(handler)
    restarts(parts.kernel, parts.queue, recovery)
    kernel, scenario, workload = parts.kernel, setup.scenario, setup.workload
    if scenario.client is None:
        start: Script = functools.partial(client.start, *scenario.given(workload))
        kernel.spawn("start", start, part="start", op=START)
    else:
        script = functools.partial(run_script, scenario.client, client, workload)
        kernel.spawn(CLIENT, script, part=CLIENT, op=SCRIPT)
