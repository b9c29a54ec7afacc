"""Seeing a failure again: shrink it, write it down, replay it, tell its story.

Loading a repro runs nothing it names: the scenario is looked up among the registered ones, and
the rest is values.  Only whoever replays one that was found in a module of workflows imports that.
A strict replay checks every entry of the schedule against the operation it was recorded with.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Mapping

import attrs
import msgspec

import simworld
from simworld.campaign.composing import Setup
from simworld.campaign.modules import is_module
from simworld.campaign.places import place_named
from simworld.campaign.scenario import TURNS_LIMIT, Scenario
from simworld.campaign.trial import Trial, checks_seed, prepared, run_trial
from simworld.campaign.variants import Variant, placed, preset, with_knob
from simworld.check import MAIN_RUN, laws_named
from simworld.entropy import Stream
from simworld.errors import (
    DidNotReproduce,
    InternalError,
    ReproVersionError,
    UncontrolledNondeterminism,
    UsageError,
    unknown_name,
)
from simworld.explore import Candidate, Replay, shrink
from simworld.records import (
    FAULTS,
    REPRO_VERSION,
    Anomaly,
    BodyBegan,
    BodyEnded,
    Committed,
    Delivered,
    PassChecked,
    Profile,
    Repro,
    RunLogLine,
    Schedule,
    Sent,
    Story,
)
from simworld.sim import RecordedFaults
from simworld.subjects import installed_version

COUNT_MAX = 10_000
"""Steps, retries and fault counts of a repro; nothing that was ever shrunk comes near.

A fault may have a larger value if its kind does."""
ATTEMPTS_OF_PROGRAMS = 600
"""Attempts of a shrink that makes a drawn program smaller, too."""
EXTRA_MAX = 10**12
"""Further values of a repro's workload are no larger, either way."""
SIMULATED = ("engine", "ports", "runtime", "worlds", "sim", "subjects")
"""The parts whose source decides what a schedule means."""


