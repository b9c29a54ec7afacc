"""The nearest passing twin: the one change to a failing trial with which every law holds.

Tried first is the order: two operations that meet are exchanged and all else is left as it was,
those that say most about the broken place first, and of these the latest.  Then larger exchanges:
the second operation and what its task does after it, one task before what another has long done,
and changes of a single entry.  Then less of a fault, or one fault less, the last to strike first;
before the larger exchanges, where the failure needs no order but a fault that does more than
deliver twice.  At last another delivery that begins first, and one planned failure less.

An exchange about something else than what broke, or about the creation of the run, may remove a
failure and explain nothing; it is told only where all the others fail.

A twin passes if it is drained, breaks no law at all, and met the same faults at the same
operations: an exchange that lets a fault miss explains nothing.  Where there is none, one will do
that breaks only laws which the failing trial has broken beside the one in question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from simworld.campaign.composing import Setup
from simworld.campaign.replaying import followed, replay, same_failure, setup_of
from simworld.campaign.scenario import Scenario
from simworld.engine import Event
from simworld.errors import DidNotReproduce
from simworld.explore import (
    Candidate,
    Meeting,
    exchanged,
    meetings,
    overtakings,
    turned_round,
)
from simworld.records import (
    FAULTS,
    Advance,
    Anomaly,
    Fault,
    RacingPair,
    Repro,
    Schedule,
    Story,
    Turn,
    Twin,
    TwinSearch,
)

REPLAYS_MAX = 400
"""Trials that one twin is worth."""
TURNS_MAX = 50_000
"""Operations of all these trials."""
COMPANY = "duplicate"
"""A fault that only makes handlers meet is taken away last."""
OVERTAKINGS_MAX = 60
"""Tasks that are let past something, those that say most."""
ELSEWHERE = ("body", "hook", "key", "step", "wait")
"""Kinds of labels that say little if they are not about the broken place."""
READING = "read the log"
"""How an operation begins that shows what is in the log."""
CREATION = " run_created"
"""What an operation records before which nothing of a run can happen."""
RECORDED = "event "
"""How the outcome of an operation begins that has recorded an event."""
BEGINNINGS = "message "
"""Label of what two deliveries of a message touch when they begin: which one begins first says
little, so it is tried late."""


def tell(repro: Repro, scenarios: Mapping[str, Scenario]) -> Story:
    """The repro's story with its twin; ``DidNotReproduce`` if its failure does not show."""
    story = replay(repro, scenarios)
    if story is None:
        raise DidNotReproduce(f"the schedule can be followed, but {repro.law} holds now")
    return with_twin(story, scenarios)


def with_twin(story: Story, scenarios: Mapping[str, Scenario]) -> Story:
    """The same story with the nearest twin of its trial, if there is one."""
    return attrs.evolve(story, twins=nearest_twin(story, scenarios))


def nearest_twin(story: Story, scenarios: Mapping[str, Scenario]) -> TwinSearch:
    """The nearest trial that passes.  Deterministic: equal stories, equal twins."""
    setup, candidate = setup_of(story.repro, scenarios)
    search = _Search(setup, candidate, story)
    found: list[Twin] = []
    for twin in filter(None, search.tried()):
        found.append(twin)
        if not search.lacks(twin):
            break
    return TwinSearch(min(found, key=search.lacks, default=None), search.replays)


