"""A campaign: many trials of one scenario on one variant, from one seed.

Trial n draws everything from streams forked by the scenario's name and n, never by the variant:
the faulty and the fixed variant meet identical budgets and seeds.  A hunt goes on after its first
failure until its trials are spent and keeps one finding per case, law and place, each shrunk.
With a ``Pool`` other processes run the trials; they are counted in the same order.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs

from simworld import marks
from simworld.campaign.blame import blame_of
from simworld.campaign.composing import Setup
from simworld.campaign.grounds import nemesis
from simworld.campaign.replaying import not_again, repro_of, shrunk
from simworld.campaign.scenario import Case, Scenario, check_claims
from simworld.campaign.tally import (
    Hunted,
    Key,
    Tally,
    Told,
    keys_of,
    result_of,
    told_of,
    told_variant,
)
from simworld.campaign.trial import (
    Trial,
    checks_seed,
    prepared,
    profile_of,
    run_trial,
)
from simworld.campaign.variants import Variant
from simworld.entropy import Stream, derive
from simworld.errors import (
    ReplayDivergence,
    UncontrolledNondeterminism,
    UsageError,
)
from simworld.explore import Candidate, RunTwice, make_explorer
from simworld.records import FaultBudget, Finding, Profile, Progress, Result
from simworld.sim import NoFaults

if TYPE_CHECKING:
    from simworld.campaign.pool import Pool

COLLECT_EVERY = 100
"""Trials between two collections of garbage; within a trial there is none."""
FOCUS = 0.7
"""How often the explorer is pointed at whatever the faults are aimed at."""
NO_MORE = FaultBudget()
PORTFOLIO = "portfolio"
"""The default explorer."""


class HuntDiverged(ReplayDivergence):
    """A hunt ended early by its workflow's author's mistake; ``result`` is what it had shown."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


class Hunter:
    """Runs the trials of one scenario on one variant."""

    def __init__(
        self,
        scenario: Scenario,
        variant: Variant,
        *,
        seed: int = 0,
        explorer: str = PORTFOLIO,
        case: str = "",
        run_twice: bool = False,
        faults: FaultBudget = NO_MORE,
    ) -> None:
        check_claims(scenario)
        self.scenario = scenario
        self.variant = variant
        self.seed = seed
        self.case = case
        """The only case that is drawn; empty when all are."""
        self.explorer = explorer
        self.cases: tuple[Case, ...] = (scenario.case(case),) if case else scenario.cases
        self._explorer = make_explorer(explorer)
        self.run_twice = run_twice
        self.faults = faults
        """What may go wrong beyond the budgets of the cases."""
        self._profiles: dict[tuple[str, str], Profile] = {}

    @property
    def marks(self) -> tuple[str, ...]:
        """Where a search must have been: by its cases and, if these are all, by the scenario."""
        whole = len(self.cases) == len(self.scenario.cases)
        by_cases = tuple(mark for case in self.cases for mark in case.marks)
        return self.scenario.marks + by_cases if whole else by_cases

    def setup(self, number: int) -> Setup:
        """Trial ``number``, ready to run; the same for the same seed, whatever ran before."""
        stream, case = self._began(number)
        workload = self.scenario.drawn(case, stream)
        victims = self.scenario.victims(workload)
        budget = case.budget.and_also(self.faults)
        faults = nemesis(self.variant, stream.fork("nemesis"), budget, victims)
        victim = faults.victim if stream.chance(FOCUS) else ""
        explorer = self._explorer
        explorer.begin(stream.fork("explorer"), self._profile(case, victim))
        checks = checks_seed(self.scenario.name, self.seed, number)
        return prepared(
            self.scenario, case, self.variant, workload, explorer, faults, checks=checks
        )

    def _began(self, number: int) -> tuple[Stream, Case]:
        """The trial's stream after its first draw, and the case that was drawn."""
        stream = Stream(derive(self.seed, self.scenario.name, number))
        one = len(self.cases) == 1
        return stream, self.cases[0 if one else stream.below(len(self.cases))]

    def told(self, number: int) -> Told:
        """Trial ``number`` in short."""
        trial = self.trial(number)
        return told_of(trial, self._began(number)[1].name if trial.anomalies else "")

    def trial(self, number: int) -> Trial:
        """Run trial ``number``; twice, where that was asked for."""
        if not self.run_twice:
            return run_trial(self.setup(number))
        once = self._explorer
        twice = self._explorer = RunTwice(once)
        try:
            first = run_trial(self.setup(number))
            twice.rewind()
            second = run_trial(self.setup(number))
            twice.finish()
        finally:
            self._explorer = once
        if first.digest != second.digest:
            raise UncontrolledNondeterminism(
                f"trial {number} of {self.scenario.name} took the same turns twice, but its events "
                "carry other payloads: a workflow or a step body uses a real clock or randomness"
            )
        return second

    def _profile(self, case: Case, victim: str) -> Profile:
        """What the case looks like when nothing goes wrong; made once per hunt.

        Explorers are pointed at the labels of the ``victim``: where faults meet, races are.
        """
        profile = self._profiles.get((case.name, victim))
        if profile is None and victim:
            whole = self._profile(case, "")
            labels = tuple(label for label in whole.counts if label.endswith(f"/{victim}"))
            profile = Profile(labels or whole.labels, whole.counts)
        elif profile is None:
            stream = Stream(derive(self.seed, self.scenario.name, case.name, "profile"))
            explorer = make_explorer("default")
            explorer.begin(stream, Profile())
            setup = prepared(
                self.scenario,
                case,
                self.variant,
                attrs.evolve(self.scenario.drawn(case, stream), failures=()),
                explorer,
                NoFaults(),
                full_trace=True,
            )
            with marks.uncounted():
                profile = profile_of(run_trial(setup))
        self._profiles[case.name, victim] = profile
        return profile

    def finding(
        self, number: int, key: Key, *, shrinking: bool = True, blaming: bool = True
    ) -> Finding:
        """Trial ``number`` once more, for its failure of one kind: shrunk, and as data."""
        shrinking = shrinking and not self.scenario.canary  # nobody reads what a canary shows
        with marks.uncounted():
            setup, trial = self.setup(number), self.trial(number)
            anomaly = keys_of(setup.case.name, trial).get(key)
            if anomaly is None:
                raise not_again(setup, f"({key[1]} in trial {number})")
            began = time.perf_counter()
            whole = Candidate(trial.schedule, trial.faults, setup.workload)
            small = shrunk(setup, trial, anomaly) if shrinking else whole
            repro = repro_of(
                setup,
                small,
                anomaly,
                variant=self.variant,
                seed=self.seed,
                trial=number,
                explorer=self.explorer,
                moves_before=len(trial.blocks) + len(trial.faults),
            )
            if shrinking and blaming:
                budget = setup.case.budget.and_also(self.faults)
                repro = attrs.evolve(repro, blame=blame_of(setup, small, anomaly, budget))
        return Finding(
            anomaly,
            number,
            1,
            repro.moves_before,
            len(repro.schedule.entries) + len(repro.faults),
            time.perf_counter() - began,
            repro,
        )


