"""Confirmation: a finding in an engine that nobody here wrote, shown without any simulation.

The repro is followed strictly once more; what it did becomes the plan of a stand-alone script, in
which the unmodified engine runs on its own world, its own queue and the real clock.  The script
does nothing but what their contracts allow: calls take a while, so that they come in the order of
the repro, messages are delivered more than once, and one call fails.  It is run several times, each
time in a process and a folder of its own; what it writes down is judged by the same law.
"""

from __future__ import annotations

import ast
import math
import pathlib
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from simworld.campaign.conducting import Conducted, conducted, impossible, plain
from simworld.campaign.replaying import check_version, strictly
from simworld.campaign.scenario import Scenario
from simworld.campaign.script import asked
from simworld.campaign.trial import Trial
from simworld.check import Context, judge, laws_named
from simworld.engine import TERMINAL_RUN_EVENTS
from simworld.errors import DidNotReproduce, UsageError, unknown_name
from simworld.records import (
    FAULTS,
    Anomaly,
    Attempt,
    Committed,
    Confirmation,
    ForeignProgram,
    Level,
    Repro,
    Workload,
)
from simworld.subjects import (
    Command,
    Failed,
    Seen,
    added_by,
    command_of,
    evidence_of,
    open_host,
    script_of,
)

ATTEMPTS = 5
TIMEOUT_S = 60.0
"""Of one attempt."""
PLAIN_MAX = 2
"""Attempts that leave everything to chance."""
PATIENCE_S = 3.0
"""So long an operation waits for one before it that does not come."""
SPARE_S = 15.0
"""What an attempt may take beyond the time that passes in the repro."""
DELIVERIES_MAX = 4
"""A delivery that has failed is repeated at once, up to so many of its message."""
CIRCLE = ("L-07", "livelock")
"""What shows without any clock: a message that comes again and again, for a run that has ended."""
TIMED = ("L-02", "L-03", "L-06", "L-07", "L-08")
UNSEEN = ("I-09", "I-10", "I-19", "I-24", "I-25")
UNJUDGED = {
    **dict.fromkeys(TIMED, "its bounds are in virtual time"),
    **dict.fromkeys(UNSEEN, "nobody writes down the reads, rows and calls it asks for"),
}
"""Law → why attempts are not judged by it."""

CANNOT = "a script only delays calls, repeats messages, and has one call fail"

Tell = Callable[[str, int, int], None]
"""Told before each attempt: its kind, its number, of how many."""


@attrs.frozen
class _Case:
    """What attempts are judged against."""

    repro: Repro
    scenario: Scenario
    trial: Trial
    plan: Conducted
    script: str
    command: Command
    added: tuple[str, ...]


def confirm(
    repro: Repro,
    scenarios: Mapping[str, Scenario],
    *,
    attempts: int = ATTEMPTS,
    timeout_s: float = TIMEOUT_S,
    keep: pathlib.Path | None = None,
    tell: Tell | None = None,
) -> Confirmation:
    """Try to show a repro's failure for real; ``keep``: a folder for script and evidence.

    ``UsageError`` for a repro of our own engine and for another version than the installed one.
    """
    if not repro.subject:
        raise UsageError(
            "there is nothing to confirm: the repro is of simworld's own engine, whose code is the "
            "same for real; run it with simworld serve and the torture of real workers"
        )
    if timeout_s <= SPARE_S:
        raise UsageError(
            f"a timeout of {timeout_s:.0f} s is too short: {SPARE_S:.0f} s of it are for what an "
            f"attempt takes besides the repro's own time; give {SPARE_S + 1:.0f} s or more"
        )
    check_version(repro)
    if repro.scenario not in scenarios:
        raise unknown_name("scenario", repro.scenario, scenarios)
    worlds = _worlds_fault(repro)
    if worlds:
        return Confirmation(Level.WORLD_CONTRACT, worlds)
    if repro.law in UNJUDGED and (repro.law, repro.kind) != CIRCLE:
        return Confirmation(
            Level.SIMULATED_ONLY,
            f"{repro.law}: {UNJUDGED[repro.law]}",
            untried=f"the script does not judge {repro.law}",
        )
    if impossible(repro.faults):
        return _simulated_only(impossible(repro.faults), CANNOT)
    scenario = scenarios[repro.scenario]
    recording = _Recording()
    watched = attrs.evolve(scenario, client=_recorded(scenario, recording))
    trial = strictly(
        repro, {**scenarios, repro.scenario: watched} if scenario.client else scenarios
    )
    plan = conducted(trial, _failing_turn(repro, trial))
    needs = (*_needs(plan, timeout_s), *dict.fromkeys(recording.needs))
    calls = recording.calls if scenario.client else [_start(scenario, repro.workload)]
    if not _is_writable(calls):
        needs = (*needs, "arguments that cannot be written down")
    if needs:
        return _simulated_only(needs, CANNOT)
    written = _written(repro, scenario, plan, calls, timeout_s)
    script = script_of(repro.subject, written, _title(repro))
    command = command_of(repro.subject, written["module"])
    added = added_by(repro.subject, written)
    case = _Case(repro, scenario, trial, plan, script, command, added)
    if keep is not None:
        return _tried(case, keep, attempts, timeout_s, tell)
    with tempfile.TemporaryDirectory(prefix="simworld-confirm-") as folder:
        return _tried(case, pathlib.Path(folder), attempts, timeout_s, tell)


