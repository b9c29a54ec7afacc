"""Timing that survives a busy machine: jobs take turns, medians count, CPU time stands beside.

Whatever disturbs the machine disturbs all jobs of a round alike, so ratios are taken within a round
and then the median over the rounds.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import attrs

Job = Callable[[], object]


@attrs.frozen
class Timed:
    """One job's seconds per round."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def wall_s(self) -> float:
        """Median wall time of a round."""
        return statistics.median(self.wall)

    @property
    def cpu_s(self) -> float:
        """Median CPU time of a round."""
        return statistics.median(self.cpu)

    def ratio(self, other: Timed) -> float:
        """How many times as long as ``other`` it takes, by CPU time, round by round."""
        return statistics.median(
            own / against for own, against in zip(self.cpu, other.cpu, strict=True)
        )


@contextmanager
def no_collector() -> Iterator[None]:
    """As in a hunt: no garbage collection while the clock runs."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def interleaved(jobs: Mapping[str, Job], *, rounds: int) -> dict[str, Timed]:
    """Run every job once per round, after one round that is not counted."""
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    cpu: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            gc.collect()
            with no_collector():
                wall_began, cpu_began = time.perf_counter(), time.process_time()
                job()
                cpu_ended, wall_ended = time.process_time(), time.perf_counter()
            if number:
                wall[name].append(wall_ended - wall_began)
                cpu[name].append(cpu_ended - cpu_began)
    return {name: Timed(tuple(wall[name]), tuple(cpu[name])) for name in jobs}
