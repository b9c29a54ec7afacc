"""Planned faults: what a struck operation's caller sees, and that nothing was done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from simworld.engine import RunCreated, RunStarted, StepCreated
from simworld.entropy import Stream
from simworld.errors import DefiniteFailure, IndefiniteFailure, ThrottleError, WorldError
from simworld.ports import Message
from simworld.records import FAULTS, Fault, FaultBudget, LostAnswer, QueueProfile
from simworld.sim import (
    EPOCH_MS,
    HostClock,
    LockstepKernel,
    Nemesis,
    RecordedFaults,
    SimClock,
    SimIds,
    SimQueue,
    SimTasks,
    merged,
)
from simworld.worlds import MemoryQueue
from tests.sim.test_interposition import RUN
from tests.sim.test_interposition import Rig as Calls
from tests.sim.test_kernel import Stay, World, letters
from tests.sim.test_substrates import ADD, PUT
from tests.sim.test_substrates import Rig as Below
from tests.sim.test_wire import Rig as Hosted


async def seen(told: list[Any], *calls: Callable[[], Awaitable[object]]) -> None:
    """Make the calls, one after the other, and tell what each failed with."""
    for call in calls:
        try:
            await call()
            told.append("done")
        except (DefiniteFailure, IndefiniteFailure) as error:
            told.append(type(error).__name__)


# --- calls that are refused ----------------------------------------------------------------------


def test_a_definite_error_is_a_503_and_nothing_was_done() -> None:
    rig, told = Calls(faults=(Fault("server_error", "a@3", 1),)), []

    async def work() -> None:
        create = rig.storage.create
        await create(RUN, RunCreated("flow", b""))
        try:
            await create(RUN, RunStarted())
        except WorldError as error:
            told.append(error.status)
        await create(RUN, RunStarted())

    rig.plays(a=work)
    assert told == [503]
    assert [each.event.type for each in rig.committed()] == ["run_created", "run_started"]
    assert rig.said()[1] == ("record run_started", "refused: 503, the server has failed")
    assert rig.kernel.fired == [Fault("server_error", "a@3", 1)]


@pytest.mark.parametrize("call", ["events", "run", "hook", "write", "close", "info", "names"])
@pytest.mark.parametrize("kind", ["server_error", "throttled"])
def test_every_call_of_a_world_may_be_refused(kind: str, call: str) -> None:
    rig, told = Calls(faults=(Fault(kind, "a@2", 7),)), []
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "events": lambda: rig.storage.events(RUN),
        "run": lambda: rig.storage.run(RUN),
        "hook": lambda: rig.storage.hook("token"),
        "write": lambda: rig.streams.write(RUN, "out", [b"chunk"]),
        "close": lambda: rig.streams.close(RUN, "out"),
        "info": lambda: rig.streams.info(RUN, "out"),
        "names": lambda: rig.streams.names(RUN),
    }
    rig.plays(a=lambda: seen(told, calls[call]))
    assert told == ["WorldError" if kind == "server_error" else "ThrottleError"]


def test_who_is_throttled_is_told_when_to_come_back() -> None:
    rig, told = Calls(faults=(Fault("throttled", "a@2", 7),)), []

    async def work() -> None:
        with pytest.raises(ThrottleError) as refused:
            await rig.storage.run(RUN)
        told.append((refused.value.status, refused.value.retry_after_s))

    rig.plays(a=work)
    assert told == [(429, 7)]
    assert rig.kernel.last_fault_ms == EPOCH_MS + 7_000  # until then nobody has to be done
    rig.kernel.note_fault(Fault("crash", "a", 3))  # which does not end that
    assert rig.kernel.last_fault_ms == EPOCH_MS + 7_000


def test_a_send_that_is_refused_queues_nothing() -> None:
    rig, told = Calls(faults=(Fault("server_error", "a@2", 1),)), []
    tasks, clock = SimTasks(rig.kernel, rig.labels), SimClock(rig.kernel)
    inner = MemoryQueue(tasks=tasks, clock=clock, ids=SimIds(), profile=QueueProfile())
    queue = SimQueue(rig.kernel, rig.labels, inner)

    async def handle(message: Message, delivery: object) -> None:
        told.append(message)

    queue.connect(handle)
    again = Message(RUN)
    rig.plays(a=lambda: seen(told, lambda: queue.send(Message(RUN, "s", "work")),
                             lambda: queue.send(again)))  # fmt: skip
    assert told == ["WorldError", "done", again]


def test_a_fault_that_does_not_apply_is_not_spent() -> None:
    rig, told = Calls(faults=(Fault("lost_connection", "a@2", 1),)), []
    rig.plays(a=lambda: seen(told, lambda: rig.storage.create(RUN, RunCreated("flow", b""))))
    assert told == ["done"]
    assert rig.kernel.fired == []


def test_a_server_that_refuses_never_performs_the_request() -> None:
    rig, told = Hosted(Fault("server_error", "a@2", 1)), []

    def create() -> Awaitable[object]:
        return rig.world.create("wrun_9", RunCreated("flow", b""))

    rig.plays(a=lambda: seen(told, create, create))
    assert told == ["WorldError", "done"]
    assert len(rig.server.logs["wrun_9"]) == 1


def test_a_request_that_has_been_performed_is_not_refused() -> None:
    class RequestFirst(Stay):
        def choose(self, point: object, enabled: Any) -> int:
            names = [task.name for task in enabled]
            return names.index("a/run_created") if "a/run_created" in names else 0

    rig, told = Hosted(Fault("server_error", "a@2", 1), explorer=RequestFirst()), []
    rig.plays(a=lambda: seen(told, lambda: rig.world.create("wrun_9", RunCreated("flow", b""))))
    assert told == ["done"]
    assert rig.kernel.fired == []


# --- below a world -------------------------------------------------------------------------------


def test_a_file_that_cannot_be_written_is_not_there() -> None:
    rig = Below(Fault("server_error", "A@2", 1))
    rig.run(A=lambda: seen(rig.told, lambda: rig.files.link("a/1", b"one"),
                           lambda: rig.files.link("a/2", b"two")))  # fmt: skip
    assert rig.told == ["DefiniteFailure", "done"]
    assert rig.memory.contents == {"a/2": b"two"}


def counting(rig: Below) -> Callable[[], Awaitable[None]]:
    """Adds two in a transaction."""

    async def counts() -> None:
        async with rig.sim_tables.transaction() as session:
            await session.run(ADD, name="x")
            await session.run(ADD, name="x")

    return counts


@pytest.mark.parametrize(
    ("fault", "sees", "value"),
    [
        (Fault("server_error", "A@3", 1), "DefiniteFailure", 0),
        (Fault("server_error", "A@5", 1), "DefiniteFailure", 0),
        (Fault("lost_connection", "A@3", 1), "DefiniteFailure", 0),
        (Fault("lost_connection", "A@4", 2), "DefiniteFailure", 0),
        (Fault("lost_connection", "A@5", 1), "IndefiniteFailure", 0),
        (Fault("lost_connection", "A@5", 2), "IndefiniteFailure", 2),
    ],
)
def test_a_transaction_that_is_struck_is_rolled_back_or_committed(
    fault: Fault, sees: str, value: int
) -> None:
    """Operations: 1 begin, 2 put, 3 and 4 add, 5 commit."""
    rig = Below(fault)
    rig.run(A=lambda: seen(rig.told, lambda: rig.sim_tables.run(PUT, name="x"), counting(rig),
                           counting(rig)))  # fmt: skip
    assert rig.told == ["done", sees, "done"]  # its locks are free again
    assert rig.tables.peek("counters", ("x",)) == {"name": "x", "value": value + 2}
    assert [type(each) for each in rig.kernel.records] == [LostAnswer] * (value > 0)


@pytest.mark.parametrize(("when", "there"), [(1, False), (2, True)])
def test_a_statement_on_its_own_may_have_been_done_when_its_connection_is_lost(
    when: int, there: bool
) -> None:
    rig = Below(Fault("lost_connection", "A@2", when))
    rig.run(A=lambda: seen(rig.told, lambda: rig.sim_tables.run(PUT, name="x")))
    assert rig.told == ["IndefiniteFailure"]
    assert (rig.tables.peek("counters", ("x",)) is not None) == there


def test_the_answer_to_a_statement_that_has_waited_is_lost_too() -> None:
    rig = Below(Fault("lost_answer", "B", 3))

    async def holds() -> None:
        async with rig.sim_tables.transaction() as session:
            await session.run(ADD, name="x")
            await SimClock(rig.kernel).sleep_ms(100)

    async def waits() -> None:
        await SimClock(rig.kernel).sleep_ms(1)
        await seen(rig.told, lambda: rig.sim_tables.run(ADD, name="x"))

    async def puts() -> None:
        await rig.sim_tables.run(PUT, name="x")

    rig.run(P=puts, A=holds, B=waits)
    assert rig.told == ["IndefiniteFailure"]
    assert rig.tables.peek("counters", ("x",)) == {"name": "x", "value": 2}


# --- pages ---------------------------------------------------------------------------------------


def test_a_torn_page_says_that_there_is_more() -> None:
    rig, pages = Calls(faults=(Fault("torn_page", "a@5", 2),)), []

    async def work() -> None:
        await rig.storage.create(RUN, RunCreated("flow", b""))
        await rig.storage.create(RUN, RunStarted())
        await rig.storage.create(RUN, StepCreated("step_A", "work", b""))
        pages.append(await rig.storage.events(RUN))
        pages.append(await rig.storage.events(RUN, pages[0].cursor))

    rig.plays(a=work)
    assert [[each.position for each in page.events] for page in pages] == [[1], [2, 3]]
    assert [page.has_more for page in pages] == [True, False]


# --- hosts that stand still ----------------------------------------------------------------------


def test_a_slow_host_stands_still_with_all_its_tasks_while_others_go_on() -> None:
    world = World(Stay(), RecordedFaults([Fault("slow_host", "a@3", 500)]))

    async def beside() -> None:
        await world.sleep(100)
        await world.act("beside")

    async def work() -> None:
        await world.act("a1")
        world.kernel.start_job("job", beside(), world.kernel.tasks[0].op)
        await world.act("a2")
        await world.act("a3")

    async def other() -> None:
        await world.act("b1")
        await world.sleep(200)
        await world.act("b2")

    world.spawn("a", work, on_lost=lambda: None)
    world.spawn("b", other, on_lost=lambda: None)
    world.kernel.run()
    assert world.done == ["a1@0", "b1@0", "b2@200", "a2@500", "a3@500", "beside@600"]
    assert world.kernel.last_fault_ms == EPOCH_MS + 500
    world.kernel.close()


def test_what_becomes_due_on_a_slow_host_waits_for_its_end() -> None:
    world = World(Stay(), RecordedFaults([Fault("slow_host", "a@3", 500)]))

    async def beside() -> None:
        await world.act("begun")
        await world.sleep(100)
        await world.act("beside")

    async def work() -> None:
        await world.kernel.gather([("one", beside()), ("two", letters(world, "a", 1)())])

    async def slow() -> None:
        world.kernel.start_job("job", work(), world.kernel.tasks[0].op)
        await world.act("a1")
        await world.sleep(50)
        await world.act("a2")

    world.spawn("a", slow, on_lost=lambda: None)
    world.kernel.run()
    assert world.done[-1] == "beside@550", "it was due at 100, and its host stood still"
    world.kernel.close()


def test_a_slow_host_may_die_meanwhile() -> None:
    world = World(Stay(), RecordedFaults([Fault("slow_host", "a@2", 500)]))
    world.spawn("a", letters(world, "a", 2), on_lost=lambda: None)

    async def kills() -> None:
        await world.sleep(100)
        world.kernel.crash(world.kernel.tasks[0].host, why="pulled")
        await world.act("killed")

    world.spawn("b", kills, on_lost=lambda: None)
    world.kernel.run()
    assert world.done == ["killed@100"]
    assert world.kernel.drained
    world.kernel.close()


# --- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "shows"),
    [
        (Fault("clock_ahead", "a", 700), [700, 700]),
        (Fault("clock_behind", "a", 700), [-700, -700]),
        (Fault("clock_jump", "a@3", 700), [0, 700]),
    ],
)
def test_a_wrong_clock_is_its_hosts_alone(fault: Fault, shows: list[int]) -> None:
    world = World(Stay(), RecordedFaults([fault]))
    wrong, true = HostClock(world.kernel), SimClock(world.kernel)
    told: list[tuple[str, int]] = []

    def looks(name: str) -> Callable[[], Any]:
        async def look() -> None:
            for number in range(2):
                await world.act(f"{name}{number}")
                assert true.now_ms() == EPOCH_MS
                told.append((name, wrong.now_ms() - EPOCH_MS))

        return look

    world.spawn("a", looks("a"), on_lost=lambda: None)
    world.spawn("b", looks("b"), on_lost=lambda: None)
    world.kernel.run()
    world.kernel.close()
    assert told == [("a", shows[0]), ("a", shows[1]), ("b", 0), ("b", 0)]
    assert world.kernel.fired == [fault]


# --- the nemesis ---------------------------------------------------------------------------------

PLANNED = [kind for kind in FAULTS.values() if kind.operation]


def test_a_nemesis_plans_only_what_its_budget_holds() -> None:
    budget = FaultBudget(**{kind.budget: 2 for kind in PLANNED})
    kinds = set()
    for number in range(40):
        nemesis = Nemesis(Stream(number), budget, ["work#1"])
        spent = dict.fromkeys((kind.name for kind in PLANNED), 0)
        for task in range(60):
            for at, fault in (nemesis.plan(f"t{task}", "work#1", child=False) or {}).items():
                assert fault.target == f"t{task}@{at}"
                assert 1 <= fault.value <= FAULTS[fault.kind].most
                spent[fault.kind] += nemesis.spends(fault.kind)
                kinds.add(fault.kind)
        assert max(spent.values()) <= 2
    assert kinds == {kind.name for kind in PLANNED}
    assert (
        Nemesis(Stream(1), FaultBudget(duplicates=4), ["work#1"]).plan("t", "flow", child=True)
        is None
    )


def test_recorded_faults_are_found_by_their_operation() -> None:
    faults = RecordedFaults([Fault("slow_host", "start/flow~2@12", 5), Fault("slow_host", "x", 1)])
    assert faults.plan("start/flow~2", "flow", child=False) == {
        12: Fault("slow_host", "start/flow~2@12", 5)
    }
    assert faults.plan("x", "x", child=False) is None
    torn = RecordedFaults([Fault("torn_page", "a@3", 9)])
    assert [torn.befalls("torn_page", "a@3", "", most) for most in (20, 4)] == [9, 4]


def test_what_is_counted_adds_up() -> None:
    twice = [Fault("kill_bodies", "work#1", 1), Fault("kill_bodies", "work#1", 1)]
    crash = Fault("crash", "a", 3)
    assert merged([*twice, crash]) == (crash, Fault("kill_bodies", "work#1", 2))


def test_the_slow_twin_is_struck_alike() -> None:
    def shown(kernel_type: type) -> list[str]:
        world = World(Stay())
        world.kernel = kernel_type(
            explorer=Stay(),
            faults=RecordedFaults([Fault("slow_host", "a@3", 500), Fault("clock_jump", "b@2", 9)]),
            turns_max=100,
            full_trace=True,
        )
        world.spawn("a", letters(world, "a", 3), on_lost=lambda: None)
        world.spawn("b", letters(world, "b", 2), on_lost=lambda: None)
        world.kernel.run()
        world.kernel.close()
        return [*world.done, *world.kernel.path]

    assert shown(LockstepKernel) == shown(type(World(Stay()).kernel))
