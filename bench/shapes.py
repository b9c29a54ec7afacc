"""The benchmark workloads of spec §8.2 (the ★ rows), as workflows with their expected results.

A shape says what to start, what must come out, and how long its bodies take at least.  Stream
shapes return a stream; its whole content is compared, not only counted.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs

from simworld.engine import (
    Program,
    Step,
    StepContext,
    StreamRef,
    Workflow,
    gather,
    race,
    step,
    workflow,
)

PAYLOAD = "x" * 10_240
CHUNK = 64 * 1_024
MIB = 1_024 * 1_024


@attrs.frozen(eq=False)
class Shape:
    """One workload."""

    name: str
    workflow: Workflow[..., Any]
    steps: tuple[Step[..., Any], ...]
    args: tuple[object, ...]
    expected: object = None
    """The run's output; for stream shapes None."""
    content: Callable[[], bytes] | None = None
    """What the returned stream must hold."""
    ideal_ms: int = 0
    """The least time its bodies take, one after the other where they must be."""

    @property
    def program(self) -> Program:
        """What a trial or a server runs."""
        return Program.of(self.workflow, *self.steps)


# --- steps that take time -------------------------------------------------------------------------


@step
async def nap(ctx: StepContext, duration_ms: int, value: int) -> int:
    """Take a while and give the value back."""
    await ctx.sleep(duration_ms)
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


def _line(index: int) -> bytes:
    return f"chunk {index:02d} ".encode().ljust(99, b".") + b"\n"


@step
async def tell_lines(ctx: StepContext) -> StreamRef:
    """Fifty lines of a hundred bytes, 10 ms apart."""

    async def lines() -> AsyncIterator[bytes]:
        for index in range(50):
            await ctx.sleep(10)
            yield _line(index)

    return ctx.stream(lines())


@step
async def upper(ctx: StepContext, source: StreamRef) -> StreamRef:
    """The stream in capitals."""

    async def changed() -> AsyncIterator[bytes]:
        async for chunk in ctx.read(source):
            yield chunk.upper()

    return ctx.stream(changed())


@workflow
async def with_stream() -> StreamRef:
    """Lines, in capitals."""
    return await upper(await tell_lines())


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

    return ctx.stream(chunks())


@step
async def xor(ctx: StepContext, source: StreamRef, key: int) -> StreamRef:
    """Every byte of the stream XORed with the key."""
    table = bytes(value ^ key for value in range(256))

    async def changed() -> AsyncIterator[bytes]:
        async for chunk in ctx.read(source):
            yield chunk.translate(table)

    return ctx.stream(changed())


@step
async def verify(ctx: StepContext, sources: list[StreamRef], size: int, key: int) -> StreamRef:
    """Read every stream, compare its content, and tell how much there was, as one JSON chunk."""
    total = 0
    for source in sources:
        content = b"".join([chunk async for chunk in ctx.read(source)])
        if content != pattern(size, key):
            raise ValueError(f"{source} holds {len(content)} bytes that are not the pattern")
        total += len(content)
    summary = json.dumps({"totalBytes": total, "streamCount": len(sources)}).encode()

    async def one() -> AsyncIterator[bytes]:
        yield summary

    return ctx.stream(one())


def _key(index: int) -> int:
    return (index + 1) % 256


@workflow
async def pipeline(transforms: int, size: int) -> StreamRef:
    """A generated stream through one XOR step after the other."""
    stream = await generate(size)
    for index in range(transforms):
        stream = await xor(stream, _key(index))
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


def _summary(count: int) -> bytes:
    return json.dumps({"totalBytes": count * MIB, "streamCount": count}).encode()


def _all_keys(count: int) -> int:
    key = 0
    for index in range(count):
        key ^= _key(index)
    return key


def shapes() -> list[Shape]:
    """The ★ rows, in the order of the spec."""
    found = [
        Shape("workflow with no steps", no_steps, (), (42,), 84),
        Shape("workflow with 1 step", one_step, (nap,), (100,), 200, ideal_ms=1_000),
    ]
    for count, each_ms in ((10, 1_000), (25, 500), (50, 200)):
        name = f"workflow with {count} sequential steps"
        found.append(
            Shape(name, sequential, (nap,), (count, each_ms), 42, ideal_ms=count * each_ms)
        )
    for name, flow in (("Promise.all", concurrent), ("Promise.race", racing)):
        for count in (10, 25, 50):
            label = f"{name} with {count} concurrent steps"
            found.append(Shape(label, flow, (nap,), (count,), count, ideal_ms=1_000))
    for count in (10, 25, 50):
        label = f"{count} sequential data payload steps (10KB)"
        found.append(Shape(label, sequential_payload, (carry,), (count, PAYLOAD), 10_240))
    for count in (10, 25, 50):
        label = f"{count} concurrent data payload steps (10KB)"
        found.append(Shape(label, concurrent_payload, (carry,), (count, PAYLOAD), count))
    found += [
        Shape(
            "workflow with stream",
            with_stream,
            (tell_lines, upper),
            (),
            content=lambda: b"".join(_line(index).upper() for index in range(50)),
            ideal_ms=500,
        ),
        Shape(
            "stream pipeline with 5 transform steps (1MB)",
            pipeline,
            (generate, xor),
            (5, MIB),
            content=lambda: pattern(MIB, _all_keys(5)),
        ),
        Shape(
            "10 parallel streams (1MB each)",
            parallel_streams,
            (generate, verify),
            (10, MIB),
            content=lambda: _summary(10),
        ),
        Shape(
            "fan-out fan-in 10 streams (1MB each)",
            fan_out_fan_in,
            (generate, xor, verify),
            (10, MIB),
            content=lambda: _summary(10),
        ),
    ]
    return found
