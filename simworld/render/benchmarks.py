"""Tables of benchmarks: for a terminal, for a page, and as JSON that can be compared.

The layout is upstream's (spec §8.3): a table per workload, the fastest on top, streams in a section
of their own, then who was fastest where.  ``baseline`` is what an earlier run has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from simworld.errors import UsageError
from simworld.records import VIRTUAL, Bench, Cell, Contender, Counts, WorkloadInfo
from simworld.render.jsonout import SCHEMA, document
from simworld.render.sheets import NOTHING, Sheet, sheet_markdown, sheet_text
from simworld.render.text import listed, number
from simworld.render.winners import winner_sheets

MEDAL, MISSING = "🥇", "missing"
SLOWER, FASTER = "🔺", "🟢"
SAME, WORTH_A_MARK = 0.005, 0.05
PERCENTILES = "Percentiles"
PERCENTS = (50, 90, 99)

COLUMNS = (
    ("Workflow Time", "completedAt − createdAt of the run, the mean over the samples; sorts rows"),
    ("TTFB", "from startedAt to the first byte of the run's stream, mean"),
    ("Wall Time", "from before the start to the output, and a stream's last byte, in hand, mean"),
    ("Overhead", "Wall Time − Workflow Time"),
    ("CPU", "CPU time of the contender's process, mean; a database server's is none of it"),
    ("Samples", "runs; one ahead of a window of 5 s only warms up, and is none"),
    ("vs Fastest", "time ÷ the fastest time of the workload"),
    ("Slurp", "from the first byte of the stream to its end"),
    ("First step", "start of the run → its first body begins (TTFS); Last step: its last (TTLS)"),
    ("Step to step", "a body ends → the next one begins (STSO)"),
    ("Outside", "the part of the wall time in which no body was under way (WO)"),
    ("Stream overhead", "first chunk written → a reader who waits has it (SO)"),
    ("Stream latency", "each chunk written → that reader has it (SL)"),
    ("Virtual ms", "Workflow Time in virtual time, which only sleeps and timers take"),
    ("Messages", "sent to the queue and not dropped by it; Invocations: deliveries of them"),
    ("Passes", "runs of the workflow function over the log"),
    ("Events", "in the log at the end; Rows read: read of it, each time they were"),
    ("Bytes", "of payloads that were recorded, and of streams that were written"),
    ("Operations", "of world, queue and client; of files or tables where the world stands on them"),
)
"""Column → what it says."""

_Times = Mapping[tuple[str, Contender], Cell]


# --- figures --------------------------------------------------------------------------------------


def seconds(value: float | None) -> str:
    """With three decimals."""
    return NOTHING if value is None else f"{round(value, 3) + 0.0:.3f}s"  # no minus before zero


def milliseconds(value: float | None) -> str:
    """For what is short."""
    return NOTHING if value is None else f"{value * 1_000:.2f}ms"


def delta(now: float | None, before: float | None) -> str:
    """How much slower than before, with a mark where it is more than five percent."""
    if now is None or not before:
        return ""
    change = now / before - 1
    if abs(change) < SAME:
        return " (~)"
    mark = f" {SLOWER}" if change > WORTH_A_MARK else f" {FASTER}" if change < -WORTH_A_MARK else ""
    return f" ({change:+.1%}{mark})"


# --- tables ---------------------------------------------------------------------------------------


def bench_sheets(bench: Bench, baseline: Bench | None = None) -> Iterator[tuple[str, list[Sheet]]]:
    """The sections, each with its tables."""
    before = {(each.workload, each.contender): each for each in baseline.cells} if baseline else {}
    virtual = [each for each in bench.cells if each.contender.is_virtual]
    real = [each for each in bench.cells if not each.contender.is_virtual]
    for title, streams in (("Workloads", False), ("Streams", True)):
        sheets = [
            _real_sheet(info, [each for each in real if each.workload == info.name], before)
            for info in bench.workloads
            if info.stream is streams
        ]
        yield title, [each for each in sheets if each.rows]
    yield "Summary", list(winner_sheets(bench))
    yield PERCENTILES, list(_percentiles(bench, real))
    counted = [
        _counts_sheet(info, [each for each in virtual if each.workload == info.name], before)
        for info in bench.workloads
    ]
    yield "Virtual time", [each for each in counted if each.rows]


def _real_sheet(info: WorkloadInfo, cells: Sequence[Cell], before: _Times) -> Sheet:
    timed = sorted((each for each in cells if each.samples), key=lambda each: each.time_s or 0.0)
    fastest = timed[0].time_s if timed else None
    ttfb = any(each.mean("ttfb_s") is not None for each in timed)
    head = ["World", "Engine", "Front", "Workflow Time", *(["TTFB"] if ttfb else [])]
    head += ["Wall Time", "Overhead", "CPU", "Samples", "vs Fastest"]
    rows = []
    for place, cell in enumerate(timed):
        old = before.get((cell.workload, cell.contender))
        who = cell.contender
        rows.append(
            [
                f"{MEDAL} {who.world}" if not place else who.world,
                who.engine,
                who.front,
                *(
                    seconds(cell.mean(each))
                    + delta(cell.mean(each), old.mean(each) if old else None)
                    for each in ("workflow_s", *(["ttfb_s"] if ttfb else []), "wall_s")
                ),
                seconds(cell.overhead_s),
                seconds(cell.mean("cpu_s")),
                str(len(cell.samples)),
                _times(cell.time_s, fastest),
            ]
        )
    for cell in cells:
        if not cell.samples:
            who, blank = cell.contender, [NOTHING] * (len(head) - 5)
            rows.append([who.world, who.engine, who.front, MISSING, *blank, NOTHING])
    return Sheet(info.name, tuple(head), rows)


def _times(own: float | None, fastest: float | None) -> str:
    """How many times the fastest, which may have taken less than the clock of rows can tell."""
    if own == fastest:
        return "1.00x"
    return f"{own / fastest:.2f}x" if own and fastest else NOTHING


def _counts_sheet(info: WorkloadInfo, cells: Sequence[Cell], before: _Times) -> Sheet:
    rows = []
    for cell in cells:
        old = before.get((cell.workload, cell.contender))
        figures = [MISSING]
        if cell.counts is not None:
            figures = _figures(cell.counts, old.counts if old else None)
        blank = [NOTHING] * (len(_COUNTED) - len(figures))
        world = cell.contender.world.removeprefix(VIRTUAL)
        rows.append([world, cell.contender.engine, *figures, *blank])
    return Sheet(info.name, ("World", "Engine", *_COUNTED.values()), rows, 2)


_COUNTED = {
    "virtual_ms": "Virtual ms",
    "messages": "Messages",
    "invocations": "Invocations",
    "passes": "Passes",
    "events": "Events",
    "rows_read": "Rows read",
    "bytes_written": "Bytes",
    "operations": "Operations",
}


def _figures(counts: Counts, old: Counts | None) -> list[str]:
    told = []
    for name in _COUNTED:
        value = getattr(counts, name)
        was = getattr(old, name) if old is not None else value
        told.append(number(value) if was == value else f"{number(value)} (was {number(was)})")
    return told


def _percentiles(bench: Bench, cells: Sequence[Cell]) -> Iterator[Sheet]:
    """Each metric's mean and percentiles, workload by workload."""
    for name, metric, shown in _METRICS:
        rows = [
            [cell.workload, cell.contender.name, *_spread(cell, metric, shown)]
            for info in bench.workloads
            for cell in cells
            if cell.workload == info.name and cell.values(metric)
        ]
        if rows:
            head = ("Workload", "Contender", "Mean", *(f"p{each}" for each in PERCENTS), "Values")
            yield Sheet(name, head, rows, 2)


