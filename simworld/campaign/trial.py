"""One trial: compose program, world, queue, kernel and faults; run; judge.

A trial starts with client calls only.  Everything it depends on is in its ``Setup``, so the same
setup gives the same trace, byte for byte.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import msgspec

from simworld.campaign.cold import ColdReplays, prefix_events_max, promises_prefixes
from simworld.campaign.composing import CLIENT, Setup, System, composed
from simworld.campaign.grounds import check_together, mints_first
from simworld.campaign.scenario import (
    Case,
    Scenario,
    case_variant,
    check_failures,
)
from simworld.campaign.script import asked
from simworld.campaign.variants import Variant
from simworld.check import ALWAYS, Context, Law, Oracle, judge, laws_named, verdict, waits_of
from simworld.engine import (
    RUN_TERMINAL,
    AttemptGuard,
    Event,
    Fact,
    Program,
    RunFailed,
    StepFailed,
    StepRetrying,
)
from simworld.entropy import derive
from simworld.errors import UsageError
from simworld.records import (
    FAULTS,
    Advance,
    Anomaly,
    Explorer,
    Fault,
    Final,
    ForeignProgram,
    Profile,
    Record,
    RunLogLine,
    Schedule,
    Turn,
    Verdict,
    Workload,
)
from simworld.sim import Faults, Kernel, cycle_of, merged
from simworld.subjects import open_host


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
    notes: tuple[RunLogLine, ...]
    """What the runtime noted; empty without a full trace, as ``trace`` is."""

    @property
    def schedule(self) -> Schedule:
        """The choices of phase 1, complete."""
        return Schedule(tuple(Advance(*block) for block in self.blocks))

    @property
    def is_breach(self) -> bool:
        """A fault broke a promise of its own world: what fails then may be the world's failure."""
        return any(FAULTS[fault.kind].breaks for fault in self.faults)

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
        hosts=setup.variant.world.hosts,
    )
    system = composed(kernel, setup)
    try:
        kernel.run()
        final = _final(kernel, system)
    finally:
        kernel.close()
        system.sim_queue.disconnect()
        system.release()
    runs = final.runs
    faults = merged(kernel.fired)
    context = _context(setup, faults, system, final)
    anomalies = judge(_laws(setup.scenario), context, kernel.records, final)
    return Trial(
        verdict(anomalies, setup.scenario.law, kernel.drained, _unfinished(final)),
        anomalies,
        kernel.blocks,
        faults,
        kernel.turn,
        system.sim_queue.deliveries,
        kernel.overlapped,
        len(runs),
        sum(1 for run in runs.values() if run.status in RUN_TERMINAL),
        _digest(kernel.path, final, _whole if system.program else _without_error),
        kernel.records,
        final,
        tuple(kernel.trace or ()),
        tuple(kernel.notes),
    )


def _unfinished(final: Final) -> Sequence[str]:
    """Who has not ended, with what they wait for; of a drained trial the client script alone.

    Whoever else is left then waits on behalf of a run, and that is judged by the laws.
    """
    if not final.drained:
        turning = [f"over and over: {'; '.join(final.cycle)}"] if final.cycle else []
        return [*turning, *waits_of(final), *final.waiting]
    return [each for each in final.waiting if each.startswith(f"{CLIENT} ")]


def _final(kernel: Kernel, system: System) -> Final:
    world, queue = system.state(), system.queue
    return Final(
        kernel.turn,
        kernel.now_ms,
        kernel.drained,
        world.runs,
        world.steps,
        world.logs,
        system.labels.all(),
        tuple(kernel.waiting()),
        kernel.last_fault_ms,
        world.hooks,
        world.waits,
        {key: (tuple(found.chunks), found.closed) for key, found in world.streams.items()},
        tuple(kernel.busy_with(name) for name in queue.workers_busy()),
        queue.workers_wanted(),
        () if kernel.drained else cycle_of(kernel),
    )


_encoder = msgspec.msgpack.Encoder(order="deterministic")


def _digest(path: Sequence[str], final: Final, told: Callable[[Fact], object]) -> str:
    """Of every turn in order, of every event with what is ``told`` of it, and of every stream."""
    digest = hashlib.blake2b("\n".join(path).encode(), digest_size=16)
    for log in final.logs.values():
        digest.update(_encoder.encode([(event.created_at_ms, told(event.fact)) for event in log]))
    if final.streams:
        digest.update(_encoder.encode(sorted(final.streams.items())))
    return digest.hexdigest()


