"""The crash strip: one run, struck at every one of its operations, one trial for each.

A hunt draws where it strikes; a strip leaves nothing to chance.  The undisturbed trial of a case,
on the all-zero schedule, performs k operations; each of them is struck twice: by a crash before
it, and by the loss of its answer.  A second fault is put behind the first one, at an operation of
the trial that the first one has led to; where there are too many such pairs, a seeded part of
them is taken that is spread evenly.  Every trial is a handful of values, so each failure has a
repro of its own.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import attrs

from simworld.campaign.composing import Setup
from simworld.campaign.hunt import no_collector
from simworld.campaign.replaying import repro_of
from simworld.campaign.scenario import Scenario
from simworld.campaign.trial import Trial, checks_seed, prepared, run_trial
from simworld.campaign.variants import Variant
from simworld.check import waits_of
from simworld.entropy import Stream, derive
from simworld.explore import Candidate, make_explorer
from simworld.records import UNKNOWN, Anomaly, Fault, Profile, Repro, Schedule
from simworld.sim import RecordedFaults

KINDS = ("crash", "lost_answer")
"""What strikes an operation."""
PAIRS_MAX = 2_000
"""Pairs of faults that are tried; of more, a part that is spread evenly."""

Key: TypeAlias = tuple[str, str, str]
"""What struck where, the law, the kind of its anomaly."""


@attrs.frozen
class StripRow:
    """Trials of a strip that broke one law in one way."""

    struck: str
    """``crash before record step_completed of work#2``; empty for all pairs together."""
    law: str
    kind: str
    count: int
    repro: Repro
    """The first of these trials."""


@attrs.frozen
class Strip:
    """What became of a run, wherever it was struck."""

    scenario: str
    case: str
    variant: str
    world: str
    operations: int
    """Of the undisturbed trial."""
    undisturbed: tuple[str, ...]
    """Laws that it breaks without any fault; what else breaks in the same way is not told again."""
    singles: int
    """Trials with one fault; operations that nothing can happen to have none."""
    singles_failed: int
    pairs: int
    pairs_failed: int
    """Pairs that break a law that the first fault alone does not break."""
    pairs_possible: int
    undecided: str
    """Why the first trial that nobody could judge was none; empty: all were judged."""
    rows: tuple[StripRow, ...]
    """Of single faults, operation by operation, then of pairs."""
    interrupted: bool = False
    """Somebody pressed Ctrl-C; everything above speaks of the trials that were done."""


class _Position(NamedTuple):
    """The k-th operation of a task."""

    task: str
    nth: int
    op: str


class _First(NamedTuple):
    """A first fault, and where the run it leads to can be struck again."""

    at: _Position
    kind: str
    behind: tuple[tuple[_Position, str], ...]
    """Operations, each with the kind of fault that can happen to it."""
    signatures: frozenset[tuple[str, str]]  # membership only, never iterated


@attrs.define
class _Tally:
    """What a strip has counted."""

    setup: Setup
    variant: Variant
    seed: int
    undisturbed: frozenset[tuple[str, str]] = frozenset()  # membership only, never iterated
    singles: int = 0
    singles_failed: int = 0
    pairs: int = 0
    pairs_failed: int = 0
    undecided: str = ""
    rows: dict[Key, StripRow] = attrs.Factory(dict)

    def run(self, faults: tuple[Fault, ...], *, full_trace: bool = False) -> Trial | None:
        """The trial with these faults; None where one of them never came to happen."""
        trial = _struck(self.setup, faults, full_trace=full_trace)
        if len(trial.faults) < len(faults):
            return None
        if not (trial.anomalies or self.undecided):
            self.undecided = _undecided(trial)
        return trial

    def keep(self, struck: str, trial: Trial, anomalies: Sequence[Anomaly]) -> None:
        """Count a failed trial in each of its rows."""
        for law, kind in dict.fromkeys((each.law, each.kind) for each in anomalies):
            key = (struck, law, kind)
            row = self.rows.get(key)
            if row is None:
                anomaly = next(each for each in anomalies if (each.law, each.kind) == (law, kind))
                self.rows[key] = StripRow(struck, law, kind, 1, self._repro(trial, anomaly))
            else:
                self.rows[key] = attrs.evolve(row, count=row.count + 1)

    def _repro(self, trial: Trial, anomaly: Anomaly) -> Repro:
        return repro_of(
            self.setup,
            Candidate(Schedule(), trial.faults, self.setup.workload),
            anomaly,
            variant=self.variant,
            seed=self.seed,
            trial=0,
            explorer="strip",
            moves_before=len(trial.faults),
        )


def crash_strip(
    scenario: Scenario,
    variant: Variant,
    *,
    case: str = "",
    seed: int = 0,
    pairs_max: int = PAIRS_MAX,
    progress: Callable[[int, int], None] | None = None,
) -> Strip:
    """Strike the undisturbed run of a case (its first, if none is named) everywhere.

    ``progress`` is told the trials done, and how many there will be as far as is known.  Ctrl-C
    ends the strip early.
    """
    setup = _setup(scenario, variant, case, seed)
    tally = _Tally(setup, variant, seed)
    whole = _struck(setup, (), full_trace=True)
    positions = _positions(whole)
    tally.undisturbed = frozenset((each.law, each.kind) for each in whole.anomalies)
    tell = progress if progress is not None else _silent
    singles, possible, interrupted = len(KINDS) * len(positions), 0, False
    try:
        with no_collector():
            firsts = _singles(tally, positions, lambda done: tell(done, singles + pairs_max))
            possible = sum(len(first.behind) for first in firsts)
            chosen = _spread(possible, pairs_max, Stream(derive(seed, scenario.name, "strip")))
            total = singles + len(chosen)
            _pairs(tally, firsts, chosen, lambda done: tell(singles + done, total))
    except KeyboardInterrupt:
        interrupted = True
    return Strip(
        scenario.name,
        setup.case.name,
        " ".join((variant.name, *variant.changed)),
        variant.place,
        len(positions),
        tuple(dict.fromkeys(f"{each.law} {each.kind}" for each in whole.anomalies)),
        tally.singles,
        tally.singles_failed,
        tally.pairs,
        tally.pairs_failed,
        possible,
        tally.undecided,
        tuple(tally.rows.values()),
        interrupted,
    )


