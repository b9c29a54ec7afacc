"""The workloads on vercel-workflow; this module is loaded once more inside of its sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vercel.workflow import (
    SandboxPolicy,
    Workflows,
    get_run,
    get_workflow_metadata,
    get_writable,
)

from bench.shapes import CHUNK, LINES, pattern, text_line, xor_key
from simworld.benchmark import body, wrote

flows = Workflows(
    sandbox_policy=SandboxPolicy(
        # A sandbox for every pass, the default, takes ten times as long.
        share_sandboxes=True,
        passthrough_modules=frozenset({"simworld", "bench.shapes"}),
    )
)


@dataclass
class Parcel:
    """A payload that tells of itself."""

    data: str
    length: int
    checksum: str


@flows.step
async def nap(duration_ms: int, value: int) -> int:
    """Take a while and give the value back."""
    with body():
        await asyncio.sleep(duration_ms / 1_000)
    return value


@flows.step
async def nothing(value: int) -> int:
    """Give the value back."""
    with body():
        return value


@flows.step
async def carry(data: str) -> Parcel:
    """Give the data back, with what tells of it."""
    with body():
        return Parcel(data, len(data), data[0] + data[-1])


@flows.workflow
async def no_steps(value: int) -> int:
    """Twice the input."""
    return 2 * value


@flows.workflow
async def one_step(value: int) -> int:
    """A step's result and the input."""
    return await nap(1_000, value) + value


@flows.workflow
async def sequential(count: int, duration_ms: int) -> int:
    """One step after the other."""
    for index in range(count):
        await nap(duration_ms, index)
    return 42


@flows.workflow
async def sequential_nothing(count: int) -> int:
    """One step after the other, none of which does anything."""
    for index in range(count):
        await nothing(index)
    return count


@flows.workflow
async def sequential_payload(count: int, data: str) -> int:
    """The same payload through one step after the other."""
    for _ in range(count):
        data = (await carry(data)).data
    return len(data)


@flows.workflow
async def concurrent(count: int) -> int:
    """All steps at once."""
    return len(await asyncio.gather(*[nap(1_000, index) for index in range(count)]))


@flows.workflow
async def concurrent_nothing(count: int) -> int:
    """All steps at once, none of which does anything."""
    return len(await asyncio.gather(*[nothing(index) for index in range(count)]))


@flows.workflow
async def concurrent_payload(count: int, data: str) -> int:
    """The payload through all steps at once; how many gave all of it back."""
    parcels = await asyncio.gather(*[carry(data) for _ in range(count)])
    return sum(1 for parcel in parcels if parcel.length == len(data) and parcel.checksum == "xx")


@flows.workflow
async def racing(count: int) -> int:
    """All steps at once; the winner leaves the race, until nobody is left."""
    running = [asyncio.ensure_future(nap(1_000, index)) for index in range(count)]
    finished = 0
    while running:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running.remove(next(task for task in running if task in done))
        finished += 1
    return finished


# --- streams, which a run has by name; the output says which one is meant -------------------------


def _own(name: str) -> AsyncIterator[bytes]:
    return get_run(get_workflow_metadata().run_id).readable_bytes(namespace=name)


@flows.step
async def tell_lines(name: str) -> None:
    """Fifty lines, 10 ms apart."""
    with body():
        async with get_writable(namespace=name) as stream:
            for index in range(LINES):
                await asyncio.sleep(0.01)
                wrote()
                await stream.write(text_line(index))


@flows.step
async def upper(source: str, name: str) -> None:
    """The stream in capitals."""
    with body():
        async with get_writable(namespace=name) as stream:
            async for chunk in _own(source):
                await stream.write(chunk.upper())


@flows.step
async def generate(name: str, size: int) -> None:
    """The pattern in chunks, a pause of 1 ms after each."""
    with body():
        async with get_writable(namespace=name) as stream:
            for _ in range(size // CHUNK):
                await stream.write(pattern(CHUNK))
                await asyncio.sleep(0.001)


@flows.step
async def xor(source: str, name: str, key: int) -> None:
    """Every byte of the stream XORed with the key."""
    table = bytes(value ^ key for value in range(256))
    with body():
        async with get_writable(namespace=name) as stream:
            async for chunk in _own(source):
                await stream.write(chunk.translate(table))


@flows.workflow
async def with_stream() -> str:
    """Lines, in capitals."""
    await tell_lines("lines")
    await upper("lines", "upper")
    return "upper"


@flows.workflow
async def with_live_stream() -> str:
    """Lines for a reader who is there already."""
    await tell_lines("live")
    return "live"


@flows.workflow
async def pipeline(transforms: int, size: int) -> str:
    """A generated stream through one XOR step after the other."""
    await generate("0", size)
    for index in range(transforms):
        await xor(f"{index}", f"{index + 1}", xor_key(index))
    return f"{transforms}"


FLOWS: Mapping[str, Callable[..., Any]] = {
    "no_steps": no_steps,
    "one_step": one_step,
    "sequential": sequential,
    "sequential_nothing": sequential_nothing,
    "sequential_payload": sequential_payload,
    "concurrent": concurrent,
    "concurrent_nothing": concurrent_nothing,
    "concurrent_payload": concurrent_payload,
    "racing": racing,
    "with_stream": with_stream,
    "with_live_stream": with_live_stream,
    "pipeline": pipeline,
}
"""Name of the workload's workflow → ours."""
