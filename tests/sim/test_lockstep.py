"""The conformance kernel decides as ``Kernel`` does, case by case (whole trials: next door)."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import trio

from simworld.entropy import Stream
from simworld.errors import Crashed, InternalError, UsageError
from simworld.explore import Uniform
from simworld.records import Fault, Op, Profile
from simworld.sim import PARK, Kernel, LockstepKernel, NoFaults, RecordedFaults

BOTH = (Kernel, LockstepKernel)
OP = Op("act")

Build = Callable[[Kernel, list[str]], None]


# --- case by case --------------------------------------------------------------------------------


def make(kernel_type: type[Kernel], seed: int = 0, **options: Any) -> Kernel:
    explorer = Uniform()
    explorer.begin(Stream(seed), Profile())
    return kernel_type(
        **{"explorer": explorer, "faults": NoFaults(), "turns_max": 1_000, **options}
    )


def spawn(kernel: Kernel, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """A handler: somebody is told when it is lost."""
    kernel.spawn(
        name, work, part=name, op=Op(f"begin {name}"), on_lost=lambda: kernel.tell(f"lost {name}")
    )


async def act(kernel: Kernel, times: int = 1) -> None:
    for _ in range(times):
        if kernel.at_point(OP):
            await PARK


async def sleep(kernel: Kernel, duration_ms: int) -> None:
    kernel.sleep(duration_ms)
    await PARK


def observed(kernel: Kernel, build: Build) -> dict[str, object]:
    """Everything a run can show, errors included."""
    told: list[str] = []
    build(kernel, told)
    raised: BaseException | None = None
    try:
        kernel.run()
    except BaseException as error:
        raised = error
    at_end = list(told)
    kernel.close()
    return {
        "raised": (type(raised), str(raised)),
        "told": at_end,
        "told when closed": told[len(at_end) :],
        "path": kernel.path,
        "blocks": kernel.blocks,
        "trace": kernel.trace,
        "records": kernel.records,
        "fired": kernel.fired,
        "waiting": kernel.waiting(),
        "end": (kernel.turn, kernel.now_ms, kernel.drained, kernel.overlapped),
        "deliveries": kernel.live_deliveries,
    }


def agree(build: Build, seeds: int = 10, **options: Any) -> dict[str, Any]:
    """Both kernels show the same under ``seeds`` seeds; what the last one showed."""
    shown: dict[str, Any] = {}
    for seed in range(seeds):
        own, lockstep = (
            observed(make(kernel_type, seed, full_trace=True, **options), build)
            for kernel_type in BOTH
        )
        assert lockstep == own, f"seed {seed}"
        shown = own
    return shown


def test_choice_points() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def work(name: str) -> None:
            await act(kernel, 8)
            told.append(name)

        for name in "abcde":
            spawn(kernel, name, lambda name=name: work(name))  # type: ignore[misc]

    shown = agree(build)
    assert sorted(shown["told"]) == list("abcde")
    assert shown["end"][0] == 5 + 5 * 8


def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def work(name: str, duration_ms: int) -> None:
            await act(kernel)
            await sleep(kernel, duration_ms)
            told.append(f"{name} {kernel.now_ms}")
            await act(kernel)

        for name, duration_ms in (("a", 300), ("b", 100), ("c", 100), ("d", 200)):
            spawn(kernel, name, lambda name=name, ms=duration_ms: work(name, ms))  # type: ignore[misc]

    shown = agree(build)
    assert [each[0] for each in shown["told"]][2:] == ["d", "a"]


def test_gathers_within_gathers() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def leaf(name: str, times: int) -> str:
            await act(kernel, times)
            told.append(name)
            return name

        async def branch(name: str) -> str:
            parts = [(f"{name}{n}", leaf(f"{name}{n}", n)) for n in range(3)]
            await act(kernel, len(name) - 1)
            return "+".join(await kernel.gather(parts))

        async def sleeper() -> str:
            await sleep(kernel, 50)
            return "slept"

        async def work() -> None:
            told.append("; ".join(await kernel.gather([("none", leaf("one", 0))])))
            await act(kernel)
            told.append("; ".join(await kernel.gather([("p", leaf("p", 0)), ("q", leaf("q", 0))])))
            await act(kernel, 2)  # parts that had nothing to do have left nothing behind
            parts = [("x", branch("x")), ("s", sleeper()), ("yy", branch("yy"))]
            told.append("; ".join(await kernel.gather(parts)))

        spawn(kernel, "lowest", lambda: act(kernel, 25))
        spawn(kernel, "a", work)

    shown = agree(build, seeds=30)
    assert "x0+x1+x2; slept; yy0+yy1+yy2" in shown["told"]
    assert "p; q" in shown["told"]


def test_the_first_error_of_a_gather_comes_when_all_have_finished() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def part(name: str, times: int, error: str) -> None:
            await act(kernel, times)
            told.append(name)
            if error:
                raise ValueError(error)

        async def work() -> None:
            parts = [("a", 3, ""), ("b", 5, "second"), ("c", 0, "third"), ("d", 1, "")]
            try:
                await kernel.gather([(part_[0], part(*part_)) for part_ in parts])
            except ValueError as error:
                told.append(str(error))

        spawn(kernel, "w", work)

    assert agree(build)["told"][-1] == "second"


def test_a_dead_host_is_never_resumed() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def victim() -> None:
            try:
                await kernel.gather([("x", doomed("x")), ("y", doomed("y"))])
                told.append("never")
            finally:
                told.append("finally")

        async def doomed(name: str) -> None:
            try:
                await act(kernel, 6)
                told.append("never")
            finally:
                told.append(f"finally {name}")
                await act(kernel)  # a dead host's port refuses

        spawn(kernel, "victim", victim)
        spawn(kernel, "other", lambda: act(kernel, 10))

    crash = Fault("crash", "victim/x", 3)
    shown = agree(build, faults=RecordedFaults([crash]))
    assert shown["fired"] == [crash]
    assert shown["told"] == []
    assert "finally" in shown["told when closed"]
    assert "never" not in shown["told when closed"]


def test_a_task_may_kill_its_own_host() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def suicide() -> None:
            await act(kernel, 2)
            assert kernel.current is not None
            kernel.crash(kernel.current.host)
            await PARK
            told.append("never")

        spawn(kernel, "a", suicide)
        spawn(kernel, "b", lambda: act(kernel, 4))

    assert agree(build)["told"] == []


def test_an_answer_is_lost_at_the_same_operation() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def work() -> None:
            for number in range(5):
                await act(kernel)
                if kernel.losing:
                    told.append(f"lost {number}")

        spawn(kernel, "a", work)
        spawn(kernel, "b", lambda: act(kernel, 5))

    assert agree(build, faults=RecordedFaults([Fault("lost_answer", "a", 4)]))["told"] == ["lost 2"]


class Foreign:
    """An await that no kernel knows."""

    def __await__(self) -> Any:
        return (yield "something else")


@pytest.mark.parametrize("where", ["handler", "registering part", "running part"])
def test_a_foreign_await_is_a_usage_error_that_names_the_line(where: str) -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def body(times: int) -> None:
            await act(kernel, times)
            await Foreign()

        async def work() -> None:
            await act(kernel)
            if where == "handler":
                await body(2)
            times = 2 if where == "running part" else 0
            await kernel.gather([("x", act(kernel, 3)), ("y", body(times))])

        spawn(kernel, "a", work)
        spawn(kernel, "b", lambda: act(kernel, 5))

    kind, message = agree(build)["raised"]
    assert kind is UsageError
    assert "test_lockstep.py:" in message
    assert "awaits str" in message


@pytest.mark.parametrize("error", [UsageError, InternalError, Crashed, KeyboardInterrupt])
def test_errors_come_out_as_they_went_in(error: type[BaseException]) -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def work() -> None:
            await act(kernel, 3)
            raise error("said so")

        spawn(kernel, "a", work)
        spawn(kernel, "b", lambda: act(kernel, 5))

    assert agree(build)["raised"] == (error, "said so")


def test_an_error_of_a_handler_is_our_fault() -> None:
    def build(kernel: Kernel, told: list[str]) -> None:
        async def work() -> None:
            await act(kernel, 3)
            raise ValueError("let out")

        spawn(kernel, "a", work)

    kind, message = agree(build)["raised"]
    assert kind is InternalError
    assert "let out" in message


class Pressing(Uniform):
    """An explorer during whose n-th choice somebody presses Ctrl-C."""

    def __init__(self, at: int) -> None:
        self.left = at

    def choose(self, point: Any, enabled: Any) -> int:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)
        return super().choose(point, enabled)


@pytest.mark.parametrize("kernel_type", BOTH)
def test_ctrl_c_comes_out_unwrapped(kernel_type: type[Kernel]) -> None:
    for at in range(1, 25):
        explorer = Pressing(at)
        explorer.begin(Stream(at), Profile())
        kernel = make(kernel_type, explorer=explorer)
        for name in "abc":
            spawn(kernel, name, lambda kernel=kernel: act(kernel, 20))  # type: ignore[misc]
        with pytest.raises(KeyboardInterrupt):
            kernel.run()
        kernel.close()


# --- what only the lock-step kernel has ----------------------------------------------------------


class OneAtATime(trio.abc.Instrument):
    """Counts the drivers that are scheduled and have not run yet."""

    def __init__(self) -> None:
        self.scheduled = 0
        self.most = 0
        self.names: dict[str, int] = {}

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        if task.name.startswith("task "):
            self.scheduled += 1
            self.most = max(self.most, self.scheduled)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task.name.startswith("task "):
            self.scheduled -= 1
            self.names[task.name] = self.names.get(task.name, 0) + 1


def test_every_task_has_a_trio_task_and_one_runs_at_a_time() -> None:
    seen: list[tuple[str, str]] = []
    kernel = make(LockstepKernel)
    assert isinstance(kernel, LockstepKernel)

    def note() -> None:
        assert kernel.current is not None
        seen.append((kernel.current.name, trio.lowlevel.current_task().name))

    async def part() -> None:
        note()
        for _ in range(3):
            await act(kernel)
            note()

    async def work() -> None:
        await part()
        await kernel.gather([("x", part()), ("y", part())])
        note()

    for name in ("task a", "task b", "task c"):
        spawn(kernel, name, work)
    instrument = OneAtATime()
    trio.run(kernel.run_async, instruments=[instrument])
    kernel.close()
    assert all(simulated == own for simulated, own in seen)
    assert len(set(seen)) == 3 + 3 * 2
    assert set(instrument.names) == {name for name, _ in seen}
    assert instrument.most == 1


def test_kernels_share_a_trio_loop() -> None:
    digests: list[list[str]] = []

    async def several() -> None:
        for seed in (1, 2, 1):
            kernel = make(LockstepKernel, seed)
            assert isinstance(kernel, LockstepKernel)
            for name in "abc":
                spawn(kernel, name, lambda kernel=kernel: act(kernel, 9))  # type: ignore[misc]
            await kernel.run_async()
            kernel.close()
            digests.append(kernel.path)

    trio.run(several)
    assert digests[0] == digests[2] != digests[1]


class Leaving(trio.abc.Instrument):
    """Cancels a scope before the n-th step of any trio task."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.scope = trio.CancelScope()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


