"""Streams against what they are kept in; writes reports/streams.md.

Run with ``python -m bench.streams`` (under two minutes); ``--dir`` names a folder on the disk to
measure.  The same chunks go through workflows and straight to the files or tables of the same
world, with the same sync setting, in turns; contents are compared on both sides.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.metadata
import os
import pathlib
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import trio
from psycopg.conninfo import make_conninfo

from bench.report import table
from bench.shapes import CHUNK, MIB, pattern, xor, xor_key
from simworld.engine import (
    DEFAULT_STREAM,
    Program,
    StepContext,
    StreamRef,
    Workflow,
    gather,
    step,
    workflow,
)
from simworld.ports import Files, Row, Statement, Tables, TableSession
from simworld.service import App, Settings, working
from simworld.substrates import DiskFiles, PrivateServer, Sync, open_postgres
from simworld.worlds import ddl, world_tables

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORT = ROOT / "reports" / "streams.md"
COMMAND = "python -m bench.streams"
ROUNDS, FIRST_ROUNDS = 6, 15
TARGET, FIRST_TARGET = 0.5, 2.0
PATTERN = pattern(CHUNK)
WAIT_MS = 20
"""So long after its start a step writes: whoever reads waits by then."""

# --- through workflows ----------------------------------------------------------------------------


@step
async def pour(ctx: StepContext, size: int, pause_ms: int) -> StreamRef:
    """The pattern in chunks of 64 KiB."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // CHUNK):
            yield PATTERN
            if pause_ms:
                await ctx.sleep(pause_ms)

    return ctx.stream(chunks())


@step
async def compare(ctx: StepContext, sources: list[StreamRef], size: int, key: int) -> int:
    """Read every stream and compare its content; how many bytes that were."""
    for source in sources:
        content = b"".join([chunk async for chunk in ctx.read(source)])
        if content != pattern(size, key):
            raise ValueError(f"{source} holds {len(content)} bytes that are not the pattern")
    return len(sources) * size


@workflow
async def piped(count: int, size: int, pause_ms: int) -> int:
    """A stream through one XOR step after the other."""
    stream, key = await pour(size, pause_ms), 0
    for index in range(count):
        stream = await xor(stream, xor_key(index))
        key ^= xor_key(index)
    return await compare([stream], size, key)


@workflow
async def parallel(count: int, size: int, pause_ms: int) -> int:
    """Poured side by side, then read one after the other."""
    streams = await gather(*[pour(size, pause_ms) for _ in range(count)])
    return await compare(list(streams), size, 0)


@workflow
async def fanned(count: int, size: int, pause_ms: int) -> int:
    """Poured side by side, changed side by side, then read one after the other."""
    streams = await gather(*[pour(size, pause_ms) for _ in range(count)])
    changed = await gather(*[xor(stream, 7) for stream in streams])
    return await compare(list(changed), size, 7)


_written = 0.0
"""When the last first chunk was handed to its writer."""


@step
async def write_one(ctx: StepContext) -> None:
    """One chunk into the run's own stream, for somebody who waits for it."""
    global _written  # noqa: PLW0603  (the benchmark's clock, no run depends on it)
    await ctx.sleep(WAIT_MS)
    writer = ctx.get_writable()
    _written = time.perf_counter()
    await writer.write(PATTERN)
    await writer.close()


@workflow
async def first_chunk() -> None:
    """One chunk."""
    await write_one()


WORKFLOWS: Mapping[str, Workflow[..., Any]] = {
    "pipeline with 5 transforms (1 MB)": piped,
    "10 parallel streams (1 MB each)": parallel,
    "fan-out fan-in of 10 streams (1 MB each)": fanned,
}
COUNTS = {piped: 5, parallel: 10, fanned: 10}
STEPS = (pour, xor, compare, write_one)

# --- straight -------------------------------------------------------------------------------------

Write = Callable[[str, int, bytes], Awaitable[object]]
"""(stream, number, chunk)."""
Read = Callable[[str, int], Awaitable[Sequence[bytes]]]
"""(stream, how many chunks)."""