def _simulated_only(needs: tuple[str, ...], why: str) -> Confirmation:
    return Confirmation(Level.SIMULATED_ONLY, why, needs)


def _worlds_fault(repro: Repro) -> str:
    """Why the failure says nothing about the engine; empty if it may."""
    if repro.blame is not None and repro.blame.is_worlds:
        return str(repro.blame)
    if repro.blame is None:
        for fault in repro.faults:
            if FAULTS[fault.kind].breaks:
                return f"{fault.kind} breaks its contract ({FAULTS[fault.kind].breaks})"
    return ""


def _failing_turn(repro: Repro, trial: Trial) -> int:
    """The turn after which the repro's failure shows."""
    for anomaly in trial.anomalies:
        if (anomaly.law, anomaly.kind) == CIRCLE == (repro.law, repro.kind):
            return max(
                (each.turn for each in trial.records if isinstance(each, Committed)), default=0
            )
        if (anomaly.law, anomaly.place) == (repro.law, repro.place):
            return anomaly.turn
    raise DidNotReproduce(f"{repro.law} holds under this schedule now")


def _needs(plan: Conducted, timeout_s: float) -> tuple[str, ...]:
    needs = plan.needs
    if plan.span_ms / 1_000 > timeout_s - SPARE_S:
        needs = (*needs, f"{math.ceil(plan.span_ms / 1_000)} s of sleep")
    return needs


def _title(repro: Repro) -> str:
    return f"{repro.law} {repro.kind} of {repro.place}: {repro.scenario}, found by simworld."


# --- the clients ----------------------------------------------------------------------------------


@attrs.define
class _Recording:
    """What the clients of a trial have called, in order."""

    calls: list[list[Any]] = attrs.Factory(list)
    runs: list[str] = attrs.Factory(list)
    needs: list[str] = attrs.Factory(list)
    """What no script can do of it."""


class _Recorder:
    """A client that writes down what a script calls; all else is the client's own."""

    def __init__(self, client: Any, recording: _Recording) -> None:
        self._client = client
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def start(self, *args: object, **kwargs: object) -> str:
        """See ``SubjectClient``."""
        return await self.start_run("", *args, **kwargs)

    async def start_run(self, workflow: str, *args: object, **kwargs: object) -> str:
        """See ``SubjectClient``."""
        run_id: str = await self._client.start_run(workflow, *args, **kwargs)
        self._recording.runs.append(run_id)
        self._note("start", workflow, list(args), kwargs)
        return run_id

    async def result(self, run_id: str) -> Any:
        """See ``SubjectClient``."""
        self._note("result", self._recording.runs.index(run_id))
        return await self._client.result(run_id)

    async def resume_hook(self, token: str, payload: object) -> None:
        """See ``SubjectClient``; one that was refused is not repeated."""
        await self._client.resume_hook(token, payload)
        self._note("resume_hook", token, payload)

    async def cancel(self, run_id: str) -> None:
        """See ``SubjectClient``."""
        self._note("cancel", self._recording.runs.index(run_id))
        await self._client.cancel(run_id)

    async def sleep(self, duration_ms: int) -> None:
        """See ``SubjectClient``."""
        self._note("sleep", duration_ms)
        await self._client.sleep(duration_ms)

    async def together(self, *acts: Any) -> list[Any]:
        """See ``SubjectClient``; a script does one thing after the other."""
        self._recording.needs.append("calls of one client side by side")
        done: list[Any] = await self._client.together(*acts)
        return done

    def _note(self, verb: str, *given: object) -> None:
        self._recording.calls.append(["client", verb, *given])


