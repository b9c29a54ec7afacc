"""Streams on files: appended by exclusive link, so writers of several processes agree."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import EntityConflictError, UsageError, WorldError
from simworld.records import LocalProfile
from simworld.substrates import MemoryFiles
from simworld.worlds import LocalStreams, read_local
from tests.worlds.doubles import now
from tests.worlds.local.makers import TrioTasks
from tests.worlds.local.stepping import Call, Rig, SteppedTasks

RUN = "wrun_1"


def streams():
    """Streams of one process on a rig whose operations are stepped."""
    rig = Rig()
    return rig, LocalStreams(rig.files, tasks=SteppedTasks())


def write(stream, *chunks, name="out"):
    return Call(stream.write(RUN, name, chunks))


def content(stream, name="out", start=0):
    return Call(stream.read(RUN, name, start, live=False)).finish()


def test_a_chunk_after_the_first_is_one_operation():
    rig, stream = streams()
    write(stream, b"a").finish()
    assert rig.done_by(write(stream, b"b")) == ["link streams/wrun_1/out/00000001"]
    assert content(stream) == ([b"a", b"b"], False)


def test_writes_of_one_process_keep_the_order_of_their_calls():
    _, stream = streams()
    first, second = write(stream, b"1", b"2"), write(stream, b"3", b"4")
    for _ in range(20):
        second.step()
        first.step()
    assert content(stream).chunks == [b"1", b"2", b"3", b"4"]


def test_new_streams_of_one_process_do_not_meet_at_a_name():
    rig, stream = streams()
    calls = [write(stream, b"a", name=f"out{number}") for number in range(4)]
    for _ in range(4):
        for call in calls:
            call.step()
    assert all(call.over for call in calls)
    assert sum(each.startswith("link stream-names") for each in rig.files.done) == 4
    assert Call(stream.names(RUN)).finish() == ["out0", "out1", "out2", "out3"]


def test_a_number_that_was_never_taken_keeps_nobody_from_the_next():
    rig, stream = streams()
    gone = write(stream, b"a", name="gone")
    gone.step()
    write(stream, b"b", name="first").finish()
    other = LocalStreams(rig.files, tasks=SteppedTasks())
    Call(other.write(RUN, "second", [b"c"])).finish()
    assert Call(stream.names(RUN)).finish() == ["first", "second"]


@given(st.lists(st.integers(0, 2), max_size=40))
def test_writers_of_several_processes_lose_nothing_and_end_once(order):
    rig = Rig()
    processes = [LocalStreams(rig.files, tasks=SteppedTasks()) for _ in range(3)]
    calls = [
        Call(processes[0].write(RUN, "out", [b"a1", b"a2"])),
        Call(processes[1].write(RUN, "out", [b"b1", b"b2"])),
        Call(processes[2].close(RUN, "out")),
    ]
    for which in order:
        calls[which].step()
    refused = []
    for number, call in enumerate(calls):
        try:
            call.finish()
        except EntityConflictError:
            refused.append(number)
    chunks, closed = content(processes[0])
    assert closed
    assert 2 not in refused
    for number, letter in enumerate(("a", "b")):
        mine = [each.decode() for each in chunks if each.startswith(letter.encode())]
        assert mine == [f"{letter}1", f"{letter}2"][: len(mine)]
        assert (len(mine) < 2) == (number in refused)
    with pytest.raises(EntityConflictError):
        Call(processes[1].write(RUN, "out", [b"late"])).finish()
    assert Call(processes[1].names(RUN)).finish() == (["out"] if chunks else [])


def test_names_are_in_the_order_of_the_first_chunks_and_none_is_lost():
    rig = Rig()
    processes = [LocalStreams(rig.files, tasks=SteppedTasks()) for _ in range(2)]
    calls = [
        Call(stream.write(RUN, name, [b"x"]))
        for stream, name in zip(processes, ("é/first", "../second"), strict=True)
    ]
    for call in calls * 20:
        call.step()
    write(processes[0], b"x", name="third").finish()
    Call(processes[0].close(RUN, "empty")).finish()
    assert Call(processes[1].names(RUN)).finish() == ["é/first", "../second", "third"]
    assert list(rig.state().streams) == [
        (RUN, "é/first"),
        (RUN, "../second"),
        (RUN, "third"),
        (RUN, "empty"),
    ]
    assert rig.state().streams[RUN, "empty"] == ([], True)


def test_who_dies_in_a_write_leaves_its_beginning():
    _, stream = streams()
    dying = write(stream, b"1", b"2", b"3")
    while content(stream).chunks != [b"1", b"2"]:
        dying.step()
    after = LocalStreams(stream._files, tasks=SteppedTasks())
    write(after, b"4").finish()
    assert content(after).chunks == [b"1", b"2", b"4"]


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 70])
@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_is_read_from_anywhere(length, closed):
    _, stream = streams()
    chunks = [b"%d" % number for number in range(length)]
    write(stream, *chunks).finish()
    if closed:
        Call(stream.close(RUN, "out")).finish()
    for start in (0, 1, length - 1, length, length + 1, length + 50):
        if start >= 0:
            assert content(stream, start=start) == (chunks[start:], closed)
    assert Call(stream.info(RUN, "out")).finish() == (length - 1, closed)


@pytest.mark.parametrize("start", [0, 1, 5])
def test_who_follows_a_stream_is_woken_by_chunks_and_by_the_end(start):
    async def follow():
        stream = LocalStreams(MemoryFiles(tasks=TrioTasks()), tasks=TrioTasks())
        seen = []

        async def reader():
            place = start
            while True:
                found = await stream.read(RUN, "out", place, live=True)
                seen.extend(found.chunks)
                place += len(found.chunks)
                if found.closed:
                    return

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reader)
                for number in range(4):
                    await trio.testing.wait_all_tasks_blocked()
                    await stream.write(RUN, "out", [b"%d" % number])
                await trio.testing.wait_all_tasks_blocked()
                await stream.close(RUN, "out")
        return seen

    assert trio.run(follow) == [b"0", b"1", b"2", b"3"][start:]


def test_what_is_not_a_name_or_a_place_is_refused():
    rig, stream = streams()
    calls = [write(stream, b"x", name="a\0b"), Call(stream.close("\ud800", "out"))]
    calls.append(Call(stream.close(RUN, "x" * 1_001)))
    for call in calls:
        with pytest.raises(WorldError) as refusal:
            call.finish()
        assert refusal.value.status == 400
    with pytest.raises(UsageError, match="from chunk 0 on, not from -1"):
        content(stream, start=-1)
    assert rig.memory.contents == {}


def test_a_dump_reads_what_a_stream_holds_whoever_owns_it():
    files = MemoryFiles()
    stream = LocalStreams(files, tasks=TrioTasks())
    now(stream.write("../odd", "out", [b"1"]))
    assert now(read_local(files, LocalProfile())).streams == {("../odd", "out"): ([b"1"], False)}
