"""Jobs, hosts that end themselves, trials that are ended; under both kernels, which must agree."""

from __future__ import annotations

from typing import Any

import pytest

from simworld.entropy import Stream
from simworld.errors import (
    Crashed,
    EntityNotFoundError,
    IndefiniteFailure,
    InternalError,
    ReplayDivergence,
    SimworldError,
    UsageError,
)
from simworld.marks import since, snapshot
from simworld.records import Crash, Fault, FaultBudget, Op
from simworld.sim import (
    EPOCH_MS,
    PARK,
    Kernel,
    Labels,
    LockstepKernel,
    Nemesis,
    NoFaults,
    RecordedFaults,
    SimTasks,
)
from tests.sim.test_kernel import Stay
from tests.sim.test_lockstep import act, agree, make, sleep, spawn


def tasks_of(kernel: Kernel) -> SimTasks:
    return SimTasks(kernel, Labels())


def since_start(kernel: Kernel) -> int:
    return kernel.now_ms - EPOCH_MS


def test_a_job_runs_beside_its_starter_and_may_outlive_it() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        tasks = tasks_of(kernel)

        async def flush() -> None:
            await sleep(kernel, 10)
            told.append(f"flushed at {since_start(kernel)}")

        async def work() -> None:
            job = tasks.start("flush", flush())
            tasks.start("flush", flush())
            told.append(f"started, done {job.done}")
            await sleep(kernel, 5)
            told.append("ended")

        spawn(kernel, "a", work)

    shown = agree(build)
    assert shown["told"] == ["started, done False", "ended", "flushed at 10", "flushed at 10"]
    assert shown["deliveries"] == 0
    names = {entry for entry in shown["path"] if entry.startswith("a")}
    assert names == {"a", "a/flush", "a/flush.2"}


def test_names_of_jobs_parts_and_messages_never_repeat() -> None:
    kernel = make(Kernel)
    tasks = tasks_of(kernel)
    names: list[str] = []

    async def work() -> None:
        for _ in range(2):
            tasks.start("x", act(kernel))
            await kernel.gather([("x", act(kernel)), ("y", act(kernel))])
            names.append(tasks.child_name("x"))

    spawn(kernel, "a", work)
    kernel.run()
    names += [task.name for task in kernel.tasks]
    kernel.close()
    assert len(names) == len(set(names)) == 9


def test_a_fault_of_the_world_ends_a_job_silently() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        tasks = tasks_of(kernel)

        async def fails(error: SimworldError) -> None:
            await act(kernel)
            raise error

        async def work() -> None:
            jobs = [
                tasks.start("j", fails(error))
                for error in (EntityNotFoundError("gone"), IndefiniteFailure("silence"))
            ]
            await sleep(kernel, 5)
            told.append(f"{[job.done for job in jobs]}")

        spawn(kernel, "a", work)

    before = snapshot()
    shown = agree(build, seeds=1)
    assert shown["told"] == ["[True, True]"]
    assert since(before)["job.failed"] == 4  # two of them, under two kernels


@pytest.mark.parametrize("error", [ValueError, InternalError, UsageError])
def test_any_other_error_of_a_job_is_never_lost(error: type[Exception]) -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def fails() -> None:
            await act(kernel)
            raise error("oh")

        async def work() -> None:
            tasks_of(kernel).start("j", fails())
            await act(kernel, 5)

        spawn(kernel, "a", work)

    kind, message = agree(build)["raised"]
    assert kind is (InternalError if error is ValueError else error)
    assert "oh" in message


def test_a_crash_kills_jobs_and_tells_of_a_lost_delivery_only_once() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def endless() -> None:
            try:
                await act(kernel, 8)
                told.append("never")
            finally:
                told.append("finally")

        async def work() -> None:
            tasks_of(kernel).start("j", endless())
            await act(kernel)

        async def other() -> None:
            await act(kernel, 20)

        kernel.spawn("a", work, part="a", op=Op("begin a"), on_lost=lambda: told.append("lost a"))
        spawn(kernel, "b", other)

    crash = Fault("crash", "a/j", 4)
    shown = agree(build, explorer=Stay(), faults=RecordedFaults([crash]))
    assert shown["fired"] == [crash]
    assert [each.tasks for each in shown["records"] if isinstance(each, Crash)] == [("a/j",)]
    assert shown["told"] == []  # the delivery had ended: nobody is told that it is lost
    assert shown["told when closed"] == ["finally"]
    assert shown["deliveries"] == 0


