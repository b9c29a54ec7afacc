"""Streams: batches, when a write returns, what gets lost, and that every reader sees the same."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import EnginePolicy
from simworld.errors import EntityConflictError, IndefiniteFailure, UsageError, WorldError
from simworld.ports import Chunks
from simworld.runtime import Services, StreamWriter, read_stream
from simworld.worlds import MemoryStreams
from tests.worlds.doubles import Timeline

RUN = "wrun_1"


class Jobs(Timeline):
    """The tests' own timeline, with jobs."""

    def start(self, name, coroutine):
        return self.run_beside(self.child_name(name), coroutine)


class Watched:
    """Streams that keep what was written with each call, and fail as they are told."""

    def __init__(self, inner, tasks):
        self._inner, self._tasks = inner, tasks
        self.writes = []
        self.errors = []
        self.close_errors = []
        self.read, self.info = inner.read, inner.info

    async def write(self, run_id, name, chunks):
        self.writes.append((self._tasks.now_ms(), list(chunks)))
        await self._tasks.checkpoint("write")
        if self.errors:
            raise self.errors.pop(0)
        await self._inner.write(run_id, name, chunks)

    async def close(self, run_id, name):
        if self.close_errors:
            raise self.close_errors.pop(0)
        await self._inner.close(run_id, name)


class Quiet:
    """A log nobody reads."""

    def note(self, run_id, message, **fields):
        """Nobody reads it."""

    def chunk_written(self, run_id, stream, chunk):
        """Nor this."""

    def client_called(self, call, phase):
        """Nor that."""


@attrs.frozen
class Bench:
    """Streams, a writer and everything around them, without a simulator."""

    tasks: Jobs
    streams: Watched
    services: Services

    def writer(self, name="out"):
        return StreamWriter(self.services, RUN, name)

    def run(self, *coroutines):
        for coroutine in coroutines:
            self.tasks.run_beside(self.tasks.child_name("part"), coroutine)
        self.tasks.run()

    def chunks(self, name="out"):
        return self.streams_of(name).chunks

    def streams_of(self, name="out"):
        found = []

        async def look():
            found.append(await self.streams.read(RUN, name, 0, live=False))

        self.run(look())
        return found[0]


def bench(**knobs):
    tasks = Jobs()
    streams = Watched(MemoryStreams(tasks=tasks), tasks)
    others = dict.fromkeys(("program", "storage", "queue", "bodies", "ids"))
    services = Services(
        **others,
        policy=EnginePolicy(**knobs),
        streams=streams,
        tasks=tasks,
        clock=tasks,
        log=Quiet(),
    )
    return Bench(tasks, streams, services)


# --- the writer ---------------------------------------------------------------------------------


def test_what_is_written_within_the_flush_time_travels_together():
    here = bench(flush_ms=10)
    writer = here.writer()
    here.run(*[writer.write(bytes([number])) for number in range(5)])
    assert here.streams.writes == [(10, [bytes([number]) for number in range(5)])]


def test_a_flushed_write_returns_when_its_chunk_is_on_the_server():
    here = bench(stream_write="flushed", flush_ms=10)
    writer, seen = here.writer(), []

    async def body():
        await writer.write(b"a")
        seen.append((here.tasks.now_ms(), (await here.streams.info(RUN, "out")).tail))

    here.run(body())
    assert seen == [(10, 0)]


def test_a_prompt_write_waits_for_no_company_and_is_flushed_all_the_same():
    here = bench(stream_write="prompt", flush_ms=10)
    writer, seen = here.writer(), []

    async def body():
        for chunk in (b"a", b"b"):
            await writer.write(chunk)
            seen.append((here.tasks.now_ms(), (await here.streams.info(RUN, "out")).tail))

    here.run(body())
    assert seen == [(0, 0), (0, 1)]


@pytest.mark.parametrize(
    ("stream_write", "batches"), [("prompt", [2, 1, 1]), ("flushed", [1, 1, 1, 1])]
)
def test_who_is_fed_runs_ahead_of_a_prompt_writer_by_a_batch_and_no_more(stream_write, batches):
    here = bench(stream_write=stream_write)
    writer = here.writer()
    chunks = [bytes([number]) * (1 << 19) for number in range(4)]

    async def body():
        for chunk in chunks:
            await writer.feed(chunk)
        await writer.close()

    here.run(body())
    assert [len(sent) for _, sent in here.streams.writes] == batches
    assert here.chunks() == chunks


