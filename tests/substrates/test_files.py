"""Files in memory and on a disk: the same answers; power losses of the one, errors of the other."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from simworld.errors import DefiniteFailure, InternalError, UsageError
from simworld.substrates import DiskFiles, MemoryFiles, Sync, disk
from simworld.substrates.disk import LINKED_MAX, SMALL, TEMPORARY, VERSION_FILE
from tests.worlds.doubles import now
from tests.worlds.local.makers import TrioTasks

BAD_PATHS = [
    "",
    "/etc/x",
    "a/../b",
    "..",
    ".",
    "a//b",
    "a/",
    "a\0b",
    "é/x",
    "a b",
    "x" * 201,
    "a\\b",
    "a\n",
    f"{TEMPORARY}/x",
]


def both(root, script):
    """Run ``script(files)`` on a disk and in memory; what both gave."""
    memory = MemoryFiles(tasks=TrioTasks())

    async def disk():
        return await script(DiskFiles(root, sync=Sync.NEVER))

    async def in_memory():
        return await script(memory)

    return trio.run(disk), trio.run(in_memory)


async def outcome(call):
    try:
        return await call
    except (DefiniteFailure, InternalError) as error:
        return type(error).__name__


PATHS = st.sampled_from(["a", "b", "f/a", "f/b", "f/g/a", "f/g", "f"])
DATA = st.binary(max_size=4)
OPERATIONS = st.one_of(
    st.tuples(st.just("create"), PATHS, DATA),
    st.tuples(st.just("link"), PATHS, DATA),
    st.tuples(st.just("replace"), PATHS, DATA),
    st.tuples(st.just("read"), PATHS),
    st.tuples(st.just("read_all"), st.lists(PATHS, max_size=4)),
    st.tuples(st.just("read_on"), st.lists(PATHS, max_size=4)),
    st.tuples(st.just("link_all"), st.lists(PATHS, max_size=4, unique=True)),
    st.tuples(st.just("list"), st.sampled_from(["", "f", "f/g", "a", "none"])),
    st.tuples(st.just("unlink"), PATHS),
)


@given(st.lists(OPERATIONS, max_size=12))
def test_memory_and_disk_give_the_same_answers(tmp_path_factory, operations):
    async def script(files):
        answers = []
        for verb, *arguments in operations:
            if verb == "link_all":
                arguments.append([path.encode() for path in arguments[0]])
            answers.append(await outcome(getattr(files, verb)(*arguments)))
        return answers, await files.list(""), await files.list("f")

    disk, memory = both(tmp_path_factory.mktemp("files") / "world", script)
    assert disk == memory


@pytest.mark.parametrize("path", BAD_PATHS)
def test_no_path_leads_out(tmp_path, path):
    async def script(files):
        answers = [await outcome(files.link(path, b"x")), await outcome(files.create(path, b"x"))]
        return [*answers, await outcome(files.replace(path, b"x"))]

    disk, memory = both(tmp_path / "world", script)
    assert disk == memory == ["InternalError"] * 3
    assert sorted(os.listdir(tmp_path)) == ["world"]


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    root = tmp_path / "world"
    files = DiskFiles(root)
    (root / "f").symlink_to(other)
    with pytest.raises(DefiniteFailure, match="worlds follow none"):
        trio.run(files.link, "f/a", b"x")
    (root / "a").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(DefiniteFailure, match="file a"):
        trio.run(files.read, "a")
    assert list(other.iterdir()) == []


def test_waiting_ends_when_there_is_more(tmp_path):
    async def script(files):
        async def later():
            await trio.sleep(0.02)
            await files.link("f/b", b"")

        await files.link("f/a", b"")
        await files.wait_more("f", 0)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(later)
                await files.wait_more("f", 1)
                return await files.list("f")

    assert both(tmp_path / "world", script) == (["a", "b"], ["a", "b"])


# --- on a disk --------------------------------------------------------------------------------


@pytest.mark.parametrize("sync", list(Sync))
def test_what_was_written_is_there_for_the_next_process(tmp_path, sync):
    trio.run(DiskFiles(tmp_path, sync=sync).link, "f/g/a", b"data")
    assert trio.run(DiskFiles(tmp_path, sync=sync).read, "f/g/a") == b"data"
    assert list((tmp_path / TEMPORARY).iterdir()) == []
    assert stat.S_IMODE((tmp_path / "f/g/a").stat().st_mode) == 0o600


def test_what_a_dead_process_was_writing_is_swept_up_later(tmp_path):
    DiskFiles(tmp_path)
    for name, age_s in (("dead", 4_000), ("alive", 10)):
        left = tmp_path / TEMPORARY / name
        left.write_bytes(b"half")
        os.utime(left, (time.time() - age_s,) * 2)
    DiskFiles(tmp_path)
    assert os.listdir(tmp_path / TEMPORARY) == ["alive"]


def test_a_root_of_another_layout_or_version_is_refused_and_left_alone(tmp_path):
    DiskFiles(tmp_path, layout="slots")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=r"layout slots.*layout minted.*another directory"):
        DiskFiles(tmp_path, layout="minted")
    (tmp_path / VERSION_FILE).write_text("simworld world, version 99, layout slots\n")
    with pytest.raises(UsageError, match="version 99"):
        DiskFiles(tmp_path, layout="slots")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_root_that_holds_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "letters").write_text("dear")
    with pytest.raises(UsageError, match="'letters'"):
        DiskFiles(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["letters"]


def test_a_root_that_is_a_file_or_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "world", "/proc/world"):
        with pytest.raises(UsageError, match="give a directory that this user can write"):
            DiskFiles(root)


@pytest.fixture
def not_root(tmp_path):
    """Root may write everywhere, so it is somebody else for the time of a test."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    yield
    os.seteuid(user)


