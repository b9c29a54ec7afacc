"""One trial: compose program, world, queue, kernel and faults; run; judge.

A trial starts with client calls only.  Everything it depends on is in its ``Setup``, so the same
setup gives the same trace, byte for byte.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

import attrs
import msgspec

from simworld.campaign.scenario import Case, Scenario, case_variant
from simworld.campaign.variants import Variant
from simworld.check import ALWAYS, Context, Law, judge, laws_named, verdict
from simworld.engine import RUN_TERMINAL, AttemptGuard, Event
from simworld.records import (
    Advance,
    Anomaly,
    Explorer,
    Fault,
    Final,
    Op,
    Profile,
    Record,
    Schedule,
    Turn,
    Verdict,
    Workload,
)
from simworld.runtime import Client, FlowHandler, Services
from simworld.sim import (
    Faults,
    Kernel,
    Labels,
    SimBodies,
    SimClock,
    SimIds,
    SimLog,
    SimQueue,
    SimStorage,
    SimTasks,
    merged,
)
from simworld.worlds import AtomicWorld, MemoryQueue

TURNS_MAX = 4_000
"""Operations per trial; half of them may be searched, the rest drains fairly."""

WORLDS = ("atomic",)
"""The worlds a trial can be run on."""

START = Op("start a run")


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


@attrs.frozen
class Trial:
    """What came of a trial."""

    verdict: Verdict
    anomalies: list[Anomaly]
    blocks: list[tuple[str, int, str]]
    faults: tuple[Fault, ...]
    turns: int
    deliveries: int
    overlapped: bool
    runs_count: int
    ended_count: int
    digest: str
    records: list[Record]
    final: Final
    trace: tuple[Turn, ...]

    @property
    def schedule(self) -> Schedule:
        """The choices of phase 1, complete."""
        return Schedule(tuple(Advance(*block) for block in self.blocks))

    @property
    def logs(self) -> dict[str, Sequence[Event]]:
        """run id → its events."""
        return dict(self.final.logs)


def run_trial(setup: Setup, *, kernel_type: type[Kernel] = Kernel) -> Trial:
    """Run one trial to its end and judge it."""
    kernel = kernel_type(
        explorer=setup.explorer,
        faults=setup.faults,
        turns_max=setup.turns_max,
        full_trace=setup.full_trace,
    )
    world, queue, labels = _compose(kernel, setup)
    try:
        kernel.run()
    finally:
        kernel.close()
        queue.disconnect()
    final = Final(
        kernel.turn,
        kernel.now_ms,
        kernel.drained,
        world.runs,
        world.steps,
        world.logs,
        labels.all(),
        tuple(kernel.waiting()),
        kernel.last_fault_ms,
    )
    faults = merged(kernel.fired)
    anomalies = judge(_laws(setup.scenario), _context(setup, faults), kernel.records, final)
    return Trial(
        verdict(anomalies, setup.scenario.law, kernel.drained),
        anomalies,
        kernel.blocks,
        faults,
        kernel.turn,
        queue.deliveries,
        kernel.overlapped,
        len(world.runs),
        sum(1 for run in world.runs.values() if run.status in RUN_TERMINAL),
        _digest(kernel, world),
        kernel.records,
        final,
        tuple(kernel.trace or ()),
    )


_encoder = msgspec.msgpack.Encoder(order="deterministic")


def _digest(kernel: Kernel, world: AtomicWorld) -> str:
    """Of every turn in order, and of every event with its payload."""
    digest = hashlib.blake2b("\n".join(kernel.path).encode(), digest_size=16)
    for log in world.logs.values():
        digest.update(_encoder.encode([(event.created_at_ms, event.fact) for event in log]))
    return digest.hexdigest()


def _compose(kernel: Kernel, setup: Setup) -> tuple[AtomicWorld, SimQueue, Labels]:
    labels, variant, workload = Labels(), setup.variant, setup.workload
    clock, ids, tasks = SimClock(kernel), SimIds(), SimTasks(kernel, labels)
    world = AtomicWorld(clock=clock, ids=ids, profile=variant.world)
    queue = SimQueue(
        kernel, labels, MemoryQueue(tasks=tasks, clock=clock, ids=ids, profile=variant.queue)
    )
    services = Services(
        program=setup.scenario.program(workload),
        policy=variant.engine,
        storage=SimStorage(kernel, labels, world),
        queue=queue,
        tasks=tasks,
        clock=clock,
        bodies=SimBodies(kernel, labels, workload.failures),
        ids=ids,
        log=SimLog(kernel, labels),
    )
    queue.connect(FlowHandler(services).handle)
    client = Client(services)
    labels.learn("wrun_1", "run")
    start = functools.partial(client.start, *setup.scenario.args(workload))
    kernel.spawn("start", start, part="start", op=START)
    return world, queue, labels


@functools.lru_cache(maxsize=64)
def _laws(scenario: Scenario) -> tuple[Law, ...]:
    named = dict.fromkeys((scenario.law, *scenario.laws, *ALWAYS))
    return tuple(laws_named(named))


def _context(setup: Setup, faults: tuple[Fault, ...]) -> Context:
    workload, engine = setup.workload, setup.variant.engine
    oracle = setup.scenario.oracle
    return Context(
        max_retries=workload.max_retries,
        crashes_max=engine.crash_budget(workload.max_retries),
        exclusive_bodies=setup.variant.exclusive_bodies,
        failures=workload.failures,
        faults=faults,
        durations_max_ms=max(workload.durations_ms, default=0),
        lease_ms=engine.lease_ms,
        redelivery_ms=setup.variant.queue.redelivery_ms,
        may_fail=setup.scenario.may_fail,
        attempt_is_start=engine.attempt_guard not in (AttemptGuard.G6, AttemptGuard.G7),
        oracle=None if oracle is None else functools.partial(oracle, workload),
    )


def profile_of(trial: Trial) -> Profile:
    """What explorers learn from one undisturbed trial (run with a full trace)."""
    counts: dict[str, dict[str, int]] = {}
    for turn in trial.trace:
        for label, _ in turn.labels:
            if not label.startswith("log "):
                tasks = counts.setdefault(label, {})
                tasks[turn.task] = tasks.get(turn.task, 0) + 1
    shared = tuple(label for label, tasks in counts.items() if len(tasks) > 1)
    return Profile(shared, counts)


def prepared(
    scenario: Scenario,
    case: Case,
    variant: Variant,
    workload: Workload,
    explorer: Explorer,
    faults: Faults,
    *,
    turns_max: int = TURNS_MAX,
    full_trace: bool = False,
) -> Setup:
    """A ``Setup`` with the case's own knobs applied to the variant."""
    return Setup(
        scenario,
        case,
        case_variant(case, variant),
        workload,
        explorer,
        faults,
        turns_max,
        full_trace,
    )
