"""All of ``simworld bench``: counts in virtual time, then samples of real worlds, in turn.

Whatever has been measured when somebody presses Ctrl-C is kept.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import tempfile
from collections.abc import Callable, Sequence

import attrs

from simworld.benchmark.contenders import (
    Entry,
    Peer,
    Places,
    entries_of,
)
from simworld.benchmark.rounds import Contestant, Taken, interleaved, ratio
from simworld.benchmark.virtual import counted
from simworld.benchmark.workload import Benchmark
from simworld.campaign import check_together, placed, preset
from simworld.engine import FAST
from simworld.errors import SimworldError, UsageError
from simworld.records import (
    QUICK_FILES,
    QUICK_TABLES,
    VIRTUAL,
    Bench,
    Cell,
    Contender,
    Sample,
    Told,
)

GAPS_KEPT = 10
"""Samples of a cell that keep a figure per step or chunk; more would only make files long."""
OnStep = Callable[[str, int], None]
"""Called with a word on what has been measured last, and how many cells are complete."""


@attrs.frozen
class Plan:
    """What to measure."""

    command: str
    benchmarks: Sequence[Benchmark]
    contenders: Sequence[Contender]
    peers: Sequence[Peer] = ()
    workloads: str | None = None
    """Where they are from, for the processes."""
    samples: int | None = None
    sync: bool = True

    @property
    def virtual(self) -> list[Contender]:
        """Those in virtual time."""
        return [each for each in self.contenders if each.is_virtual]

    @property
    def real(self) -> list[Contender]:
        """The others."""
        return [each for each in self.contenders if not each.is_virtual]

    @property
    def cells_count(self) -> int:
        """How many cells there will be."""
        return len(self.benchmarks) * (len(self.contenders) + len(self.peers))


@attrs.define
class _Found:
    """What has been measured so far."""

    cells: list[Cell] = attrs.Factory(list)
    synced: list[tuple[str, str]] = attrs.Factory(list)
    absent: list[tuple[str, str]] = attrs.Factory(list)
    ratios: list[float] = attrs.Factory(list)


def measure(plan: Plan, on_step: OnStep = lambda word, done: None) -> Bench:
    """Everything of the plan, or what there was before Ctrl-C."""
    found, interrupted = _Found(), False
    try:
        for benchmark in plan.benchmarks:
            for contender in plan.virtual:
                found.cells.append(_counted(benchmark, contender))
                on_step(f"{benchmark.name}: {contender.name}", len(found.cells))
        if plan.real or plan.peers:
            _race(plan, found, on_step)
    except KeyboardInterrupt:
        interrupted = True
    return Bench(
        command=plan.command,
        workloads=tuple(each.info for each in plan.benchmarks),
        cells=tuple(found.cells),
        machine=_machine() if plan.real or plan.peers else "",
        sync=plan.sync,
        synced=tuple(found.synced),
        absent=tuple(found.absent),
        noise=max((abs(each - 1) for each in found.ratios), default=None),
        interrupted=interrupted,
    )


def _counted(benchmark: Benchmark, contender: Contender) -> Cell:
    variant = placed(preset(contender.engine), contender.world.removeprefix(VIRTUAL))
    try:
        check_together(variant)
    except UsageError as error:
        return Cell(contender, benchmark.name, refused=str(error))
    if variant.engine == FAST:  # on the worlds of real workers, too
        variant = attrs.evolve(variant, local=QUICK_FILES, postgres=QUICK_TABLES)
    try:
        return Cell(contender, benchmark.name, counts=counted(benchmark, variant))
    except SimworldError as error:
        return Cell(contender, benchmark.name, failed=str(error))


def _race(plan: Plan, found: _Found, on_step: OnStep) -> None:
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simworld-")))
        places = Places(folder, stack, sync=plan.sync)
        entries = list(entries_of(plan.real, plan.peers, places, plan.workloads))
        again = list(entries_of(plan.real[:1], (), places, plan.workloads))
        for entry in (*entries, *again):  # which start side by side
            if entry.contestant is not None:
                stack.enter_context(entry.contestant)
        here = [each for entry in entries if (each := _ready(entry, found)) is not None]
        copies = [each for entry in again if (each := _ready(entry, _Found())) is not None]
        missing = [each.contender for each in entries if each.contestant not in here]
        for benchmark in plan.benchmarks:
            _workload(plan, benchmark, here, copies, found, on_step)
            found.cells += [Cell(contender, benchmark.name) for contender in missing]


def _ready(entry: Entry, found: _Found) -> Contestant | None:
    """The contender's process, once it has said that it can."""
    name, contestant = entry.contender.name, entry.contestant
    if contestant is None or contestant.hello.absent:
        found.absent.append((name, contestant.hello.absent if contestant else entry.reason))
        return None
    hello = contestant.hello
    said = [hello.synced or "unknown", *([hello.version] if hello.version else [])]
    found.synced.append((name, ", ".join(said)))
    return contestant


def _workload(
    plan: Plan,
    benchmark: Benchmark,
    here: Sequence[Contestant],
    copies: Sequence[Contestant],
    found: _Found,
    on_step: OnStep,
) -> None:
    """All samples of one workload; copies of the first contender only where they cost little."""
    copies = copies if here and benchmark.window_s and benchmark.noop else ()
    taken = [Taken() for _ in (*here, *copies)]

    def told(contender: Contender, answer: Told) -> None:
        on_step(f"{benchmark.name}: {contender.name}", len(found.cells))

    try:
        interleaved([*here, *copies], benchmark, taken, samples=plan.samples, on_sample=told)
    finally:
        for contestant, each in zip(here, taken, strict=False):
            samples = _with_few_figures(each.samples)
            found.cells.append(
                Cell(
                    contestant.contender,
                    benchmark.name,
                    samples,
                    refused=each.refused,
                    failed=each.failed,
                )
            )
        if copies:
            own, again = (
                [sample.wall_s for sample in each.samples] for each in (taken[0], taken[-1])
            )
            if own and again:
                found.ratios.append(ratio(own, again))


def _with_few_figures(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    return (
        *samples[:GAPS_KEPT],
        *(attrs.evolve(each, gaps_s=(), stream_latency_s=()) for each in samples[GAPS_KEPT:]),
    )


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, CPython "
        f"{platform.python_version()}"
    )
