"""What a hunt says around its table: options, surprises, who is to blame, names of repro files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from simworld.records import UNKNOWN, Blame, Compared, Finding, Result
from simworld.render.text import count

STEM_MAX = 180
"""Names of files end at 255 bytes on most systems."""


def hunt_heading(
    scenarios: Sequence[str],
    variants: Sequence[str],
    *,
    trials: int | None,
    seconds: float | None,
    options: Sequence[str],
) -> str:
    """Every option; said before the first trial, so that a hang can be repeated."""
    bounds = [count(trials, "trial")] if trials else []
    bounds += [f"{seconds:g} s"] if seconds else []
    said = [f"{' or '.join(bounds)} each", *options]
    return f"hunting {', '.join(scenarios)} on {', '.join(variants)}\n{', '.join(said)}"


def compared(result: Result) -> bool | None:
    """Whether the verdict is the declared one; None where nothing can be said.

    That is: nothing was declared, or the hunt was interrupted before it knew.
    """
    undecided = result.interrupted and result.verdict.outcome == UNKNOWN
    return None if result.expected is None or undecided else result.as_expected


def surprise_lines(results: Sequence[Result]) -> list[str]:
    """A line for every verdict that is not the declared one, in all or in one case."""
    lines = []
    for each in results:
        if compared(each) is False:
            what = [f"expected {each.expected}, got {each.verdict}", *each.surprises]
            lines.append(f"surprise: {each.scenario} on {each.system}: {'; '.join(what)}")
    return lines


def known_lines(results: Sequence[Result], beside: Compared) -> list[str]:
    """What the ledger says about the findings: known, new, and no longer found."""
    lines = [
        f"known: {known}{f' ({known.note})' if known.note else ''}"
        for known in dict.fromkeys(beside.known.values())
    ]
    for at, nth in beside.new:
        result, finding = results[at], results[at].findings[nth]
        signature = f"{finding.repro.case} on {result.system}: {finding.anomaly.signature}"
        lines.append(f"new: {result.scenario} · {signature}")
    lines += [
        f"turned green: {known} (take it out of the ledger with --update-known)"
        for known in beside.gone
    ]
    return lines


def repro_names(results: Sequence[Result]) -> dict[tuple[int, int], str]:
    """(result's index, finding's index) → a file name of its own, the same for the same hunt.

    What a canary finds was planted, and nobody keeps it.
    """
    names: dict[tuple[int, int], str] = {}
    used: set[str] = set()
    for at, result in enumerate(results):
        for nth, finding in enumerate(() if result.canary else result.findings):
            stem = name = _stem(result, finding)
            again = 1
            while name in used:
                again += 1
                name = f"{stem}-{again}"
            used.add(name)
            names[at, nth] = f"{name}.json"
    return names


def _stem(result: Result, finding: Finding) -> str:
    anomaly = finding.anomaly
    parts = [result.scenario, result.case, result.system, anomaly.law, anomaly.kind]
    parts += [f"seed{result.seed}", f"trial{finding.trial}"]
    stem = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", "-".join(part for part in parts if part))
    if len(stem) <= STEM_MAX:
        return stem
    return f"{stem[:STEM_MAX]}-{hashlib.blake2b(stem.encode(), digest_size=4).hexdigest()}"


_ACCUSED = {
    "engine": "the engine",
    "world": "the world, not the engine",
    "engine or world": "the engine or its world, which is not repaired",
    "engine or workflow": "the engine, the workflow, or what the scenario expects of it",
}


def blame_sentence(blame: Blame) -> str:
    """Who is to blame, and what for."""
    said = f"Who is to blame: {_ACCUSED[blame.who]}"
    if not blame.needs:
        return f"{said}; it needs no fault."
    said += f"; without {' and '.join(blame.needs)} it was not seen"
    if blame.broken:
        said += f", and that breaks what the world promises: {'; '.join(blame.broken)}"
    return f"{said}."
