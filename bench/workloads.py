"""What is measured: bare choice points, whole trials, and their parts; all from fixed seeds."""

from __future__ import annotations

import functools
import pathlib

import attrs
import trio

from simworld.campaign import (
    Hunter,
    Scenario,
    Setup,
    Trial,
    load_scenarios,
    placed,
    preset,
    run_trial,
)
from simworld.check import ALWAYS, Context, judge, laws_named
from simworld.engine import RunIdentity, run_pass
from simworld.entropy import Stream
from simworld.explore import Candidate, Replay, Uniform, moves, shrink
from simworld.records import Anomaly, Op, Profile, Schedule
from simworld.sim import PARK, Kernel, LockstepKernel, NoFaults, RecordedFaults

TASKS, POINTS = 5, 40
OP = Op("act")
SCENARIOS = str(pathlib.Path(__file__).resolve().parent.parent / "scenarios")


# --- bare choice points --------------------------------------------------------------------------


def bare_kernel(kernel_type: type[Kernel], seed: int) -> Kernel:
    """A kernel with five tasks that do nothing but come to 40 choice points each."""
    explorer = Uniform()
    explorer.begin(Stream(seed), Profile())
    kernel = kernel_type(explorer=explorer, faults=NoFaults(), turns_max=4 * TASKS * POINTS)

    async def work() -> None:
        for _ in range(POINTS):
            if kernel.at_point(OP):
                await PARK

    for number in range(TASKS):
        kernel.spawn(f"task {number}", work, part="task", op=OP)
    return kernel


def bare_own(trials: int) -> int:
    """Run them on our own kernel; the turns taken."""
    turns = 0
    for seed in range(trials):
        kernel = bare_kernel(Kernel, seed)
        kernel.run()
        kernel.close()
        turns += kernel.turn
    return turns


def bare_lockstep(trials: int) -> int:
    """Run the same on the lock-step kernel, all in one trio loop: its start is not counted."""

    async def all_of_them() -> int:
        turns = 0
        for seed in range(trials):
            kernel = bare_kernel(LockstepKernel, seed)
            assert isinstance(kernel, LockstepKernel)
            await kernel.run_async()
            kernel.close()
            turns += kernel.turn
        return turns

    return trio.run(all_of_them)


# --- whole trials --------------------------------------------------------------------------------


def scenario(name: str) -> Scenario:
    """A scenario of this repository, whatever the current directory is."""
    return load_scenarios(SCENARIOS)[name]


def first_attempts() -> Hunter:
    """The hunt whose speed has a target."""
    return Hunter(scenario("concurrent_first_attempts"), preset("fixed"))


def first_attempts_on(place: str, variant: str) -> Hunter:
    """The same hunt on another world."""
    return Hunter(scenario("concurrent_first_attempts"), placed(preset(variant), place))


def hunted_trials(hunter: Hunter, count: int) -> int:
    """Trials 0 … count-1 as a hunt runs them; the turns taken."""
    return sum(hunter.trial(number).turns for number in range(count))


def whole_trials(hunter: Hunter, kernel_type: type[Kernel], count: int) -> int:
    """Trials 0 … count-1 from set-up to verdict; the turns taken."""
    return sum(
        run_trial(hunter.setup(number), kernel_type=kernel_type).turns for number in range(count)
    )


# --- parts of a trial ----------------------------------------------------------------------------


@attrs.frozen
class Parts:
    """A finished trial, taken apart, so that its parts can be run by themselves."""

    setup: Setup
    trial: Trial

    def passes(self) -> int:
        """One pass over every prefix of the log that a handler could have met; how many."""
        program = self.setup.scenario.program(self.setup.workload)
        run = next(iter(self.trial.final.runs.values()))
        identity = RunIdentity(run.run_id, run.workflow_name, run.started_at_ms)
        log = list(self.trial.logs[run.run_id])
        for length in range(2, len(log)):
            run_pass(program, identity, log[:length], self.setup.variant.engine)
        return len(log) - 2

    def judge(self) -> list[Anomaly]:
        """The trial's laws over its records."""
        setup, workload = self.setup, self.setup.workload
        laws = laws_named((setup.scenario.law, *setup.scenario.laws, *ALWAYS))
        engine, oracle = setup.variant.engine, setup.scenario.oracle
        context = Context(
            max_retries=workload.max_retries,
            crashes_max=engine.crash_budget(workload.max_retries),
            exclusive_bodies=setup.variant.exclusive_bodies,
            failures=workload.failures,
            faults=self.trial.faults,
            durations_max_ms=max(workload.durations_ms, default=0),
            lease_ms=engine.lease_ms,
            redelivery_ms=setup.variant.queue.redelivery_ms,
            oracle=None if oracle is None else functools.partial(oracle, workload),
        )
        return judge(laws, context, self.trial.records, self.trial.final)


def parts(number: int = 0) -> Parts:
    """Trial ``number`` of the hunt whose speed has a target."""
    setup = first_attempts().setup(number)
    return Parts(setup, run_trial(setup))


# --- shrinking -----------------------------------------------------------------------------------


@attrs.define
class Shrinking:
    """A failing trial and what shrinking it took."""

    setup: Setup
    anomaly: Anomaly
    whole: Candidate
    found_at: int
    replays: int = 0
    moves_after: int = 0

    @property
    def moves_before(self) -> int:
        """Moves of the failing trial as it was found."""
        return moves(self.whole)

    def run(self) -> None:
        """Shrink it."""
        self.replays = 0
        self.moves_after = moves(shrink(self.whole, self._attempt))

    def _attempt(self, candidate: Candidate) -> Candidate | None:
        self.replays += 1
        explorer = Replay(candidate.schedule, strict=False)
        explorer.begin(Stream(0), Profile())
        again = run_trial(
            attrs.evolve(
                self.setup,
                workload=candidate.workload,
                explorer=explorer,
                faults=RecordedFaults(candidate.faults),
            )
        )
        place = (self.anomaly.law, self.anomaly.place)
        if place not in [(each.law, each.place) for each in again.anomalies]:
            return None
        return Candidate(Schedule(tuple(explorer.applied)), again.faults, candidate.workload)


def found_r02(seed: int = 0, trials_max: int = 2_000) -> Shrinking:
    """The first R-02 failure of the merged engine under ``seed``."""
    hunter = Hunter(scenario("inflated_attempts"), preset("v2_merge"), seed=seed, case="R-02")
    for number in range(trials_max):
        setup = hunter.setup(number)
        trial = run_trial(setup)
        for anomaly in trial.anomalies:
            if anomaly.law == "I-12":
                whole = Candidate(trial.schedule, trial.faults, setup.workload)
                return Shrinking(setup, anomaly, whole, number)
    raise LookupError(f"seed {seed} shows no I-12 within {trials_max} trials")
