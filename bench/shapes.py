"""The benchmark workloads of spec §8.2 by their names, as workflows with their expected results.

Beside the ★ rows and those of the full suite there are twins without work: what they take is
overhead alone.  Of a stream the whole content is compared, not only counted.  A body says ``with
body()``, which notes when it begins and ends, and nothing that the run depends on.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial

import attrs

from simworld.benchmark import WINDOW_S, Benchmark, Peer, body, wrote
from simworld.engine import (
    DEFAULT_STREAM,
    FatalError,
    StepContext,
    StreamRef,
    gather,
    race,
    step,
    workflow,
)

PAYLOAD = "x" * 10_240
CHUNK = 64 * 1_024
MIB = 1_024 * 1_024
LINES = 50


# --- steps that take time -------------------------------------------------------------------------


@step
async def nap(ctx: StepContext, duration_ms: int, value: int) -> int:
    """Take a while and give the value back."""
    with body():
        await ctx.sleep(duration_ms)
    return value


@step
async def nothing(ctx: StepContext, value: int) -> int:
    """Give the value back."""
    with body():
        return value


@workflow
async def no_steps(value: int) -> int:
    """Twice the input."""
    return 2 * value


@workflow
async def one_step(value: int) -> int:
    """A step's result and the input."""
    return await nap(1_000, value) + value


@workflow
async def sequential(count: int, duration_ms: int) -> int:
    """One step after the other."""
    for index in range(count):
        await nap(duration_ms, index)
    return 42


@workflow
async def concurrent(count: int) -> int:
    """All steps at once."""
    return len(await gather(*[nap(1_000, index) for index in range(count)]))


@workflow
async def sequential_nothing(count: int) -> int:
    """One step after the other, none of which does anything."""
    for index in range(count):
        await nothing(index)
    return count


@workflow
async def concurrent_nothing(count: int) -> int:
    """All steps at once, none of which does anything."""
    return len(await gather(*[nothing(index) for index in range(count)]))


@workflow
async def racing(count: int) -> int:
    """All steps at once; the winner leaves the race, until nobody is left."""
    running = {index: nap(1_000, index) for index in range(count)}
    finished = 0
    while running:
        del running[(await race(*running.values())).value]
        finished += 1
    return finished


# --- payloads -------------------------------------------------------------------------------------


@attrs.frozen
class Parcel:
    """A payload that tells of itself."""

    data: str
    length: int
    checksum: str


@step
async def carry(ctx: StepContext, data: str) -> Parcel:
    """Give the data back, with its length and the characters at its ends."""
    with body():
        return Parcel(data, len(data), data[0] + data[-1])


@workflow
async def sequential_payload(count: int, data: str) -> int:
    """The same payload through one step after the other; its length at the end."""
    for _ in range(count):
        data = (await carry(data)).data
    return len(data)


@workflow
async def concurrent_payload(count: int, data: str) -> int:
    """The payload through all steps at once; how many gave all of it back."""
    parcels = await gather(*[carry(data) for _ in range(count)])
    return sum(1 for parcel in parcels if parcel.length == len(data) and parcel.checksum == "xx")


# --- streams --------------------------------------------------------------------------------------


def text_line(index: int) -> bytes:
    """A line of a hundred bytes."""
    return f"chunk {index:02d} ".encode().ljust(99, b".") + b"\n"


@step
async def tell_lines(ctx: StepContext) -> StreamRef:
    """Fifty lines of a hundred bytes, 10 ms apart."""

    async def lines() -> AsyncIterator[bytes]:
        for index in range(LINES):
            await ctx.sleep(10)
            yield text_line(index)

    with body():
        return ctx.stream(lines())


@step
async def upper(ctx: StepContext, source: StreamRef) -> StreamRef:
    """The stream in capitals."""

    async def changed() -> AsyncIterator[bytes]:
        async for chunk in ctx.read(source):
            yield chunk.upper()

    with body():
        return ctx.stream(changed())


@workflow
async def with_stream() -> StreamRef:
    """Lines, in capitals."""
    return await upper(await tell_lines())


