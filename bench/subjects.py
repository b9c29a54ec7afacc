"""A campaign over an engine nobody here wrote, version beside version; writes reports/subjects/.

Run with ``python -m bench.subjects``; what was done is kept in .simworld/, so it may be stopped and
goes on where it was.  Every version runs in a virtual environment and processes of its own, two at
a time.  First come all cases of all scenarios, without faults and with each class of them, on the
atomic world and with the same seeds on the engine's own; then each signature is told; then each is
tried without simulation, when the machine has nothing else to do: what is tried mostly waits.

``--version 0.9.0=PYTHON`` names the interpreter of an older version; without PYTHON it is made.
``--no-run`` writes the report anew from what is there, after a judgement in subjects_judged.json.
"""

from __future__ import annotations

import argparse
import math
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

import attrs
import msgspec

from bench import subject_pages
from bench.subject_cells import (
    ROOT,
    Cell,
    ConfirmOrder,
    Here,
    HuntOrder,
    Order,
    Place,
    Proof,
    TellOrder,
    Told,
    cell_path,
    load,
    save_cell,
    sources_digest,
)
from bench.subject_gaps import gaps
from bench.subject_pages import Campaign
from bench.subject_signatures import MAIN, Seen, judgements, signatures_of
from bench.subject_sources import ran_on
from simworld.campaign import save_repro
from simworld.subjects import python_of

REPORT = ROOT / "reports" / "subjects"
WORK = ROOT / ".simworld" / "campaign"
ENVIRONMENTS = ROOT / ".simworld" / "subjects"
"""Where those of older versions are made; as in ``simworld hunt --subject``."""
SUBJECT = "vercel-workflow"
OLDER = ("0.9.0", "0.11.2")
TRIALS = 20_000
WORLDS = ("sdk-local",)
"""Where all is hunted, and so every finding checked, once more: the engine's own."""
JOBS = 2
TRIALS_S, CASE_S, TELL_S = 180.0, 600.0, 300.0
"""What the trials of a case, all that is to be done for a case, and a story may take."""
ATTEMPTS, ATTEMPT_S = 5, 30.0
MINUTES = 240.0
POLL_S = 0.05
STOPPING_S = 60.0
"""What workers have to save what they found when somebody presses Ctrl-C."""


@attrs.frozen
class Job:
    """An order for a process, and what it is called on the screen."""

    title: str
    python: str
    kind: str
    order: Order
    timeout_s: float

    @property
    def command(self) -> list[str]:
        """How the process is started."""
        text = msgspec.json.encode(self.order).decode()
        return [self.python, "-m", "bench.subject_cells", self.kind, text]


@attrs.frozen
class Version:
    """A version of the engine, and the interpreter that has it."""

    python: str
    here: Here

    @property
    def name(self) -> str:
        """Its number."""
        return self.here.version

    @property
    def rank(self) -> tuple[int, ...]:
        """Newer is larger."""
        return tuple(int(part) for part in self.name.split(".") if part.isdecimal())


def asked(subject: str, python: str) -> Version:
    """What an interpreter has."""
    command = [python, "-m", "bench.subject_cells", "here", subject]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if told.returncode:
        last = told.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        sys.exit(f"{python} cannot run {subject}: {last}")
    return Version(python, msgspec.json.decode(told.stdout, type=Here))


def versions_of(subject: str, settings: Sequence[str]) -> list[Version]:
    """The installed one and those that were named, the newest first."""
    found = [asked(subject, sys.executable)]
    for setting in settings:
        number, _, python = setting.partition("=")
        version = asked(subject, python or _made(subject, number))
        if version.name != number:
            sys.exit(f"{python} has {subject} {version.name}, not {number}")
        if all(each.name != version.name for each in found):
            found.append(version)
    return sorted(found, key=lambda each: each.rank, reverse=True)


def _made(subject: str, number: str) -> str:
    return str(python_of(subject, number, ENVIRONMENTS, _say))


# --- running --------------------------------------------------------------------------------------


