"""Hunts every scenario on every world and writes reports/worlds.md: who is correct where.

Run with ``python -m bench.worlds`` (a quarter of an hour on two cores).  The same scenarios,
values, seeds and fault budgets run unchanged on each world; what differs is what the engine stands
on.
"""

from __future__ import annotations

import multiprocessing
import pathlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor

import attrs

from simworld.campaign import PLACES, hunt, load_scenarios, placed, preset
from simworld.records import FAIL, Result

REPORT = pathlib.Path(__file__).resolve().parent.parent / "reports" / "worlds.md"
COMMAND = "python -m bench.worlds"
VARIANTS = ("v2_merge", "fixed")
TRIALS = 500
SEED = 0


@attrs.frozen
class Cell:
    """One hunt."""

    scenario: str
    variant: str
    world: str


def run(cell: Cell) -> Result:
    """The hunt of a cell; in a process of its own."""
    scenario = load_scenarios("scenarios")[cell.scenario]
    variant = placed(preset(cell.variant), cell.world)
    return hunt(scenario, variant, seed=SEED, trials=TRIALS)


def cells() -> list[Cell]:
    """Every scenario on every variant and world."""
    return [
        Cell(scenario, variant, world)
        for scenario, each in load_scenarios("scenarios").items()
        if not each.canary
        for variant in VARIANTS
        for world in PLACES
    ]


def told(result: Result) -> str:
    """The verdict, with the law and when it was first found."""
    if result.verdict.outcome != FAIL:
        return "✓" if result.verdict.outcome == "PASS" else f"? {result.verdict.reason}"
    law = result.verdict.law
    first = min(each.trial for each in result.findings if each.anomaly.law == law) + 1
    return f"✗ {law} ({first})"


def laws(result: Result) -> str:
    """Every law that was broken, with the kind of the first finding and its smallest repro."""
    found: dict[str, str] = {}
    for each in sorted(result.findings, key=lambda finding: finding.moves_after):
        anomaly = each.anomaly
        found.setdefault(anomaly.law, f"{anomaly.law} {anomaly.kind} ({each.moves_after} moves)")
    return ", ".join(found[law] for law in sorted(found))


def report(results: Mapping[Cell, Result]) -> Iterator[str]:
    """The lines of the page."""
    yield "# Scenarios × worlds"
    yield ""
    yield (
        f"Made by `{COMMAND}`: seed {SEED}, {TRIALS} trials a hunt (child_pool: its own bound), "
        "default portfolio.  ✓: no law was broken; ✗: the law that the verdict names, and the "
        "number of trials until it was first broken.  The same scenario, values, seeds and fault "
        "budgets run unchanged on each world."
    )
    yield ""
    yield "| world | what it is |"
    yield "|---|---|"
    for place in PLACES.values():
        yield f"| `{place.name}` | {place.title} |"
    yield ""
    yield f"| scenario | variant | {' | '.join(PLACES)} |"
    yield f"|---|---|{'---|' * len(PLACES)}"
    rows = dict.fromkeys((cell.scenario, cell.variant) for cell in results)
    for scenario, variant in rows:
        line = [told(results[Cell(scenario, variant, world)]) for world in PLACES]
        yield f"| {scenario} | {variant} | {' | '.join(line)} |"
    yield ""
    yield "## Every law that was broken"
    yield ""
    yield "| scenario | variant | world | laws, each with its smallest finding |"
    yield "|---|---|---|---|"
    for cell, result in results.items():
        if result.findings:
            yield f"| {cell.scenario} | {cell.variant} | {cell.world} | {laws(result)} |"
    yield ""
    yield "## Operations per trial"
    yield ""
    yield "What they cost in time: `pytest bench/test_trial.py --benchmark-only -k world`."
    yield ""
    yield f"| scenario | variant | {' | '.join(PLACES)} |"
    yield f"|---|---|{'---|' * len(PLACES)}"
    for scenario, variant in rows:
        each = [results[Cell(scenario, variant, world)] for world in PLACES]
        line = [f"{one.turns / one.trials:.0f}" for one in each]
        yield f"| {scenario} | {variant} | {' | '.join(line)} |"


def main() -> None:
    """Hunt and write."""
    context = multiprocessing.get_context("spawn")
    results: dict[Cell, Result] = {}
    todo = cells()
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for cell, result in zip(todo, pool.map(run, todo), strict=True):
            results[cell] = result
            where = f"{len(results)}/{len(todo)} {cell.scenario} {cell.variant} {cell.world}"
            print(f"{where}: {told(result)}", flush=True)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report(results)) + "\n")
    print(f"wrote {REPORT}")


if __name__ == "__main__":
    main()