def _silent(done: int, total: int) -> None:
    """Nobody wants to know."""


def _setup(scenario: Scenario, variant: Variant, case: str, seed: int) -> Setup:
    chosen = scenario.case(case) if case else scenario.cases[0]
    stream = Stream(derive(seed, scenario.name, 0))
    explorer = make_explorer("default")
    explorer.begin(stream.fork("explorer"), Profile())
    return prepared(
        scenario,
        chosen,
        variant,
        scenario.drawn(chosen, stream),
        explorer,
        RecordedFaults(()),
        checks=checks_seed(scenario.name, seed, 0),
    )


def _struck(setup: Setup, faults: tuple[Fault, ...], *, full_trace: bool) -> Trial:
    return run_trial(attrs.evolve(setup, faults=RecordedFaults(faults), full_trace=full_trace))


def _positions(trial: Trial) -> tuple[_Position, ...]:
    """Every operation of a trial with a full trace, in the order in which they were performed."""
    counts: dict[str, int] = {}
    found = []
    for turn in trial.trace:
        counts[turn.task] = nth = counts.get(turn.task, 0) + 1
        found.append(_Position(turn.task, nth, turn.op))
    return tuple(found)


def _fault(kind: str, at: _Position) -> tuple[Fault, str]:
    """The fault that strikes there, and what it does in words."""
    does = f"crash before {at.op}" if kind == "crash" else f"answer lost: {at.op}"
    return Fault(kind, at.task, at.nth), does


def _singles(
    tally: _Tally, positions: Sequence[_Position], tell: Callable[[int], None]
) -> list[_First]:
    """One fault at every operation; those that happened, for the pairs."""
    happened: list[_First] = []
    for done, (at, kind) in enumerate(itertools.product(positions, KINDS), start=1):
        fault, struck = _fault(kind, at)
        trial = tally.run((fault,), full_trace=True)
        tell(done)
        if trial is None:
            continue
        tally.singles += 1
        happened.append(_first(at, kind, trial))
        anomalies = _new(trial, tally.undisturbed)
        if anomalies:
            tally.singles_failed += 1
            tally.keep(struck, trial, anomalies)
    spared = {at.task for at in positions} - {each.at.task for each in happened}
    fruitless = {(at.op, kind) for at, kind in itertools.product(positions, KINDS)}
    fruitless -= {(each.at.op, each.kind) for each in happened}
    return [_without(each, spared, fruitless) for each in happened]


def _first(at: _Position, kind: str, trial: Trial) -> _First:
    after = _positions(trial)
    behind = next(n for n, each in enumerate(after, start=1) if each[:2] == at[:2])
    signatures = frozenset((each.law, each.kind) for each in trial.anomalies)
    return _First(at, kind, tuple(itertools.product(after[behind:], KINDS)), signatures)


def _without(first: _First, spared: set[str], fruitless: set[tuple[str, str]]) -> _First:
    """``spared``: tasks that nothing happens to; ``fruitless``: what never happens to anybody."""
    behind = [
        (each, kind)
        for each, kind in first.behind
        if each.task not in spared
        and (each.op, kind) not in fruitless
        and (each.task, kind) != (first.at.task, first.kind)  # a task meets one of a kind
    ]
    return first._replace(behind=tuple(behind))


def _pairs(
    tally: _Tally,
    firsts: Sequence[_First],
    chosen: Sequence[int],
    tell: Callable[[int], None],
) -> None:
    """A second fault behind the first one, for the chosen ones of all pairs."""
    ends = list(itertools.accumulate(len(first.behind) for first in firsts))
    for done, number in enumerate(chosen, start=1):
        at = bisect.bisect_right(ends, number)
        first = firsts[at]
        position, kind = first.behind[number - (ends[at - 1] if at else 0)]
        trial = tally.run((_fault(first.kind, first.at)[0], _fault(kind, position)[0]))
        tell(done)
        if trial is None:
            continue
        tally.pairs += 1
        anomalies = _new(trial, tally.undisturbed | first.signatures)
        if anomalies:
            tally.pairs_failed += 1
            tally.keep("", trial, anomalies)


def _new(trial: Trial, known: frozenset[tuple[str, str]]) -> list[Anomaly]:
    """What the trial breaks that is not known without its last fault."""
    return [each for each in trial.anomalies if (each.law, each.kind) not in known]


def _spread(total: int, most: int, stream: Stream) -> list[int]:
    """Up to ``most`` of ``total`` numbers, one drawn from each of equal stretches."""
    if total <= most:
        return list(range(total))
    ends = [total * n // max(most, 1) for n in range(most + 1)]
    return [stream.between(low, high - 1) for low, high in itertools.pairwise(ends)]


def _undecided(trial: Trial) -> str:
    """Why nobody can judge the trial, with its faults; empty if somebody can."""
    reason = trial.verdict.reason if trial.verdict.outcome == UNKNOWN else ""
    if trial.ended_count < trial.runs_count:
        reason = reason or "; ".join(waits_of(trial.final))
    faults = ", ".join(f"{each.kind} of {each.target} at {each.value}" for each in trial.faults)
    return reason and f"{faults}: {reason}"
