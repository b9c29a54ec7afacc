"""A worker in this process: every kind of workflow, on every world."""

from __future__ import annotations

import attrs
import pytest
import trio

from simworld.engine import REPAIRED, RunStatus
from simworld.errors import EntityNotFoundError, HookNotFoundError, UsageError
from simworld.runtime import RunFailedError
from simworld.service import Settings, connect, working
from tests.service import programs
from tests.service.programs import program

END_S = 30


async def until_hook(act):
    """Do something to a hook as soon as it is there."""
    with trio.fail_after(END_S):
        while True:
            try:
                return await act()
            except HookNotFoundError:
                await trio.sleep(0.01)


async def outputs(app, *asked):
    """Start all of them, then wait for all of them: (workflow, arguments) → output."""
    run_ids = [await app.start_run(flow, *args) for flow, args in asked]
    return [await app.result(run_id, timeout_s=END_S) for run_id in run_ids]


async def steps_and_sleeps(app):
    assert await outputs(
        app,
        (programs.sequence, (5,)),
        (programs.together, (6,)),
        (programs.retried, ()),
        (programs.slept, (50,)),
        (programs.streamed, (4,)),
        (programs.fetched, ("hello",)),
        (programs.parent, (2,)),
    ) == [
        32,
        [0, 2, 4, 6, 8, 10],
        2,
        [2, 4],
        [f"chunk {number}" for number in range(4)],
        "hello",
        4,
    ]


async def hooks_and_webhooks(app):
    run_id = await app.start_run(programs.hooked, "order 1", 2)
    asked = await app.start_run(programs.asked, "ask me")
    for payload in (20, 21):
        await until_hook(lambda payload=payload: app.resume_hook("order 1", payload))
    answer = await until_hook(lambda: app.resume_webhook("ask me", {"body": b"hello"}))
    assert (answer.status, answer.body) == (200, b"you sent hello")
    assert await app.result(run_id, timeout_s=END_S) == [40, 42]
    assert await app.result(asked, timeout_s=END_S) == b"hello"


async def streams(app):
    run_id = await app.start_run(programs.streamed, 3)
    with trio.fail_after(END_S):
        found = [chunk async for chunk in app.read_stream(run_id, "news")]
    assert found == [b"chunk 0", b"chunk 1", b"chunk 2"]


async def ends_that_are_not_happy(app):
    failed = await app.start_run(programs.failing)
    long = await app.start_run(programs.slept, 600_000)
    with pytest.raises(TimeoutError, match=r"has not ended within 0\.3 s"):
        await app.result(long, timeout_s=0.3)
    await app.cancel(long)
    woken = await app.start_run(programs.slept, 600_000)
    with trio.fail_after(END_S):
        while [event.type for event in await app.events(woken)][-1] != "wait_created":
            await trio.sleep(0.01)
    await app.wake_up(woken)
    assert await app.result(woken, timeout_s=END_S) == [2, 4]
    with pytest.raises(RunFailedError, match="no use"):
        await app.result(failed, timeout_s=END_S)
    with pytest.raises(RunFailedError, match="was cancelled"):
        await app.result(long, timeout_s=END_S)
    assert (await app.run(woken)).status is RunStatus.COMPLETED
    with pytest.raises(EntityNotFoundError):
        await app.run("wrun_nobody")


@pytest.fixture(params=["memory", "local", "postgres"])
def world(request, tmp_path):
    """A world that nobody has used yet."""
    if request.param == "local":
        return f"local:{tmp_path}/state"
    if request.param == "postgres":
        return f"postgres:{request.getfixturevalue('pg_dsn')}"
    return "memory"


@pytest.mark.parametrize(
    "acts", [steps_and_sleeps, hooks_and_webhooks, streams, ends_that_are_not_happy]
)
def test_a_worker_in_this_process(world, acts):
    async def main():
        async with working(world, program) as worker:
            await acts(worker.app)

    trio.run(main)


@pytest.mark.parametrize("world", ["", "memory:x", "local:", "postgres", "sqlite:x", "/tmp"])
def test_what_is_no_world(world):
    async def main():
        async with connect(world, program):
            pass

    with pytest.raises(UsageError, match="is no world; a world is local:DIR"):
        trio.run(main)


def test_a_client_of_a_world_in_tables_and_two_workers_of_which_one_dies(pg_dsn):
    world = f"postgres:{pg_dsn}"
    settings = Settings(engine=attrs.evolve(REPAIRED, lease_ms=1_000), job_lease_ms=1_000)

    async def main():
        async with connect(world, program) as app:
            async with working(world, program, settings=settings):
                run_id = await app.start(2, 400)
                with trio.fail_after(END_S):
                    while (await app.events(run_id))[-1].type != "step_started":
                        await trio.sleep(0.01)
            # That one is gone, in the middle of a body; nobody starts it again.
            async with working(world, program, settings=settings) as heir:
                assert heir.recovered == 1
                assert await app.result(run_id, timeout_s=END_S) == 4
            types = [each.type for each in await app.events(run_id)]
            assert types.count("step_started") == 3

    trio.run(main)
