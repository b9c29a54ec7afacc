"""Streams as they are not repaired: minted places (R-70), and an end with the run's (R-69)."""

from __future__ import annotations

import pytest

from simworld.engine import RunCompleted, RunCreated
from simworld.errors import RunExpiredError
from simworld.records import ChunkOrder, WorldProfile
from simworld.worlds import AtomicWorld, EndingStreams, MemoryStreams
from tests.worlds.doubles import Clock, Ids, Timeline, now

RUN = "wrun_1"


def chunks(streams, start=0):
    return now(streams.read(RUN, "out", start, live=False)).chunks


def begun():
    """Two writes that have their places, of which the second one is done."""
    streams = MemoryStreams(tasks=Timeline(), order=ChunkOrder.MINT_AT_START)
    first, second = (streams.write(RUN, "out", [each]) for each in (b"a", b"b"))
    first.send(None)
    second.send(None)
    finish(second)
    return streams, first


def finish(write):
    with pytest.raises(StopIteration):
        write.send(None)


def test_a_place_is_taken_before_its_chunk_is_visible():
    streams, first = begun()
    assert chunks(streams) == [b"b"]
    finish(first)
    assert chunks(streams) == [b"a", b"b"]
    assert chunks(streams, 1) == [b"b"], "who has read on misses the one and gets the other twice"


def test_a_chunk_that_has_its_place_comes_behind_the_end():
    streams, first = begun()
    now(streams.close(RUN, "out"))
    finish(first)
    assert tuple(now(streams.read(RUN, "out", 0, live=False))) == ([b"a", b"b"], True)


def test_a_stream_takes_nothing_once_its_run_has_ended():
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile())
    streams = EndingStreams(MemoryStreams(tasks=Timeline()), world)
    now(streams.write(RUN, "out", [b"before it is created"]))
    now(world.create(RUN, RunCreated("flow", b"")))
    now(streams.write(RUN, "out", [b"before it has ended"]))
    now(world.create(RUN, RunCompleted(b"")))
    for late in (streams.write(RUN, "out", [b"late"]), streams.close(RUN, "out")):
        with pytest.raises(RunExpiredError, match="stream 'out': run wrun_1 is completed"):
            now(late)
    assert tuple(now(streams.read(RUN, "out", 0, live=False))) == (
        [b"before it is created", b"before it has ended"],
        False,
    )
