"""What a campaign over an engine nobody here wrote has shown, by signature.

A *signature* is the law that broke, the kind of breach, what it broke at (a run, a step, a sleep …,
whatever its name) and the classes of faults it needs.  Several repros, scenarios and versions may
show one.  What people make of it stands in ``subjects_judged.json``: nothing here judges.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import attrs

from bench.subject_cells import Cell, Proof, Told
from simworld.records import Anomaly, Finding, Level

JUDGED = pathlib.Path(__file__).with_name("subjects_judged.json")
NO_FAULT = "no fault"
ENTITIES = ("attr", "hook", "message", "race", "sleep", "stream")
"""What is called by its kind; anything else with a number is a step."""
CLASSES = {
    "clock_ahead": "a wrong clock",
    "clock_behind": "a wrong clock",
    "clock_jump": "a wrong clock",
    "crash": "a crash",
    "duplicate": "a further delivery",
    "kill_bodies": "a crash",
    "lost_answer": "a lost answer",
    "lost_flush": "a refused call",
    "redelivery": "a further delivery",
    "restart": "a crash",
    "server_error": "a refused call",
    "throttled": "a refused call",
}
"""Kind of fault → its class; any other is a class of its own."""
MAIN, UNTRIED = "atomic", "not tried"
CANDIDATES = 5
"""Repros of one signature that may be tried without simulation."""


class Signature(NamedTuple):
    """One kind of failure."""

    law: str
    kind: str
    where: str
    needs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.law} {self.kind} {self.where}; {self.fault}"

    @property
    def fault(self) -> str:
        """What it needs, in words."""
        return " and ".join(self.needs) or NO_FAULT

    @property
    def slug(self) -> str:
        """It as the name of a file."""
        return re.sub(r"[^\w.]+", "-", str(self))

    @property
    def alike(self) -> tuple[str, str, str]:
        """What it is whatever it needs: how a failure is known again on another world."""
        return self.law, self.kind, self.where


def where_of(anomaly: Anomaly) -> str:
    """What kind of thing it broke at; names and numbers differ from scenario to scenario."""
    run, _, entity = anomaly.place.partition("/")
    if not entity:
        return "run" if " " not in run else run.partition(" ")[0]
    name = re.split(r"[# /]", entity)[0]
    kind = name if name in ENTITIES else "step"
    # A run may be stuck for many reasons: what it hangs on is one thing, in which state another.
    state = re.search(rf"{re.escape(entity)} is (\w+)", anomaly.message)
    return f"{kind} that is {state[1]}" if state and anomaly.law == "L-01" else kind


def signature_of(finding: Finding) -> Signature:
    """The kind of failure that a finding is of."""
    anomaly, blame = finding.anomaly, finding.repro.blame
    needs = {fault.kind for fault in finding.repro.faults} if blame is None else {*blame.needs}
    classes = {CLASSES.get(kind, kind) for kind in needs}
    return Signature(anomaly.law, anomaly.kind, where_of(anomaly), tuple(sorted(classes)))


@attrs.frozen
class Sighting:
    """A cell that shows a signature."""

    cell: Cell
    finding: Finding

    @property
    def rank(self) -> tuple[int, int, int, str, str]:
        """The smaller one is better to tell, and to try without simulation."""
        finding, cell = self.finding, self.cell
        faults = len(finding.repro.faults)
        return faults, finding.moves_after, finding.moves_before, cell.scenario, cell.case


@attrs.frozen
class Judgement:
    """What people make of a cause; a signature that nobody has judged has none."""

    cause: str
    title: str
    blame: str
    """``engine``, ``world``, ``model`` or ``contract``."""
    why: str
    severity: str = ""
    """What it does to whoever is struck."""
    evidence: str = ""
    """How it was shown beside the campaign."""
    versions: str = ""
    """Which versions have it, by trying or reading them."""

    def __str__(self) -> str:
        told = f"To blame: **{self.blame}**. {self.why}"
        if self.severity:
            told = f"To blame: **{self.blame}**. Severity {self.severity}. {self.why}"
        return " ".join(each for each in (told, self.evidence, self.versions) if each)


@attrs.frozen
class Judged:
    """A signature's judgement, and what it was made on."""

    by: Judgement
    scenarios: tuple[str, ...]