def test_a_cancelled_job_does_nothing_more_nor_do_its_parts() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        tasks = tasks_of(kernel)

        async def part(name: str) -> None:
            await sleep(kernel, 20)
            told.append(f"{name} never")

        async def busy() -> None:
            await kernel.gather([("x", part("x")), ("y", part("y"))])
            told.append("never")

        async def quick() -> None:
            told.append("quick")

        async def work() -> None:
            jobs = [tasks.start("busy", busy()), tasks.start("new", busy())]
            done = tasks.start("quick", quick())
            await sleep(kernel, 10)
            jobs.append(tasks.start("fresh", busy()))  # cancelled before it has begun
            for job in (*jobs, done):
                job.cancel()
                job.cancel()
            assert all(job.done for job in jobs)
            await sleep(kernel, 50)
            told.append("end")

        spawn(kernel, "a", work)

    shown = agree(build)
    assert shown["told"] == ["quick", "end"]
    assert shown["told when closed"] == []


def test_a_job_that_cancels_itself_is_our_fault() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        jobs: list[Any] = []

        async def suicide() -> None:
            jobs[0].cancel()

        async def work() -> None:
            jobs.append(tasks_of(kernel).start("j", suicide()))
            await act(kernel)

        spawn(kernel, "a", work)

    kind, message = agree(build)["raised"]
    assert (kind, message) == (InternalError, "a/j cancels itself; it can simply return")


def test_jobs_lose_answers_like_parts_and_those_of_clients_are_spared() -> None:
    budget = FaultBudget(crashes=3, lost_answers=3)
    armed: dict[str, int] = {}
    for seed in range(40):
        kernel = make(Kernel, seed, faults=Nemesis(Stream(seed), budget, ["a"]))
        tasks = tasks_of(kernel)

        async def work(kernel: Kernel = kernel, tasks: SimTasks = tasks) -> None:
            tasks.start("job", act(kernel))
            await kernel.gather([("x", act(kernel)), ("y", act(kernel))])

        spawn(kernel, "a", work)
        kernel.spawn("client", work, part="client", op=Op("begin"))
        kernel.run()
        for task in kernel.tasks:
            armed[task.name] = armed.get(task.name, 0) + task.armed
            assert not (task.name == "a/job" and task.armed and task.crash_at)
        kernel.close()
    assert armed["a/job"] > 0
    assert not any(count for name, count in armed.items() if name.startswith("client"))


def test_a_job_of_a_dead_host_is_refused() -> None:
    kernel = make(Kernel)
    told: list[str] = []

    async def victim() -> None:
        try:
            await act(kernel, 2)
            assert kernel.current is not None
            kernel.crash(kernel.current.host)
            await PARK
        finally:
            try:
                tasks_of(kernel).start("late", act(kernel))
            except Crashed:
                told.append("refused")

    spawn(kernel, "a", victim)
    kernel.run()
    kernel.close()
    assert told == ["refused"]


# --- hosts that end themselves, trials that are ended --------------------------------------------


def test_a_host_may_end_itself_and_says_why() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        tasks = tasks_of(kernel)

        async def timer() -> None:
            await sleep(kernel, 10)
            await tasks.kill_host("the replay took too long")
            told.append("never")

        async def work() -> None:
            tasks.start("timer", timer())
            await sleep(kernel, 20)
            told.append("never")

        kernel.spawn("a", work, part="a", op=Op("begin a"), on_lost=lambda: told.append("lost a"))
        spawn(kernel, "b", lambda: act(kernel, 4))

    before = snapshot()
    shown = agree(build, seeds=3)
    assert shown["told"] == ["lost a"]
    crash = next(each for each in shown["records"] if isinstance(each, Crash))
    assert (crash.host, crash.tasks) == ("a", ("a", "a/timer"))
    assert crash.why == "the replay took too long"
    assert shown["fired"] == []  # it is no fault
    said = [(turn.op, turn.outcome) for turn in shown["trace"] if turn.task == "a/timer"]
    assert said[-1] == ("end its own process: the replay took too long", "the host dies")
    assert "handler.crashed" not in since(before)


@pytest.mark.parametrize("kernel_type", [Kernel, LockstepKernel])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_aborted_trial_stops_and_simulated_code_cannot_catch_it(
    kernel_type: type[Kernel], at: int
) -> None:
    told: list[str] = []
    kernel = make(kernel_type, faults=NoFaults())

    async def work(name: str) -> None:
        try:
            for number in range(1, 10):
                if (name, number) == ("a", at):
                    kernel.abort(ReplayDivergence("seen from outside"))
                    aborted_at.append(kernel.turn)
                await act(kernel)
        except Exception as error:
            told.append(f"caught {error!r}")

    aborted_at: list[int] = []
    for name in "abc":
        spawn(kernel, name, lambda name=name: work(name))  # type: ignore[misc]
    with pytest.raises(ReplayDivergence, match="seen from outside"):
        kernel.run()
    assert [kernel.turn] == aborted_at
    kernel.close()
    assert told == []