def test_what_is_fed_is_told_in_order_once_it_is_there():
    here = bench(stream_write="prompt")
    writer, told = here.writer(), []
    here.services.log.chunk_written = lambda run_id, stream, chunk: told.append(chunk)

    async def body():
        for chunk in (b"a", b"b", b"c"):
            await writer.feed(chunk)
        assert told == []
        await writer.close()

    here.run(body())
    assert told == [b"a", b"b", b"c"]


def test_nothing_follows_a_fed_chunk_that_got_lost():
    here = bench(stream_write="prompt")
    here.streams.errors = [EntityConflictError("closed", reason="terminal")]
    writer, refused = here.writer(), []

    async def body():
        await writer.feed(b"a")
        await here.tasks.sleep_ms(1)
        for call in (writer.feed(b"b"), writer.close()):
            try:
                await call
            except EntityConflictError as error:
                refused.append(error)

    here.run(body())
    assert len(refused) == 1
    assert here.chunks() == []


def test_a_buffered_write_returns_at_once():
    here = bench(stream_write="buffered", flush_ms=10)
    writer, seen = here.writer(), []

    async def body():
        await writer.write(b"a")
        seen.append((here.tasks.now_ms(), (await here.streams.info(RUN, "out")).tail))

    here.run(body())
    assert seen == [(0, -1)]
    assert here.chunks() == [b"a"]


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([1] * 1_000, [1_000]),
        ([1] * 1_001, [1_000, 1]),
        ([1 << 19, 1 << 19, 1], [2, 1]),
        ([1 << 21, 1], [1, 1]),
    ],
    ids=["as many as may be", "one too many", "too large together", "one is too large alone"],
)
def test_a_batch_has_its_limits(sizes, batches):
    here = bench(stream_write="buffered")
    writer = here.writer()

    async def body():
        for size in sizes:
            await writer.write(bytes(size))

    here.run(body())
    assert [len(chunks) for _, chunks in here.streams.writes] == batches
    assert [len(chunk) for chunk in here.chunks()] == sizes


def test_chunks_written_while_a_batch_is_under_way_come_behind_it():
    here = bench(stream_write="buffered", flush_ms=10)
    writer = here.writer()
    here.tasks.at(0, lambda: here.tasks.run_beside("first", writer.write(b"a")))

    def second():
        assert here.streams.writes == []
        here.tasks.run_beside("second", writer.write(b"b"))

    here.tasks.at(10, second)
    here.run()
    assert [chunks for _, chunks in here.streams.writes] == [[b"a"], [b"b"]]
    assert here.chunks() == [b"a", b"b"]


def test_the_end_comes_behind_everything_written_before():
    here = bench(stream_write="buffered", flush_ms=10)
    writer, closed = here.writer(), []

    async def body():
        await writer.write(b"a")
        await writer.write(b"b")
        await writer.close()
        closed.append(here.tasks.now_ms())

    here.run(body())
    assert closed == [10]
    assert here.streams_of() == Chunks([b"a", b"b"], closed=True)


def test_a_stream_without_chunks_can_be_ended():
    here = bench()
    here.run(here.writer().close())
    assert here.streams_of() == Chunks([], closed=True)


def test_a_lost_flush_is_raised_by_the_write_that_waits_for_it():
    here = bench(stream_write="flushed")
    here.streams.errors.append(IndefiniteFailure("no answer"))
    writer, caught = here.writer(), []

    async def body():
        try:
            await writer.write(b"a")
        except IndefiniteFailure as error:
            caught.append(error)
        await writer.write(b"b")
        await writer.close()

    here.run(body())
    assert [str(error) for error in caught] == ["no answer"]
    assert here.streams_of() == Chunks([b"b"], closed=True)


@pytest.mark.parametrize("refusal", [WorldError("down", status=503), WorldError("x", status=429)])
def test_a_refused_flush_that_a_write_waits_for_is_repeated(refusal):
    here = bench(stream_write="flushed", flush_ms=10)
    here.streams.errors += [refusal, refusal]
    writer, written = here.writer(), []

    async def body():
        await writer.write(b"a")
        written.append(here.tasks.now_ms())
        await writer.close()

    here.run(body())
    assert written == [2_010]
    assert here.streams_of() == Chunks([b"a"], closed=True)


def test_a_flush_that_is_refused_for_ever_is_raised_and_lost():
    here = bench(stream_write="flushed")
    here.streams.errors += [WorldError("down", status=503)] * 5
    caught = []

    async def body():
        try:
            await here.writer().write(b"a")
        except WorldError as error:
            caught.append(error)

    here.run(body())
    assert [str(error) for error in caught] == ["down"]
    assert here.chunks() == []


