"""Streams in memory: order, end, and readers that wait (spec §2.4, I-24)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import EntityConflictError, UsageError
from simworld.worlds import MemoryStreams
from tests.worlds.doubles import Pause, Timeline, now

RUN = "wrun_1"


@pytest.fixture
def line():
    return Timeline()


@pytest.fixture
def streams(line):
    return MemoryStreams(tasks=line)


def read(streams, start=0, name="out"):
    return tuple(now(streams.read(RUN, name, start, live=False)))


def test_chunks_come_in_the_order_of_their_writes(streams):
    now(streams.write(RUN, "out", [b"a", b"b"]))
    now(streams.write(RUN, "out", [b"c"]))
    assert read(streams) == ([b"a", b"b", b"c"], False)
    assert read(streams, 2) == ([b"c"], False)
    assert read(streams, 7) == ([], False)
    now(streams.close(RUN, "out"))
    assert read(streams, 3) == ([], True)


def test_what_was_read_does_not_grow(streams):
    now(streams.write(RUN, "out", [b"a"]))
    chunks, _ = read(streams)
    now(streams.write(RUN, "out", [b"b"]))
    assert chunks == [b"a"]


def test_a_closed_stream_refuses_writes_and_stays_as_it_is(streams):
    now(streams.write(RUN, "out", [b"a"]))
    now(streams.close(RUN, "out"))
    now(streams.close(RUN, "out"))
    for late in ([b"late"], []):
        with pytest.raises(EntityConflictError, match=r"'out' of run wrun_1 is closed") as caught:
            now(streams.write(RUN, "out", late))
        assert caught.value.reason == "terminal"
    assert read(streams) == ([b"a"], True)


def test_a_stream_nobody_has_written_to_is_empty_and_open(streams):
    assert tuple(now(streams.info(RUN, "out"))) == (-1, False)
    assert read(streams) == ([], False)
    assert streams.contents() == {}
    now(streams.write(RUN, "out", [b"a", b"b"]))
    assert tuple(now(streams.info(RUN, "out"))) == (1, False)


def test_streams_are_listed_by_their_first_chunk_and_belong_to_their_run(streams):
    now(streams.close(RUN, "empty"))
    for run, name in ((RUN, "b"), (RUN, "a"), ("wrun_2", "c"), (RUN, "b")):
        now(streams.write(run, name, [b"x"]))
    assert list(now(streams.names(RUN))) == ["b", "a"]
    assert list(now(streams.names("wrun_2"))) == ["c"]
    assert list(now(streams.names("wrun_3"))) == []
    assert read(streams, name="c") == ([], False)
    assert {key: tuple(value) for key, value in streams.contents().items()} == {
        (RUN, "empty"): ((), True),
        (RUN, "b"): ((b"x", b"x"), False),
        (RUN, "a"): ((b"x",), False),
        ("wrun_2", "c"): ((b"x",), False),
    }


def test_counting_from_the_end_is_the_readers_business(streams):
    with pytest.raises(UsageError, match="not from -1"):
        now(streams.read(RUN, "out", -1, live=True))


# --- live readers -----------------------------------------------------------------------------


def follower(streams, line, start=0):
    """Reads to the end; a list of (time, chunk) that grows, and ends with (time, None)."""
    seen = []

    async def follow():
        at = start
        while True:
            chunks, closed = await streams.read(RUN, "out", at, live=True)
            seen.extend((line.ms, chunk) for chunk in chunks)
            at += len(chunks)
            if closed:
                seen.append((line.ms, None))
                return

    line.run_beside(f"reader {len(line.tasks)}", follow())
    return seen


def write_at(streams, line, plan):
    """``plan``: (time, chunks); the stream is closed with the last of them."""
    for ms, chunks in plan:
        line.at(ms, lambda chunks=chunks: now(streams.write(RUN, "out", chunks)))
    line.at(plan[-1][0], lambda: now(streams.close(RUN, "out")))


def test_live_late_and_resumed_readers_see_the_same(streams, line):
    live = follower(streams, line)
    resumed = follower(streams, line, start=2)
    write_at(streams, line, [(10, [b"a"]), (20, [b"b", b"c"]), (30, [b"d"])])
    line.run()
    late = follower(streams, line)
    line.run()
    assert live == [(10, b"a"), (20, b"b"), (20, b"c"), (30, b"d"), (30, None)]
    assert resumed == [(20, b"c"), (30, b"d"), (30, None)]
    assert [chunk for _, chunk in late] == [b"a", b"b", b"c", b"d", None]


def test_waiting_readers_take_no_turns(streams):
    """No polling: a reader that waits is off the timeline until somebody writes."""
    turns = 0

    class Counting(Timeline):
        def push(self, delay_ms, task):
            nonlocal turns
            turns += task.name == "reader 0"
            super().push(delay_ms, task)

    line = Counting()
    streams = MemoryStreams(tasks=line)
    seen = follower(streams, line)
    write_at(streams, line, [(3_600_000, [b"a"])])
    line.run()
    assert seen == [(3_600_000, b"a"), (3_600_000, None)]
    assert turns == 2  # its start, and once when there was something


def test_a_write_that_does_not_reach_a_reader_leaves_it_waiting(streams, line):
    ahead = follower(streams, line, start=3)
    write_at(streams, line, [(10, [b"a"]), (20, [b"b", b"c", b"d"])])
    line.run()
    assert ahead == [(20, b"d"), (20, None)]


@given(
    plan=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=8),
    starts=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6)), max_size=4),
)
def test_every_reader_gets_every_chunk_from_its_start_and_one_end(plan, starts):
    line = Timeline()
    streams = MemoryStreams(tasks=line)
    written, plan = [], sorted(plan)
    facts = []
    for ms, count in plan:
        chunks = [b"%d" % (len(written) + number) for number in range(count)]
        written += chunks
        facts.append((ms, chunks))
    write_at(streams, line, facts)
    readers = []

    async def reads_later(ms, start):
        await Pause(ms)
        seen, at = [], start
        closed = False
        while not closed:
            chunks, closed = await streams.read(RUN, "out", at, live=True)
            seen += chunks
            at += len(chunks)
        readers.append((start, seen))

    for number, (ms, start) in enumerate(starts):
        line.run_beside(f"reader {number}", reads_later(ms, start))
    line.run()
    assert len(readers) == len(starts)
    for start, seen in readers:
        assert seen == written[start:]
