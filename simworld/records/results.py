"""Results: what a hunt and a replay hand to whoever prints, saves or compares them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from simworld.engine import Event
from simworld.records.faults import Fault
from simworld.records.repro import Repro
from simworld.records.trace import Turn
from simworld.records.verdicts import Anomaly, Verdict


@attrs.frozen
class RacingPair:
    """Two operations that race, as turns of the failing trial."""

    first: Turn
    second: Turn
    object: str
    """The label of the object both touch."""


@attrs.frozen
class Twin:
    """A trial that passes, one change away from one that fails."""

    repro: Repro
    """It as data: a strict replay of it runs clean."""
    turns: tuple[Turn, ...]
    log: tuple[Event, ...]
    """The events of the run the anomaly was about, in log order."""
    labels: Mapping[str, str]
    still: tuple[str, ...] = ()
    """Other laws of the failing trial that are broken all the same."""
    race: RacingPair | None = None
    """The change: these two come in the other order."""
    alone: bool = True
    """Nothing else that conflicts has been exchanged with them."""
    fault: Fault | None = None
    """The change: this fault does not strike, or less of it."""
    left: int = 0
    """What is left of the fault's value."""
    body: tuple[str, int] | None = None
    """The change: this planned failure (step, which of its bodies) does not happen."""


@attrs.frozen
class TwinSearch:
    """What came of looking for a twin."""

    twin: Twin | None
    replays: int
    """Trials that were run for it."""


@attrs.frozen
class Story:
    """One failing trial, told in full."""

    repro: Repro
    turns: tuple[Turn, ...]
    log: tuple[Event, ...]
    """The events of the run the anomaly is about, in log order."""
    labels: Mapping[str, str]
    """Run or correlation id → readable label."""
    anomaly: Anomaly
    twins: TwinSearch | None = None
    """None: nobody has looked."""
    values: tuple[str, ...] = ()
    """What was drawn, in lines, where numbers say little."""
    changed: tuple[str, ...] = ()
    """``knob=value`` for every knob that differs from the preset."""

    @property
    def twin(self) -> Twin | None:
        """The nearest trial that passes, if one was found."""
        return self.twins.twin if self.twins else None

    @property
    def race(self) -> RacingPair | None:
        """The two operations that race, where their order decides."""
        return self.twin.race if self.twin else None


@attrs.frozen
class Finding:
    """One kind of failure that a hunt has seen."""

    anomaly: Anomaly
    trial: int
    """The first trial that showed it, from 0."""
    count: int
    """How many trials showed it."""
    moves_before: int
    moves_after: int
    shrink_seconds: float
    repro: Repro

    @property
    def is_worlds(self) -> bool:
        """A fault that breaks its world's own contract is to blame, not the engine."""
        return self.repro.blame is not None and self.repro.blame.is_worlds


@attrs.frozen
class Progress:
    """Where a running hunt is."""

    scenario: str
    variant: str
    trials_done: int
    trials_max: int
    findings_count: int


@attrs.frozen
class Result:
    """What a hunt of one scenario on one variant has shown."""

    scenario: str
    case: str
    """The only case that was drawn; empty when all were."""
    variant: str
    world: str
    seed: int
    explorer: str
    trials: int
    turns: int
    deliveries: int
    seconds: float
    verdict: Verdict
    """Of the engine: what a fault brought about that breaks its world's contract fails nobody."""
    expected: Verdict | None
    """The declared verdict, or None where the scenario declares none for these knobs."""
    findings: tuple[Finding, ...]
    marks: Mapping[str, int]
    digest: str
    ended_share: float
    """Share of runs that reached a terminal state, over the trials without a breach."""
    overlap_share: float
    """Share of trials in which two deliveries were under way at once."""
    surprises: tuple[str, ...] = ()
    """Cases in which something else was found than they declare, a sentence each."""
    interrupted: bool = False
    """Somebody pressed Ctrl-C; everything above speaks of the trials that were done."""
    canary: bool = False
    """What it finds was planted to be found, and tells nothing about the variant."""

    @property
    def silent(self) -> bool:
        """A canary that was not refuted: the harness itself is broken."""
        return self.canary and not (self.as_expected or self.interrupted)

    def interest(self, finding: Finding) -> tuple[bool, bool, int, int]:
        """Smaller is better to tell: of the law in question, in need of a certain order, short."""
        return (
            finding.anomaly.law != self.verdict.law,
            not finding.repro.schedule.entries,
            finding.moves_after,
            finding.moves_before,
        )

    @property
    def system(self) -> str:
        """The variant, and the world it ran on if that is not the atomic one."""
        return self.variant if self.world == "atomic" else f"{self.variant} @ {self.world}"

    @property
    def as_expected(self) -> bool:
        """Outcome and law are the declared ones (a reason is free text), case by case, too."""
        if self.expected is None or self.surprises:
            return False
        wanted = (self.expected.outcome, self.expected.law)
        return (self.verdict.outcome, self.verdict.law) == wanted


@attrs.frozen
class Unjudged:
    """A hunt that was asked for and has no result."""

    scenario: str
    system: str
    """As in ``Result.system``."""
    reason: str