_METRICS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("Workflow Time", "workflow_s", seconds),
    ("Wall Time", "wall_s", seconds),
    ("CPU", "cpu_s", seconds),
    ("TTFB", "ttfb_s", seconds),
    ("Slurp", "slurp_s", seconds),
    ("First step", "first_step_s", milliseconds),
    ("Last step", "last_step_s", milliseconds),
    ("Step to step", "gaps_s", milliseconds),
    ("Outside", "outside_s", seconds),
    ("Stream overhead", "stream_overhead_s", milliseconds),
    ("Stream latency", "stream_latency_s", milliseconds),
)


def _spread(cell: Cell, metric: str, shown: Callable[[float | None], str]) -> list[str]:
    figures = [shown(cell.mean(metric)), *(shown(cell.percentile(metric, p)) for p in PERCENTS)]
    return [*figures, str(len(cell.values(metric)))]


# --- the whole ------------------------------------------------------------------------------------


def bench_text(
    bench: Bench,
    baseline: Bench | None = None,
    *,
    percentiles: bool = False,
    width: int = 100,
    color: bool = False,
) -> str:
    """The tables and what has to be known to read them, for a terminal."""
    parts = []
    for title, sheets in bench_sheets(bench, baseline):
        if sheets and (percentiles or title != PERCENTILES):
            parts.append(f"{title.upper()}\n")
            parts += [sheet_text(each, width=width, color=color) for each in sheets]
    notes = "\n".join(_notes(bench, baseline))
    return "\n".join([*parts, notes])