class _Search:
    """Tries one change after the other."""

    def __init__(self, setup: Setup, candidate: Candidate, story: Story) -> None:
        self.replays = 0
        self._turns_left = TURNS_MAX
        self._setup, self._failing, self._story = setup, candidate, story
        self._trace = story.turns
        trial, _ = followed(setup, candidate, strict=False, full_trace=False)
        self._beside = {
            (each.law, each.place)
            for each in trial.anomalies
            if not same_failure(each, story.anomaly)
        }
        ranked = _ranked(meetings(story.turns), story.turns, story.anomaly)
        self._pairs = [each for each in ranked if not each.object.startswith(BEGINNINGS)]
        self._beginnings = [each for each in ranked if each.object.startswith(BEGINNINGS)]

    def lacks(self, twin: Twin) -> int:
        """0 for one that breaks no law and explains; what breaks a law is worse than what does not
        explain."""
        return 2 * bool(twin.still) + (not self._explains(twin))

    def _explains(self, twin: Twin) -> bool:
        """Whether what was changed has to do with what broke."""
        race, anomaly = twin.race, self._story.anomaly
        if race is None:
            return twin.fault is not None
        if race.object.startswith(ELSEWHERE) and not _says(race, anomaly.place):
            return _events(race) == 2
        return anomaly.law == "I-01" or not any(CREATION in op for op in _ops(race))

    def tried(self) -> Iterator[Twin | None]:
        """What came of every change, the nearest first."""
        failing = self._failing
        for pair in self._pairs:
            yield self._exchanged(exchanged(self._trace, pair))
        faults = sorted(
            failing.faults,
            key=lambda each: (each.kind == COMPANY, -strikes_at(self._trace, each)),
        )
        by_order = failing.schedule.entries or all(each.kind == COMPANY for each in faults)
        if by_order:
            yield from self._larger()
        for fault in faults:
            yield from self._spared(fault)
        if not by_order:
            yield from self._larger()
        for pair in self._beginnings:
            yield self._exchanged(exchanged(self._trace, pair))
        yield from self._unfailing()

    def _larger(self) -> Iterator[Twin | None]:
        """Exchanges of more than a pair, the one first whose race says most."""
        trace, anomaly = self._trace, self._story.anomaly
        past = [each for each in overtakings(trace) if _says(_race(each, trace), anomaly.place)]
        pairs = [*self._pairs, *_ranked(past, trace, anomaly)[:OVERTAKINGS_MAX]]
        schedules = [exchanged(trace, pair, running_on=True) for pair in pairs]
        schedules += map(Schedule, _other_entries(self._failing.schedule.entries))
        found: list[tuple[tuple[object, ...], Twin]] = []
        for schedule in dict.fromkeys(schedules):
            twin = self._exchanged(schedule)
            if twin and twin.race and not twin.race.object.startswith(BEGINNINGS):
                rank = _telling(twin.race, anomaly), len(found)
                found.append((rank, attrs.evolve(twin, alone=False)))
        for _, twin in sorted(found, key=lambda each: each[0]):
            yield twin

    def _exchanged(self, schedule: Schedule) -> Twin | None:
        """The twin with that schedule, if something that meets has changed its order."""
        failing, trace = self._failing, self._trace
        twin = self._passing(attrs.evolve(failing, schedule=schedule))
        if twin is None or (
            _struck(twin.turns, twin.repro.faults) != _struck(trace, failing.faults)
        ):
            return None
        turned = turned_round(trace, twin.turns)
        ranked = _ranked(turned, trace, self._story.anomaly)
        if not ranked:
            return None
        return attrs.evolve(twin, race=_race(ranked[0], trace), alone=len(turned) == 1)

    def _spared(self, fault: Fault) -> Iterator[Twin | None]:
        """With less of a fault, and then without it."""
        failing = self._failing
        less = fault.value - 1 if FAULTS[fault.kind].counted else 0
        for left in dict.fromkeys((less, 0)):
            weaker = {fault: attrs.evolve(fault, value=left)} if left else {fault: None}
            faults = [weaker.get(each, each) for each in failing.faults]
            fewer = tuple(each for each in faults if each is not None)
            twin = self._passing(attrs.evolve(failing, faults=fewer))
            yield twin and attrs.evolve(twin, fault=fault, left=left)

    def _unfailing(self) -> Iterator[Twin | None]:
        """Without a failure that was planned."""
        workload = self._failing.workload
        for body in workload.failures:
            left = tuple(each for each in workload.failures if each != body)
            calmer = attrs.evolve(workload, failures=left)
            twin = self._passing(attrs.evolve(self._failing, workload=calmer))
            yield twin and attrs.evolve(twin, body=body)

    def _passing(self, candidate: Candidate) -> Twin | None:
        """The candidate's trial, if no law is broken in it that was not broken beside this one."""
        if self.replays >= REPLAYS_MAX or self._turns_left <= 0:
            return None
        self.replays += 1
        trial, explorer = followed(self._setup, candidate, strict=False, full_trace=True)
        self._turns_left -= trial.turns
        found = {(each.law, each.place) for each in trial.anomalies}
        if not (trial.final.drained and found <= self._beside):
            return None
        repro = attrs.evolve(
            self._story.repro,
            schedule=Schedule(tuple(explorer.applied)),
            faults=trial.faults,
            workload=candidate.workload,
            trace=trial.digest,
        )
        labels = trial.final.labels
        log = _same_log(trial.logs, labels, self._story)
        still = tuple(sorted({law for law, _ in found}))
        return Twin(repro, trial.trace, log, labels, still)


