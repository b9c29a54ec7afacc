"""Files and tables under the kernel: every operation is a turn, and what a crash does to each."""

from __future__ import annotations

import pytest

from simworld.entropy import Stream
from simworld.errors import IndefiniteFailure
from simworld.explore import Default, Replay
from simworld.ports import Statement, Table
from simworld.records import Advance, Explorer, Fault, Op, Profile, Schedule
from simworld.sim import (
    Kernel,
    Labels,
    RecordedFaults,
    SimClock,
    SimFiles,
    SimTables,
    SimTasks,
)
from simworld.sim.labels import create_op
from simworld.sim.substrates import PowerFailed
from simworld.substrates import MemoryFiles, MemoryTables, Sync

COUNTERS = Table("counters", {"name": str, "value": int}, ("name",))


async def _add(session, values):
    def more(row):
        return {**row, "value": row["value"] + 1}

    return await session.update("counters", more, key=(values["name"],))


async def _put(session, values):
    return [await session.insert("counters", {"name": values["name"], "value": 0})]


ADD = Statement("add one", "", _add, lambda values: {f"counter {values['name']}": True})
PUT = Statement("begin to count", "", _put, lambda values: {f"counter {values['name']}": True})


class Rig:
    """A kernel with files and tables under it, and who works on them."""

    def __init__(
        self, *faults: Fault, sync: Sync = Sync.EACH, explorer: Explorer | None = None
    ) -> None:
        self.kernel = Kernel(
            explorer=explorer or Default(),
            faults=RecordedFaults(faults),
            turns_max=1_000,
            full_trace=True,
        )
        labels = Labels()
        self.tasks = tasks = SimTasks(self.kernel, labels)
        self.published: list[str] = []
        self.memory = MemoryFiles(tasks=tasks, sync=sync)
        self.files = SimFiles(
            self.kernel, labels, self.memory, lambda path, data: self.published.append(path)
        )
        self.tables = MemoryTables([COUNTERS], tasks=tasks, owner=lambda: self.kernel.current)
        self.kernel.on_bury.append(self.tables.abandon)
        self.sim_tables = SimTables(self.kernel, labels, self.tables)
        self.told: list[object] = []

    def run(self, **works):
        """Each of ``works`` is a delivery of its own; to begin is its first operation."""
        for name, work in works.items():
            self.kernel.spawn(name, work, part=name, op=Op("begin"), on_lost=lambda: None)
        self.kernel.run()
        self.kernel.close()
        return self

    @property
    def turns(self) -> list[str]:
        return [turn.op for turn in self.kernel.trace or ()]


def test_every_operation_on_files_is_a_turn_that_says_what_it_is_a_part_of() -> None:
    rig = Rig()

    async def work() -> None:
        assert rig.kernel.current is not None
        rig.kernel.current.doing = create_op("step_created", "run", "work#1")
        assert await rig.files.link("a/1", b"one")
        assert not await rig.files.link("a/1", b"two")
        assert await rig.files.create("a/2", b"two")
        await rig.files.replace("a/2", b"three")
        assert await rig.files.read("a/2") == b"three"
        assert await rig.files.read_all(["a/1", "a/9"]) == [b"one", None]
        assert await rig.files.list("a") == ["1", "2"]
        assert await rig.files.unlink("a/1")

    rig.run(A=work)
    doing = "record step_created of work#1: "
    parts = [each.removeprefix(doing) for each in rig.turns[1:]]
    assert parts == [
        "link a/1", "link a/1", "create a/2", "go on writing a/2", "write a/2", "read a/2",
        "read on from a/1", "list a", "remove a/1",
    ]  # fmt: skip
    assert rig.published == ["a/1", "a/2"]
    link = (rig.kernel.trace or [])[1]
    assert dict(link.labels) == {"step run/work#1": True, "run run": False, "a/1": True,
                                 "log run": True, "a": True}  # fmt: skip


@pytest.mark.parametrize(("kinds", "left"), [([], None), (["torn_write"], b"01234")])
def test_a_crash_in_a_write_in_place_may_leave_half_of_it(
    kinds: list[str], left: bytes | None
) -> None:
    rig = Rig(Fault("crash", "A", 2), *[Fault(kind, "A", 2) for kind in kinds])

    async def work() -> None:
        await rig.files.create("a/1", b"0123456789")

    rig.run(A=work)
    assert rig.memory.contents.get("a/1") == left
    assert [fault.kind for fault in rig.kernel.fired] == ["crash", *kinds]