def _recorded(scenario: Scenario, recording: _Recording) -> Any:
    async def script(client: Any, workload: Workload) -> None:
        assert scenario.client is not None
        await scenario.client(_Recorder(client, recording), workload)  # type: ignore[arg-type]

    return script


def _start(scenario: Scenario, workload: Workload) -> list[Any]:
    return ["start", "start", "", list(scenario.given(workload)), {}]


def _is_writable(calls: Sequence[Sequence[Any]]) -> bool:
    """Whether the calls can be written into a file and read back."""
    try:
        return bool(ast.literal_eval(repr(calls)) == calls)
    except (ValueError, SyntaxError):
        return False


# --- the script -----------------------------------------------------------------------------------


def _written(
    repro: Repro, scenario: Scenario, plan: Conducted, calls: list[list[Any]], timeout_s: float
) -> dict[str, Any]:
    """The plan, as it stands in the script."""
    program = scenario.workflow
    assert isinstance(program, ForeignProgram)
    for call in calls:
        if call[1] == "start" and not call[2]:
            call[2] = program.workflow
    return {
        "subject": f"{repro.subject}=={repro.subject_version}",
        "module": program.module,
        "expected": ["completed", "failed"] if scenario.may_fail else ["completed"],
        "max_retries": repro.workload.max_retries,
        "client": calls,
        "failures": [[plain(label), number] for label, number in repro.workload.failures],
        "copies": dict(plan.copies),
        "fails": {str(index): how for index, how in plan.fails.items()},
        "errors": str(repro.knobs.get("subject_errors", "hosted")),
        "deliveries_max": DELIVERIES_MAX,
        "patience_s": PATIENCE_S,
        "longest_ms": plan.span_ms,
        "decided": plan.decided,
        "timeout_s": timeout_s - 5,
        "order": [[each.doing, each.act, each.at_ms] for each in plan.order],
    }


def _tried(
    case: _Case, folder: pathlib.Path, attempts: int, timeout_s: float, tell: Tell | None
) -> Confirmation:
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / case.command.file).resolve()
    path.write_text(case.script, encoding="utf-8")

    def tries(kind: str, count: int, *options: str) -> tuple[Attempt, ...]:
        done = []
        for number in range(1, count + 1):
            if tell is not None:
                tell(kind, number, count)
            place = folder / f"{kind}-{number}"
            done.append(_attempt(case, path, place.resolve(), timeout_s, options))
        return tuple(done)

    shown = tries("attempt", attempts)
    circle = (case.repro.law, case.repro.kind) == CIRCLE  # by chance, each delivery takes a minute
    chance = () if circle else tries("plain", min(PLAIN_MAX, attempts), "--plain")
    failures = sum(each.failed for each in shown)
    by_chance = f"{sum(each.failed for each in chance)} of {len(chance)} that leave it to chance"
    why = (
        f"{failures} of {attempts} attempts in the repro's order"
        f"{f', and {by_chance},' if chance else ''} break {case.repro.law}"
    )
    level = Level.CONFIRMED if failures else Level.SIMULATED_ONLY
    if not failures:
        why = f"{why}; {shown[-1].seen}" if shown else why
    return Confirmation(
        level,
        why,
        attempts=shown,
        plain=chance,
        script=case.script,
        added=(*case.added, *_repeated(shown)),
        again=case.command.told(folder / case.command.file),
    )


