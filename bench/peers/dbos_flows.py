"""The workloads on dbos: async workflows and steps, and plain ones where no steps are parallel.

The steps of a plain workflow run in the thread that has called it, where an async one hops to
another thread for every read and write; ``--api async`` has it do so.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import attrs
from dbos import DBOS

from bench.shapes import CHUNK, LINES, pattern, text_line, xor_key
from simworld.benchmark import body, wrote

POLL_S = 0.001
"""How often a reader looks where nobody can tell it (SQLite); the least that dbos takes."""


@attrs.frozen
class Parcel:
    """A payload that tells of itself."""

    data: str
    length: int
    checksum: str


def _parcel(data: str) -> Parcel:
    return Parcel(data, len(data), data[0] + data[-1])


# --- plain ----------------------------------------------------------------------------------------


@DBOS.step()
def nap(duration_ms: int, value: int) -> int:
    """Take a while and give the value back."""
    with body():
        time.sleep(duration_ms / 1_000)
    return value


@DBOS.step()
def nothing(value: int) -> int:
    """Give the value back."""
    with body():
        return value


@DBOS.step()
def carry(data: str) -> Parcel:
    """Give the data back, with what tells of it."""
    with body():
        return _parcel(data)


@DBOS.workflow()
def no_steps(value: int) -> int:
    """Twice the input."""
    return 2 * value


@DBOS.workflow()
def one_step(value: int) -> int:
    """A step's result and the input."""
    return nap(1_000, value) + value


@DBOS.workflow()
def sequential(count: int, duration_ms: int) -> int:
    """One step after the other."""
    for index in range(count):
        nap(duration_ms, index)
    return 42


@DBOS.workflow()
def sequential_nothing(count: int) -> int:
    """One step after the other, none of which does anything."""
    for index in range(count):
        nothing(index)
    return count


@DBOS.workflow()
def sequential_payload(count: int, data: str) -> int:
    """The same payload through one step after the other."""
    for _ in range(count):
        data = carry(data).data
    return len(data)


# --- async ----------------------------------------------------------------------------------------


@DBOS.step()
async def anap(duration_ms: int, value: int) -> int:
    """As ``nap``."""
    with body():
        await asyncio.sleep(duration_ms / 1_000)
    return value


@DBOS.step()
async def anothing(value: int) -> int:
    """As ``nothing``."""
    with body():
        return value


@DBOS.step()
async def acarry(data: str) -> Parcel:
    """As ``carry``."""
    with body():
        return _parcel(data)


@DBOS.workflow()
async def ano_steps(value: int) -> int:
    """As ``no_steps``."""
    return 2 * value


@DBOS.workflow()
async def aone_step(value: int) -> int:
    """As ``one_step``."""
    return await anap(1_000, value) + value


@DBOS.workflow()
async def asequential(count: int, duration_ms: int) -> int:
    """As ``sequential``."""
    for index in range(count):
        await anap(duration_ms, index)
    return 42


@DBOS.workflow()
async def asequential_nothing(count: int) -> int:
    """As ``sequential_nothing``."""
    for index in range(count):
        await anothing(index)
    return count


@DBOS.workflow()
async def asequential_payload(count: int, data: str) -> int:
    """As ``sequential_payload``."""
    for _ in range(count):
        data = (await acarry(data)).data
    return len(data)


@DBOS.workflow()
async def concurrent(count: int) -> int:
    """All steps at once."""
    return len(await asyncio.gather(*[anap(1_000, index) for index in range(count)]))


@DBOS.workflow()
async def concurrent_nothing(count: int) -> int:
    """All steps at once, none of which does anything."""
    return len(await asyncio.gather(*[anothing(index) for index in range(count)]))


@DBOS.workflow()
async def concurrent_payload(count: int, data: str) -> int:
    """The payload through all steps at once; how many gave all of it back."""
    parcels = await asyncio.gather(*[acarry(data) for _ in range(count)])
    return sum(1 for parcel in parcels if parcel.length == len(data) and parcel.checksum == "xx")


@DBOS.workflow()
async def racing(count: int) -> int:
    """All steps at once; the winner leaves the race, until nobody is left."""
    running = [asyncio.ensure_future(anap(1_000, index)) for index in range(count)]
    finished = 0
    while running:
        done, _ = await DBOS.asyncio_wait(running, return_when=asyncio.FIRST_COMPLETED)
        running.remove(next(task for task in running if task in done))
        finished += 1
    return finished


# --- streams, which a run has by name; the output says which one is meant -------------------------


def chunks_of(run_id: str, name: str) -> AsyncIterator[bytes]:
    """A stream of a run, from its beginning to its end."""
    return DBOS.read_stream_async(run_id, name, polling_interval_sec=POLL_S)