@attrs.define
class Seen:
    """A signature and all that shows it."""

    signature: Signature
    sightings: list[Sighting] = attrs.Factory(list)
    told: Told | None = None
    proof: Proof | None = None
    judged: Judged | None = None

    @property
    def judgement(self) -> Judgement | None:
        """What people make of it."""
        return self.judged.by if self.judged else None

    def judged_by_signature(self, scenario: str) -> bool:
        """It was judged, but by the stories of other scenarios."""
        return self.judged is not None and scenario not in self.judged.scenarios

    @property
    def scenarios(self) -> list[str]:
        """Names of the scenarios that show it."""
        return sorted({each.cell.scenario for each in self.sightings})

    @property
    def cases(self) -> set[tuple[str, str]]:
        """(scenario, case) of every cell that shows it."""
        return {(each.cell.scenario, each.cell.case) for each in self.sightings}

    def best(self, versions: Sequence[str]) -> list[Sighting]:
        """The sightings to tell, one per scenario, of the newest version that shows it: the
        ``versions`` come the newest first."""
        for version in versions:
            here = [each for each in self.sightings if each.cell.version == version]
            if not here:
                continue
            first: dict[str, Sighting] = {}
            for each in sorted(here, key=lambda each: (each.cell.world != MAIN, each.rank)):
                first.setdefault(each.cell.scenario, each)
            return list(first.values())[:CANDIDATES]
        return []

    @property
    def evidence(self) -> str:
        """How far the claim goes."""
        if self.is_worlds:
            return str(Level.WORLD_CONTRACT)
        best = self.proof.tried[-1].confirmation if self.proof else None
        if best is None:
            return UNTRIED
        if best.level is Level.SIMULATED_ONLY and best.attempts:
            return f"{best} (not in {len(best.attempts)} attempts)"
        return str(best)

    @property
    def is_worlds(self) -> bool:
        """Nobody has seen it without a fault that breaks a promise of its world."""
        return all(each.finding.is_worlds for each in self.sightings)


@attrs.frozen
class Count:
    """How often something showed on one version and world."""

    shown: int
    trials: int

    def __str__(self) -> str:
        if not self.trials:
            return "–"
        return f"{spaced(self.shown)} of {spaced(self.trials)}"


def together(counts: Iterable[Count]) -> Count:
    """All of them as one."""
    known = list(counts)
    return Count(sum(each.shown for each in known), sum(each.trials for each in known))


def spaced(number: int) -> str:
    """A number that may be large."""
    return f"{number:,}".replace(",", " ")


def signatures_of(cells: Iterable[Cell]) -> list[Seen]:
    """All of them: by law, then by what they need."""
    found: dict[Signature, Seen] = {}
    for cell in cells:
        for finding in cell.result.findings if cell.result else ():
            signature = signature_of(finding)
            seen = found.setdefault(signature, Seen(signature))
            seen.sightings.append(Sighting(cell, finding))
    return sorted(found.values(), key=lambda each: (each.signature.law, each.signature))


def count_of(seen: Seen, cells: Sequence[Cell], version: str, world: str) -> Count:
    """On one version and world, over all the cases that show the signature anywhere.

    On the main world what counts is the signature; on the others the same failure, whatever it
    needs there.
    """
    shown = trials = 0
    for cell in cells:
        if (cell.version, cell.world) != (version, world) or cell.result is None:
            continue
        if (cell.scenario, cell.case) not in seen.cases:
            continue
        trials += cell.result.trials
        for finding in cell.result.findings:
            other = signature_of(finding)
            same = other == seen.signature
            if same or (world != MAIN and other.alike == seen.signature.alike):
                shown += finding.count
    return Count(shown, trials)


def other_than(seen: Seen, cells: Sequence[Cell], version: str, world: str) -> list[str]:
    """Other failures by the same law in the same cases: where the very same one did not show."""
    laws = set()
    for cell in cells:
        here = (cell.version, cell.world) == (version, world)
        if not here or cell.result is None or (cell.scenario, cell.case) not in seen.cases:
            continue
        laws |= {
            f"{each.anomaly.kind} {where_of(each.anomaly)}"
            for each in cell.result.findings
            if each.anomaly.law == seen.signature.law
        }
    return sorted(laws - {f"{seen.signature.kind} {seen.signature.where}"})


def where_seen(counts: Mapping[str, Count]) -> str:
    """Which versions have shown something, and what the others have not shown it in."""
    seen = [version for version, count in counts.items() if count.shown]
    unseen = [
        f"{version} ({count} trials)"
        for version, count in counts.items()
        if count.trials and not count.shown
    ]
    not_run = [version for version, count in counts.items() if not count.trials]
    told = (("seen in", seen), ("not seen in", unseen), ("not run on", not_run))
    return "; ".join(f"{words} {', '.join(versions)}" for words, versions in told if versions)


# --- what people make of it -----------------------------------------------------------------------


def judgements(path: pathlib.Path = JUDGED) -> dict[str, Judged]:
    """By signature.

    The file has ``causes``, a name with title, blame, why and what else a judgement has each, and
    ``signatures``, each with the name of its cause and the scenarios whose stories were read.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    causes = {name: Judgement(name, **fields) for name, fields in told["causes"].items()}
    return {
        signature: Judged(causes[each["cause"]], tuple(each["scenarios"]))
        for signature, each in told["signatures"].items()
    }
