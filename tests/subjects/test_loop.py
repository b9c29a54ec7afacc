"""The loop that an asyncio engine runs on: what is ready runs, timers are asked for."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("vercel.workflow", reason="needs the extra 'vercel'")

import anyio

from simworld.errors import UsageError
from simworld.subjects.vercel.loop import HostLoop


class Driver:
    """``loop.Driver`` that writes down what it is told."""

    def __init__(self):
        self.tasks, self.timers, self.cancelled = [], [], []

    def task_made(self, task):
        self.tasks.append(task)

    def timer_set(self, timer, duration_ms):
        self.timers.append((timer, duration_ms))

    def timer_cancelled(self, timer):
        self.cancelled.append(timer)


@pytest.fixture
def driver():
    return Driver()


@pytest.fixture
def loop(driver):
    made = HostLoop(driver)
    yield made
    made.close()


def run(loop, coroutine):
    """A task of this, after all that is ready has run."""
    task = loop.create_task(coroutine)
    loop.run_ready()
    return task


def test_it_stops_where_nothing_is_ready(loop, driver):
    async def two():
        await asyncio.sleep(0)
        await asyncio.sleep(1.5)
        return "done"

    task = run(loop, two())
    ((timer, duration_ms),) = driver.timers
    assert (task.done(), duration_ms) == (False, 1_500)
    loop.fire(timer)
    loop.run_ready()
    assert task.result() == "done"


def test_time_is_what_it_is_told(loop):
    loop.now_ms = 2_500

    async def told():
        return asyncio.get_running_loop().time()

    assert run(loop, told()).result() == 2.5


@pytest.mark.parametrize(("delay", "asked"), [(0.001, 1), (0.0001, 1), (0.3, 300), (2, 2_000)])
def test_delays_are_whole_milliseconds_and_never_shorter(loop, driver, delay, asked):
    loop.call_later(delay, print)
    loop.now_ms = 1_700_000_000_123
    loop.call_at(loop.time() + delay, print)
    assert [each for _, each in driver.timers] == [asked, asked]


def test_no_delay_is_due_at_once(loop, driver):
    seen = []
    loop.call_later(0, seen.append, "now")
    loop.call_later(-1, seen.append, "before").cancel()
    loop.run_ready()
    assert seen == ["now"]
    assert driver.timers == []


def test_a_cancelled_timer_is_told(loop, driver):
    task = run(loop, asyncio.sleep(5))
    task.cancel()
    loop.run_ready()
    assert driver.cancelled == [driver.timers[0][0]]


def test_loops_may_be_nested_as_the_sdk_nests_them(loop):
    async def inside():
        return asyncio.get_running_loop()

    async def outside():
        task = asyncio.current_task()
        asyncio._leave_task(loop, task)
        asyncio._set_running_loop(None)
        try:
            with asyncio.Runner() as runner:
                other = runner.run(inside())
        finally:
            asyncio._set_running_loop(loop)
            asyncio._enter_task(loop, task)
        await asyncio.sleep(0)
        return other, asyncio.get_running_loop()

    other, again = run(loop, outside()).result()
    assert again is loop
    assert other is not loop


def test_the_loop_around_it_goes_on_running(loop):
    async def around():
        task = run(loop, asyncio.sleep(0, "inner"))
        await asyncio.sleep(0)
        return task.result()

    assert asyncio.run(around()) == "inner"


@pytest.mark.parametrize(
    "reach",
    [
        lambda: asyncio.to_thread(print),
        lambda: asyncio.open_connection("localhost", 1),
        lambda: asyncio.create_subprocess_exec("true"),
        lambda: asyncio.get_running_loop().sock_recv(None, 1),
    ],
)
def test_the_outside_is_refused_at_the_line_that_asks(loop, reach):
    async def step():
        await reach()

    task = run(loop, step())
    error = task.exception()
    assert isinstance(error, UsageError)
    assert loop.refused is error
    assert str(error).startswith(f"{__file__}:")
    assert "behind a function you can replace" in str(error)


def test_a_library_that_asks_in_a_task_of_its_own_is_traced_to_who_waits_for_it(loop):
    async def step():
        await anyio.connect_tcp("::1", 80)

    run(loop, step())
    assert str(loop.refused).startswith(f"{__file__}:")


def test_who_never_rests_is_told(loop, monkeypatch):
    monkeypatch.setattr("simworld.subjects.vercel.loop.STEPS_MAX", 50)

    async def polls():
        while True:
            await asyncio.sleep(0)

    task = loop.create_task(polls())
    with pytest.raises(UsageError, match="does not come to rest"):
        loop.run_ready()
    loop.forget()
    task.cancel()
    loop.run_ready()


def test_errors_that_nobody_looks_at_are_not_printed(loop, capfd):
    async def fails():
        raise ValueError("boom")

    run(loop, fails())
    assert capfd.readouterr() == ("", "")


def test_sets_of_tasks_have_one_order(driver):
    orders = []
    for _ in range(3):
        loop = HostLoop(driver)  # the tasks of the earlier ones are kept: no address comes twice
        tasks = {loop.create_task(asyncio.sleep(0)) for _ in range(40)}
        orders.append([task.number for task in tasks])
        loop.run_ready()
        loop.close()
    assert orders[0] == orders[1] == orders[2]
