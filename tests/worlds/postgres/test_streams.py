"""Streams in tables: dense chunks, one end, and readers that miss no wake-up."""

from __future__ import annotations

import pytest
import trio

from simworld.errors import EntityConflictError, UsageError, WorldError
from simworld.ports import Chunks, StreamInfo
from simworld.substrates import open_postgres
from simworld.worlds import PostgresStreams, ddl, world_tables
from tests.worlds.doubles import now
from tests.worlds.postgres.rig import REPAIRED, Rig
from tests.worlds.postgres.stepped import Session, every_order, play


@pytest.fixture
def rig():
    return Rig()


def write(rig, *chunks, name="out", run_id="r1"):
    now(rig.streams.write(run_id, name, chunks))


def read(rig, start=0, name="out", run_id="r1"):
    return now(rig.streams.read(run_id, name, start, live=False))


def test_chunks_come_back_in_order_from_any_index(rig):
    write(rig, b"0", b"1")
    write(rig, b"2")
    assert read(rig) == Chunks([b"0", b"1", b"2"], closed=False)
    assert read(rig, 2) == Chunks([b"2"], closed=False)
    assert read(rig, 7) == Chunks([], closed=False)
    assert now(rig.streams.info("r1", "out")) == StreamInfo(2, closed=False)


def test_a_stream_nobody_has_written_to_is_empty_and_open(rig):
    assert not read(rig).chunks
    assert now(rig.streams.info("r1", "out")) == StreamInfo(-1, closed=False)
    write(rig)
    assert now(rig.streams.names("r1")) == ()
    assert rig.state().streams == {}


def test_a_chunk_is_one_statement_and_so_is_a_look():
    rig = Rig()

    def done_by(call):
        rig.stepped.log.clear()
        session = Session(call)
        session.finish()
        return rig.stepped.log

    streams = rig.slow_streams
    assert done_by(streams.write("r1", "out", [b"0", b"1"])) == ["begin the stream"]
    assert done_by(streams.write("r1", "out", [b"2"])) == ["append the chunks"]
    assert done_by(streams.read("r1", "out", 0, live=True)) == ["read the stream"]
    assert done_by(streams.close("r1", "out")) == ["end the stream"]


def test_an_instance_that_knows_nothing_of_a_stream_appends_to_it(rig):
    write(rig, b"0")
    now(rig.streams.close("r1", "ended"))
    other = Rig().streams
    other._tables = rig.memory
    now(other.write("r1", "out", [b"1"]))
    assert read(rig).chunks == [b"0", b"1"]
    with pytest.raises(EntityConflictError):
        now(other.write("r1", "ended", [b"1"]))
    with pytest.raises(EntityConflictError):
        now(other.write("r1", "ended", []))


def test_the_first_end_wins_and_nothing_comes_after_it(rig):
    write(rig, b"0")
    now(rig.streams.close("r1", "out"))
    now(rig.streams.close("r1", "out"))
    with pytest.raises(EntityConflictError, match="'out' of run r1 is closed"):
        write(rig, b"1")
    assert rig.state().streams == {("r1", "out"): Chunks((b"0",), closed=True)}


def test_streams_are_listed_in_the_order_of_their_first_chunks(rig):
    now(rig.streams.close("r1", "a"))
    for name in ("z", "b", "z"):
        write(rig, b"0", name=name)
    write(rig, b"0", name="a", run_id="r2")
    assert now(rig.streams.names("r1")) == ("z", "b")
    assert now(rig.streams.names("r2")) == ("a",)


@pytest.mark.parametrize("bad", ["", "a\0b", "../\n", "x" * 2_000])
def test_bad_names_are_refused_and_nothing_is_written(rig, bad):
    for run_id, name in (("r1", bad), (bad, "out")):
        for call in (
            rig.streams.write(run_id, name, [b"0"]),
            rig.streams.close(run_id, name),
        ):
            with pytest.raises(WorldError) as refused:
                now(call)
            assert refused.value.status == 400
        assert not read(rig, name=name, run_id=run_id).chunks
    assert rig.state().streams == {}
    assert now(rig.streams.names(bad)) == ()


def test_nobody_reads_from_before_the_first_chunk(rig):
    with pytest.raises(UsageError, match="from chunk 0 on, not from -1"):
        read(rig, -1)


def test_two_writers_number_their_chunks_densely_in_every_order():
    def trial(choose):
        rig = Rig()
        play(
            {
                "a": rig.slow_streams.write("r1", "out", [b"a0", b"a1"]),
                "b": rig.slow_streams.write("r1", "out", [b"b0"]),
            },
            choose,
        )
        assert read(rig).chunks in ([b"a0", b"a1", b"b0"], [b"b0", b"a0", b"a1"])

    assert every_order(trial) > 1


def test_the_first_chunks_of_two_streams_have_one_order_in_every_order():
    def trial(choose):
        rig = Rig()
        writers = {name: rig.slow_streams.write("r1", name, [b"0"]) for name in "ab"}
        play(writers, choose)
        assert sorted(now(rig.streams.names("r1"))) == ["a", "b"]
        ordinals = [row["ordinal"] for row in rig.memory.rows("streams")]
        assert sorted(ordinals) == [1, 2]

    assert every_order(trial) > 1


def test_a_live_reader_is_woken_by_a_chunk_and_by_the_end(rig):
    reader = Session(rig.streams.read("r1", "out", 0, live=True))
    reader.step()
    assert reader.waits
    write(rig, b"0", name="other")
    assert reader.waits
    write(rig, b"0")
    assert reader.finish() == Chunks([b"0"], closed=False)
    reader = Session(rig.streams.read("r1", "out", 1, live=True))
    reader.step()
    now(rig.streams.close("r1", "out"))
    assert reader.finish() == Chunks([], closed=True)


def test_a_live_reader_misses_no_wake_up_in_any_order():
    def trial(choose):
        rig = Rig()
        sessions = play(
            {
                "reader": rig.slow_streams.read("r1", "out", 0, live=True),
                "writer": rig.slow_streams.write("r1", "out", [b"0"]),
            },
            choose,
        )
        assert sessions["reader"].result.chunks == [b"0"]

    assert every_order(trial) > 3


def test_a_writer_that_dies_before_its_commit_has_written_nothing(rig):
    statements = 0
    while True:
        session = Session(rig.slow_streams.write("r1", "out", [b"0"]))
        for _ in range(statements + 1):
            session.step()
        if session.is_over:
            break
        rig.memory.abandon(None)
        session.coroutine.close()
        assert rig.state().streams == {}
        statements += 1
    assert statements == 1
    assert read(rig).chunks == [b"0"]


def test_streams_that_begin_at_once_on_a_server_have_one_order(pg_dsn):
    tables = world_tables(REPAIRED)
    names = [f"s{number}" for number in range(8)]

    async def main():
        async with open_postgres(pg_dsn, ddl=ddl(tables, "1"), version="1") as opened:
            streams = PostgresStreams(opened)
            with trio.fail_after(20):
                async with trio.open_nursery() as nursery:
                    for name in names:
                        nursery.start_soon(streams.write, "r1", name, [b"0", b"1"])
                        nursery.start_soon(streams.write, "r1", name, [b"2"])
            for name in names:
                chunks = (await streams.read("r1", name, 0, live=False)).chunks
                assert chunks in ([b"0", b"1", b"2"], [b"2", b"0", b"1"])
            assert sorted(await streams.names("r1")) == names
            await streams.close("r1", "empty")
            assert sorted(await PostgresStreams(opened).names("r1")) == names

    trio.run(main)
