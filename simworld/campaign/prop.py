"""The property-based form: Hypothesis draws scenarios, seeded schedules search them (decisions §6).

Inside the property every drawn scenario runs K seeded schedules (seeds that failed before in
this search first); the first failing one raises one exception type per law, so that Hypothesis
shrinks the *scenario*.  K grows fourfold while it shrinks.  When it is done, the schedule of the
smallest scenario is shrunk once.
"""

from __future__ import annotations

import functools
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from simworld.campaign.blame import blame_of
from simworld.campaign.grounds import nemesis
from simworld.campaign.replaying import repro_of, shrunk
from simworld.campaign.scenario import Scenario
from simworld.campaign.trial import Setup, Trial, checks_seed, prepared, run_trial
from simworld.campaign.variants import Variant
from simworld.entropy import Stream, derive
from simworld.errors import UsageError
from simworld.explore import make_explorer
from simworld.records import Anomaly, FaultBudget, Profile, Repro, Workload

Drawn = tuple[str, Workload, FaultBudget]


class LawBrokenError(AssertionError):
    """A drawn scenario breaks a law; there is one subclass per law."""


@functools.cache
def _broken(law: str) -> type[LawBrokenError]:
    return type(f"LawBroken_{law.replace('-', '')}", (LawBrokenError,), {})


@attrs.frozen
class PropertyFinding:
    """The smallest scenario Hypothesis found, and its smallest schedule."""

    case: str
    workload: Workload
    budget: FaultBudget
    anomaly: Anomaly
    repro: Repro

    def __str__(self) -> str:
        moves = len(self.repro.schedule.entries) + len(self.repro.faults)
        return (
            f"{self.anomaly.law} at {self.anomaly.place}: {self.anomaly.message}\n"
            f"case {self.case}, {self.workload}, {self.budget}\n"
            f"{moves} moves: {self.repro.faults} {self.repro.schedule}\n"
            f"{self.repro.blame}"
        )


class _Search:
    """One search: runs drawn scenarios and remembers what failed."""

    def __init__(self, scenario: Scenario, variant: Variant, schedules: int, explorer: str) -> None:
        self.scenario = scenario
        self.variant = variant
        self.schedules = schedules
        self.explorer = explorer
        self.failing_seeds: list[int] = []
        self.last: tuple[Drawn, int, Trial, Anomaly] | None = None

    def setup(self, drawn: Drawn, seed: int) -> Setup:
        """One seeded schedule of a drawn scenario."""
        case_name, workload, budget = drawn
        stream = Stream(seed)
        labels = self.scenario.victims(workload)
        explorer = make_explorer(self.explorer)
        explorer.begin(stream.fork("explorer"), Profile())
        faults = nemesis(self.variant, stream.fork("nemesis"), budget, labels)
        case = self.scenario.case(case_name)
        checks = checks_seed(self.scenario.name, seed, 0)
        return prepared(
            self.scenario, case, self.variant, workload, explorer, faults, checks=checks
        )

    def check(self, drawn: Drawn) -> None:
        """The property."""
        count = self.schedules * 4 if self.failing_seeds else self.schedules
        base = derive(0, drawn)
        for seed in (*self.failing_seeds, *(derive(base, n) for n in range(count))):
            trial = run_trial(self.setup(drawn, seed))
            if trial.anomalies and not trial.is_breach:
                first = trial.anomalies[0]
                law = trial.verdict.law
                anomaly = next((each for each in trial.anomalies if each.law == law), first)
                if seed not in self.failing_seeds:
                    self.failing_seeds.insert(0, seed)
                self.last = (drawn, seed, trial, anomaly)
                raise _broken(anomaly.law)(anomaly.message)


def check_property(
    scenario: Scenario,
    variant: Variant,
    *,
    examples: int = 100,
    schedules: int = 20,
    explorer: str = "portfolio",
) -> PropertyFinding | None:
    """Search drawn scenarios for a broken law; None when all of them hold.

    Deterministic: the same scenario, variant and numbers give the same answer.
    """
    if scenario.workloads is None:
        raise UsageError(f"scenario {scenario.name} has no property-based form (workloads)")
    search = _Search(scenario, variant, schedules, explorer)
    strategy: SearchStrategy[Any] = scenario.workloads()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.too_slow,),  # an example is many trials by design
        report_multiple_bugs=False,
    )
    @given(strategy)
    def holds(drawn: Drawn) -> None:
        search.check(drawn)

    try:
        holds()
    except LawBrokenError:
        assert search.last is not None
        drawn, seed, trial, anomaly = search.last
        setup = search.setup(drawn, seed)
        candidate = shrunk(setup, trial, anomaly)
        repro = repro_of(
            setup,
            candidate,
            anomaly,
            variant=variant,
            seed=seed,
            trial=0,
            explorer=explorer,
            moves_before=len(trial.blocks) + len(trial.faults),
        )
        repro = attrs.evolve(repro, blame=blame_of(setup, candidate, anomaly, drawn[2]))
        return PropertyFinding(drawn[0], drawn[1], drawn[2], anomaly, repro)
    return None