def hunt(
    scenario: Scenario,
    variant: Variant,
    *,
    seed: int = 0,
    trials: int = 1_000,
    seconds: float | None = None,
    explorer: str = PORTFOLIO,
    case: str = "",
    run_twice: bool = False,
    faults: FaultBudget = NO_MORE,
    progress: Callable[[Progress], None] | None = None,
    pool: Pool | None = None,
) -> Result:
    """Run up to ``trials`` trials (``Scenario.trials_max`` at most), or for ``seconds``.

    ``faults`` is what may go wrong beyond what the scenario allows; nobody claims anything then.
    Ctrl-C ends the hunt early; the result then speaks of the trials that were done.  With
    ``run_twice`` every trial is run two times and ``UncontrolledNondeterminism`` is raised at the
    first turn that differs.  ``HuntDiverged`` where passes of one workflow over one log disagree.
    With a ``pool`` its processes run the trials: the same result in less time.
    """
    if trials < 1:
        raise UsageError(f"a hunt needs at least one trial, not {trials}")
    trials = min(trials, scenario.trials_max)
    if scenario.canary:  # it meets the same hunt, whatever was asked for
        trials, seconds, faults = scenario.trials_max, None, NO_MORE
        explorer = PORTFOLIO
    hunter = Hunter(
        scenario,
        variant,
        seed=seed,
        explorer=explorer,
        case=case,
        run_twice=run_twice,
        faults=faults,
    )
    claimed = faults == NO_MORE
    hunted = Hunted(scenario, variant, seed, explorer, case, claimed, hunter.marks)
    tally, began = Tally(), time.perf_counter()
    mistake: ReplayDivergence | None = None

    def tell() -> None:
        if progress is not None:
            findings = len(tally.findings)
            progress(Progress(scenario.name, variant.name, tally.trials, trials, findings))

    try:
        if pool is None:
            _search(hunter, tally, trials, seconds, tell)
        else:
            pool.search(hunter, tally, trials, seconds, tell)
    except KeyboardInterrupt:
        tally.interrupted = True
    except UsageError as error:
        place = f"trial {tally.number} of {scenario.name} on {told_variant(variant)}"
        raise UsageError(f"{place}: {error}") from error
    except ReplayDivergence as error:
        tally.diverged, mistake = True, error
    result = result_of(hunted, tally, time.perf_counter() - began - tally.shrink_seconds)
    if mistake is not None:
        where = f"trial {tally.number} of {scenario.name}"
        raise HuntDiverged(f"{where}: {mistake}", result) from mistake
    return result


def _search(
    hunter: Hunter, tally: Tally, trials: int, seconds: float | None, tell: Callable[[], None]
) -> None:
    """Run the trials in this process."""
    reached = marks.snapshot()
    deadline = None if seconds is None else time.perf_counter() + seconds
    try:
        with no_collector():
            for number in range(trials):
                if deadline is not None and number and time.perf_counter() >= deadline:
                    return
                if number % COLLECT_EVERY == 0:
                    gc.collect(0)
                tally.number = number
                for key in tally.add(hunter.told(number)):
                    _keep(hunter, tally, key)
                tell()
    finally:
        tally.add_marks(marks.since(reached))


def _keep(hunter: Hunter, tally: Tally, key: Key) -> None:
    """Keep a finding of the trial that is looked at."""
    began = time.perf_counter()
    try:
        tally.findings[key] = hunter.finding(tally.number, key)
    except KeyboardInterrupt:  # what was found is kept, shrunk or not
        tally.findings[key] = hunter.finding(tally.number, key, shrinking=False)
        raise
    finally:
        tally.shrink_seconds += time.perf_counter() - began


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Keep the garbage collector away from trials."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
