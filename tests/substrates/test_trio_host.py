"""Tasks, time and ids of a real process."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from simworld.errors import DefiniteFailure, UsageError
from simworld.substrates import RealIds, TrioClock, open_host, task_name


class Dead(Exception):
    """In place of the end of the process."""


def hosted(act, *, errors=None, die=None):
    """Run ``act(host)`` on a host; what its tasks failed with goes to ``errors``."""

    async def main():
        def on_error(name, error):
            (errors if errors is not None else []).append((name.split(".")[0], repr(error)))

        async with open_host(on_error=on_error, die=die) as host:
            return await act(host)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def after(seconds, value):
    """The value, a while later; an error is raised."""
    await trio.sleep(seconds)
    if isinstance(value, Exception):
        raise value
    return value


def test_gather_gives_results_in_order():
    async def act(host):
        return await host.tasks.gather([("a", after(3, 1)), ("b", after(1, 2)), ("c", after(2, 3))])

    assert hosted(act) == [1, 2, 3]


def test_gather_raises_the_first_error_by_argument_after_all_have_finished():
    ended = []

    async def late():
        await trio.sleep(9)
        ended.append("late")

    async def act(host):
        parts = [("a", after(3, KeyError("a"))), ("b", after(1, ValueError("b"))), ("c", late())]
        with pytest.raises(KeyError):
            await host.tasks.gather(parts)
        return ended

    assert hosted(act) == ["late"]


def test_spawn_begins_after_its_delay():
    async def act(host):
        began = []

        async def work():
            began.append(trio.current_time() - start)

        def lost():
            raise AssertionError("nothing was lost")

        start = trio.current_time()
        host.tasks.spawn("work", work, delay_ms=2_000, on_lost=lost)
        await trio.sleep(5)
        return began

    assert hosted(act) == [2.0]


def test_a_spawned_task_that_is_cancelled_in_time_never_begins():
    async def act(host):
        began = []

        async def work():
            began.append(task_name())
            await trio.sleep(2)
            began.append("ended")

        pending = [
            host.tasks.spawn(name, work, delay_ms=delay_ms, on_lost=lambda: None)
            for name, delay_ms in (("early", 1_000), ("late", 3_000))
        ]
        await trio.sleep(2)
        for each in pending:
            each.cancel()
        await trio.sleep(5)
        return began

    assert hosted(act) == ["early", "ended"]


@pytest.mark.parametrize("error", [UsageError("the author's"), ZeroDivisionError("a bug")])
def test_a_spawned_task_that_fails_is_told_and_lost(error):
    errors, lost = [], []

    async def act(host):
        host.tasks.spawn(
            "flow.1", lambda: after(1, error), delay_ms=0, on_lost=lambda: lost.append(1)
        )
        await trio.sleep(5)

    hosted(act, errors=errors)
    assert (errors, lost) == ([("flow", repr(error))], [1])


def test_a_job_runs_beside_its_starter_until_it_is_cancelled():
    async def act(host):
        ticks = []

        async def tick():
            while True:
                ticks.append(trio.current_time())
                await trio.sleep(1)

        job = host.tasks.start("tick", tick())
        assert not job.done
        await trio.sleep(2.5)
        job.cancel()
        await trio.sleep(5)
        assert job.done
        return len(ticks)

    assert hosted(act) == 3


def test_a_job_that_is_cancelled_before_it_began_never_begins():
    async def act(host):
        began = []

        async def work():
            began.append(1)

        host.tasks.start("work", work()).cancel()
        await trio.sleep(1)
        return began

    assert hosted(act) == []


def test_a_fault_of_the_world_ends_a_job_silently_and_anything_else_is_told():
    errors = []

    async def act(host):
        jobs = [
            host.tasks.start(f"job {number}", after(1, error))
            for number, error in enumerate(
                (DefiniteFailure("no"), UsageError("the author's"), ZeroDivisionError("a bug"))
            )
        ]
        await trio.sleep(2)
        assert all(job.done for job in jobs)

    hosted(act, errors=errors)
    assert sorted(name for name, _ in errors) == ["job 1", "job 2"]


def test_a_latch_wakes_all_who_wait_or_lets_them_go():
    async def act(host):
        latch = host.tasks.latch("see it")
        answers = [await latch.wait(0), await latch.wait(1_000)]
        host.tasks.start("set", set_after(latch, 2))
        answers += await host.tasks.gather([("a", latch.wait()), ("b", latch.wait(9_000))])
        return [*answers, await latch.wait(0)]

    async def set_after(latch, seconds):
        await trio.sleep(seconds)
        latch.set()

    assert hosted(act) == [False, False, True, True, True]


def test_a_host_that_is_killed_does_nothing_more():
    told = []

    async def act(host):
        async def work():
            await host.tasks.kill_host("it took too long")
            told.append("went on")

        host.tasks.start("work", work())
        await trio.sleep(5)

    hosted(act, die=told.append)
    assert told == ["it took too long"]


def test_names_are_unique_and_short():
    async def act(host):
        return [host.tasks.child_name("flow") for _ in range(1_000)]

    names = hosted(act)
    assert len(dict.fromkeys(names)) == 1_000
    assert max(map(len, names)) < 12


def test_what_the_block_raises_comes_out_as_it_is():
    async def act(host):
        host.tasks.spawn("work", trio.sleep_forever, delay_ms=0, on_lost=lambda: None)
        raise UsageError("as it is")

    with pytest.raises(UsageError, match="as it is"):
        hosted(act)


def test_time_never_goes_backwards():
    times = iter([1_000, 900, 950, 1_001])
    clock = TrioClock(lambda: next(times))
    assert [clock.now_ms() for _ in range(4)] == [1_000, 1_000, 1_000, 1_001]


def test_ids_rise_within_a_millisecond_and_when_the_clock_goes_back():
    times = [5, 5, 6, 3, 7]
    waiting = iter(times)
    ids = RealIds(lambda: next(waiting), bits=lambda count: (1 << count) - 1)
    made = [ids.event_id() for _ in times]
    assert made == sorted(dict.fromkeys(made))
    assert made[0][: len("evnt_") + 10] == made[1][: len("evnt_") + 10]


def test_ids_have_the_names_of_what_they_are_for():
    ids = RealIds(lambda: 1)
    assert [each.split("_")[0] for each in (ids.run_id(), ids.message_id(), ids.event_id())] == [
        "wrun",
        "msg",
        "evnt",
    ]
    assert len(ids.run_id()) == len("wrun_") + 26


def test_ids_of_two_processes_differ():
    one, other = RealIds(lambda: 1), RealIds(lambda: 1)
    assert one.run_id() != other.run_id()
