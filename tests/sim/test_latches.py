"""Latches: who waits, who is woken, what a timeout does; under both kernels, which must agree."""

from __future__ import annotations

import gc
import weakref

import pytest

from simworld.records import Fault
from simworld.sim import (
    EPOCH_MS,
    Kernel,
    Labels,
    RecordedFaults,
    SimTasks,
)
from tests.sim.test_kernel import Stay
from tests.sim.test_lockstep import BOTH, act, agree, make, sleep, spawn


def tasks_of(kernel: Kernel) -> SimTasks:
    return SimTasks(kernel, Labels())


def since_start(kernel: Kernel) -> int:
    return kernel.now_ms - EPOCH_MS


def test_whoever_waits_for_a_latch_goes_on_when_it_is_set_first_come_first_served() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")

        async def waiter(name: str) -> None:
            told.append(f"{name} waits")
            assert await latch.wait() is True
            told.append(f"{name} goes on")

        async def setter() -> None:
            await sleep(kernel, 10)
            latch.set()
            latch.set()

        for name in "abc":
            spawn(kernel, name, lambda name=name: waiter(name))  # type: ignore[misc]
        spawn(kernel, "s", setter)

    shown = agree(build, explorer=Stay())
    assert shown["told"] == [f"{name} waits" for name in "abc"] + [f"{n} goes on" for n in "abc"]
    agree(build, seeds=30)


def test_a_latch_that_is_set_costs_no_turn() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")
        latch.set()

        async def waiter() -> None:
            before = kernel.turn
            told.append(f"{await latch.wait()} {await latch.wait(0)} {kernel.turn - before}")
            other = tasks_of(kernel).latch("see it")
            told.append(f"{await other.wait(0)} {kernel.turn - before}")

        spawn(kernel, "a", waiter)

    assert agree(build)["told"] == ["True True 0", "False 0"]


@pytest.mark.parametrize(
    ("set_after", "timeout", "answer", "at"),
    [(50, 100, True, 50), (150, 100, False, 100), (50, None, True, 50)],
)
def test_of_a_set_and_a_timeout_the_first_one_counts(
    set_after: int, timeout: int | None, answer: bool, at: int
) -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")

        async def waiter() -> None:
            came = await latch.wait(timeout)
            told.append(f"{came} at {since_start(kernel)}")
            await sleep(kernel, 400)  # a timer that is void must not wake it from this one
            told.append(f"slept until {since_start(kernel)}")

        async def setter() -> None:
            await sleep(kernel, set_after)
            latch.set()

        spawn(kernel, "a", waiter)
        spawn(kernel, "s", setter)

    assert agree(build)["told"] == [f"{answer} at {at}", f"slept until {at + 400}"]


def test_a_timeout_and_a_set_at_the_same_time_wake_once() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")

        async def waiter() -> None:
            told.append(f"{await latch.wait(100)}")
            await act(kernel, 3)
            told.append("done")

        async def setter() -> None:
            await sleep(kernel, 100)
            latch.set()

        spawn(kernel, "a", waiter)
        spawn(kernel, "s", setter)
        spawn(kernel, "b", lambda: act(kernel, 5))

    shown = agree(build, seeds=30)
    assert sorted(shown["told"]) == ["False", "done"]  # its timer was the older one


def test_a_void_timer_does_not_even_move_time() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")

        async def waiter() -> None:
            await latch.wait(10_000)

        async def setter() -> None:
            await sleep(kernel, 5)
            latch.set()

        spawn(kernel, "a", waiter)
        spawn(kernel, "s", setter)

    assert agree(build)["end"][1] == EPOCH_MS + 5


def test_who_waits_for_ever_is_named_at_the_end() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")

        async def waiter() -> None:
            await act(kernel)
            await latch.wait()

        spawn(kernel, "a", waiter)

    shown = agree(build)
    assert shown["end"][2], "nothing is runnable, so it has drained"
    assert shown["waiting"] == ["a waits to see it"]


def test_a_part_of_a_gather_may_wait_before_its_first_operation() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")

        async def waits() -> None:
            told.append(f"{await latch.wait(50)}")

        async def sets() -> None:
            await act(kernel, 2)
            latch.set()

        async def work() -> None:
            await kernel.gather([("w", waits()), ("v", waits()), ("s", sets())])
            told.append("all")

        spawn(kernel, "a", work)

    assert agree(build)["told"] == ["True", "True", "all"]


def test_a_latch_forgets_the_dead() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        latch = tasks_of(kernel).latch("see it")

        async def victim() -> None:
            await kernel.gather([("x", waiter("x")), ("y", act(kernel, 5))])

        async def waiter(name: str) -> None:
            await act(kernel)
            await latch.wait(1_000)
            told.append(f"{name} woke")

        async def setter() -> None:
            await sleep(kernel, 10)
            latch.set()

        spawn(kernel, "v", victim)
        spawn(kernel, "w", lambda: waiter("w"))
        spawn(kernel, "s", setter)

    crash = Fault("crash", "v/y", 4)
    shown = agree(build, seeds=20, faults=RecordedFaults([crash]))
    assert shown["fired"] == [crash]
    assert shown["told"] == ["w woke"]


@pytest.mark.parametrize("kernel_type", BOTH)
def test_a_latch_keeps_nothing_alive_after_the_trial(kernel_type: type[Kernel]) -> None:
    kernel = make(kernel_type)
    latch = tasks_of(kernel).latch("see it")

    class Held:
        """Something a waiting coroutine has in its hands."""

    async def waiter(held: Held) -> None:
        await latch.wait()

    held = Held()
    seen = weakref.ref(held)
    spawn(kernel, "a", lambda held=held: waiter(held))  # type: ignore[misc]
    del held
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        kernel.run()
        assert seen() is not None
        kernel.close()
        assert seen() is None
    finally:
        if was_enabled:
            gc.enable()