@functools.cache
def engine_digest() -> str:
    """Digest of the simulated system's source."""
    root = pathlib.Path(simworld.__file__).parent
    digest = hashlib.blake2b(digest_size=8)
    for part in SIMULATED:
        for path in sorted((root / part).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def same_failure(anomaly: Anomaly, other: Anomaly) -> bool:
    """Same law, same place."""
    return (anomaly.law, anomaly.place) == (other.law, other.place)


def followed(
    setup: Setup, candidate: Candidate, *, strict: bool, full_trace: bool
) -> tuple[Trial, Replay]:
    """The trial of a candidate, and who has followed its schedule."""
    explorer = Replay(candidate.schedule, strict=strict)
    explorer.begin(Stream(0), Profile())
    trial = run_trial(
        attrs.evolve(
            setup,
            workload=candidate.workload,
            explorer=explorer,
            faults=RecordedFaults(candidate.faults),
            full_trace=full_trace,
        )
    )
    return trial, explorer


def shrunk(setup: Setup, trial: Trial, anomaly: Anomaly) -> Candidate:
    """The smallest schedule, faults and values found that show the same failure."""

    def attempt(candidate: Candidate) -> Candidate | None:
        again, explorer = followed(setup, candidate, strict=False, full_trace=False)
        if not any(same_failure(anomaly, each) for each in again.anomalies):
            return None
        return Candidate(Schedule(tuple(explorer.applied)), again.faults, candidate.workload)

    whole = Candidate(trial.schedule, trial.faults, setup.workload)
    if attempt(whole) is None:
        again, _ = followed(setup, whole, strict=False, full_trace=False)
        if again.digest == trial.digest:
            raise InternalError(f"one trace breaks {anomaly.law} and then does not")
        raise not_again(setup, f"under its own schedule ({anomaly.law} at {anomaly.place})")
    simpler = setup.scenario.simpler
    if simpler is None:
        return shrink(whole, attempt)
    return shrink(whole, attempt, simpler=simpler, budget=ATTEMPTS_OF_PROGRAMS)


def not_again(setup: Setup, what: str) -> UncontrolledNondeterminism:
    """The error for a trial that was run again and went another way."""
    return UncontrolledNondeterminism(
        f"a trial of {setup.scenario.name} did not fail again {what}; a workflow or a step body "
        "uses something that differs between two runs; hunt with --run-twice to see where they do"
    )


def repro_of(
    setup: Setup,
    candidate: Candidate,
    anomaly: Anomaly,
    *,
    variant: Variant,
    seed: int,
    trial: int,
    explorer: str,
    moves_before: int,
) -> Repro:
    """The shrunk failure as data, checked by one strict replay."""
    try:
        again, _ = followed(setup, candidate, strict=True, full_trace=False)
    except DidNotReproduce as error:
        raise not_again(setup, f"under its own schedule ({error})") from error
    seen = next((each for each in again.anomalies if same_failure(anomaly, each)), None)
    if seen is None:
        raise InternalError(f"the shrunk schedule of {anomaly.law} does not replay strictly")
    return Repro(
        scenario=setup.scenario.name,
        case=setup.case.name,
        variant=variant.name,
        knobs=variant.knobs,
        world=variant.place,
        workload=candidate.workload,
        faults=candidate.faults,
        schedule=candidate.schedule,
        turns_max=setup.turns_max,
        law=seen.law,
        kind=seen.kind,
        place=seen.place,
        message=seen.message,
        seed=seed,
        trial=trial,
        explorer=explorer,
        moves_before=moves_before,
        engine=engine_digest(),
        trace=again.digest,
        subject=variant.subject,
        subject_version=installed_version(variant.subject) if variant.subject else "",
        origin=setup.scenario.origin,
    )


def save_repro(repro: Repro, path: pathlib.Path) -> None:
    """Write a repro as JSON; ``UsageError`` where the file cannot be written."""
    text = msgspec.json.format(msgspec.json.encode(repro), indent=1)
    try:
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def load_repro(path: pathlib.Path) -> Repro:
    """Read a repro; ``UsageError`` for anything else, ``ReproVersionError`` for another format."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    try:
        fields = msgspec.json.decode(data)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path} is not a repro: {error}") from error
    if not isinstance(fields, dict) or not {"scenario", "schedule", "version"} <= fields.keys():
        raise UsageError(f"{path} is not a repro: it has no scenario, schedule and version")
    if fields["version"] != REPRO_VERSION:
        raise ReproVersionError(
            f"{path} is a repro of format {fields['version']!r}; this simworld reads format "
            f"{REPRO_VERSION}: find it again with the hunt that made it"
        )
    try:
        repro = msgspec.convert(fields, Repro)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} is a damaged repro: {error}") from error
    _check_values(repro, path)
    return repro


def _check_values(repro: Repro, path: pathlib.Path) -> None:
    workload = repro.workload
    numbers = [
        repro.turns_max - 1,
        workload.steps,
        workload.max_retries or 0,
        *workload.durations_ms,
        *[count - 1 for _, count in workload.failures],
        *workload.picks,
        *[fault.value - 1 for fault in repro.faults],
        *[entry.until - 1 for entry in repro.schedule.entries],
    ]
    if min(numbers) < 0:
        raise UsageError(f"{path} is a damaged repro: a count in it is too small")
    place_named(repro.world)
    laws_named([repro.law])
    if repro.origin and not is_module(repro.origin):
        raise UsageError(f"{path} is a damaged repro: {repro.origin!r} names no module")
    blamed = repro.blame.needs if repro.blame is not None else ()
    for kind in (*(fault.kind for fault in repro.faults), *blamed):
        if kind not in FAULTS:
            raise unknown_name("fault in the repro", kind, FAULTS)
    if (
        max(workload.steps, workload.max_retries or 0, *workload.picks) > COUNT_MAX
        or any(fault.value > max(COUNT_MAX, FAULTS[fault.kind].most) for fault in repro.faults)
        or repro.turns_max > TURNS_LIMIT
        or any(abs(value) > EXTRA_MAX for _, value in workload.extra)
    ):
        raise UsageError(f"{path} is a damaged repro: a count in it is too large")


def check_version(repro: Repro) -> None:
    """``UsageError`` unless the version of the subject that the repro was found in is installed."""
    if not repro.subject:
        return
    here = installed_version(repro.subject)
    if here != repro.subject_version:
        raise UsageError(
            f"the repro was found in {repro.subject} {repro.subject_version}, and installed here "
            f"is {here}: replay it with the Python of a virtual environment that has "
            f"{repro.subject}=={repro.subject_version} "
            f"(hunt --subject {repro.subject}=={repro.subject_version} makes one)"
        )


def setup_of(repro: Repro, scenarios: Mapping[str, Scenario]) -> tuple[Setup, Candidate]:
    """What a repro says is to be run."""
    check_version(repro)
    scenario = scenarios.get(repro.scenario)
    if scenario is None:
        unknown = unknown_name("scenario", repro.scenario, scenarios)
        if not repro.subject:
            raise unknown
        raise UsageError(
            f"{unknown}; of one that was hunted with --module, name the module: --scenarios "
            f"{repro.subject}:MODULE"
        )
    variant = placed(preset(repro.variant), repro.world)
    for knob, value in repro.knobs.items():
        variant = with_knob(variant, f"{knob}={value}")
    candidate = Candidate(repro.schedule, repro.faults, repro.workload)
    setup = prepared(
        scenario,
        scenario.case(repro.case),
        variant,
        repro.workload,
        Replay(repro.schedule, strict=True),
        RecordedFaults(repro.faults),
        turns_max=repro.turns_max,
        checks=checks_seed(repro.scenario, repro.seed, repro.trial),
    )
    return setup, candidate


def strictly(repro: Repro, scenarios: Mapping[str, Scenario]) -> Trial:
    """The repro's trial; ``DidNotReproduce`` naming the first entry or fault that does not fit."""
    setup, candidate = setup_of(repro, scenarios)
    trial, explorer = followed(setup, candidate, strict=True, full_trace=True)
    missing = explorer.unfollowed()
    if missing is not None:
        number = repro.schedule.entries.index(missing) + 1
        raise DidNotReproduce(
            f"entry {number} of the schedule was never reached: {missing.task} until its "
            f"operation {missing.until}"
        )
    fired = {(fault.kind, fault.target) for fault in trial.faults}
    for fault in repro.faults:
        if (fault.kind, fault.target) not in fired:
            raise DidNotReproduce(
                f"the fault {fault.kind} of {fault.target} never came to happen: there is no such "
                "message, task or step any more"
            )
    return trial


def replay(repro: Repro, scenarios: Mapping[str, Scenario]) -> Story | None:
    """Follow the repro strictly; its story if a failure shows, None if it runs clean.

    The story is that of the recorded failure if it shows, else of the first other one.  Raises
    ``DidNotReproduce`` naming the first entry or fault that no longer fits.
    """
    trial = strictly(repro, scenarios)
    for anomaly in trial.anomalies:
        if (anomaly.law, anomaly.place) == (repro.law, repro.place):
            return _story(repro, trial, anomaly, scenarios)
    return _story(repro, trial, trial.anomalies[0], scenarios) if trial.anomalies else None


def run_log(repro: Repro, scenarios: Mapping[str, Scenario]) -> tuple[RunLogLine, ...]:
    """What the runtime notes while the repro is followed strictly, whether it fails or not."""
    return strictly(repro, scenarios).notes


def _story(
    repro: Repro, trial: Trial, anomaly: Anomaly, scenarios: Mapping[str, Scenario]
) -> Story:
    told = scenarios[repro.scenario].told
    return Story(
        repro,
        trial.trace,
        tuple(trial.logs.get(_run_of(trial, anomaly), ())),
        trial.final.labels,
        anomaly,
        values=() if told is None else tuple(told(repro.workload)),
        changed=setup_of(repro, scenarios)[0].variant.changed,
    )


def _run_of(trial: Trial, anomaly: Anomaly) -> str:
    """The run the anomaly is about: its place or what was recorded then says so, else the first."""
    label = anomaly.place.partition("/")[0]
    if label != MAIN_RUN:
        labels = trial.final.labels
        return next((run_id for run_id in trial.logs if labels.get(run_id) == label), "")
    for record in trial.records:
        if record.turn == anomaly.turn:
            if isinstance(record, Committed):
                return record.event.run_id
            if isinstance(record, BodyBegan | BodyEnded | Sent | Delivered | PassChecked):
                return record.run_id
    return next(iter(trial.logs), "")