def _own(name: str) -> AsyncIterator[bytes]:
    run_id = DBOS.workflow_id
    assert run_id is not None
    return chunks_of(run_id, name)


@DBOS.step()
async def tell_lines(name: str) -> None:
    """Fifty lines, 10 ms apart."""
    with body():
        for index in range(LINES):
            await asyncio.sleep(0.01)
            wrote()
            await DBOS.write_stream_async(name, text_line(index))


@DBOS.step()
async def upper(source: str, name: str) -> None:
    """The stream in capitals."""
    with body():
        async for chunk in _own(source):
            await DBOS.write_stream_async(name, chunk.upper())


@DBOS.step()
async def generate(name: str, size: int) -> None:
    """The pattern in chunks, a pause of 1 ms after each."""
    with body():
        for _ in range(size // CHUNK):
            await DBOS.write_stream_async(name, pattern(CHUNK))
            await asyncio.sleep(0.001)


@DBOS.step()
async def xor(source: str, name: str, key: int) -> None:
    """Every byte of the stream XORed with the key."""
    table = bytes(value ^ key for value in range(256))
    with body():
        async for chunk in _own(source):
            await DBOS.write_stream_async(name, chunk.translate(table))


@DBOS.step()
async def verify(sources: list[str], name: str, size: int, key: int) -> None:
    """Read every stream, compare its content, and tell how much there was, as one JSON chunk."""
    total = 0
    with body():
        for source in sources:
            content = b"".join([chunk async for chunk in _own(source)])
            if content != pattern(size, key):
                raise ValueError(f"{source} holds {len(content)} bytes that are not the pattern")
            total += len(content)
        summary = json.dumps({"totalBytes": total, "streamCount": len(sources)}).encode()
        await DBOS.write_stream_async(name, summary)


@DBOS.workflow()
async def with_stream() -> str:
    """Lines, in capitals."""
    await tell_lines("lines")
    await DBOS.close_stream_async("lines")
    await upper("lines", "upper")
    await DBOS.close_stream_async("upper")
    return "upper"


@DBOS.workflow()
async def with_live_stream() -> str:
    """Lines for a reader who is there already."""
    await tell_lines("live")
    await DBOS.close_stream_async("live")
    return "live"


@DBOS.workflow()
async def pipeline(transforms: int, size: int) -> str:
    """A generated stream through one XOR step after the other."""
    await generate("0", size)
    await DBOS.close_stream_async("0")
    for index in range(transforms):
        await xor(f"{index}", f"{index + 1}", xor_key(index))
        await DBOS.close_stream_async(f"{index + 1}")
    return f"{transforms}"


async def _generated(count: int, size: int) -> list[str]:
    names = [f"in {index}" for index in range(count)]
    await asyncio.gather(*[generate(name, size) for name in names])
    for name in names:
        await DBOS.close_stream_async(name)
    return names


async def _verified(names: list[str], size: int, key: int) -> str:
    await verify(names, "summary", size, key)
    await DBOS.close_stream_async("summary")
    return "summary"


@DBOS.workflow()
async def parallel_streams(count: int, size: int) -> str:
    """Generate side by side, then read all of them in one step."""
    return await _verified(await _generated(count, size), size, 0)


@DBOS.workflow()
async def fan_out_fan_in(count: int, size: int) -> str:
    """Generate side by side, change side by side, then read all of them in one step."""
    names = await _generated(count, size)
    changed = [f"out {index}" for index in range(count)]
    await asyncio.gather(*[xor(*pair, 7) for pair in zip(names, changed, strict=True)])
    for name in changed:
        await DBOS.close_stream_async(name)
    return await _verified(changed, size, 7)


Flow = Callable[..., Any]

PLAIN: Mapping[str, Flow] = {
    "no_steps": no_steps,
    "one_step": one_step,
    "sequential": sequential,
    "sequential_nothing": sequential_nothing,
    "sequential_payload": sequential_payload,
}
ASYNC: Mapping[str, Flow] = {
    "no_steps": ano_steps,
    "one_step": aone_step,
    "sequential": asequential,
    "sequential_nothing": asequential_nothing,
    "sequential_payload": asequential_payload,
    "concurrent": concurrent,
    "concurrent_nothing": concurrent_nothing,
    "concurrent_payload": concurrent_payload,
    "racing": racing,
    "with_stream": with_stream,
    "with_live_stream": with_live_stream,
    "pipeline": pipeline,
    "parallel_streams": parallel_streams,
    "fan_out_fan_in": fan_out_fan_in,
}
"""Name of the workload's workflow → ours."""
