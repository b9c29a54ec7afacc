"""Streams of runs, in the simulator: what a host takes with it, and what every reader sees."""

from __future__ import annotations

import attrs

from simworld.engine import Program, StreamWrite, get_writable, step, workflow
from simworld.records import Fault
from simworld.runtime import Client
from tests.runtime.rig import MERGE, play

BUFFERED = attrs.evolve(MERGE, stream_write=StreamWrite.BUFFERED)


@step
async def produce(ctx, name, count):
    """Write to a stream of the run and leave it open."""
    writer = ctx.get_writable(name)
    for number in range(count):
        await writer.write(b"%d" % number)
    return count


@step
async def end(ctx, name):
    """End the stream."""
    await ctx.get_writable(name).close()


@workflow
async def producer(count):
    """One step writes, and nobody ends the stream."""
    return await produce(get_writable("numbers"), count)


def tail_after(policy, fault=()):
    """What is in the stream once nobody does anything any more."""
    seen = []

    async def acts(services):
        client = Client(services)
        run_id = await client.start(2)
        await client.sleep(60_000)
        seen.append(await services.streams.read(run_id, "numbers", 0, live=False))

    played = play(Program.of(producer, produce), policy=policy, acts=acts, faults=fault)
    assert played.run.status == "completed"
    return played, list(seen[0].chunks)


def test_a_buffered_writer_loses_its_tail_with_the_host():
    _, whole = tail_after(BUFFERED)
    assert whole == [b"0", b"1"]
    dies = Fault("crash", "start/flow/flush", 3)
    played, rest = tail_after(BUFFERED, (dies,))
    assert played.crashes == 1
    assert played.invocations == 1, "the delivery was over when its host died"
    assert rest == []


def test_a_flushed_writer_has_delivered_when_its_step_is_completed():
    dies = Fault("crash", "start/flow/flush", 3)
    played, chunks = tail_after(MERGE, (dies,))
    assert played.crashes == 1
    assert played.delivered[:2] == ["start/flow", "start/flow~2"], "the body had not returned"
    assert chunks == [b"0", b"1"]


def test_every_reader_of_a_run_sees_what_its_steps_have_written():
    seen = {"live": [], "late": [], "tail": []}

    @workflow
    async def flow():
        await produce("numbers", 3)
        await end("numbers")

    async def read(client, run_id, who, start):
        async for chunk in client.read_stream(run_id, "numbers", start):
            seen[who].append(chunk)

    async def acts(services):
        client = Client(services)
        run_id = await client.start()
        await read(client, run_id, "live", 0)
        await client.result(run_id)
        await client.together(read(client, run_id, "late", 0), read(client, run_id, "tail", -1))

    play(Program.of(flow, produce, end), acts=acts)
    assert seen == {"live": [b"0", b"1", b"2"], "late": [b"0", b"1", b"2"], "tail": [b"2"]}