def test_a_write_in_place_is_read_half_way_until_it_has_ended() -> None:
    """R-57."""

    async def writes() -> None:
        await rig.files.create("a/1", b"0123456789")

    async def reads() -> None:
        rig.told.append(await rig.files.read("a/1"))

    # A begins, and creates; then B reads; then A goes on.
    schedule = Schedule((Advance("A", 2, "begin"), Advance("B", 2, "begin")))
    explorer = Replay(schedule, strict=False)
    explorer.begin(Stream(0), Profile())
    rig = Rig(explorer=explorer)
    rig.run(A=writes, B=reads)
    assert rig.told == [b"01234"]
    assert rig.memory.contents == {"a/1": b"0123456789"}
    assert rig.published == ["a/1"]


def test_a_link_is_never_torn() -> None:
    rig = Rig(Fault("crash", "A", 2), Fault("torn_write", "A", 2))

    async def work() -> None:
        await rig.files.link("a/1", b"0123456789")

    rig.run(A=work)
    assert rig.memory.contents == {}
    assert [fault.kind for fault in rig.kernel.fired] == ["crash"]


@pytest.mark.parametrize(("sync", "left"), [(Sync.EACH, {"a/1": b"one"}), (Sync.NEVER, {})])
def test_a_power_loss_takes_every_host_and_what_was_not_synced(sync, left) -> None:
    rig = Rig(Fault("crash", "B", 2), Fault("power_loss", "B", 2), sync=sync)

    async def writes() -> None:
        await rig.files.link("a/1", b"one")
        await SimClock(rig.kernel).sleep_ms(1_000)
        rig.told.append("lived on")

    async def dies() -> None:
        await rig.files.link("a/2", b"two")

    rig.run(A=writes, B=dies)
    assert rig.memory.contents == left
    assert rig.told == []
    assert not any(task.host.alive for task in rig.kernel.tasks)


def test_a_lost_answer_is_lost_behind_the_operation() -> None:
    rig = Rig(Fault("lost_answer", "A", 2))

    async def work() -> None:
        try:
            await rig.files.link("a/1", b"one")
        except IndefiniteFailure as error:
            rig.told.append(str(error))

    rig.run(A=work)
    assert rig.told == ["the answer to 'link a/1' was lost"]
    assert rig.memory.contents == {"a/1": b"one"}


def test_a_host_that_dies_in_a_transaction_takes_it_back_and_lets_others_on() -> None:
    rig = Rig(Fault("crash", "A", 4))

    async def counts() -> None:
        async with rig.sim_tables.transaction() as session:
            await session.run(ADD, name="x")
            await session.run(ADD, name="x")
        rig.told.append("committed")

    async def first() -> None:
        await rig.sim_tables.run(PUT, name="x")

    rig.run(P=first, A=counts, B=counts)
    assert rig.told == ["committed"]
    assert rig.tables.peek("counters", ("x",)) == {"name": "x", "value": 2}
    assert rig.turns.count("commit") == 2, "A died before its own"


def test_a_job_that_is_cancelled_in_a_transaction_takes_it_back_and_lets_others_on() -> None:
    rig = Rig()

    async def counts() -> None:
        async with rig.sim_tables.transaction() as session:
            await session.run(ADD, name="x")
            await SimClock(rig.kernel).sleep_ms(1_000)

    async def work() -> None:
        await rig.sim_tables.run(PUT, name="x")
        job = rig.tasks.start("job", counts())
        await SimClock(rig.kernel).sleep_ms(500)
        job.cancel()
        await rig.sim_tables.run(ADD, name="x")
        rig.told.append("went on")

    rig.run(A=work)
    assert rig.told == ["went on"]
    assert rig.tables.peek("counters", ("x",)) == {"name": "x", "value": 1}


def test_a_client_that_has_seen_what_the_power_took_is_told_so() -> None:
    rig = Rig(Fault("crash", "B", 2), Fault("power_loss", "B", 2), sync=Sync.NEVER)

    async def client() -> None:
        await rig.files.link("a/1", b"one")
        await SimClock(rig.kernel).sleep_ms(1_000)
        try:
            await rig.files.link("a/2", b"two")
        except PowerFailed:
            rig.told.append("begins again")
        await rig.files.link("a/1", b"one")

    async def dies() -> None:
        await rig.files.link("a/3", b"three")

    rig.kernel.spawn("client", client, part="client", op=Op("begin"))
    rig.run(B=dies)
    assert rig.told == ["begins again"]
    assert rig.memory.contents == {"a/1": b"one"}
