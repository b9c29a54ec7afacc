"""The kernel: who runs when, when time moves, what a crash kills, and what a lost answer loses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from simworld.errors import InternalError, UsageError
from simworld.records import Fault, Op, TaskView
from simworld.sim import EPOCH_MS, PARK, Kernel, Labels, NoFaults, RecordedFaults, SimTasks


class Stay:
    """The all-zero schedule."""

    name = "stay"
    wants_all = False

    def begin(self, stream: object, profile: object) -> None:
        """Nothing to draw."""

    def choose(self, point: object, enabled: Sequence[TaskView]) -> int:
        """Stay; else the lowest."""
        return 0


class Last(Stay):
    """Always somebody else, if there is somebody."""

    def choose(self, point: object, enabled: Sequence[TaskView]) -> int:
        """The last of the enabled."""
        return len(enabled) - 1


class World:
    """Tasks that write down what they do."""

    def __init__(self, explorer: Stay, faults: object = None, turns_max: int = 1_000) -> None:
        self.kernel = Kernel(
            explorer=explorer,
            faults=faults or NoFaults(),  # type: ignore[arg-type]
            turns_max=turns_max,
            full_trace=True,
        )
        self.done: list[str] = []

    async def act(self, what: str) -> None:
        """One operation."""
        if self.kernel.at_point(Op(what)):
            await PARK
        self.done.append(f"{what}@{self.kernel.now_ms - EPOCH_MS}")

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass."""
        self.kernel.sleep(duration_ms)
        await PARK

    def spawn(
        self,
        name: str,
        start: Callable[[], Coroutine[Any, Any, None]],
        *,
        delay_ms: int = 0,
        on_lost: Callable[[], None] | None = None,
    ) -> Any:
        """A task on a host of its own."""
        return self.kernel.spawn(
            name, start, part=name, op=Op(f"begin {name}"), delay_ms=delay_ms, on_lost=on_lost
        )


def letters(world: World, name: str, count: int) -> Callable[[], Coroutine[Any, Any, None]]:
    """A task that acts ``count`` times."""

    async def run() -> None:
        for number in range(count):
            await world.act(f"{name}{number}")

    return run


def test_staying_runs_each_task_to_its_end_in_order_of_birth() -> None:
    world = World(Stay())
    world.spawn("a", letters(world, "a", 2))
    world.spawn("b", letters(world, "b", 2))
    world.kernel.run()
    assert world.done == ["a0@0", "a1@0", "b0@0", "b1@0"]
    assert world.kernel.drained
    assert world.kernel.turn == 6  # two beginnings and four acts


def test_another_choice_interleaves() -> None:
    world = World(Last())
    world.spawn("a", letters(world, "a", 2))
    world.spawn("b", letters(world, "b", 2))
    world.kernel.run()
    assert [each[0] for each in world.done] not in (list("aabb"), list("bbaa"))


def test_time_moves_only_when_nothing_is_runnable() -> None:
    world = World(Last())

    async def sleeper() -> None:
        await world.sleep(500)
        await world.act("woke")

    world.spawn("s", sleeper)
    world.spawn("a", letters(world, "a", 30))
    world.spawn("late", letters(world, "late", 1), delay_ms=200)
    world.kernel.run()
    times = [int(each.partition("@")[2]) for each in world.done]
    assert times == [0] * 30 + [200, 500]


def test_blocks_say_who_ran_until_which_of_its_operations() -> None:
    world = World(Stay())
    world.spawn("a", letters(world, "a", 2))
    world.spawn("b", letters(world, "b", 1))
    world.kernel.run()
    assert world.kernel.blocks == [("a", 3, "begin a"), ("b", 2, "begin b")]


