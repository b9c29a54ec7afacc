"""Taking one sample: the clocks around a run, and what its bodies note meanwhile.

Bodies note on the clock of the machine, which all of its processes share.  In virtual time they do
so, too, and nobody reads it: no run depends on what they note.
"""

from __future__ import annotations

import gc
import itertools
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from simworld.records import Sample

_bodies: list[tuple[float, float]] = []
_chunks: list[float] = []


@contextmanager
def body() -> Iterator[None]:
    """Around all that a step's body does: note when it began and ended."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _bodies.append((began, time.perf_counter()))


def wrote() -> None:
    """A body is about to write a chunk to a stream that somebody reads live."""
    _chunks.append(time.perf_counter())


def forget() -> None:
    """Nothing has been noted yet."""
    _bodies.clear()
    _chunks.clear()


def cpu_s() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


class Taking:
    """One sample being taken: its clocks run from here to ``ended``."""

    def __init__(self) -> None:
        gc.collect()
        forget()
        self._cpu_began = cpu_s()
        self.began = time.perf_counter()
        self._wall_s = self._cpu_s = 0.0

    def ended(self) -> None:
        """The output, and of a stream the last byte, is there."""
        self._wall_s = time.perf_counter() - self.began
        self._cpu_s = cpu_s() - self._cpu_began

    def sample(
        self,
        *,
        workflow_s: float | None = None,
        ttfb_s: float | None = None,
        slurp_s: float | None = None,
        arrived: Sequence[float] = (),
    ) -> Sample:
        """The sample; ``arrived``: when a live reader had the chunks that bodies noted."""
        late = [there - gone for gone, there in zip(_chunks, arrived, strict=False)]
        bodies = sorted(_bodies)
        return Sample(
            wall_s=_rounded(self._wall_s),
            cpu_s=_rounded(self._cpu_s),
            workflow_s=workflow_s,
            ttfb_s=None if ttfb_s is None else _rounded(ttfb_s),
            slurp_s=None if slurp_s is None else _rounded(slurp_s),
            first_step_s=_rounded(bodies[0][0] - self.began) if bodies else None,
            last_step_s=_rounded(bodies[-1][0] - self.began) if bodies else None,
            outside_s=_rounded(self._wall_s - covered(bodies)) if bodies else None,
            gaps_s=tuple(map(_rounded, gaps(bodies))),
            stream_overhead_s=_rounded(late[0]) if late else None,
            stream_latency_s=tuple(map(_rounded, late)),
        )


def _rounded(value_s: float) -> float:
    """To microseconds: what is beyond is noise, and makes files long."""
    return round(value_s, 6)


def covered(bodies: Sequence[tuple[float, float]]) -> float:
    """How long at least one of the intervals, sorted by their begins, lasted."""
    total, until = 0.0, float("-inf")
    for began, ended in bodies:
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def gaps(bodies: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """From the end of each to the begin of the next one; nothing where two of them overlap."""
    found = []
    for (_, ended), (began, _) in itertools.pairwise(bodies):
        if began < ended:
            return ()
        found.append(began - ended)
    return tuple(found)