def test_a_run_can_be_cancelled_from_outside_at_any_time() -> None:
    for at in range(1, 60):
        ended: list[str] = []
        leaving = Leaving(at)
        kernel = make(LockstepKernel, at, turns_max=10**9)
        assert isinstance(kernel, LockstepKernel)

        async def forever(kernel: Kernel = kernel, ended: list[str] = ended) -> None:
            try:
                while True:
                    await kernel.gather([("x", act(kernel, 2)), ("y", act(kernel, 2))])
            finally:
                ended.append("closed")

        async def cancelled(kernel: LockstepKernel = kernel, leaving: Leaving = leaving) -> None:
            with leaving.scope:
                await kernel.run_async()
            assert leaving.scope.cancelled_caught

        spawn(kernel, "a", forever)
        spawn(kernel, "b", forever)
        trio.run(cancelled, instruments=[leaving])
        assert ended == []
        kernel.close()


def test_ctrl_c_strikes_within_simulated_code() -> None:
    told: list[str] = []
    kernel = make(LockstepKernel)

    async def endless() -> None:
        await act(kernel)
        signal.raise_signal(signal.SIGINT)
        told.append("a body that never parks could not be stopped")

    spawn(kernel, "a", endless)
    with pytest.raises(KeyboardInterrupt):
        kernel.run()
    kernel.close()
    assert told == []


