"""What a hunt says around its table: its options, its surprises, the names of its repro files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from simworld.records import UNKNOWN, Finding, Result
from simworld.render.text import count


def hunt_heading(
    scenarios: Sequence[str],
    variants: Sequence[str],
    *,
    seed: int,
    trials: int | None,
    seconds: float | None,
    options: Sequence[str],
) -> str:
    """The seed and every option; said before the first trial, so that a hang can be repeated."""
    bounds = [count(trials, "trial")] if trials else []
    bounds += [f"{seconds:g} s"] if seconds else []
    said = [f"seed {seed}", f"{' or '.join(bounds)} each", *options]
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


def repro_names(results: Sequence[Result]) -> dict[tuple[int, int], str]:
    """(result's index, finding's index) → a file name of its own, the same for the same hunt."""
    names: dict[tuple[int, int], str] = {}
    used: set[str] = set()
    for at, result in enumerate(results):
        for nth, finding in enumerate(result.findings):
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
    return re.sub(r"[^A-Za-z0-9_.=+-]+", "-", "-".join(part for part in parts if part))
