"""The property-based form: Hypothesis draws scenarios, seeded schedules search them (decisions §6).

A drawn scenario is a form of the workflow with its values and faults, as the scenario's own
strategy gives them, and surroundings: a world, more faults of the kinds that it permits, and knobs
that may be set otherwise within the contract.

Inside the property every drawn scenario runs K seeded schedules (seeds that failed before in
this search first); the first failing one raises one exception type per law, so that Hypothesis
shrinks the *scenario*.  K grows fourfold while it shrinks.  When it is done, the schedule of the
smallest scenario is shrunk once.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from hypothesis import HealthCheck, Phase, given, settings, strategies

from simworld.campaign.blame import blame_of
from simworld.campaign.composing import Setup
from simworld.campaign.grounds import nemesis
from simworld.campaign.places import place_named, worlds_with
from simworld.campaign.replaying import repro_of, shrunk
from simworld.campaign.scenario import Scenario
from simworld.campaign.trial import Trial, checks_seed, prepared, run_trial
from simworld.campaign.variants import Variant, placed, with_knob
from simworld.entropy import Stream, derive
from simworld.errors import UsageError
from simworld.explore import make_explorer
from simworld.records import FAULTS, Anomaly, FaultBudget, Profile, Repro, Workload

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

PERMITTED = (
    *("hosts=1", "hosts=2", "hosts=3"),
    *("page_max=1", "page_max=3"),
    *("lease_ms=10000", "lease_ms=60000"),
    *("redelivery_ms=0", "redelivery_ms=30000"),
    "duplicate_attempt=same",
    *("timeout_counting=counted", "timeout_counting=restarted"),
    *(f"dedup={each}" for each in ("none", "queued_only", "in_flight", "completed_lru")),
    *(f"dedup={each}" for each in ("retention", "key_and_payload", "job_key")),
    "completed_max=1",
    "delay_max_s=300",
    *("workers=4", "workers=16"),
    "passes=scratch",
)
"""What a queue, a world and whoever runs them may do otherwise, and no law may mind."""
KNOBS_MAX = 3
KINDS_MAX = 2
"""Kinds of faults beside those that the scenario draws."""
EACH_MAX = 2
"""Faults of each of these kinds."""


@attrs.frozen
class Drawn:
    """One drawn scenario."""

    case: str
    workload: Workload
    budget: FaultBudget
    world: str
    knobs: tuple[str, ...] = ()
    """``knob=value``, on every variant."""


@strategies.composite
def drawn_scenarios(draw: DrawFn, scenario: Scenario, worlds: Sequence[str]) -> Drawn:
    """What the scenario draws, and surroundings; the first of ``worlds`` is the simplest."""
    assert scenario.workloads is not None
    case, workload, budget = draw(scenario.workloads())
    world = draw(strategies.sampled_from(worlds))
    settings_ = strategies.sampled_from(PERMITTED)
    knobs = draw(strategies.lists(settings_, max_size=KNOBS_MAX, unique_by=_knob))
    kinds = strategies.sampled_from(_permitted_by(world))
    for kind in draw(strategies.lists(kinds, max_size=KINDS_MAX, unique=True)):
        more = draw(strategies.integers(1, EACH_MAX))
        budget = attrs.evolve(budget, **{kind: getattr(budget, kind) + more})
    return Drawn(case, workload, budget, world, tuple(knobs))


def _knob(setting: str) -> str:
    return setting.partition("=")[0]


@functools.cache
def _permitted_by(world: str) -> list[str]:
    """The kinds of a ``FaultBudget`` that this world may meet, and whose promises it keeps."""
    name = place_named(world).name
    kinds = [kind for kind in FAULTS.values() if not kind.breaks and name in worlds_with(kind)]
    return list(dict.fromkeys(kind.budget for kind in kinds))


class LawBrokenError(AssertionError):
    """A drawn scenario breaks a law; there is one subclass per law."""


@functools.cache
def _broken(law: str) -> type[LawBrokenError]:
    return type(f"LawBroken_{law.replace('-', '')}", (LawBrokenError,), {})


@attrs.frozen
class PropertyFinding:
    """The smallest scenario Hypothesis found, and its smallest schedule."""

    drawn: Drawn
    anomaly: Anomaly
    repro: Repro

    def __str__(self) -> str:
        moves = len(self.repro.schedule.entries) + len(self.repro.faults)
        return (
            f"{self.anomaly.law} at {self.anomaly.place}: {self.anomaly.message}\n"
            f"{self.drawn}\n"
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
        stream, variant = Stream(seed), self.variant_of(drawn)
        labels = self.scenario.victims(drawn.workload)
        explorer = make_explorer(self.explorer)
        explorer.begin(stream.fork("explorer"), Profile())
        faults = nemesis(variant, stream.fork("nemesis"), drawn.budget, labels)
        case = self.scenario.case(drawn.case)
        checks = checks_seed(self.scenario.name, seed, 0)
        return prepared(
            self.scenario, case, variant, drawn.workload, explorer, faults, checks=checks
        )

    def variant_of(self, drawn: Drawn) -> Variant:
        """The variant in the drawn surroundings."""
        variant = self.variant
        if drawn.world != variant.place:
            variant = placed(variant, drawn.world)
        for setting in drawn.knobs:
            variant = with_knob(variant, setting)
        return variant

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
    worlds: Sequence[str] = (),
    examples: int = 100,
    schedules: int = 20,
    explorer: str = "portfolio",
) -> PropertyFinding | None:
    """Search drawn scenarios for a broken law; None when all of them hold.

    ``worlds``: where they may run, the simplest first; none: where the variant does.  Its own knobs
    of world and queue hold there only.  Deterministic: the same scenario, variant and numbers give
    the same answer.
    """
    if scenario.workloads is None:
        raise UsageError(f"scenario {scenario.name} has no property-based form (workloads)")
    search = _Search(scenario, variant, schedules, explorer)
    strategy: SearchStrategy[Drawn] = drawn_scenarios(scenario, worlds or (variant.place,))

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
            variant=search.variant_of(drawn),
            seed=seed,
            trial=0,
            explorer=explorer,
            moves_before=len(trial.blocks) + len(trial.faults),
        )
        repro = attrs.evolve(repro, blame=blame_of(setup, candidate, anomaly, drawn.budget))
        return PropertyFinding(drawn, anomaly, repro)
    return None
