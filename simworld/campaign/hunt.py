"""A campaign: many trials of one scenario on one variant, from one seed.

Trial n draws everything from streams forked by the scenario's name and n, never by the variant:
the faulty and the fixed variant meet identical budgets and seeds.  A hunt goes on after its first
failure until its trials are spent and keeps one finding per case, law and place, each shrunk.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterator

import attrs

from simworld import marks
from simworld.campaign.grounds import nemesis
from simworld.campaign.replaying import repro_of, shrunk
from simworld.campaign.scenario import (
    Case,
    Scenario,
    check_claims,
    claimed_laws,
    declared_verdict,
)
from simworld.campaign.trial import (
    Setup,
    Trial,
    checks_seed,
    prepared,
    profile_of,
    run_trial,
)
from simworld.campaign.variants import Variant
from simworld.check import waits_of
from simworld.entropy import Stream, derive
from simworld.errors import (
    ReplayDivergence,
    UncontrolledNondeterminism,
    UsageError,
)
from simworld.explore import Candidate, RunTwice, make_explorer
from simworld.records import (
    FAIL,
    PASS,
    UNKNOWN,
    FaultBudget,
    Finding,
    Profile,
    Progress,
    Result,
    Verdict,
)
from simworld.sim import NoFaults

COLLECT_EVERY = 100
"""Trials between two collections of garbage; within a trial there is none."""
FOCUS = 0.7
"""How often the explorer is pointed at whatever the faults are aimed at."""
NO_MORE = FaultBudget()
ENDED_SHARE_MIN = 0.99
"""Below this share of ended runs, silence proves nothing (decisions §7.3)."""


@attrs.define
class _Tally:
    """What a running hunt has counted."""

    trials: int = 0
    turns: int = 0
    deliveries: int = 0
    runs: int = 0
    ended: int = 0
    overlapped: int = 0
    unknown: str = ""
    waits: str = ""
    """What the first trial that left runs open waits for."""
    findings: dict[tuple[str, str], Finding] = attrs.Factory(dict)
    interrupted: bool = False
    diverged: bool = False
    digest: bytes = b""

    def add(self, trial: Trial) -> None:
        """Count one trial."""
        if trial.ended_count < trial.runs_count and not self.waits:
            self.waits = f"in trial {self.trials} {'; '.join(waits_of(trial.final))}"
        self.trials += 1
        self.turns += trial.turns
        self.deliveries += trial.deliveries
        self.runs += trial.runs_count
        self.ended += trial.ended_count
        self.overlapped += trial.overlapped
        if trial.verdict.outcome == UNKNOWN and not self.unknown:
            self.unknown = trial.verdict.reason
        self.digest = hashlib.blake2b(self.digest + trial.digest.encode(), digest_size=16).digest()


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
        explorer: str = "portfolio",
        case: str = "",
        run_twice: bool = False,
        faults: FaultBudget = NO_MORE,
    ) -> None:
        check_claims(scenario)
        self.scenario = scenario
        self.variant = variant
        self.seed = seed
        self.cases: tuple[Case, ...] = (scenario.case(case),) if case else scenario.cases
        self._explorer = make_explorer(explorer)
        self._run_twice = run_twice
        self.faults = faults
        """What may go wrong beyond the budgets of the cases."""
        self._profiles: dict[tuple[str, str], Profile] = {}

    def setup(self, number: int) -> Setup:
        """Trial ``number``, ready to run; the same for the same seed, whatever ran before."""
        stream = Stream(derive(self.seed, self.scenario.name, number))
        case = self.cases[stream.below(len(self.cases))] if len(self.cases) > 1 else self.cases[0]
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

    def trial(self, number: int) -> Trial:
        """Run trial ``number``; twice, where that was asked for."""
        if not self._run_twice:
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
            profile = profile_of(run_trial(setup))
        self._profiles[case.name, victim] = profile
        return profile


def hunt(
    scenario: Scenario,
    variant: Variant,
    *,
    seed: int = 0,
    trials: int = 1_000,
    seconds: float | None = None,
    explorer: str = "portfolio",
    case: str = "",
    run_twice: bool = False,
    faults: FaultBudget = NO_MORE,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Run up to ``trials`` trials (``Scenario.trials_max`` at most), or for ``seconds``.

    ``faults`` is what may go wrong beyond what the scenario allows; nobody claims anything then.
    Ctrl-C ends the hunt early; the result then speaks of the trials that were done.  With
    ``run_twice`` every trial is run two times and ``UncontrolledNondeterminism`` is raised at the
    first turn that differs.  ``HuntDiverged`` where passes of one workflow over one log disagree.
    """
    if trials < 1:
        raise UsageError(f"a hunt needs at least one trial, not {trials}")
    trials = min(trials, scenario.trials_max)
    hunter = Hunter(
        scenario,
        variant,
        seed=seed,
        explorer=explorer,
        case=case,
        run_twice=run_twice,
        faults=faults,
    )
    tally, reached, began = _Tally(), marks.snapshot(), time.perf_counter()
    shrinking, number = 0.0, 0
    mistake: ReplayDivergence | None = None
    try:
        for number in _numbers(trials, seconds):
            trial = hunter.trial(number)
            tally.add(trial)
            if trial.anomalies:
                shrinking += _keep(hunter, number, trial, explorer, tally)
            if progress is not None:
                progress(
                    Progress(scenario.name, variant.name, tally.trials, trials, len(tally.findings))
                )
    except KeyboardInterrupt:
        tally.interrupted = True
    except UsageError as error:
        place = f"trial {number} of {scenario.name} on {_told_variant(variant)}"
        raise UsageError(f"{place}: {error}") from error
    except ReplayDivergence as error:
        tally.diverged, mistake = True, error
    seconds_spent = time.perf_counter() - began - shrinking
    result = _result(hunter, tally, marks.since(reached), case, explorer, seconds_spent)
    if mistake is not None:
        raise HuntDiverged(f"trial {number} of {scenario.name}: {mistake}", result) from mistake
    return result


