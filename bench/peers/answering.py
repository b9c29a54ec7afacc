"""What all peers share: the loop that answers, and the way a run is measured on asyncio."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs

from bench.shapes import benchmarks
from simworld.benchmark import Benchmark, Channel, Taking
from simworld.records import Sample, Told

TIMEOUT_S = 600.0
"""After so long a run is given up."""
QUIET_S, BUSY_SHARE = 0.05, 0.1
"""A process that takes no more than this share of a core for so long has nothing left to do."""

Take = Callable[[Benchmark], Awaitable[Sample]]


class Refusal(Exception):
    """The peer has no way to express the workload."""


@attrs.define
class Reading:
    """A stream being read to its end."""

    chunks: list[bytes] = attrs.Factory(list)
    arrived: list[float] = attrs.Factory(list)
    first_s: float = 0.0
    """Of the machine's calendar clock, as rows have it."""

    async def whole(self, source: AsyncIterator[bytes]) -> None:
        """Read all of it."""
        async for chunk in source:
            if not self.chunks:
                self.first_s = time.time()
            self.arrived.append(time.perf_counter())
            self.chunks.append(chunk)

    @property
    def content(self) -> bytes | None:
        """What it held; None where nothing was read."""
        return b"".join(self.chunks) if self.chunks else None

    def sample(
        self, taking: Taking, began_s: float, *, live: bool, workflow_s: float | None = None
    ) -> Sample:
        """The sample of a run that has begun at ``began_s`` of the machine's calendar clock."""
        read = bool(self.chunks)
        sample = taking.sample(
            workflow_s=workflow_s,
            ttfb_s=self.first_s - began_s if read else None,
            slurp_s=self.arrived[-1] - self.arrived[0] if read else None,
            arrived=self.arrived if live else (),
        )
        return attrs.evolve(sample, outside_s=None, gaps_s=()) if read else sample


async def answer_all(channel: Channel, take: Take) -> None:
    """Answer until nobody asks any more."""
    known = {each.name: each for each in benchmarks}
    while (ask := await asyncio.to_thread(channel.asked)) is not None:
        channel.tell(await _answer(known.get(ask.workload), ask.workload, take))


async def _answer(benchmark: Benchmark | None, name: str, take: Take) -> Told:
    if benchmark is None:
        return Told(failed=f"there is no workload {name!r}")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            sample = await take(benchmark)
            await quiet()
    except Refusal as refusal:
        return Told(refused=str(refusal))
    except Exception as error:
        traceback.print_exception(error, file=sys.stderr)
        return Told(failed=f"{type(error).__name__}: {error}")
    return Told(sample=sample)


async def quiet() -> None:
    """Wait until this process has done what it has left over, which is no part of a sample."""
    while True:
        began = time.process_time()
        await asyncio.sleep(QUIET_S)
        if time.process_time() - began < QUIET_S * BUSY_SHARE:
            return