def test_awaiting_trio_is_foreign_too() -> None:
    kernel = make(LockstepKernel)
    told: list[str] = []

    async def body() -> None:
        try:
            await act(kernel, 2)
            with trio.CancelScope():
                await trio.sleep(1)
        finally:
            told.append("closed")

    spawn(kernel, "a", body)
    spawn(kernel, "b", lambda: act(kernel, 5))
    with pytest.raises(UsageError, match="awaits WaitTaskRescheduled"):
        kernel.run()
    assert told == []
    kernel.close()
    assert told == ["closed"]


def test_trio_does_not_know_the_async_generators_of_simulated_code() -> None:
    """It would look after them when its own loop has ended, and complain."""
    known: list[object] = []

    class Watching(trio.abc.Instrument):
        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            known.append(sys.get_asyncgen_hooks().firstiter)

    def build(kernel: Kernel, told: list[str]) -> None:
        async def numbers() -> AsyncIterator[int]:
            try:
                for number in range(10):
                    await act(kernel)
                    yield number
            finally:
                told.append("closed")

        async def work() -> None:
            async for number in numbers():
                told.append(f"{number} {sys.get_asyncgen_hooks().firstiter}")
                await act(kernel)

        spawn(kernel, "a", work)
        spawn(kernel, "b", lambda: act(kernel, 50))

    shown = agree(build, turns_max=12)
    assert shown["told"][0] == "0 None"
    assert shown["told when closed"] == ["closed"]
    kernel = make(LockstepKernel)
    spawn(kernel, "a", lambda: act(kernel, 3))
    trio.run(kernel.run_async, instruments=[Watching()])
    kernel.close()
    assert all(known), "the hooks of trio are its own again"