@pytest.mark.usefixtures("not_root")
def test_a_root_that_may_not_be_written_is_refused(tmp_path):
    with contextlib.suppress(PermissionError):  # then it is another user's anyway
        tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="give a directory that this user can write"):
        DiskFiles(tmp_path)


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("verb", ["create", "link", "replace"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, verb):
    files = DiskFiles(tmp_path)

    def full(opened):
        raise FULL

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DefiniteFailure, match=r"cannot use file f/a: .*; free some space"):
        trio.run(getattr(files, verb), "f/a", b"data")
    monkeypatch.undo()
    assert [each for each in tmp_path.rglob("*") if each.name in ("a",)] == []
    assert list((tmp_path / TEMPORARY).iterdir()) == []
    trio.run(getattr(files, verb), "f/a", b"data")


def test_many_files_are_linked_up_to_the_first_that_is_taken(tmp_path):
    async def main(files):
        paths = [f"f/{number:03d}" for number in range(2 * LINKED_MAX + 1)]
        await files.link(paths[LINKED_MAX + 3], b"taken")
        assert await files.link_all(paths, [b"x"] * len(paths)) == LINKED_MAX + 3
        assert len(await files.list("f")) == LINKED_MAX + 4
        assert await files.read_on(paths) == [b"x"] * (LINKED_MAX + 3) + [b"taken"]
        assert await files.link_all(paths, [b"x"] * len(paths)) == 0

    trio.run(main, DiskFiles(tmp_path))
    assert list((tmp_path / TEMPORARY).iterdir()) == []


@pytest.mark.parametrize("sync", list(Sync))
def test_what_is_large_is_read_and_written_as_well(tmp_path, sync):
    async def main(files):
        parts = [bytes([number]) * (SMALL // 2 + 1) for number in range(5)]
        paths = [f"f/{number}" for number in range(5)]
        assert await files.link_all(paths, parts) == 5
        await files.replace("large", bytes(SMALL + 1))
        assert await files.read_on([*paths, "none", paths[0]]) == parts
        assert await files.read_all([*paths, "none", paths[0]]) == [*parts, None, parts[0]]
        assert await files.read("large") == bytes(SMALL + 1)

    trio.run(main, DiskFiles(tmp_path, sync=sync))


def test_who_waits_is_told_at_once_of_what_this_process_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "POLL_FIRST_MS", 60_000)
    monkeypatch.setattr(disk, "POLL_MAX_MS", 60_000)

    async def main(files):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(files.wait_more, "f/g", 0)
            nursery.start_soon(files.wait_more, "f", 0)
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(5):
                await files.link("other/a", b"")
                await files.link_all(["f/g/a"], [b""])
                nursery.cancel_scope.deadline = trio.current_time() + 5
        assert not nursery.cancel_scope.cancelled_caught
        assert files._news == {}

    trio.run(main, DiskFiles(tmp_path))


# --- in memory --------------------------------------------------------------------------------


def test_a_torn_write_leaves_its_beginning():
    files = MemoryFiles()
    assert files.tear("f/a", b"data", 2)
    assert not files.tear("f/a", b"data", 3)
    assert files.contents == {"f/a": b"da"}


def test_a_power_loss_takes_what_was_not_synced():
    files = MemoryFiles(sync=Sync.NEVER)
    now(files.link("f/kept", b"1"))
    now(files.link("f/changed", b"1"))
    now(files.link("f/removed", b"1"))
    files.sync()
    now(files.replace("f/changed", b"2"))
    now(files.unlink("f/removed"))
    now(files.create("f/new", b"1"))
    now(files.create("f/gone", b"1"))
    now(files.unlink("f/gone"))
    assert files.lose_unsynced() == ["f/changed", "f/gone", "f/new", "f/removed"]
    assert files.contents == {"f/kept": b"1", "f/changed": b"1", "f/removed": b"1"}
    assert now(files.list("f")) == ["changed", "kept", "removed"]
    assert files.lose_unsynced() == []


def test_a_power_loss_takes_nothing_that_was_synced():
    files = MemoryFiles()
    now(files.link("f/a", b"1"))
    now(files.replace("f/a", b"2"))
    assert files.lose_unsynced() == []
    assert files.contents == {"f/a": b"2"}


def test_reading_a_folder_as_a_file_leaves_nothing_open(tmp_path):
    files = DiskFiles(tmp_path / "world")

    async def main():
        await files.link("a/b/1", b"one")
        for _ in range(5):
            assert await files.read("a/b") is None
            assert await files.read_all(["a", "a/b", "a/b/1"]) == [None, None, b"one"]

    def next_number():
        number = os.open(tmp_path, os.O_RDONLY)
        os.close(number)
        return number

    trio.run(main)
    before = next_number()
    trio.run(main)
    assert next_number() == before
