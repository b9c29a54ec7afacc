"""What a hunt counts, trial by trial, and the result it makes of that.

Trials may be run in other processes; a hunt still counts them in the order of their numbers, so
its result is the same however many processes there were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

import attrs

from simworld.campaign.scenario import Scenario, claimed_laws, declared_verdict
from simworld.campaign.trial import Trial
from simworld.campaign.variants import Variant
from simworld.check import waits_of
from simworld.records import FAIL, PASS, UNKNOWN, Anomaly, Finding, Result, Verdict

ENDED_SHARE_MIN = 0.99
"""Below this share of ended runs, silence proves nothing (decisions §7.3)."""

Key: TypeAlias = tuple[str, str]
"""Case and signature of an anomaly: a hunt keeps one finding of each."""
BREACH = ", under a breach"
"""Behind the signature, where a fault broke a promise of its own world."""


class Told(NamedTuple):
    """What a hunt keeps of one trial; small, because it may come from another process."""

    turns: int
    deliveries: int
    runs: int
    ended: int
    overlapped: bool
    unknown: str
    """Why the trial is UNKNOWN; empty if it is not."""
    waits: str
    """What the runs wait for that were left open."""
    digest: str
    keys: tuple[Key, ...]
    """One per kind of failure."""
    breach: bool
    """A fault broke a promise of its own world: that a run then stays open tells nothing."""


def keys_of(case: str, trial: Trial) -> dict[Key, Anomaly]:
    """The kinds of failure that a trial shows, each with its first anomaly.

    Those of a trial with a breach are kinds of their own: no breach hides what shows without it.
    """
    among = BREACH if trial.is_breach else ""
    return {(case, each.signature + among): each for each in reversed(trial.anomalies)}


def told_of(trial: Trial, case: str) -> Told:
    """A trial in short; of one that found nothing, the case does not matter."""
    open_runs = trial.ended_count < trial.runs_count
    return Told(
        trial.turns,
        trial.deliveries,
        trial.runs_count,
        trial.ended_count,
        trial.overlapped,
        trial.verdict.reason if trial.verdict.outcome == UNKNOWN else "",
        "; ".join(waits_of(trial.final)) if open_runs else "",
        trial.digest,
        tuple(keys_of(case, trial)),
        trial.is_breach,
    )


@attrs.define
class Tally:
    """What a running hunt has counted."""

    number: int = 0
    """The trial that is looked at."""
    trials: int = 0
    turns: int = 0
    deliveries: int = 0
    runs: int = 0
    """Of the trials without a breach, as ``ended``, ``unknown`` and ``waits`` are."""
    ended: int = 0
    overlapped: int = 0
    breaches: int = 0
    unknown: str = ""
    waits: str = ""
    """What the first trial that left runs open waits for."""
    findings: dict[Key, Finding] = attrs.Factory(dict)
    marks: dict[str, int] = attrs.Factory(dict)
    shrink_seconds: float = 0.0
    """Wall time that went to findings, not to trials."""
    interrupted: bool = False
    diverged: bool = False
    digest: bytes = b""

    def add(self, told: Told) -> list[Key]:
        """Count the next trial; the kinds of failure that nobody has seen before."""
        if not told.breach:
            if told.ended < told.runs and not self.waits:
                self.waits = f"in trial {self.trials} {told.waits}"
            self.runs += told.runs
            self.ended += told.ended
            self.unknown = self.unknown or told.unknown
        self.breaches += told.breach
        self.trials += 1
        self.turns += told.turns
        self.deliveries += told.deliveries
        self.overlapped += told.overlapped
        self.digest = hashlib.blake2b(self.digest + told.digest.encode(), digest_size=16).digest()
        new = []
        for key in told.keys:
            known = self.findings.get(key)
            if known is None:
                new.append(key)
            else:
                self.findings[key] = attrs.evolve(known, count=known.count + 1)
        return new

    def add_marks(self, reached: Mapping[str, int]) -> None:
        """Count visits of places."""
        for name, count in reached.items():
            self.marks[name] = self.marks.get(name, 0) + count


@attrs.frozen
class Hunted:
    """What a result says of its hunt beside the counts."""

    scenario: Scenario
    variant: Variant
    seed: int
    explorer: str
    case: str
    """The only case that was drawn; empty when all were."""
    claimed: bool
    """Whether what was declared speaks of this hunt."""
    marks: tuple[str, ...]
    """Where it must have been."""


def result_of(hunted: Hunted, tally: Tally, seconds: float) -> Result:
    """The result; ``seconds`` were spent on the trials."""
    scenario, variant, case = hunted.scenario, hunted.variant, hunted.case
    return Result(
        scenario.name,
        case,
        told_variant(variant),
        variant.place,
        hunted.seed,
        hunted.explorer,
        tally.trials,
        tally.turns,
        tally.deliveries,
        seconds,
        _verdict(hunted, tally),
        declared_verdict(scenario, variant, case) if hunted.claimed else None,
        tuple(sorted(tally.findings.values(), key=lambda finding: finding.moves_after)),
        dict(sorted(tally.marks.items())),
        tally.digest.hex(),
        tally.ended / max(tally.runs, 1),
        tally.overlapped / max(tally.trials, 1),
        tuple(_surprises(hunted, tally)),
        tally.interrupted,
        scenario.canary,
    )


def told_variant(variant: Variant) -> str:
    """The variant with the knobs that were changed."""
    return " ".join((variant.name, *variant.changed))


def _verdict(hunted: Hunted, tally: Tally) -> Verdict:
    scenario = hunted.scenario
    charged = [each for each in tally.findings.values() if not each.is_worlds]
    laws = {finding.anomaly.law: None for finding in charged}
    if laws:
        return Verdict(FAIL, scenario.law if scenario.law in laws else next(iter(laws)))
    if tally.interrupted:
        return Verdict(UNKNOWN, reason="interrupted")  # what was not looked at has not passed
    if tally.diverged:
        return Verdict(UNKNOWN, reason="the workflow does not depend on its log alone")
    if tally.unknown:
        return Verdict(UNKNOWN, reason=tally.unknown)
    missed = [mark for mark in hunted.marks if mark not in tally.marks]
    if tally.trials == 0:
        return Verdict(UNKNOWN, reason="no trial was run")
    if tally.breaches == tally.trials:
        return Verdict(UNKNOWN, reason="in every trial a fault broke a promise of the world")
    if missed:
        return Verdict(UNKNOWN, reason=f"never reached {missed[0]} in {tally.trials} trials")
    if tally.runs == 0:
        return Verdict(UNKNOWN, reason="the client script has started no run")
    if tally.ended < ENDED_SHARE_MIN * tally.runs:
        counts = f"only {tally.ended} of {tally.runs} runs ended"
        return Verdict(UNKNOWN, reason=f"{counts}; {tally.waits}")
    return Verdict(PASS)


def _surprises(hunted: Hunted, tally: Tally) -> Iterator[str]:
    """What was found in a case that declares otherwise.

    A declared failure that one case of several did not show is none: it may need more trials.  Of
    a canary every case must be refuted.
    """
    scenario, variant = hunted.scenario, hunted.variant
    found: dict[str, list[str]] = {}
    for (case, _), finding in tally.findings.items():
        if finding.is_worlds:
            continue
        laws = found.setdefault(case, [])
        if finding.anomaly.law not in laws:
            laws.append(finding.anomaly.law)
    for case, laws in sorted(found.items()):
        claimed = claimed_laws(scenario, variant, case)
        other = [law for law in laws if claimed is not None and law not in claimed]
        if other:
            declared = declared_verdict(scenario, variant, case)
            yield f"case {case} declares {declared} and breaks {', '.join(other)}"
    if scenario.canary and not tally.interrupted:
        for each in [scenario.case(hunted.case)] if hunted.case else scenario.cases:
            if scenario.law not in found.get(each.name, ()):
                yield f"case {each.name} was not refuted in {tally.trials} trials"
