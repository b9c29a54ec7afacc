"""vercel-workflow, as a contender: ``python -m bench.peers.vercel_worker --folder DIR``.

It runs on its own local world (files) and its own embedded queue, all in this process.  Whoever
waits for a run there looks once a second; so that nobody polls in the measured path, its end is
seen where it is written, and its times are the run's own besides.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import os

from bench.peers.answering import Reading, Refusal, answer_all
from simworld.benchmark import Benchmark, Channel, Taking
from simworld.records import Hello, Sample

LIVE = "live"
ABSENT = "vercel-workflow is not installed: pip install 'simworld[peers]'"
SYNCED = "nothing: files are written and renamed, none is synced"
"""There is no fsync in its local world, and no setting that would make it have one."""
TOLD_TWICE = ("parallel_streams", "fan_out_fan_in")
TWICE = (
    "a step behind parallel ones is run by every delivery that finds those done, so its stream "
    "is written several times over"
)
ENDED = ("completed", "failed", "cancelled")


def main(argv: list[str] | None = None) -> None:
    """Answer until nobody asks any more."""
    parser = argparse.ArgumentParser(prog="bench.peers.vercel_worker", allow_abbrev=False)
    parser.add_argument("--folder", required=True)
    args = parser.parse_args(argv)
    channel = Channel()
    os.environ["WORKFLOW_LOCAL_DATA_DIR"] = args.folder
    logging.disable(logging.WARNING)  # it tells of every delivery that comes too late
    try:
        from bench.peers import vercel_flows  # noqa: PLC0415  (an extra)
    except ImportError as error:
        channel.hello(Hello(absent=f"{ABSENT} ({error})"))
        return
    asyncio.run(_answer(channel, _Vercel(vercel_flows.FLOWS)))


async def _answer(channel: Channel, vercel: _Vercel) -> None:
    version = importlib.metadata.version("vercel-workflow")
    channel.hello(Hello(synced=SYNCED, version=version))
    try:
        await answer_all(channel, vercel.take)
    finally:
        await vercel.close()


class _Vercel:
    """Its local world and its queue."""

    def __init__(self, flows) -> None:
        from vercel.workflow._internal.world import set_world  # noqa: PLC0415
        from vercel.workflow._internal.worlds.local import LocalWorld  # noqa: PLC0415

        ended: dict[str, asyncio.Event] = {}

        class World(LocalWorld):
            """Tells of a run's end."""

            async def events_create(self, run_id, data):
                result = await super().events_create(run_id, data)
                if result.run is not None and result.run.status in ENDED:
                    ended.setdefault(result.run.run_id, asyncio.Event()).set()
                return result

        self._flows = flows
        self._ended = ended
        self._world = World()
        set_world(self._world)

    async def close(self) -> None:
        """End the queue."""
        await self._world.aclose()

    async def take(self, benchmark: Benchmark) -> Sample:
        """One sample; ``Refusal`` where it cannot be done there."""
        from vercel.workflow import start  # noqa: PLC0415

        name = benchmark.workflow.name
        if name in TOLD_TWICE:
            raise Refusal(TWICE)
        if name not in self._flows:
            raise Refusal(f"{name} is not written for vercel-workflow")
        reading = Reading()
        taking = Taking()
        run = await start(self._flows[name], *benchmark.args)
        if benchmark.live:
            await reading.whole(run.readable_bytes(namespace=LIVE))
        await self._ended.setdefault(run.run_id, asyncio.Event()).wait()
        output = await run.return_value()
        if benchmark.streams and not benchmark.live:
            await reading.whole(run.readable_bytes(namespace=output))
        taking.ended()
        del self._ended[run.run_id]
        benchmark.check(output, reading.content)
        row = await self._world.runs_get(run.run_id)
        spent = row.completed_at - row.created_at
        return reading.sample(
            taking,
            row.started_at.timestamp(),
            live=bool(benchmark.live),
            workflow_s=spent.total_seconds(),
        )


if __name__ == "__main__":
    main()