def _whole(fact: Fact) -> object:
    return fact


def _without_error(fact: Fact) -> object:
    """A fact without the error that a subject has recorded: its text names lines of its code, in
    the folders of whoever runs it."""
    if isinstance(fact, StepFailed | StepRetrying | RunFailed):
        return attrs.evolve(fact, error=b"")
    return fact


@functools.lru_cache(maxsize=64)
def _laws(scenario: Scenario) -> tuple[Law, ...]:
    named = dict.fromkeys((scenario.law, *scenario.laws, *ALWAYS))
    return tuple(laws_named(named))


def _context(setup: Setup, faults: tuple[Fault, ...], system: System, final: Final) -> Context:
    workload, variant, scenario = setup.workload, setup.variant, setup.scenario
    cost, program = scenario.cost, system.program
    more = _of_subject(scenario) if program is None else _of_ours(setup, program, final)
    return Context(
        budgets=system.budgets,
        exclusive_bodies=variant.exclusive_bodies or "I-14" in scenario.unpromised,
        failures=workload.failures,
        faults=faults,
        durations_max_ms=max(workload.durations_ms, default=0),
        redelivery_ms=variant.queue.again_after_ms(1 + sum(map(_redeliveries, faults))),
        may_fail=scenario.may_fail,
        oracle=_oracle(scenario, workload),
        minted=mints_first(variant),
        cost=None if cost is None else asked(f"cost of scenario {scenario.name}", cost, workload),
        **more,
    )


def _of_ours(setup: Setup, program: Program, final: Final) -> dict[str, Any]:
    """What is judged by knowing our own engine."""
    scenario, engine = setup.scenario, setup.variant.engine
    return {
        "lease_ms": engine.lease_ms,
        "attempt_is_start": engine.attempt_guard not in (AttemptGuard.G6, AttemptGuard.G7),
        "workflow": scenario.workflow.name,
        "cold_replay": ColdReplays(program, engine, final),
        "prefix_events_max": prefix_events_max(engine, setup.checks),
        "one_instant": promises_prefixes(engine) or "I-06" in scenario.unpromised,
    }


def _of_subject(scenario: Scenario) -> dict[str, Any]:
    """Of an engine that tells nothing of its passes, and whose starts carry no leases."""
    assert isinstance(scenario.workflow, ForeignProgram)
    return {
        "foreign": True,
        "attempt_is_start": True,
        "workflow": open_host(scenario.subject).row_name(scenario.workflow),
        "one_instant": "I-06" in scenario.unpromised,
    }


def _redeliveries(fault: Fault) -> int:
    """How many deliveries of one message a fault may have made fail."""
    return fault.value if fault.kind in ("duplicate", "kill_bodies") else 1


def _oracle(scenario: Scenario, workload: Workload) -> Oracle | None:
    oracle = scenario.oracle
    if oracle is None:
        return None

    def told(log: Sequence[Event]) -> object:
        return asked(f"oracle of scenario {scenario.name}", oracle, workload, log)

    return told


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
    turns_max: int | None = None,
    full_trace: bool = False,
    checks: int | None = None,
) -> Setup:
    """A ``Setup`` with the case's own knobs applied to the variant.

    ``turns_max`` None: as the scenario has it.
    """
    if scenario.subject != variant.subject:
        raise UsageError(
            f"scenario {scenario.name} is run by {scenario.subject or 'our own engine'}, and "
            f"{variant.name} is {'a subject' if variant.subject else 'an engine of ours'}; take "
            f"{scenario.subject or 'a variant such as fixed'}"
        )
    if workload.failures:
        check_failures(scenario, workload)
    variant = case_variant(case, variant)
    check_together(variant)
    return Setup(
        scenario,
        case,
        variant,
        workload,
        explorer,
        faults,
        scenario.turns_max if turns_max is None else turns_max,
        full_trace,
        checks,
    )


def checks_seed(scenario: str, seed: int, number: int) -> int:
    """The seed of a trial's pass checks; a repro of the trial has the same one."""
    return derive(seed, scenario, number, "pass checks")
