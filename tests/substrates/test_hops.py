"""Jobs that share a hop: what is done once for all, who is answered when, and who is cancelled."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import trio

from simworld.substrates.hops import FILES_MAX, Hops, at_once


class Disk:
    """Writes down what the jobs do, and lets a hop go on when it is told to."""

    def __init__(self):
        self.done = []
        self.full = set()
        self.gate = threading.Event()
        self.gate.set()
        self.hops = Hops(self.sync)

    def sync(self, folder):
        self.done.append(f"sync {folder}")
        if folder in self.full:
            raise OSError(f"{folder} is full")

    def job(self, name, folder="f"):
        """Writes, then wants its folder synced."""
        self.gate.wait(5)
        self.done.append(f"write {name}")
        yield ""
        self.done.append(f"link {name}")
        yield folder
        return name

    async def do(self, name, folder="f", files=1):
        return await self.hops.do(self.job(name, folder), files=files)


async def later(act):
    await blocked()
    act()


async def blocked():
    """Until everybody else waits, if only for a thread."""
    await trio.sleep(0.02)


def test_jobs_that_begin_together_share_a_hop_and_one_sync_of_each_folder():
    disk, answers = Disk(), []

    async def main():
        async def one(name, folder):
            answers.append(await disk.do(name, folder))

        async with trio.open_nursery() as nursery:
            for name, folder in (("a", "f"), ("b", "f"), ("c", "g")):
                nursery.start_soon(one, name, folder)

    trio.run(main)
    assert sorted(answers) == ["a", "b", "c"]
    writes, links, syncs = disk.done[:3], disk.done[3:6], disk.done[6:]
    assert sorted(writes) == ["write a", "write b", "write c"]
    assert sorted(links) == ["link a", "link b", "link c"]
    assert sorted(syncs) == ["sync f", "sync g"]


def test_what_comes_while_a_hop_is_under_way_goes_into_the_next_one():
    disk = Disk()

    async def main():
        disk.gate.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(disk.do, "first")
            await blocked()
            for name in ("second", "third"):
                nursery.start_soon(disk.do, name)
            await blocked()
            disk.gate.set()

    trio.run(main)
    assert disk.done[:3] == ["write first", "link first", "sync f"]
    assert sorted(disk.done[3:5]) == ["write second", "write third"]
    assert disk.done[7:] == ["sync f"]


def test_an_error_belongs_to_whom_it_concerns():
    disk = Disk()
    disk.full.add("g")
    outcomes = {}

    def broken():
        raise KeyError("broken")
        yield ""

    async def main():
        async def one(name, stages):
            try:
                outcomes[name] = await disk.hops.do(stages, files=1)
            except (OSError, KeyError) as error:
                outcomes[name] = type(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "broken", broken())
            nursery.start_soon(one, "a", disk.job("a", "f"))
            nursery.start_soon(one, "b", disk.job("b", "g"))

    trio.run(main)
    assert outcomes == {"broken": KeyError, "a": "a", "b": OSError}


@pytest.mark.parametrize("begun", [True, False])
def test_who_is_cancelled_takes_back_what_has_not_begun_only(begun):
    disk = Disk()

    async def main():
        disk.gate.clear()
        async with trio.open_nursery() as nursery:
            if not begun:
                nursery.start_soon(disk.do, "other")
                await blocked()
            async with trio.open_nursery() as mine:
                mine.start_soon(disk.do, "cancelled")
                await blocked()
                nursery.start_soon(later, disk.gate.set)
                mine.cancel_scope.cancel()
        assert await disk.do("after") == "after"

    trio.run(main)
    assert ("link cancelled" in disk.done) == begun
    assert disk.done[-1] == "sync f"


def test_whoever_waits_behind_one_who_is_cancelled_is_served_all_the_same():
    disk, answers = Disk(), []

    async def one(name):
        answers.append(await disk.do(name))

    async def main():
        disk.gate.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "first")
            await blocked()
            async with trio.open_nursery() as mine:
                mine.start_soon(one, "cancelled")
                await blocked()
                nursery.start_soon(one, "last")
                await blocked()
                mine.cancel_scope.cancel()
            disk.gate.set()

    with_limit(main)
    assert answers == ["first", "last"]


def test_a_leader_who_is_cancelled_before_the_hop_hands_on():
    disk, answers = Disk(), []

    async def main():
        async def one(name):
            answers.append(await disk.do(name))

        async with trio.open_nursery() as nursery, trio.open_nursery() as mine:
            mine.cancel_scope.cancel()
            mine.start_soon(one, "cancelled")
            nursery.start_soon(one, "other")

    with_limit(main)
    assert "other" in answers


def test_a_hop_has_room_for_one_job_at_least_and_for_so_many_files():
    disk = Disk()

    async def main():
        async with trio.open_nursery() as nursery:
            for name, files in (("a", 2 * FILES_MAX), ("b", FILES_MAX), ("c", 1)):
                nursery.start_soon(partial(disk.do, name, files=files))

    with_limit(main)
    assert disk.done.count("sync f") == 3


def test_a_job_is_done_at_once_where_there_is_nothing_to_wait_for():
    disk = Disk()
    assert at_once(disk.job("a"), disk.sync) == "a"
    assert disk.done == ["write a", "link a", "sync f"]


def with_limit(main):
    """Nobody waits for ever."""

    async def limited():
        with trio.fail_after(10):
            await main()

    trio.run(limited)
