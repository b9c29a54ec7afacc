"""What a campaign was asked for and has not done: cells that are missing, cut short, or impossible.

A report that is silent about them claims more than was searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.subject_cells import Cell, Place

MISSING = "not hunted"


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
        known = [" ".join(each[2:]) for each in places if each[0] == version]
        which = _in_short(cases, known) if sort == MISSING else cases
        yield f"{number} on {version}, world {world}, {sort}: {', '.join(which)}"


def _in_short(cases: Sequence[str], known: Sequence[str]) -> list[str]:
    """A scenario alone, where all of its cases are meant."""
    short: dict[str, None] = {}
    for case in cases:
        scenario = case.partition(" ")[0]
        whole = all(each in cases for each in known if each.startswith(f"{scenario} "))
        short[scenario if whole else case] = None
    return list(short)


def _lacks(cell: Cell | None) -> Iterator[tuple[str, str]]:
    """What is the matter with a cell, and why."""
    if cell is None:
        yield MISSING, ""
    elif cell.result is None:
        yield "with no result", f" ({' '.join(cell.why_not.split())})"
    elif cell.result.trials < cell.trials or not cell.is_whole:
        yield "cut short", f" ({cell.result.trials} of {cell.trials} trials)"