def _numbers(trials: int, seconds: float | None) -> Iterator[int]:
    """Trial numbers until one of the bounds is reached; keeps the garbage collector away."""
    deadline = None if seconds is None else time.perf_counter() + seconds
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for number in range(trials):
            if deadline is not None and number and time.perf_counter() >= deadline:
                return
            if number % COLLECT_EVERY == 0:
                gc.collect(0)
            yield number
    finally:
        if was_enabled:
            gc.enable()


def _keep(hunter: Hunter, number: int, trial: Trial, explorer: str, tally: _Tally) -> float:
    """Keep the trial's anomalies, one finding per case and signature; seconds spent on that."""
    began = time.perf_counter()
    setup = hunter.setup(number)
    kinds = {(setup.case.name, each.signature): each for each in reversed(trial.anomalies)}
    for key, anomaly in kinds.items():
        known = tally.findings.get(key)
        if known is not None:
            tally.findings[key] = attrs.evolve(known, count=known.count + 1)
            continue
        started = time.perf_counter()
        stopped: KeyboardInterrupt | None = None
        try:
            small = shrunk(setup, trial, anomaly)
        except KeyboardInterrupt as stop:  # what was found is kept, shrunk or not
            small, stopped = Candidate(trial.schedule, trial.faults, setup.workload), stop
        repro = repro_of(
            setup,
            small,
            anomaly,
            variant=hunter.variant,
            seed=hunter.seed,
            trial=number,
            explorer=explorer,
            moves_before=len(trial.blocks) + len(trial.faults),
        )
        tally.findings[key] = Finding(
            anomaly,
            number,
            1,
            repro.moves_before,
            len(repro.schedule.entries) + len(repro.faults),
            time.perf_counter() - started,
            repro,
        )
        if stopped is not None:
            raise stopped
    return time.perf_counter() - began


def _verdict(hunter: Hunter, tally: _Tally, reached: dict[str, int]) -> Verdict:
    laws = {finding.anomaly.law: None for finding in tally.findings.values()}
    if laws:
        primary = hunter.scenario.law
        return Verdict(FAIL, primary if primary in laws else next(iter(laws)))
    if tally.interrupted:
        return Verdict(UNKNOWN, reason="interrupted")  # what was not looked at has not passed
    if tally.diverged:
        return Verdict(UNKNOWN, reason="the workflow does not depend on its log alone")
    if tally.unknown:
        return Verdict(UNKNOWN, reason=tally.unknown)
    missed = [mark for mark in hunter.scenario.marks if mark not in reached]
    if tally.trials == 0:
        return Verdict(UNKNOWN, reason="no trial was run")
    if missed and len(hunter.cases) == len(hunter.scenario.cases):
        return Verdict(UNKNOWN, reason=f"never reached {missed[0]} in {tally.trials} trials")
    if tally.runs == 0:
        return Verdict(UNKNOWN, reason="the client script has started no run")
    if tally.ended < ENDED_SHARE_MIN * tally.runs:
        counts = f"only {tally.ended} of {tally.runs} runs ended"
        return Verdict(UNKNOWN, reason=f"{counts}; {tally.waits}")
    return Verdict(PASS)


def _surprises(hunter: Hunter, tally: _Tally) -> Iterator[str]:
    """What was found in a case that declares otherwise.

    A declared failure that one case of several did not show is none: it may need more trials.
    """
    found: dict[str, list[str]] = {}
    for (case, _), finding in tally.findings.items():
        laws = found.setdefault(case, [])
        if finding.anomaly.law not in laws:
            laws.append(finding.anomaly.law)
    for case, laws in sorted(found.items()):
        claimed = claimed_laws(hunter.scenario, hunter.variant, case)
        other = [law for law in laws if claimed is not None and law not in claimed]
        if other:
            declared = declared_verdict(hunter.scenario, hunter.variant, case)
            yield f"case {case} declares {declared} and breaks {', '.join(other)}"


def _told_variant(variant: Variant) -> str:
    return " ".join((variant.name, *variant.changed))


def _result(
    hunter: Hunter,
    tally: _Tally,
    reached: dict[str, int],
    case: str,
    explorer: str,
    seconds: float,
) -> Result:
    trials = max(tally.trials, 1)
    variant = hunter.variant
    return Result(
        hunter.scenario.name,
        case,
        _told_variant(variant),
        variant.place,
        hunter.seed,
        explorer,
        tally.trials,
        tally.turns,
        tally.deliveries,
        seconds,
        _verdict(hunter, tally, reached),
        declared_verdict(hunter.scenario, variant, case) if hunter.faults == NO_MORE else None,
        tuple(sorted(tally.findings.values(), key=lambda finding: finding.moves_after)),
        reached,
        tally.digest.hex(),
        tally.ended / max(tally.runs, 1),
        tally.overlapped / trials,
        tuple(_surprises(hunter, tally)),
        tally.interrupted,
    )
