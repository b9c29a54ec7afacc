"""What streams of bodies do under knobs that are not repaired: pipes (R-68), readers (R-71)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import Program, StreamPipes, StreamRef, create_abort, step, workflow
from simworld.entropy import Stream
from simworld.explore import Uniform
from simworld.records import Profile
from tests.runtime.rig import FIXED, play

BUFFERED = attrs.evolve(FIXED, stream_write="buffered")
PIPES = attrs.evolve(BUFFERED, stream_pipes=StreamPipes.PER_CALL)
COUNTED = attrs.evolve(FIXED, reader_operations=True, settle_ms=500)


@step
async def twice(ctx):
    """Ask for the stream's writer twice."""
    writers = [ctx.get_writable("log") for _ in range(2)]
    for number, writer in enumerate(writers):
        await writer.write(b"%d" % number)
    return len(set(map(id, writers)))


@workflow
async def writing():
    return await twice()


@step
async def source(ctx, closes):
    """A stream of one chunk, which ends or does not."""
    writer = ctx.get_writable("out")
    await writer.write(b"x")
    if closes:
        await writer.close()


@step
async def first_chunk(ctx):
    """Read the beginning of it."""
    return await anext(ctx.read(StreamRef(ctx.run_id, "out")))


@step
async def whole(ctx):
    """Read all of it."""
    return [chunk async for chunk in ctx.read(StreamRef(ctx.run_id, "out"))]


@step
async def watch(ctx, signal):
    """Look at a signal."""
    return await ctx.aborted(signal)


@pytest.mark.parametrize(("policy", "orders"), [(BUFFERED, {b"01"}), (PIPES, {b"01", b"10"})])
def test_two_pipes_send_side_by_side(policy, orders):
    seen = set()
    for seed in range(40):
        explorer = Uniform()
        explorer.begin(Stream(seed), Profile((), {}))
        played = play(Program.of(writing, twice), policy=policy, explorer=explorer)
        seen.add(b"".join(played.streams["wrun_1", "log"].chunks))
    assert seen == orders


@pytest.mark.parametrize(
    ("policy", "reader", "closes", "count"),
    [
        (FIXED, first_chunk, False, 1),
        (COUNTED, first_chunk, False, 2),
        (COUNTED, first_chunk, True, 2),
        (COUNTED, whole, True, 1),
    ],
)
def test_a_reader_that_is_counted_ends_with_its_stream_only(policy, reader, closes, count):
    @workflow
    async def reading():
        await source(closes)
        await reader()

    played = play(Program.of(reading, source, reader), policy=policy)
    assert played.run.status == "completed"
    assert played.invocations == count


@pytest.mark.parametrize(("policy", "count"), [(FIXED, 1), (COUNTED, 3)])
def test_a_look_at_a_signal_that_is_counted_never_ends(policy, count):
    @workflow
    async def watching():
        abort = create_abort()
        return [await watch(abort.signal) for _ in range(2)]

    played = play(Program.of(watching, watch), policy=policy)
    assert played.run.status == "completed"
    assert played.invocations == count
