"""Plots of benchmarks, as SVG; the same figures give the same bytes.

matplotlib is an extra, and is imported only here, when somebody wants a plot.
"""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Callable, Iterator
from typing import Any

from simworld.errors import UsageError
from simworld.records import Bench, Cell, WorkloadInfo

NARROW = 20
"""Steps over which the cost of a step is smoothed, where there are many of them."""
_Draw = Callable[[Any], object]


def bench_plots(bench: Bench) -> dict[str, bytes]:
    """Name → SVG: time against number of steps, cost against step index, latency distribution.

    ``UsageError`` where matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: PLC0415
        from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("plots need matplotlib: pip install 'simworld[bench]'") from error
    drawn: dict[str, bytes] = {}
    for name, draw in _plots(bench):
        with matplotlib.rc_context({"svg.hashsalt": "simworld", "svg.fonttype": "none"}):
            figure = Figure(figsize=(8, 4.5), layout="tight")
            FigureCanvasSVG(figure)
            axes = figure.add_subplot()
            draw(axes)
            axes.grid(visible=True, alpha=0.3)
            axes.legend(fontsize="small")
            file = io.BytesIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
        drawn[name] = file.getvalue()
    return drawn


def _plots(bench: Bench) -> Iterator[tuple[str, _Draw]]:
    for family in dict.fromkeys(each.family for each in bench.workloads if each.family):
        lines = _against_steps(bench, family)
        if lines:
            yield f"steps-{_slug(family)}", _drawn_steps(family, lines)
    long = _cells_of(bench, _longest(bench))
    if long:
        yield "cost-of-a-step", _drawn_costs(long)
    shared = _cells_of(bench, _most_told(bench))
    if shared:
        yield "latency", _drawn_latency(shared)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _cells_of(bench: Bench, info: WorkloadInfo | None) -> list[Cell]:
    """Those that know what it took from step to step."""
    if info is None:
        return []
    return [each for each in bench.cells if each.workload == info.name and each.values("gaps_s")]


def _longest(bench: Bench) -> WorkloadInfo | None:
    """The most steps without work, one after the other."""
    known = [
        info for info in bench.workloads if info.noop and _cells_of(bench, info) and info.steps > 1
    ]
    return max(known, key=lambda info: info.steps, default=None)


def _most_told(bench: Bench) -> WorkloadInfo | None:
    """The workload without work of which there are the most figures."""
    known = [info for info in bench.workloads if info.noop and _cells_of(bench, info)]
    return max(known, key=lambda info: _figures(bench, info), default=None)


def _figures(bench: Bench, info: WorkloadInfo) -> int:
    return sum(len(each.values("gaps_s")) for each in _cells_of(bench, info))


def _against_steps(bench: Bench, family: str) -> dict[str, list[tuple[int, float]]]:
    """Contender → (steps, time), where there is more than one point."""
    steps = {each.name: each.steps for each in bench.workloads if each.family == family}
    lines: dict[str, list[tuple[int, float]]] = {}
    for cell in bench.cells:
        if cell.workload in steps and cell.time_s is not None:
            lines.setdefault(cell.contender.name, []).append((steps[cell.workload], cell.time_s))
    return {name: sorted(points) for name, points in lines.items() if len(points) > 1}


def _drawn_steps(family: str, lines: dict[str, list[tuple[int, float]]]) -> _Draw:
    def draw(axes: Any) -> None:
        for name, points in lines.items():
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
        axes.set(title=family, xlabel="steps", ylabel="workflow time, s")
        axes.set_ylim(bottom=0)

    return draw


def smoothed(values: list[float], width: int) -> list[float]:
    """The median of each value and those around it."""
    half = width // 2
    return [
        statistics.median(values[max(0, at - half) : at + half + 1]) for at in range(len(values))
    ]


def _drawn_costs(cells: list[Cell]) -> _Draw:
    def draw(axes: Any) -> None:
        for cell in cells:
            longest = max(len(each.gaps_s) for each in cell.samples)
            whole = [each.gaps_s for each in cell.samples if len(each.gaps_s) == longest]
            gaps = [statistics.median(each) * 1_000 for each in zip(*whole, strict=True)]
            width = NARROW if len(gaps) >= 10 * NARROW else 1
            axes.plot(range(1, len(gaps) + 1), smoothed(gaps, width), label=cell.contender.name)
        axes.set(title=cells[0].workload, xlabel="step", ylabel="to the next step, ms")
        axes.set_ylim(bottom=0)

    return draw


def _drawn_latency(cells: list[Cell]) -> _Draw:
    def draw(axes: Any) -> None:
        for cell in cells:
            gaps = sorted(each * 1_000 for each in cell.values("gaps_s"))
            shares = [(at + 1) / len(gaps) for at in range(len(gaps))]
            axes.step(gaps, shares, where="post", label=cell.contender.name)
        axes.set(title=f"from step to step, {cells[0].workload}", xlabel="ms (log)", ylabel="share")
        axes.set_xscale("log")

    return draw
