"""Who was fastest where: per workload the lowest time wins a point (spec §8.3).

Only where there is a choice: nobody is told that a world with one front has that as its fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simworld.records import Bench, Cell
from simworld.render.sheets import Sheet

_AXES = ("front", "world", "engine")
_QUESTIONS = (("world", "front"), ("front", "world"), ("engine", "world"))
"""(who may win, what the rows are): fastest world by front …"""


def winner_sheets(bench: Bench) -> Iterator[Sheet]:
    """The summaries; none where there is nothing to choose between."""
    cells = [each for each in bench.cells if each.samples]
    order = {info.name: at for at, info in enumerate(bench.workloads)}
    cells.sort(key=lambda each: order[each.workload])
    for axis, by in _QUESTIONS:
        others = [by, *(each for each in _AXES if each not in (axis, by))]
        groups: dict[tuple[str, ...], list[Cell]] = {}
        for cell in cells:
            key = tuple(getattr(cell.contender, each) for each in others)
            groups.setdefault(key, []).append(cell)
        rows = [
            [*key, *fastest(found, axis)]
            for key, found in groups.items()
            if len({getattr(each.contender, axis) for each in found}) > 1
        ]
        head = (*(each.title() for each in others), f"Fastest {axis.title()}", "Wins")
        if rows:
            yield Sheet(f"Fastest {axis.title()} by {by.title()}", head, rows)


def fastest(cells: Sequence[Cell], axis: str) -> tuple[str, str]:
    """The winner among cells that differ in ``axis``, and ``wins/workloads with data``.

    Who comes first in the cells wins a tie of times, and who has won first a tie of points.
    """
    points: dict[str, int] = {}
    workloads = list(dict.fromkeys(each.workload for each in cells))
    for workload in workloads:
        timed = [each for each in cells if each.workload == workload and each.time_s is not None]
        best = min(timed, key=lambda each: each.time_s or 0.0)
        name = getattr(best.contender, axis)
        points[name] = points.get(name, 0) + 1
    winner = max(points, key=lambda each: points[each])
    return winner, f"{points[winner]}/{len(workloads)}"
