"""Who waits for a run's end: he looks at it every second, or the world tells him (``results``)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import FatalError, Program, Results, step, workflow
from simworld.errors import IndefiniteFailure, WorldError
from simworld.runtime import Client, RunFailedError
from simworld.runtime.runs import LOOK_MS
from simworld.sim import EPOCH_MS
from tests.runtime.rig import FIXED, Wrapped, play

TOLD = attrs.evolve(FIXED, results=Results.TOLD)
TAKES_MS = 1_300


@step
async def work(ctx):
    """Take a while."""
    await ctx.sleep(TAKES_MS)
    return "done"


@step
async def broken(ctx):
    """Fail for good."""
    raise FatalError("no use")


@workflow
async def child():
    """A step."""
    return await work()


@workflow
async def failing():
    """A step that fails."""
    return await broken()


@step
async def ask(ctx):
    """Have a run of another workflow, and wait for it."""
    return await ctx.await_run(await ctx.start_child(child))


@workflow
async def parent():
    """What a run of the other workflow comes to."""
    return await ask()


def waits(workflow_, *, policy, around=None):
    """What the client is told of a run, and when."""
    told = []

    async def acts(services):
        client = Client(services)
        run_id = await client.start()
        try:
            answer = await client.result(run_id)
        except RunFailedError as error:
            answer = str(error)
        told.append((answer, services.clock.now_ms() - EPOCH_MS))

    program = Program.of(workflow_, work, broken, ask, children=(child,))
    play(program, acts=acts, policy=policy, around=around)
    return told[0]


@pytest.mark.parametrize(("policy", "ms"), [(FIXED, 2_000), (TOLD, TAKES_MS)])
def test_a_client_hears_of_the_end(policy, ms):
    assert waits(child, policy=policy) == ("done", ms)


@pytest.mark.parametrize(("policy", "ms"), [(FIXED, 3_000), (TOLD, TAKES_MS)])
def test_a_step_hears_of_the_end_of_a_child(policy, ms):
    assert waits(parent, policy=policy) == ("done", ms)


@pytest.mark.parametrize("policy", [FIXED, TOLD])
def test_a_failure_is_told_alike(policy):
    answer, _ = waits(failing, policy=policy)
    assert answer.startswith("run wrun_1 failed (USER_ERROR)")
    assert "no use" in answer


class Deaf(Wrapped):
    """A world that tells nobody."""

    async def wait_end(self, run_id, timeout_ms):
        await self.inner.wait_end("wrun_of_others", timeout_ms)


def test_who_is_not_told_looks_now_and_then():
    assert waits(child, policy=TOLD, around=Deaf) == ("done", LOOK_MS)


@pytest.mark.parametrize("error", [IndefiniteFailure("lost"), WorldError("down", status=503)])
def test_a_world_that_cannot_be_asked_to_tell_is_asked_again(error):
    errors = [error, error]

    class Failing(Wrapped):
        async def wait_end(self, run_id, timeout_ms):
            if errors:
                raise errors.pop()
            await self.inner.wait_end(run_id, timeout_ms)

    assert waits(child, policy=TOLD, around=Failing) == ("done", 2_000)


def test_a_run_that_has_ended_is_waited_for_by_nobody():
    async def acts(services):
        client = Client(services)
        run_id = await client.start()
        await client.sleep(60_000)
        assert await client.result(run_id) == "done"

    waited = []

    class Watched(Wrapped):
        async def wait_end(self, run_id, timeout_ms):
            waited.append(run_id)

    play(Program.of(child, work), acts=acts, policy=TOLD, around=Watched)
    assert waited == []
