"""One sample of a workload on a real world: start it, wait for its end, read its stream.

Nothing polls in here.  What the run's row tells is fetched after the clocks have stopped.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import attrs
import trio

from simworld.benchmark.taking import Taking
from simworld.benchmark.workload import Benchmark
from simworld.campaign import placed, preset
from simworld.engine import Results, StreamRef
from simworld.errors import UsageError
from simworld.records import Sample

if TYPE_CHECKING:
    from simworld.service import App, Settings

TIMEOUT_S = 600.0
"""After so long a run is given up."""
GROUNDS = {"memory": "atomic", "local": "local", "postgres": "postgres"}
"""Kind of a real world → the simulated one that has its knobs."""


def settings_of(engine: str, kind: str, *, sync: bool) -> Settings:
    """The knobs of a preset on a kind of real world, with the queue that goes with it.

    The preset whose engine is the service's own has the service's knobs of its worlds, too: that is
    what ``simworld serve`` runs.  Whatever the preset says, whoever waits for a run's end is told
    of it: polling measures itself.
    """
    from simworld.service import Settings  # noqa: PLC0415  (an extra)

    serving = Settings()
    variant = placed(preset(engine), GROUNDS[kind])
    worlds = serving if variant.engine == serving.engine else variant
    return Settings(
        engine=attrs.evolve(variant.engine, results=Results.TOLD),
        world=worlds.world,
        local=attrs.evolve(worlds.local, local_sync=sync),
        postgres=worlds.postgres,
    )


def synced(world: str, *, sync: bool) -> str:
    """What is on the disk before it counts, in words; a server is asked how it is set."""
    kind, _, where = world.partition(":")
    if kind == "memory":
        return "nothing is kept"
    if kind == "local":
        return "fsync of what is written, before it is answered" if sync else "no fsync"
    try:
        import psycopg  # noqa: PLC0415  (an extra)

        with psycopg.connect(where) as connection:
            set_to = [
                f"{name} {row[0]}"
                for name in ("fsync", "synchronous_commit")
                if (row := connection.execute(f"SHOW {name}".encode()).fetchone())
            ]
    except ImportError as error:
        raise UsageError("psycopg is missing: pip install 'simworld[postgres]'") from error
    except psycopg.Error as error:
        raise UsageError(f"the database cannot be reached: {type(error).__name__}") from error
    return ", ".join(set_to)


class _Reading:
    """A stream being read, and when its chunks came."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.arrived: list[float] = []
        self.first_s = 0.0
        """Of the machine's calendar clock, as rows have it."""
        self.slurp_s: float | None = None

    async def whole(self, chunks: AsyncIterator[bytes]) -> None:
        """Read to the end."""
        async for chunk in chunks:
            if not self.chunks:
                self.first_s = time.time()
            self.arrived.append(time.perf_counter())
            self.chunks.append(chunk)
        if self.arrived:
            self.slurp_s = time.perf_counter() - self.arrived[0]

    @property
    def content(self) -> bytes | None:
        """All of it; None where nothing was read."""
        return b"".join(self.chunks) if self.chunks else None


async def sampled(app: App, benchmark: Benchmark) -> Sample:
    """Take one sample; ``WrongOutput``, or what a run has failed with."""
    reading = _Reading()
    taking = Taking()
    run_id = await app.start(*benchmark.args)
    if benchmark.live:
        with trio.fail_after(TIMEOUT_S):
            await reading.whole(app.read_stream(run_id, benchmark.live))
    output = await app.result(run_id, timeout_s=TIMEOUT_S)
    if benchmark.streams and isinstance(output, StreamRef):
        with trio.fail_after(TIMEOUT_S):
            await reading.whole(app.read_stream(output.run_id, output.name))
    taking.ended()
    benchmark.check(output, reading.content)
    row = await app.run(run_id)
    sample = taking.sample(
        workflow_s=(row.completed_at_ms - row.created_at_ms) / 1_000,
        ttfb_s=reading.first_s - row.started_at_ms / 1_000 if reading.chunks else None,
        slurp_s=reading.slurp_s,
        arrived=reading.arrived if benchmark.live else (),
    )
    if benchmark.streams:  # bodies that have returned still write: what is outside is not known
        return attrs.evolve(sample, outside_s=None, gaps_s=())
    return sample
