"""Benchmarks as data: who was measured, one sample, exact counts, and what all of them came to."""

from __future__ import annotations

import math

import attrs

IN_PROCESS = "in-process"
"""The front that is none: the queue calls the handler."""
VIRTUAL = "sim:"
"""Before the name of a world: simulated, in virtual time."""


@attrs.frozen
class Contender:
    """Whoever is measured: an engine on a world, behind a front."""

    world: str
    """``sim:local``, ``local``, ``postgres`` …; a peer's own: ``its local``, ``sqlite`` …"""
    engine: str
    """A preset, or the name of a peer."""
    front: str = IN_PROCESS

    @property
    def is_virtual(self) -> bool:
        """Whether time is virtual there."""
        return self.world.startswith(VIRTUAL)

    @property
    def name(self) -> str:
        """All of it in a few words."""
        front = "" if self.front == IN_PROCESS else f" behind {self.front}"
        return f"{self.engine} on {self.world}{front}"


@attrs.frozen
class Sample:
    """One run of one workload, in seconds; None is what cannot be known."""

    wall_s: float
    """From before the start until the output, and of a stream the last byte, is there."""
    cpu_s: float
    """CPU time of the contender's process and of those it has waited for, meanwhile."""
    workflow_s: float | None = None
    """completedAt − createdAt, as the run's row has them."""
    ttfb_s: float | None = None
    """First byte of the stream − startedAt (or − the start of the run, where no row tells)."""
    slurp_s: float | None = None
    """First byte → end of the stream."""
    first_step_s: float | None = None
    """Start of the run → begin of the first body (TTFS)."""
    last_step_s: float | None = None
    """Start of the run → begin of the last body (TTLS)."""
    outside_s: float | None = None
    """The part of the wall time in which no body was under way (WO)."""
    gaps_s: tuple[float, ...] = ()
    """End of a body → begin of the next one (STSO), in order; a step's index is its place."""
    stream_overhead_s: float | None = None
    """First chunk written → it is with a reader who was there already (SO)."""
    stream_latency_s: tuple[float, ...] = ()
    """Each chunk written → it is with that reader (SL), in order."""


# --- between a contender's process and whoever takes samples --------------------------------------


@attrs.frozen
class Hello:
    """The first line of a contender: what it is, or why it cannot be."""

    synced: str = ""
    """What is on the disk before it counts, in words: ``fsync of every file``."""
    version: str = ""
    """Of a peer."""
    absent: str = ""
    """Why it cannot be measured here, and what would help; it ends then."""


@attrs.frozen
class Ask:
    """One request: take one sample."""

    workload: str
    """By its name."""
    nth: int = 0
    """The how manieth of this workload, the ones that only warm up included."""


@attrs.frozen
class Told:
    """One answer, to one ``Ask``; exactly one of the three."""

    sample: Sample | None = None
    refused: str = ""
    """It cannot express this workload, and why; that is no failure, and it is not asked again."""
    failed: str = ""
    """What went wrong, wrong output and wrong stream content included."""


# --- what came of it ------------------------------------------------------------------------------


@attrs.frozen
class Counts:
    """What one run in virtual time took: exact, the same in every run."""

    virtual_ms: int
    """completedAt − createdAt."""
    messages: int
    """Sent to the queue."""
    invocations: int
    """Deliveries of them."""
    passes: int
    events: int
    rows_read: int
    """Rows of the log that were read, each time they were."""
    bytes_written: int
    """Of payloads that were recorded, and of streams that were written."""
    operations: int = 0
    """Of the world and its queue; below a world of files or tables each of those counts."""


@attrs.frozen
class Cell:
    """One contender on one workload."""

    contender: Contender
    workload: str
    samples: tuple[Sample, ...] = ()
    counts: Counts | None = None
    """In virtual time."""
    refused: str = ""
    failed: str = ""

    def values(self, metric: str) -> list[float]:
        """What the samples say of it, in their order; each field of ``Sample`` is a metric."""
        found: list[float] = []
        for sample in self.samples:
            value = getattr(sample, metric)
            if isinstance(value, tuple):
                found += value
            elif value is not None:
                found.append(value)
        return found

    def mean(self, metric: str) -> float | None:
        """The mean over the samples, as upstream reports it."""
        values = self.values(metric)
        return sum(values) / len(values) if values else None

    def percentile(self, metric: str, percent: float) -> float | None:
        """The smallest value that so many percent of all do not exceed."""
        values = sorted(self.values(metric))
        return values[max(0, math.ceil(len(values) * percent / 100) - 1)] if values else None

    @property
    def overhead_s(self) -> float | None:
        """Wall time − workflow time, of their means."""
        wall_s, workflow_s = self.mean("wall_s"), self.mean("workflow_s")
        return None if wall_s is None or workflow_s is None else wall_s - workflow_s

    @property
    def time_s(self) -> float | None:
        """What rows are sorted by: workflow time, or wall time where that is not known."""
        workflow_s = self.mean("workflow_s")
        return self.mean("wall_s") if workflow_s is None else workflow_s


@attrs.frozen
class WorkloadInfo:
    """What tables say of a workload."""

    name: str
    stream: bool = False
    """It belongs in the section of streams."""
    steps: int = 0
    """How many steps the run has, where that is the point of it."""
    family: str = ""
    """Workloads that differ only in the number of steps."""
    noop: bool = False
    """Its bodies do nothing, so that what is measured is overhead alone."""


@attrs.frozen
class Bench:
    """Everything that ``simworld bench`` has measured."""

    command: str
    workloads: tuple[WorkloadInfo, ...]
    cells: tuple[Cell, ...]
    machine: str = ""
    """Empty in virtual time, where it does not matter."""
    sync: bool = True
    """Whether what counts was on the disk."""
    synced: tuple[tuple[str, str], ...] = ()
    """Contender → what it syncs, in its own words."""
    absent: tuple[tuple[str, str], ...] = ()
    """Contender → why it was not measured."""
    noise: float | None = None
    """How far the first contender was from a second copy of itself (A/A), at most: 0.05 is 5 %."""
    interrupted: bool = False