class Workers:
    """Runs processes, so many at a time; Ctrl-C stops them and leaves what they saved."""

    def __init__(self, jobs: int, deadline: float) -> None:
        self.jobs = jobs
        self.deadline = deadline
        self.gaps: list[str] = []
        """What did not come about."""
        self._running: list[_Running] = []

    def run(self, jobs: Iterable[Job], done: Callable[[Job], str]) -> None:
        """All of them; ``done`` says in a few words what a job has shown."""
        waiting = list(jobs)
        total, finished = len(waiting), 0
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self.jobs:
                    self._begin(waiting.pop(0))
                for each in [each for each in self._running if each.is_over]:
                    self._running.remove(each)
                    finished += 1
                    told = self._ended(each, done)
                    each.end()
                    _say(f"[{finished}/{total}] {each.job.title}: {told}, {each.spent_s:,.0f} s")
                time.sleep(POLL_S)
        except KeyboardInterrupt:
            self._stop()
            raise

    def _begin(self, job: Job) -> None:
        if time.monotonic() > self.deadline:
            self.gaps.append(f"{job.title}: out of time")
            return
        said = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
        process = subprocess.Popen(job.command, cwd=ROOT, stderr=said)
        self._running.append(_Running(job, process, said, time.monotonic()))

    def _ended(self, each: _Running, done: Callable[[Job], str]) -> str:
        job, process = each.job, each.process
        if process.returncode is None:
            process.kill()
            why_not = f"took longer than {job.timeout_s:,.0f} s"
            if isinstance(job.order, HuntOrder):
                save_cell(job.order.cell(None, why_not), pathlib.Path(job.order.folder))
        elif process.returncode == 0:
            return done(job)
        else:
            why_not = each.last_line() or f"exit code {process.returncode}"
        self.gaps.append(f"{job.title}: {why_not}")
        return f"failed ({why_not})"

    def _stop(self) -> None:
        """They were interrupted, too: the terminal sees to that.  Whoever is deaf is ended, and
        everybody when it is pressed again."""
        _say("interrupted; waiting for what is being saved")
        until = time.monotonic() + STOPPING_S
        for each in self._running:
            try:
                each.process.wait(timeout=max(0.1, until - time.monotonic()))
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                until = 0.0
                each.process.kill()
            each.end()


@attrs.frozen
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    began: float

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self.began

    @property
    def is_over(self) -> bool:
        """It has ended, or must."""
        return self.process.poll() is not None or self.spent_s > self.job.timeout_s

    def last_line(self) -> str:
        """The end of what the process has said."""
        self.said.seek(0)
        return self.said.read().decode(errors="replace").strip().rpartition("\n")[2]

    def end(self) -> None:
        """Wait for the process, which has been told to end, if it has not."""
        self.process.wait()
        self.said.close()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- the stages -----------------------------------------------------------------------------------