def _notes(bench: Bench, baseline: Bench | None) -> Iterator[str]:
    if any(each.contender.engine == "fast" for each in bench.cells):
        yield "fast is what simworld serve runs: the knobs of its worlds, too"
    if bench.machine:
        yield f"durability asked for: {_on(bench)}; machine: {bench.machine}"
        yield "our own engines are told of a run's end (results=told), whatever the preset says"
    yield from _compared(bench, baseline) if baseline else ()
    for who, how in bench.synced:
        yield f"{who}: {how}"
    for who, why in bench.absent:
        yield f"{who} was not measured: {why}"
    if bench.noise is not None:
        yield f"noise: a second copy of {bench.synced[0][0]} was {bench.noise:.1%} away from it"
    for (who, why, failed), cells in _grouped(bench).items():
        word = "FAILED" if failed else "does not run"
        yield f"{who} {word} {listed(cells)}: {why}"
    if bench.interrupted:
        yield "interrupted: what is above is what had been measured"


def _on(bench: Bench) -> str:
    return "on" if bench.sync else "off"


def _compared(bench: Bench, baseline: Bench) -> Iterator[str]:
    """What the baseline is, and where it is none."""
    yield f"baseline: {baseline.command}"
    before = {(each.workload, each.contender) for each in baseline.cells}
    if not any((each.workload, each.contender) in before for each in bench.cells):
        yield "the baseline has no contender on a workload of these: nothing is compared"
    if not (bench.machine and baseline.machine):
        return
    if bench.machine != baseline.machine:
        yield f"the baseline was measured on another machine: {baseline.machine}"
    if bench.sync is not baseline.sync:
        yield f"the baseline was measured with durability {_on(baseline)}"


def _grouped(bench: Bench) -> dict[tuple[str, str, bool], list[str]]:
    """(contender, why, whether it failed) → the workloads without samples."""
    found: dict[tuple[str, str, bool], list[str]] = {}
    for cell in bench.cells:
        why = cell.failed or cell.refused
        if why:
            key = (cell.contender.name, why, bool(cell.failed))
            found.setdefault(key, []).append(cell.workload)
    return found


def bench_report(
    bench: Bench, baseline: Bench | None = None, *, plots: Sequence[str] = (), no_plots: str = ""
) -> str:
    """The page; ``plots``: their paths beside it; ``no_plots``: why there are none."""
    lines = ["# Benchmarks", "", f"Made by `{bench.command}`; every figure is of that one run.", ""]
    lines += [f"* {each}" for each in _notes(bench, baseline)]
    for title, sheets in bench_sheets(bench, baseline):
        if sheets:
            lines += ["", f"## {title}"]
            for sheet in sheets:
                lines += ["", f"### {sheet.title}", "", *sheet_markdown(sheet)]
    lines += ["", "## Plots", "", *(f"![{Path(each).stem}]({each})\n" for each in plots)]
    if no_plots:
        lines.append(no_plots)
    lines += ["", "## Columns", "", "| column | what it says |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in COLUMNS]
    return "\n".join(lines).rstrip() + "\n"


def bench_json(bench: Bench) -> bytes:
    """Everything, with sorted keys and a line per cell: two virtual runs give the same bytes."""
    fields = msgspec.to_builtins(bench, order="sorted")
    cells = b",\n      ".join(msgspec.json.encode(_known(each)) for each in fields["cells"])
    whole = document({"bench": {**fields, "cells": []}})
    # No string has these bytes in it: its quotes would be escaped.
    return whole.replace(b'"cells": []', b'"cells": [\n      ' + cells + b"\n    ]", 1)


def _known(value: Any) -> Any:
    """The value without fields that are nothing, which is what they are if they are left out."""
    if isinstance(value, dict):
        known = {key: _known(each) for key, each in value.items()}
        return {key: each for key, each in known.items() if each not in (None, "", ())}
    return [_known(each) for each in value] if isinstance(value, list | tuple) else value


@attrs.frozen
class _Document:
    """What ``bench_json`` writes."""

    schema: int
    bench: Bench


def read_bench(path: str) -> Bench:
    """What ``bench_json`` has written; ``UsageError`` for anything else."""
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=_Document)
    except OSError as error:
        raise UsageError(f"cannot read --baseline {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--baseline {path} is no benchmark ({error}); simworld bench --json FILE writes one"
        ) from error
    if found.schema != SCHEMA:
        raise UsageError(
            f"--baseline {path} is of schema {found.schema}, this simworld reads {SCHEMA}; "
            "write a new one with simworld bench --json FILE"
        )
    return found.bench