@step
async def tell_live(ctx: StepContext) -> None:
    """The same lines into the run's own stream, which somebody reads meanwhile."""
    with body():
        writer = ctx.get_writable()
        for index in range(LINES):
            await ctx.sleep(10)
            wrote()
            await writer.write(text_line(index))


@step
async def close(ctx: StepContext) -> None:
    """End the run's own stream."""
    with body():
        await ctx.get_writable().close()


@workflow
async def with_live_stream() -> None:
    """Lines for a reader who is there already."""
    await tell_live()
    await close()


def pattern(size: int, key: int = 0) -> bytes:
    """Byte value = global offset mod 256, XORed with ``key``."""
    block = bytes(offset ^ key for offset in range(256))
    return block * (size // 256)


@step
async def generate(ctx: StepContext, size: int) -> StreamRef:
    """The pattern in chunks of 64 KiB, a pause of 1 ms after each."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // CHUNK):
            yield pattern(CHUNK)
            await ctx.sleep(1)

    with body():
        return ctx.stream(chunks())


@step
async def xor(ctx: StepContext, source: StreamRef, key: int) -> StreamRef:
    """Every byte of the stream XORed with the key."""
    table = bytes(value ^ key for value in range(256))

    async def changed() -> AsyncIterator[bytes]:
        async for chunk in ctx.read(source):
            yield chunk.translate(table)

    with body():
        return ctx.stream(changed())


@step
async def verify(ctx: StepContext, sources: list[StreamRef], size: int, key: int) -> StreamRef:
    """Read every stream, compare its content, and tell how much there was, as one JSON chunk."""
    total = 0
    for source in sources:
        content = b"".join([chunk async for chunk in ctx.read(source)])
        if content != pattern(size, key):
            raise FatalError(f"{source} holds {len(content)} bytes that are not the pattern")
        total += len(content)
    summary = json.dumps({"totalBytes": total, "streamCount": len(sources)}).encode()

    async def one() -> AsyncIterator[bytes]:
        yield summary

    with body():
        return ctx.stream(one())


def xor_key(index: int) -> int:
    """The key of a pipeline's step."""
    return (index + 1) % 256


@workflow
async def pipeline(transforms: int, size: int) -> StreamRef:
    """A generated stream through one XOR step after the other."""
    stream = await generate(size)
    for index in range(transforms):
        stream = await xor(stream, xor_key(index))
    return stream


@workflow
async def parallel_streams(count: int, size: int) -> StreamRef:
    """Generate side by side, then read all of them in one step."""
    streams = await gather(*[generate(size) for _ in range(count)])
    return await verify(list(streams), size, 0)


@workflow
async def fan_out_fan_in(count: int, size: int) -> StreamRef:
    """Generate side by side, change side by side, then read all of them in one step."""
    streams = await gather(*[generate(size) for _ in range(count)])
    changed = await gather(*[xor(stream, 7) for stream in streams])
    return await verify(list(changed), size, 7)


# --- the tables of the spec -----------------------------------------------------------------------


def _trivial() -> Iterator[Benchmark]:
    name = "workflow with no steps"
    yield Benchmark(name, no_steps, (), (42,), 84, window_s=WINDOW_S)
    name = "workflow with 1 step"
    yield Benchmark(name, one_step, (nap,), (100,), 200, ideal_ms=1_000, window_s=WINDOW_S)


def _sequences() -> Iterator[Benchmark]:
    star = ((10, 1_000), (25, 500), (50, 200))
    for count, each_ms in (*star, (100, 100), (500, 50), (1_000, 10)):
        yield Benchmark(
            f"workflow with {count} sequential steps",
            sequential,
            (nap,),
            (count, each_ms),
            42,
            ideal_ms=count * each_ms,
            full=count > 50,
            step_count=count,
        )


def _crowds() -> Iterator[Benchmark]:
    for name, flow in (("Promise.all", concurrent), ("Promise.race", racing)):
        for count in (10, 25, 50, 100, 500, 1_000):
            yield Benchmark(
                f"{name} with {count} concurrent steps",
                flow,
                (nap,),
                (count,),
                count,
                ideal_ms=1_000,
                full=count > 50,
                step_count=count,
                family=name,
            )


def _payloads() -> Iterator[Benchmark]:
    for word, flow in (("sequential", sequential_payload), ("concurrent", concurrent_payload)):
        for count in (10, 25, 50, 100, 500):
            yield Benchmark(
                f"{count} {word} data payload steps (10KB)",
                flow,
                (carry,),
                (count, PAYLOAD),
                len(PAYLOAD) if word == "sequential" else count,
                full=count > 50,
                step_count=count,
                family=f"{word} data payload steps (10KB)",
            )


def _nothings() -> Iterator[Benchmark]:
    for count in (10, 25, 50, 1_000):
        yield Benchmark(
            f"{count} sequential no-op steps",
            sequential_nothing,
            (nothing,),
            (count,),
            count,
            window_s=WINDOW_S if count <= 50 else 0.0,
            step_count=count,
            family="sequential no-op steps",
            noop=True,
        )
    for count in (10, 25, 50, 100):
        yield Benchmark(
            f"gather of {count} no-op steps",
            concurrent_nothing,
            (nothing,),
            (count,),
            count,
            window_s=WINDOW_S,
            full=count > 50,
            step_count=count,
            family="gather of no-op steps",
            noop=True,
        )


def _lines() -> bytes:
    return b"".join(text_line(index) for index in range(LINES))


def _few_lines() -> Iterator[Benchmark]:
    yield Benchmark(
        "workflow with stream",
        with_stream,
        (tell_lines, upper),
        (),
        content=lambda: _lines().upper(),
        ideal_ms=500,
        window_s=WINDOW_S,
    )
    yield Benchmark(
        "workflow with live stream",
        with_live_stream,
        (tell_live, close),
        (),
        content=_lines,
        live=DEFAULT_STREAM,
        ideal_ms=500,
        window_s=WINDOW_S,
    )


def _pipeline(transforms: int) -> Benchmark:
    return Benchmark(
        f"stream pipeline with {transforms} transform steps (1MB)",
        pipeline,
        (generate, xor),
        (transforms, MIB),
        content=lambda: pattern(MIB, _all_keys(transforms)),
        ideal_ms=MIB // CHUNK,
        full=transforms > 5,
    )


def _many_streams() -> Iterator[Benchmark]:
    yield from (_pipeline(5), _pipeline(10))
    for name, flow, steps in (
        ("parallel streams", parallel_streams, (generate, verify)),
        ("fan-out fan-in", fan_out_fan_in, (generate, xor, verify)),
    ):
        for count in (10, 50):
            label = f"{count} {name}" if flow is parallel_streams else f"{name} {count} streams"
            yield Benchmark(
                f"{label} (1MB each)",
                flow,
                steps,
                (count, MIB),
                content=partial(_summary, count),
                ideal_ms=MIB // CHUNK,
                full=count > 10,
            )


def _summary(count: int) -> bytes:
    return json.dumps({"totalBytes": count * MIB, "streamCount": count}).encode()


def _all_keys(count: int) -> int:
    key = 0
    for index in range(count):
        key ^= xor_key(index)
    return key


benchmarks = (
    *_trivial(),
    *_sequences(),
    *_crowds(),
    *_payloads(),
    *_nothings(),
    *_few_lines(),
    *_many_streams(),
)
"""In the order of the spec; streams last."""

_DBOS = ("-m", "bench.peers.dbos_worker", "--sync", "{sync}", "--database")
peers = (
    Peer(
        "vercel-workflow",
        "its local",
        ("-m", "bench.peers.vercel_worker", "--folder", "{folder}"),
    ),
    Peer("dbos", "sqlite", (*_DBOS, "sqlite:{folder}/dbos.sqlite")),
    Peer("dbos", "postgres", (*_DBOS, "postgres:{dsn}")),
)
"""Other engines, each with a program of its own for the workloads that it can express."""