@attrs.define
class Stages:
    """The campaign, stage by stage; what is on the disk is not done again."""

    args: argparse.Namespace
    versions: Sequence[Version]
    """The newest first."""
    workers: Workers
    work: pathlib.Path
    sources: str = attrs.Factory(sources_digest)
    worlds: tuple[str, ...] = ()

    @property
    def cases(self) -> dict[str, list[str]]:
        """Scenario → cases, of any version, those that were asked for."""
        found: dict[str, list[str]] = {}
        for version in self.versions:
            for scenario, case in version.here.cases:
                if self.args.only and scenario not in self.args.only:
                    continue
                cases = found.setdefault(scenario, [])
                if case not in cases:
                    cases.append(case)
        return found

    def trials(self, version: str = "") -> int:
        """Of each case: all together as many as were asked for, of an older version the first."""
        newest = self.versions[0]
        asked = self.args.trials if version in ("", newest.name) else self.args.older
        cases = newest.here.cases
        count = sum(not self.args.only or scenario in self.args.only for scenario, _ in cases)
        return math.ceil(int(asked or self.args.trials) / max(count, 1))

    @property
    def places(self) -> list[Place]:
        """All cells that there should be, version by version."""
        return [
            (version.name, world, scenario, case)
            for version in self.versions
            for world in (MAIN, *self.worlds)
            for scenario, cases in self.cases.items()
            for case in cases
            if (scenario, case) in version.here.cases
        ]

    def cell(self, place: Place) -> Cell | None:
        """What is on the disk, if it is of this campaign."""
        cell = load(cell_path(self.work, place), Cell)
        if cell is None or cell.seed != self.args.seed:
            return None
        wanted = self.trials(place[0]), self.sources
        return cell if self.args.no_run or (cell.trials, cell.sources) == wanted else None

    def cells(self) -> list[Cell]:
        """All that is there."""
        return [cell for place in self.places if (cell := self.cell(place)) is not None]

    def run(self) -> None:
        """Everything that is missing."""
        self.workers.run(self._hunts(self.places), self._hunted)
        seen = signatures_of(self.cells())
        self.workers.run(self._tells(seen), lambda job: "told")
        self.workers.run(self._confirms(seen), self._confirmed)

    def _hunts(self, wanted: Iterable[Place]) -> Iterator[Job]:
        for place in wanted:
            cell = self.cell(place)
            if cell is not None and cell.is_whole:
                continue
            name, world, scenario, case = place
            version = next(each for each in self.versions if each.name == name)
            order = HuntOrder(
                subject=self.args.subject,
                version=name,
                world=world,
                scenario=scenario,
                case=case,
                trials=self.trials(name),
                seed=self.args.seed,
                sources=self.sources,
                seconds=TRIALS_S,
                folder=str(self.work),
            )
            title = f"{name} on {world}: {scenario}, {case}"
            yield Job(title, version.python, "hunt", order, CASE_S)

    def _hunted(self, job: Job) -> str:
        order = job.order
        assert isinstance(order, HuntOrder)
        cell = self.cell((order.version, order.world, order.scenario, order.case))
        if cell is None or cell.result is None:
            return f"cannot be run: {cell.why_not if cell else 'nothing was saved'}"
        return f"{cell.result.trials} trials, {len(cell.result.findings)} findings"

    # Stories and evidence are kept by signature and by the trace of the repro that they are about.

    def _kept(self, seen: Seen, what: str) -> pathlib.Path:
        return self.work / what / f"{seen.signature.slug}.json"

    def _repros(self, seen: Seen) -> list[str]:
        """The repros to tell and try, as files; the best first."""
        paths = []
        for nth, each in enumerate(seen.best([version.name for version in self.versions])):
            path = self.work / "repros" / f"{seen.signature.slug}.{nth}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_repro(each.finding.repro, path)
            paths.append(str(path))
        return paths

    def _python(self, seen: Seen) -> str:
        """The interpreter of the version that its repros are of."""
        best = seen.best([version.name for version in self.versions])[0].cell.version
        return next(version.python for version in self.versions if version.name == best)

    def told(self, seen: Seen) -> Told | None:
        """The story, if it is there and of this repro."""
        told = load(self._kept(seen, "stories"), Told)
        best = seen.best([version.name for version in self.versions])[0].finding.repro
        return told if told and self._fits(told.trace, told.sources, best.trace) else None

    def proof(self, seen: Seen) -> Proof | None:
        """The evidence, if it is there and of these repros."""
        proof = load(self._kept(seen, "evidence"), Proof)
        best = seen.best([version.name for version in self.versions])
        traces = [each.finding.repro.trace for each in best]
        if proof is None or not all(each.trace in traces for each in proof.tried):
            return None
        return proof if self._fits("", proof.sources, "") else None

    def _fits(self, trace: str, sources: str, wanted: str) -> bool:
        return trace == wanted and (sources == self.sources or self.args.no_run)

    def _tells(self, all_seen: Sequence[Seen]) -> Iterator[Job]:
        for seen in all_seen:
            if self.told(seen) is None:
                order = TellOrder(
                    repro=self._repros(seen)[0],
                    sources=self.sources,
                    target=str(self._kept(seen, "stories")),
                )
                yield Job(f"story of {seen.signature}", self._python(seen), "tell", order, TELL_S)

    def _confirms(self, all_seen: Sequence[Seen]) -> Iterator[Job]:
        for seen in all_seen:
            if seen.is_worlds or not self.args.attempts or self.proof(seen) is not None:
                continue
            repros = self._repros(seen)
            order = ConfirmOrder(
                repros=tuple(repros),
                attempts=self.args.attempts,
                timeout_s=ATTEMPT_S,
                sources=self.sources,
                target=str(self._kept(seen, "evidence")),
            )
            limit = 2 * ATTEMPT_S * self.args.attempts * len(repros) + TELL_S
            title = f"{seen.signature} without simulation"
            yield Job(title, self._python(seen), "confirm", order, limit)

    def _confirmed(self, job: Job) -> str:
        assert isinstance(job.order, ConfirmOrder)
        proof = load(pathlib.Path(job.order.target), Proof)
        best = proof.tried[-1] if proof else None
        return str(best.confirmation or best.why_not) if best else "nothing was saved"