def test_a_flush_that_the_stream_itself_refuses_is_not_repeated():
    here = bench(stream_write="flushed")
    here.streams.errors.append(EntityConflictError("closed", reason="terminal"))
    caught = []

    async def body():
        try:
            await here.writer().write(b"a")
        except EntityConflictError:
            caught.append(here.tasks.now_ms())

    here.run(body())
    assert caught == [10]


def test_the_end_is_written_again_if_nobody_knows_whether_it_is_there():
    here = bench()
    here.streams.close_errors += [IndefiniteFailure("no answer"), WorldError("down", status=503)]
    here.run(here.writer().close())
    assert here.streams_of() == Chunks([], closed=True)


def test_a_lost_flush_is_raised_by_the_close_if_no_write_waits():
    here = bench(stream_write="buffered")
    here.streams.errors.append(WorldError("full", status=503))
    writer, caught = here.writer(), []

    async def body():
        await writer.write(b"a")
        try:
            await writer.close()
        except WorldError as error:
            caught.append(error)

    here.run(body())
    assert [str(error) for error in caught] == ["full"]
    assert here.streams_of() == Chunks([], closed=False), "an end would tell that this is all"


def test_what_follows_lost_chunks_is_lost_with_them():
    here = bench(stream_write="buffered", flush_ms=10)
    here.streams.errors.append(IndefiniteFailure("no answer"))
    writer, caught = here.writer(), []

    async def body():
        for _ in range(1_001):
            await writer.write(b"a")
        await here.tasks.sleep_ms(20)
        try:
            await writer.write(b"b")
        except IndefiniteFailure as error:
            caught.append(error)

    here.run(body())
    assert len(caught) == 1
    assert here.chunks() == [], "no hole in the middle"


@pytest.mark.parametrize("chunk", ["text", bytearray(b"changes"), 3, None])
def test_chunks_are_bytes(chunk):
    here = bench()

    async def body():
        with pytest.raises(UsageError, match=r"'out' of run wrun_1 is bytes, not"):
            await here.writer().write(chunk)

    here.run(body())


def test_nothing_is_written_behind_the_end():
    here = bench()
    writer = here.writer()

    async def body():
        await writer.close()
        with pytest.raises(UsageError, match="after it was closed here"):
            await writer.write(b"late")

    here.run(body())


def test_a_stream_that_somebody_else_has_ended_refuses_chunks():
    here = bench()
    caught = []

    async def body():
        await here.writer().close()
        try:
            await here.writer().write(b"late")
        except EntityConflictError as error:
            caught.append(str(error))

    here.run(body())
    assert "'out' of run wrun_1 is closed" in caught[0]


# --- the reader ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 1, 3, 7, -1, -3, -4, -99])
def test_live_late_and_resumed_readers_see_the_same(start):
    here = bench(flush_ms=10)
    writer, written = here.writer(), [b"a", b"b", b"c", b"d"]
    live, late, resumed = [], [], []

    async def body():
        for chunk in written:
            await writer.write(chunk)
            await here.tasks.sleep_ms(5)
        await writer.close()

    async def read(into, start):
        async for chunk in read_stream(here.services, RUN, "out", start):
            into.append((here.tasks.now_ms(), chunk))

    async def in_two_parts():
        reader = read_stream(here.services, RUN, "out", 0)
        while len(resumed) < 2:
            resumed.append(await anext(reader))
        async for chunk in read_stream(here.services, RUN, "out", len(resumed)):
            resumed.append(chunk)

    here.run(body(), read(live, 0), in_two_parts())
    assert [time for time, _ in live] == [10, 25, 40, 55], "it does not wait for the end"
    here.run(read(late, start))
    assert [chunk for _, chunk in live] == resumed == written
    assert [chunk for _, chunk in late] == written[start if start >= 0 else max(0, 4 + start) :]


def test_a_reader_that_begins_behind_the_end_of_an_open_stream_waits_for_its_index():
    here = bench(flush_ms=0)
    writer, seen = here.writer(), []

    async def body():
        for chunk in (b"a", b"b", b"c"):
            await writer.write(chunk)
            await here.tasks.sleep_ms(5)
        await writer.close()

    async def read():
        async for chunk in read_stream(here.services, RUN, "out", 2):
            seen.append(chunk)

    here.run(read(), body())
    assert seen == [b"c"]