@attrs.frozen
class Straight:
    """The least that anybody can do with the same port: a write per chunk, a read per stream."""

    write: Write
    read: Read

    async def copy(self, name: str, source: Sequence[bytes]) -> Sequence[bytes]:
        """Write a stream; what is read of it then."""
        for number, chunk in enumerate(source):
            await self.write(name, number, chunk)
        found = await self.read(name, len(source))
        assert b"".join(found) == b"".join(source)
        return found

    async def side_by_side(self, name: str, count: int) -> None:
        """As many streams at once."""
        chunks = [PATTERN] * (MIB // CHUNK)
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(self.copy, f"{name}-{number}", chunks)

    async def run(self, flow: Workflow[..., Any], name: str) -> None:
        """As many streams, written and read once, as the workflow has, as far side by side."""
        if flow is piped:
            for number in range(COUNTS[flow] + 1):
                await self.side_by_side(f"{name}-{number}", 1)
        else:
            await self.side_by_side(f"{name}-a", COUNTS[flow])
            if flow is fanned:
                await self.side_by_side(f"{name}-b", COUNTS[flow])


def on_files(files: Files) -> Straight:
    """A file per chunk, a folder per stream."""

    async def write(name: str, number: int, chunk: bytes) -> object:
        return await files.link(f"straight/{name}/{number:08d}", chunk)

    async def read(name: str, count: int) -> Sequence[bytes]:
        return await files.read_on([f"straight/{name}/{number:08d}" for number in range(count)])

    return Straight(write, read)


async def _no_twin(session: TableSession, values: Row) -> Sequence[Row]:
    raise NotImplementedError("this is for a server")


ADD = Statement(
    "add a chunk",
    "INSERT INTO chunks (run_id, name, number, data) "
    "VALUES ('straight', %(name)s, %(number)s, %(data)s)",
    _no_twin,
    lambda values: {"chunk": True},
)
GET = Statement(
    "read the chunks",
    "SELECT data FROM chunks WHERE run_id = 'straight' AND name = %(name)s ORDER BY number",
    _no_twin,
    lambda values: {"chunk": False},
)


def on_tables(tables: Tables) -> Straight:
    """A row per chunk."""

    async def write(name: str, number: int, chunk: bytes) -> object:
        return await tables.run(ADD, name=name, number=number, data=chunk)

    async def read(name: str, count: int) -> Sequence[bytes]:
        return [row["data"] for row in await tables.run(GET, name=name)]

    return Straight(write, read)


# --- where ----------------------------------------------------------------------------------------


@attrs.frozen
class Ground:
    """A world, and what it is kept in beside it."""

    title: str
    world: str
    beside: str
    """Another folder or database."""
    sync: bool

    @property
    def settings(self) -> Settings:
        """What a real worker runs, with or without syncs."""
        serving = Settings()
        return attrs.evolve(serving, local=attrs.evolve(serving.local, local_sync=self.sync))

    @contextlib.asynccontextmanager
    async def straight(self) -> AsyncIterator[Straight]:
        """The port itself."""
        if self.world.startswith("local:"):
            yield on_files(DiskFiles(self.beside, sync=Sync.EACH if self.sync else Sync.NEVER))
            return
        text = ddl(world_tables(self.settings.postgres), "straight")
        async with open_postgres(self.beside, ddl=text, version="straight") as tables:
            yield on_tables(tables)


@contextlib.contextmanager
def grounds(place: str | None = None) -> Iterator[list[Ground]]:
    """Files in a temporary folder (of ``place``) and a private server, each both ways."""
    with (
        tempfile.TemporaryDirectory(prefix="streams-", dir=place) as folder,
        PrivateServer(durable=True) as server,
    ):
        lax = {"options": "-c synchronous_commit=off"}
        dsns = [make_conninfo(server.new_database(), **more) for more in ({}, {}, lax, lax)]
        yield [
            Ground("files, synced", f"local:{folder}/1", f"{folder}/2", sync=True),
            Ground("files, not synced", f"local:{folder}/3", f"{folder}/4", sync=False),
            Ground("PostgreSQL, synchronous_commit=on", f"postgres:{dsns[0]}", dsns[1], sync=True),
            Ground(
                "PostgreSQL, synchronous_commit=off", f"postgres:{dsns[2]}", dsns[3], sync=False
            ),
        ]


# --- measuring ------------------------------------------------------------------------------------


@attrs.frozen
class Took:
    """Seconds of one job."""

    wall: float
    cpu: float


async def timed(job: Callable[[], Awaitable[object]]) -> Took:
    """Run it without garbage collection."""
    gc.collect()
    gc.disable()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        await job()
    finally:
        gc.enable()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


async def through(app: App, flow: Workflow[..., Any], pause_ms: int) -> None:
    """The workflow, its streams compared in it."""
    run_id = await app.start_run(flow, COUNTS[flow], MIB, pause_ms)
    total = await app.result(run_id)
    assert total == (MIB if flow is piped else COUNTS[flow] * MIB)


async def first_byte(app: App) -> float:
    """From the call of the first write until somebody who waits for it has it."""
    run_id = await app.start_run(first_chunk)
    async for chunk in app.read_stream(run_id, DEFAULT_STREAM):
        took = time.perf_counter() - _written
        assert chunk == PATTERN
    await app.result(run_id)
    return took


async def round_trip(straight: Straight, name: str) -> float:
    """Write one chunk, then read it."""
    began = time.perf_counter()
    await straight.copy(name, [PATTERN])
    return time.perf_counter() - began


@attrs.frozen
class Load:
    """One round of a workload."""

    straight: Took
    poured: Took
    paused: Took


async def loads(straight: Straight, app: App, number: int) -> list[Load]:
    """One round of every workload."""
    found = []
    for flow in WORKFLOWS.values():
        jobs = {
            "straight": partial(straight.run, flow, f"{flow.name}-{number}"),
            "poured": partial(through, app, flow, 0),
            "paused": partial(through, app, flow, 1),
        }
        order = sorted(jobs, reverse=number % 2 == 1)  # a disk may tire, so nobody is always first
        took = {name: await timed(jobs[name]) for name in order}
        found.append(Load(**took))
    return found


@attrs.frozen
class Measured:
    """A ground."""

    title: str
    rounds: list[list[Load]]
    firsts: list[tuple[float, float]]
    """(round trip, first byte) in seconds."""


async def measure(ground: Ground) -> Measured:
    """All workloads, in turns with the straight way; what comes first only warms up."""
    program = Program.of(piped, *STEPS, children=(parallel, fanned, first_chunk))
    async with (
        ground.straight() as straight,
        working(ground.world, program, settings=ground.settings) as worker,
    ):
        app = worker.app
        rounds = [await loads(straight, app, number) for number in range(ROUNDS + 1)]
        firsts = [
            (await round_trip(straight, f"first-{number}"), await first_byte(app))
            for number in range(FIRST_ROUNDS + 3)
        ]
    return Measured(ground.title, rounds[1:], firsts[3:])


# --- telling --------------------------------------------------------------------------------------


def met(value: float, *, least: float = 0.0, most: float = 0.0) -> str:
    """The figure, and whether it keeps its target."""
    kept = value <= most if most else value >= least
    return f"{value:.2f} {'✓' if kept else '✗'}"


def load_lines(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A line per ground and workload."""
    for each in measured:
        for place, (title, flow) in enumerate(WORKFLOWS.items()):
            rounds = [found[place] for found in each.rounds]
            megabytes = COUNTS[flow] + 1 if flow is piped else COUNTS[flow] * (1 + (flow is fanned))

            def rate(took: Sequence[Took], megabytes: int = megabytes) -> str:
                return f"{megabytes / statistics.median(one.wall for one in took):,.0f} MB/s"

            def ratio(pairs: Iterator[tuple[float, float]]) -> float:
                return statistics.median(own / other for own, other in pairs)

            wall = ratio((one.straight.wall, one.poured.wall) for one in rounds)
            cpu = ratio((one.straight.cpu, one.poured.cpu) for one in rounds)
            paused = ratio((one.straight.wall, one.paused.wall) for one in rounds)
            yield (
                each.title,
                title,
                rate([one.straight for one in rounds]),
                rate([one.poured for one in rounds]),
                met(wall, least=TARGET),
                f"{cpu:.2f}",
                f"{paused:.2f}",
            )


def first_lines(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A line per ground."""
    for each in measured:
        trips, firsts = zip(*each.firsts, strict=True)
        ratio = statistics.median(first / trip for trip, first in each.firsts)
        yield (
            each.title,
            f"{statistics.median(trips) * 1_000:.2f} ms",
            f"{statistics.median(firsts) * 1_000:.2f} ms",
            met(ratio, most=FIRST_TARGET),
        )


HEAD = """\
# Streams against what they are kept in

Generated by `{command}`; do not edit. Every figure is of that one run.

* Machine: {cores} cores ({machine}), {python}, {system}; simworld {version}; load average when \
the run began: {load:.1f}.
* Medians of {rounds} rounds in which all take turns, after one that only warms up; ratios are \
taken within a round. Chunks are 64 KiB, and every content is compared, on both sides.
* *Straight*: the same `Files` or `Tables` with the same sync setting, one write (`link`, or an \
`INSERT` that commits) per chunk and one read per stream, for as many streams, as many of them \
side by side, as the workflow has.
* *Through workflows*: what a real worker runs, in this process, from the start of the run to its \
result, so steps, their events and all reading are in it. Every stream is written once and read \
once: MB/s counts its bytes once.
* The target is judged without the pause of 1 ms that the generator of the specification makes \
after each chunk; *with the pause* has it, on the side of the workflows alone.
* *Synced*: `fsync` of every file and of its folder before a write is answered. Files were in \
`{place}`. The server has `fsync=on`.
"""
FIRST = """
## Time to the first byte

*Round trip*: one chunk is written straight, then read. *First byte*: from a step's call of its \
writer, the stream being new, until a reader who waits for it has the chunk; medians of {count}.
"""


def page(measured: Sequence[Measured], load: float, place: str) -> str:
    """The whole report."""
    head = HEAD.format(
        command=COMMAND,
        cores=os.cpu_count(),
        machine=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system(),
        version=importlib.metadata.version("simworld"),
        load=load,
        place=place,
        rounds=ROUNDS,
    )
    columns = (
        "kept in",
        "workload",
        "straight",
        "through workflows",
        f"ratio (≥ {TARGET})",
        "by CPU time",
        "with the pause",
    )
    lines = [head, *table(columns, load_lines(measured)), FIRST.format(count=FIRST_ROUNDS)]
    lines += table(
        ("kept in", "round trip", "first byte", f"ratio (≤ {FIRST_TARGET:.0f})"),
        first_lines(measured),
    )
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="bench.streams", description=__doc__)
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="where files are kept")
    place = parser.parse_args(argv).dir
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # who is ended cleans up, too
    load = os.getloadavg()[0]
    with grounds(place) as places:
        measured = [trio.run(measure, each) for each in places]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(page(measured, load, place), encoding="utf-8")
    print(f"{REPORT.relative_to(ROOT)}:")
    for line in (*load_lines(measured), *first_lines(measured)):
        print("  " + "  ".join(line))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
