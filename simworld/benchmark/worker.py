"""A contender of our own, as a process: ``python -m simworld.benchmark.worker --world … …``.

It speaks the ``protocol``.  Below ``local:DIR`` every workload has a world of its own; in a
database they share the tables.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Mapping

import trio

from simworld.benchmark.fronts import behind, check_installed
from simworld.benchmark.loading import load_benchmarks
from simworld.benchmark.protocol import Channel
from simworld.benchmark.real import sampled, settings_of, synced
from simworld.benchmark.workload import Benchmark, WrongOutput
from simworld.errors import SimworldError
from simworld.records import Ask, Hello, Told


def main(argv: list[str] | None = None) -> None:
    """Answer until nobody asks any more."""
    parser = argparse.ArgumentParser(prog="simworld.benchmark.worker", allow_abbrev=False)
    parser.add_argument("--world", required=True, help="memory, local:DIR or postgres:DSN")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--front", required=True)
    parser.add_argument("--sync", choices=("on", "off"), required=True)
    parser.add_argument("--workloads")
    args = parser.parse_args(argv)
    channel = Channel()
    try:
        known = load_benchmarks(args.workloads)
        check_installed(args.front)
        settings_of(args.engine, _kind(args.world), sync=args.sync == "on")
        hello = Hello(synced=synced(args.world, sync=args.sync == "on"))
    except (SimworldError, ImportError) as error:
        channel.hello(Hello(absent=str(error)))
        return
    channel.hello(hello)
    trio.run(_answer_all, channel, known, args)


def _kind(world: str) -> str:
    return world.partition(":")[0]


async def _answer_all(
    channel: Channel, known: Mapping[str, Benchmark], args: argparse.Namespace
) -> None:
    ask = await trio.to_thread.run_sync(channel.asked)
    count = 0
    while ask is not None:
        count += 1
        benchmark = known.get(ask.workload)
        if benchmark is None:
            channel.tell(Told(failed=f"there is no workload {ask.workload!r}"))
            ask = await trio.to_thread.run_sync(channel.asked)
            continue
        world = f"{args.world}/{count}" if _kind(args.world) == "local" else args.world
        try:
            ask = await _answer(channel, benchmark, world, args)
        except Exception as error:  # it cannot be opened, or not be closed
            _complain(error)
            channel.tell(Told(failed=_told(error)))
            ask = await trio.to_thread.run_sync(channel.asked)


async def _answer(
    channel: Channel, benchmark: Benchmark, world: str, args: argparse.Namespace
) -> Ask | None:
    """Answer as long as it is asked for this workload; the question after that."""
    settings = settings_of(args.engine, _kind(world), sync=args.sync == "on")
    async with behind(args.front, world, benchmark.program, settings) as app:
        while True:
            try:
                told = Told(sample=await sampled(app, benchmark))
            except Exception as error:
                _complain(error)
                told = Told(failed=_told(error))
            channel.tell(told)
            ask = await trio.to_thread.run_sync(channel.asked)
            if ask is None or ask.workload != benchmark.name:
                return ask


def _complain(error: BaseException) -> None:
    traceback.print_exception(error, file=sys.stderr)


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, WrongOutput) else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
