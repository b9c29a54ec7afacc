"""Who is to blame: a failure is judged again with fewer faults, until it no longer shows.

A shrunk failure keeps only faults that its own schedule needs.  Under another schedule it may show
with fewer of them, so for every smaller set of kinds a short search is made: the same schedule
first, then seeded trials of the same case whose budget holds nothing but these kinds.  Permitted
faults are tried before those that break a contract: a world is blamed only for what nobody has
seen without its breach.  "Not seen" is what a bounded search can say; it proves nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs

from simworld.campaign.composing import Setup
from simworld.campaign.grounds import nemesis
from simworld.campaign.places import place_named
from simworld.campaign.replaying import same_failure
from simworld.campaign.trial import Trial, profile_of, run_trial
from simworld.campaign.variants import Variant
from simworld.entropy import Stream, derive
from simworld.explore import Candidate, Replay, make_explorer
from simworld.records import FAULTS, Anomaly, Blame, FaultBudget, Profile
from simworld.sim import NoFaults, RecordedFaults

TURNS_MAX = 25_000
"""Operations of all the trials that one finding is worth, over all sets of kinds."""
TURNS_MAX_FOREIGN = 8_000
"""The same of a subject, an operation of which takes as long as several of ours."""
TRIALS_MAX = 200
"""Trials with one set of kinds."""
KINDS_MAX = 3
"""Of more kinds than these only two sorts of sets are tried: none at all, and all but one."""


def blame_of(setup: Setup, small: Candidate, anomaly: Anomaly, budget: FaultBudget) -> Blame:
    """Who is to blame for a shrunk failure of the trial that ``setup`` describes.

    ``budget`` is what might go wrong in it.  Deterministic: equal arguments, equal blame.
    """
    kinds = tuple(dict.fromkeys(fault.kind for fault in small.faults))
    fewer = _fewer(kinds)
    turns = TURNS_MAX_FOREIGN if setup.scenario.subject else TURNS_MAX
    for needs in fewer:
        search = _Search(setup, small, anomaly, _only(budget, needs))
        if search.same_schedule(needs) or search.seeded(needs, turns // len(fewer)):
            return _blame(setup.variant, anomaly, needs)
    return _blame(setup.variant, anomaly, kinds)


def _blame(variant: Variant, anomaly: Anomaly, needs: tuple[str, ...]) -> Blame:
    if any(FAULTS[kind].breaks for kind in needs):
        return Blame("world", needs)
    if not _keeps_contract(variant):
        return Blame("engine or world", needs)
    return Blame("engine or workflow" if not needs and _is_authors(anomaly) else "engine", needs)


def _is_authors(anomaly: Anomaly) -> bool:
    """Whether it is the author's affair, too: what a run returns and what an oracle expects of it,
    and whether a subject's workflow does the same in every pass."""
    return anomaly.law == "I-18" or "REPLAY_DIVERGENCE" in anomaly.message


def _keeps_contract(variant: Variant) -> bool:
    """Whether the variant's world is a repaired one, with the knobs that make it so."""
    place = place_named(variant.place)
    ours = (variant.world, variant.local, variant.postgres, variant.hosted)
    return place.repaired and ours == (place.world, place.local, place.postgres, place.hosted)


def _fewer(kinds: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Every smaller set of kinds: those that break no contract first, of these the smallest."""
    sizes: Sequence[int] = range(len(kinds))
    if len(kinds) > KINDS_MAX:
        sizes = (0, len(kinds) - 1)
    sets = [each for size in sizes for each in itertools.combinations(kinds, size)]
    return sorted(sets, key=lambda needs: any(FAULTS[kind].breaks for kind in needs))


def _only(budget: FaultBudget, kinds: Sequence[str]) -> FaultBudget:
    """What is left of the budget when only these kinds may happen."""
    fields = dict.fromkeys(FAULTS[kind].budget for kind in kinds)
    return FaultBudget(**{field: getattr(budget, field) for field in fields})


@attrs.frozen
class _Search:
    """Looks for one failure under what is left of a budget."""

    setup: Setup
    small: Candidate
    anomaly: Anomaly
    budget: FaultBudget

    def same_schedule(self, kinds: Sequence[str]) -> bool:
        """Whether it shows under its own schedule with the faults that are left."""
        explorer = Replay(self.small.schedule, strict=False)
        explorer.begin(Stream(0), Profile())
        faults = RecordedFaults([each for each in self.small.faults if each.kind in kinds])
        workload = self.small.workload
        return self._shows(
            run_trial(attrs.evolve(self.setup, workload=workload, explorer=explorer, faults=faults))
        )

    def seeded(self, kinds: Sequence[str], turns: int) -> bool:
        """Whether it shows in one of the trials that so many operations suffice for."""
        setups = self._setups(Stream(derive(self.setup.checks or 0, "blame", *kinds)))
        for setup in itertools.islice(setups, TRIALS_MAX):
            if turns <= 0:
                return False
            trial = run_trial(setup)
            turns -= trial.turns
            if self._shows(trial):
                return True
        return False

    def _shows(self, trial: Trial) -> bool:
        return any(same_failure(self.anomaly, each) for each in trial.anomalies)

    def _setups(self, stream: Stream) -> Iterator[Setup]:
        """Trials of the shrunk values, of those it was found with, and of freshly drawn ones."""
        setup = self.setup
        scenario, case = setup.scenario, setup.case
        whole = self._profile()
        place = self.anomaly.place.rpartition("/")[2]
        aimed = tuple(label for label in whole.counts if label.endswith(f"/{place}"))
        profiles = (whole, Profile(aimed or whole.labels, whole.counts))
        explorer = make_explorer("portfolio")
        for number in itertools.count():
            own = stream.fork(number)
            fresh = scenario.drawn(case, own)
            workload = (self.small.workload, setup.workload, fresh)[number % 3]
            victims = scenario.victims(workload)
            faults = nemesis(setup.variant, own.fork("nemesis"), self.budget, victims)
            explorer.begin(own.fork("explorer"), profiles[number % 2])
            yield attrs.evolve(setup, workload=workload, explorer=explorer, faults=faults)

    def _profile(self) -> Profile:
        """What the shrunk run looks like undisturbed."""
        explorer = make_explorer("default")
        explorer.begin(Stream(0), Profile())
        workload = attrs.evolve(self.small.workload, failures=())
        return profile_of(
            run_trial(
                attrs.evolve(
                    self.setup,
                    workload=workload,
                    explorer=explorer,
                    faults=NoFaults(),
                    full_trace=True,
                )
            )
        )