# --- the command ----------------------------------------------------------------------------------


def campaign_of(stages: Stages, command: str) -> Campaign:
    """All that there is to tell."""
    cells, judged = stages.cells(), judgements()
    signatures = signatures_of(cells)
    for seen in signatures:
        seen.told, seen.proof = stages.told(seen), stages.proof(seen)
        seen.judged = judged.get(str(seen.signature))
    return Campaign(
        subject=stages.args.subject,
        command=command,
        ran_on=list(ran_on(cells)),
        pythons={each.name: each.here.python for each in reversed(stages.versions)},
        worlds=(MAIN, *stages.worlds),
        cells=cells,
        signatures=signatures,
        trials={each.name: _asked_for(stages, cells, each) for each in reversed(stages.versions)},
        seed=stages.args.seed,
        gaps=[*stages.workers.gaps, *gaps(stages.places, cells), *_too_old(stages)],
    )


def _asked_for(stages: Stages, cells: Sequence[Cell], version: Version) -> int:
    """How many trials of each case its cells were to have; there may have been fewer cases then."""
    there = [cell.trials for cell in cells if cell.version == version.name]
    return max(there, default=stages.trials(version.name))


def _too_old(stages: Stages) -> Iterator[str]:
    """What older versions do not have."""
    newest = set(stages.versions[0].here.cases)
    for version in stages.versions[1:]:
        lacks = newest - set(version.here.cases)
        absent = sorted({scenario for scenario, _ in lacks if scenario in stages.cases})
        if absent:
            yield f"{version.name} cannot do what these are about: {', '.join(absent)}"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.subjects", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--subject", default=SUBJECT)
    parser.add_argument("--trials", type=int, default=TRIALS, help="on each world, at least")
    parser.add_argument("--older", type=int, help="on each older version; default: as --trials")
    parser.add_argument("--only", nargs="+", default=(), metavar="SCENARIO")
    parser.add_argument("--version", action="append", metavar="N[=PYTHON]")
    parser.add_argument("--world", action="append", help="beside the atomic one; repeatable")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--attempts", type=int, default=ATTEMPTS, help="0: try nothing for real")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="nothing is begun after")
    parser.add_argument("--report", type=pathlib.Path, default=REPORT)
    parser.add_argument("--work", type=pathlib.Path, default=WORK, help="what is done is kept here")
    parser.add_argument("--no-run", action="store_true", help="only write the report")
    return parser.parse_args(words)


def command(args: argparse.Namespace) -> str:
    """What does all of it anew: where its parts are kept here is nobody else's business."""
    words = ["python", "-m", "bench.subjects"]
    for each in args.version or ():
        words += ["--version", each.partition("=")[0]]
    for each in args.world or ():
        words += ["--world", each]
    older = [] if args.older is None else ["--older", str(args.older)]
    words += ["--trials", str(args.trials), *older, "--attempts", str(args.attempts)]
    only = ["--only", *args.only] if args.only else []
    return shlex.join([*words, "--seed", str(args.seed), *only])


def main(words: Sequence[str] | None = None) -> int:
    """Hunt, check again, tell, try without simulation, write."""
    args = arguments(words)
    settings = OLDER if args.version is None else args.version
    versions = versions_of(args.subject, settings)
    workers = Workers(args.jobs, time.monotonic() + 60 * args.minutes)
    stages = Stages(args, versions, workers, args.work.resolve())
    stages.worlds = tuple(dict.fromkeys(args.world or WORLDS))
    stopped = False
    try:
        if not args.no_run:
            stages.run()
    except KeyboardInterrupt:
        stopped = True
        workers.gaps.append("somebody stopped the campaign")
    campaign = campaign_of(stages, command(args))
    subject_pages.write(campaign, args.report)
    _say(f"{len(campaign.signatures)} signatures; see {args.report}/README.md")
    for gap in campaign.gaps:
        _say(f"missing: {gap}")
    return 130 if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