def _repeated(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """What the script has added to attempts that failed beyond its plan."""
    most = max((each.repeated for each in attempts if each.failed), default=0)
    return (f"up to {most} failed deliveries sent again at once",) if most else ()


def _attempt(
    case: _Case,
    script: pathlib.Path,
    folder: pathlib.Path,
    timeout_s: float,
    options: Sequence[str],
) -> Attempt:
    """One run of the script, in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [*case.command.words(script), "--folder", str(folder), *options]
    with (folder / "output.txt").open("wb") as output:
        try:
            subprocess.run(
                command,
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout_s + SPARE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Attempt(failed=False, seen=f"it was stopped after {timeout_s + SPARE_S:.0f} s")
    evidence = folder / "evidence.jsonl"
    if not evidence.exists():
        return Attempt(failed=False, seen=f"the script failed: {_last_line(folder)}")
    seen = evidence_of(case.repro.subject, evidence, case.plan.labels)
    if not seen.complete:
        return Attempt(failed=False, seen=f"the script failed: {_last_line(folder)}")
    return _judged(case, seen)


def _last_line(folder: pathlib.Path) -> str:
    lines = (folder / "output.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it says nothing"


# --- the judgement --------------------------------------------------------------------------------


def _judged(case: _Case, seen: Seen) -> Attempt:
    """Whether the law is broken, in the same way."""
    if (case.repro.law, case.repro.kind) == CIRCLE:
        told = _circle(seen)
        return _attempted(seen, told, _ended(seen, ()))
    anomalies = judge(laws_named([case.repro.law]), _context(case), seen.records, seen.final)
    wanted = _kind_of(case.repro)
    same = [each for each in anomalies if each.signature == wanted]
    if case.repro.law == "L-01" and not (seen.final.drained and seen.acted):
        same = []  # somebody could yet go on
    return _attempted(seen, same[0].message if same else "", _ended(seen, anomalies))


def _attempted(seen: Seen, failure: str, otherwise: str) -> Attempt:
    return Attempt(
        failed=bool(failure),
        seen=failure or otherwise,
        followed=seen.followed,
        skipped=seen.skipped,
        repeated=seen.repeated,
    )


def _circle(seen: Seen) -> str:
    """A message that nobody gets rid of: since the run's end it has failed whenever it came."""
    ends: dict[str, int] = {}
    for record in seen.records:
        if isinstance(record, Committed) and record.event.type in TERMINAL_RUN_EVENTS:
            ends.setdefault(record.event.run_id, record.turn)
    failed: dict[tuple[str, str], list[Failed]] = {}
    for each in seen.failed:
        if each.turn > ends.get(each.run_id, each.turn):
            failed.setdefault((each.run_id, each.step), []).append(each)
    for (run_id, step), deliveries in failed.items():
        if len(deliveries) >= DELIVERIES_MAX and len({each.error for each in deliveries}) == 1:
            about = step if "#" in step else "a step that is not recorded"
            copies = sum(each.is_copy for each in deliveries)
            error = deliveries[0].error
            return (
                f"{seen.final.labels.get(run_id, run_id)} has ended, and all {len(deliveries)} "
                f"deliveries of {about} since then ({copies} of them sent by the script) fail "
                f"alike: {error if '#' in step else error.replace(step, '…')}"
            )
    return ""


def _kind_of(repro: Repro) -> str:
    return Anomaly(repro.law, repro.kind, repro.message, repro.place, 0).signature


def _ended(seen: Seen, anomalies: Sequence[Anomaly]) -> str:
    if anomalies:
        return f"{anomalies[0].signature} instead: {anomalies[0].message}"
    ends = ", ".join(
        f"{seen.final.labels.get(run_id, run_id)} is {row.status}"
        for run_id, row in seen.final.runs.items()
    )
    return f"it holds: {ends or 'no run was started'}"


def _context(case: _Case) -> Context:
    """As in the trial, but for what only the simulation promises."""
    scenario, workload = case.scenario, case.repro.workload
    program = scenario.workflow
    assert isinstance(program, ForeignProgram)
    host = open_host(program.subject)
    own, drawn = host.steps(program), workload.max_retries
    oracle = scenario.oracle
    return Context(
        budgets={name: (each if drawn is None else drawn, 0) for name, each in own.items()},
        failures=workload.failures,
        faults=case.trial.faults,
        durations_max_ms=max(workload.durations_ms, default=0),
        may_fail=scenario.may_fail,
        attempt_is_start=True,
        foreign=True,
        workflow=host.row_name(program),
        oracle=None
        if oracle is None
        else lambda log: asked(f"oracle of scenario {scenario.name}", oracle, workload, log),
        one_instant="I-06" in scenario.unpromised,
    )