def _same_log(
    logs: Mapping[str, Sequence[Event]], labels: Mapping[str, str], story: Story
) -> tuple[Event, ...]:
    """The log of the run that the story is about."""
    run = story.labels.get(story.log[0].run_id) if story.log else None
    return next((tuple(log) for run_id, log in logs.items() if labels.get(run_id) == run), ())


def strikes_at(trace: Sequence[Turn], fault: Fault) -> int:
    """Place of the operation that a fault strikes; -1 where that is no single one."""
    task, number = fault.target, fault.value
    if FAULTS[fault.kind].operation:
        task, _, nth = fault.target.rpartition("@")
        number = int(nth)
    elif fault.kind not in ("crash", "lost_answer"):
        return -1
    own = [index for index, turn in enumerate(trace) if turn.task == task]
    return own[number - 1] if number <= len(own) else -1


def _struck(trace: Sequence[Turn], faults: Sequence[Fault]) -> list[tuple[Fault, str]]:
    """Every fault with the operation it strikes."""
    at = [(fault, strikes_at(trace, fault)) for fault in faults]
    return [(fault, trace[index].op if index >= 0 else "") for fault, index in at]


def _ranked(pairs: Sequence[Meeting], trace: Sequence[Turn], anomaly: Anomaly) -> list[Meeting]:
    """Those up to the break, what says most about it first."""
    return sorted(
        (each for each in pairs if trace[each.second].turn <= anomaly.turn),
        key=lambda each: _telling(_race(each, trace), anomaly),
    )


def _race(pair: Meeting, trace: Sequence[Turn]) -> RacingPair:
    return RacingPair(trace[pair.first], trace[pair.second], pair.object)


def _telling(race: RacingPair, anomaly: Anomaly) -> tuple[int, bool, bool, int, int]:
    """What says most about the broken place; last what only shares a log, or makes another thing in
    it; two events before anything else; of equals the latest, of those that create the run the
    earliest."""
    says, both = _says(race, anomaly.place), _events(race) == 2
    reads = any(op.startswith(READING) for op in _ops(race))
    makes = any("_created of " in op and not _names(op, anomaly.place) for op in _ops(race))
    shares = race.object.startswith("log ") and (makes or not (both or reads))
    creates = any(CREATION in op for op in _ops(race))
    when = race.first.turn if creates else -race.first.turn
    return -says, shares, not both, when, race.second.turn


def _says(race: RacingPair, place: str) -> int:
    """How much a race says about ``place``: it is about the very thing, or near it, or one of its
    operations is."""
    if race.object.endswith(f" {place}"):
        return 2
    named = any(_names(op, place) for op in _ops(race))
    return 1 if named or race.object.endswith(f"/{place.rpartition('/')[2]}") else 0


def _names(op: str, place: str) -> bool:
    """Whether an operation is about a step, wait or hook."""
    entity = place.rpartition("/")[2]
    return "#" in entity and f" {entity}:" in f"{op}:"


def _events(race: RacingPair) -> int:
    """How many of its operations have recorded an event."""
    return sum(each.outcome.startswith(RECORDED) for each in (race.first, race.second))


def _ops(race: RacingPair) -> tuple[str, str]:
    return race.first.op, race.second.op


def _other_entries(entries: tuple[Advance, ...]) -> Iterator[tuple[Advance, ...]]:
    """One entry is gone, ends one operation later or earlier, or has changed its place."""
    for index, entry in enumerate(entries):
        before, after = entries[:index], entries[index + 1 :]
        yield (*before, *after)
        yield (*before, attrs.evolve(entry, until=entry.until + 1), *after)
        if entry.until > 1:
            yield (*before, attrs.evolve(entry, until=entry.until - 1), *after)
        if after:
            yield (*before, after[0], entry, *after[1:])