def test_gather_waits_for_all_and_raises_the_first_error_in_argument_order() -> None:
    world = World(Last())

    async def part(name: str, fails: bool) -> str:
        await world.act(name)
        if fails:
            raise ValueError(name)
        return name

    seen: list[object] = []

    async def run() -> None:
        parts = [(name, part(name, False)) for name in ("x", "y", "z")]
        seen.append(await world.kernel.gather(parts))
        parts = [("p", part("p", False)), ("q", part("q", True)), ("r", part("r", True))]
        try:
            await world.kernel.gather(parts)
        except ValueError as error:
            seen.append(str(error))

    world.spawn("main", run)
    world.kernel.run()
    assert seen == [["x", "y", "z"], "q"]
    assert sorted(each[0] for each in world.done) == list("pqrxyz")
    assert {task.name for task in world.kernel.tasks} >= {"main/x", "main/y", "main/z"}


def test_a_crash_kills_the_host_before_the_operation_and_tells_the_queue() -> None:
    world = World(Stay(), RecordedFaults((Fault("crash", "a", 3),)))
    closed: list[str] = []
    lost: list[str] = []

    async def run() -> None:
        try:
            await world.act("first")
            await world.act("second")
        finally:
            closed.append("finally")
            await world.act("visible")

    world.spawn("a", run, on_lost=lambda: lost.append("a"))
    world.spawn("b", letters(world, "b", 1))
    world.kernel.run()
    assert world.done == ["first@0", "b0@0"]
    assert lost == ["a"]
    assert closed == []  # nothing of a dead host runs while anybody can see it
    world.kernel.close()
    assert closed == ["finally"]
    assert world.done == ["first@0", "b0@0"]
    assert world.kernel.fired == [Fault("crash", "a", 3)]


def test_phase_two_is_fair_and_injects_nothing() -> None:
    faults = RecordedFaults((Fault("crash", "b", 2),))
    world = World(Stay(), faults, turns_max=20)
    world.spawn("a", letters(world, "a", 12))
    world.spawn("b", letters(world, "b", 2), on_lost=lambda: None)
    world.kernel.run()
    # ten turns of "a" alone, then strict turn-taking, and b's crash no longer happens
    assert [each[0] for each in world.done[9:13]] != ["a"] * 4
    assert world.kernel.fired == []
    assert world.kernel.drained
    assert all(name == "a" for name, _, _ in world.kernel.blocks)  # only the search is recorded


def test_turns_max_is_reached_and_said() -> None:
    world = World(Stay(), turns_max=10)
    world.spawn("a", letters(world, "a", 50))
    world.kernel.run()
    assert not world.kernel.drained
    assert world.kernel.turn == 10
    assert world.kernel.waiting() == ["a waits to a9"]


def test_a_foreign_await_names_its_line() -> None:
    world = World(Stay())

    class Foreign:
        def __await__(self) -> Any:
            yield "something else"

    async def run() -> None:
        await Foreign()

    world.spawn("a", run)
    with pytest.raises(UsageError, match=r"test_kernel\.py:\d+ awaits str"):
        world.kernel.run()


@pytest.mark.parametrize("on_lost", [lambda: None, None], ids=["delivery", "client"])
def test_an_error_that_leaves_a_task_is_never_lost(on_lost: Callable[[], None] | None) -> None:
    world = World(Stay())

    async def run() -> None:
        raise ValueError("oh")

    world.spawn("a", run, on_lost=on_lost)
    with pytest.raises(InternalError, match="a let an error out"):
        world.kernel.run()


def test_a_withdrawn_task_never_begins() -> None:
    world = World(Stay())
    first = world.spawn("a", letters(world, "a", 1))
    second = world.spawn("b", letters(world, "b", 1), delay_ms=100)
    world.spawn("c", letters(world, "c", 1))
    world.kernel.cancel(first)
    world.kernel.cancel(second)
    world.kernel.run()
    assert world.done == ["c0@0"]
    assert world.kernel.now_ms == EPOCH_MS  # not even time moves for a withdrawn timer


def test_a_task_that_never_finished_cannot_end_simworld_afterwards() -> None:
    world = World(Stay())

    async def run() -> None:
        try:
            await SimTasks(world.kernel, Labels()).latch("go on").wait()
        finally:
            sys.exit(7)

    world.spawn("a", run)
    world.kernel.run()
    world.kernel.close()
