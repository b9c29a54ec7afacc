"""What a campaign was asked for and has not done: cells that are missing, cut short, or impossible.

A report that is silent about them claims more than was searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.subject_cells import Cell, Place


def gaps(places: Sequence[Place], cells: Sequence[Cell]) -> Iterator[str]:
    """A sentence for each sort of gap, with the cases it is about, version by version."""
    there = {cell.place: cell for cell in cells}
    told: dict[tuple[str, str, str], list[str]] = {}
    for place in places:
        version, world, scenario, case = place
        for sort, why in _lacks(there.get(place)):
            told.setdefault((version, world, sort), []).append(f"{scenario} {case}{why}")
    for (version, world, sort), cases in told.items():
        number = f"{len(cases)} case{'s' * (len(cases) > 1)}"
        yield f"{number} on {version}, world {world}, {sort}: {', '.join(cases)}"


def _lacks(cell: Cell | None) -> Iterator[tuple[str, str]]:
    """What is the matter with a cell, and why."""
    if cell is None:
        yield "not hunted", ""
    elif cell.result is None:
        yield "with no result", f" ({' '.join(cell.why_not.split())})"
    elif cell.result.trials < cell.trials or not cell.is_whole:
        yield "cut short", f" ({cell.result.trials} of {cell.trials} trials)"
