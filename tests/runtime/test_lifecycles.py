"""A run from its start to its end, by every road there is (spec §2.5, §3.3, §3.11)."""

from __future__ import annotations

import pytest

from simworld.engine import Program, encode, sleep, step, workflow
from simworld.errors import EntityConflictError, EntityNotFoundError, WorldError
from simworld.ports import Message
from simworld.runtime import Client, RunFailedError
from tests.runtime.programs import program, sequence, single, together, work
from tests.runtime.rig import FIXED, MERGE, V1, play

every_engine = pytest.mark.parametrize(
    "policy", [V1, MERGE, FIXED], ids=["v1", "v2_merge", "fixed"]
)


@every_engine
def test_the_first_message_creates_a_run_that_its_client_could_not(policy):
    down = {"run_created": [WorldError("down", status=503)]}
    played = play(single(work, "x"), policy=policy, errors=down, watched=True)
    assert played.answer == "x"
    assert played.types[:2] == ["run_created", "run_started"]
    assert played.types.count("run_created") == played.types.count("run_started") == 1


@every_engine
@pytest.mark.parametrize(
    "errors",
    [
        [],
        [EntityNotFoundError("still missing")],
        [EntityConflictError("it has ended", reason="terminal")],
    ],
)
def test_a_run_that_nobody_can_create_is_failed_in_vain_and_acknowledged(policy, errors):
    async def acts(services):
        await services.queue.send(Message("wrun_1"))

    played = play(single(work, "x"), policy=policy, acts=acts, errors={"run_failed": errors})
    assert (played.invocations, played.log) == (1, [])
    assert [(phrase, fields["code"]) for phrase, fields in played.notes] == [
        ("run failed", "RUNTIME_ERROR")
    ]


def test_a_fault_while_that_run_is_failed_brings_the_message_back():
    async def acts(services):
        await services.queue.send(Message("wrun_1"))

    down = {"run_failed": [WorldError("down", status=503)]}
    assert play(single(work, "x"), acts=acts, errors=down).invocations == 2


@every_engine
def test_a_cancelled_run_starts_no_further_body(policy):
    async def acts(services):
        client = Client(services)
        run_id = await client.start(5, 1_000)
        await client.sleep(1_500)
        await client.cancel(run_id)

    played = play(program(sequence), policy=policy, acts=acts)
    assert played.run.status == "cancelled"
    assert played.bodies.total() == 2
    assert played.types[-1] in ("run_cancelled", "step_completed")


@every_engine
def test_a_woken_run_sleeps_no_more(policy):
    async def flow():
        await sleep(3_600_000)
        return await work("up")

    async def acts(services):
        client = Client(services)
        run_id = await client.start()
        await client.sleep(5_000)
        await client.wake_up(run_id)

    played = play(program(flow), policy=policy, acts=acts)
    assert played.times("run_completed") == [5_000]


@every_engine
def test_a_reenqueued_run_is_looked_at_again_and_nothing_else(policy):
    async def acts(services):
        client = Client(services)
        run_id = await client.start(2)
        await client.sleep(100)
        await client.reenqueue(run_id)

    played = play(program(together), policy=policy, acts=acts)
    once = play(program(together), 2, policy=policy)
    assert played.run.status == "completed"
    assert (played.types, played.bodies) == (once.types, once.bodies)
    assert played.messages["flow"] == once.messages["flow"] + 1


# --- child runs ----------------------------------------------------------------------------------


@workflow
async def child(number):
    """Double the number, by a step."""
    return 2 * await work(number, 2_000)


@step
async def parent_step(ctx, number):
    """Start a child and wait for it."""
    return await ctx.await_run(await ctx.start_child(child, number))


async def parent():
    """A child's result, and one more."""
    return 1 + await parent_step(21)


@every_engine
def test_a_step_polls_its_child_run(policy):
    family = Program.of(workflow(parent), parent_step, work, children=(child,))
    played = play(family, policy=policy, watched=True)
    assert played.answer == 43
    assert sorted(each.workflow_name for each in played.runs.values()) == ["child", "parent"]
    assert [each.status for each in played.runs.values()] == ["completed", "completed"]


@every_engine
def test_a_parent_step_that_fails_finds_its_child_again(policy):
    @step
    async def forgetful(ctx):
        run_id = await ctx.start_child(child, 4)
        if ctx.attempt == 1:
            raise ValueError("forgot")
        return await ctx.await_run(run_id)

    async def flow():
        return await forgetful()

    family = Program.of(workflow(flow), forgetful, work, children=(child,))
    played = play(family, policy=policy, watched=True)
    assert played.answer == 8
    assert len(played.runs) == 2


# --- outputs -------------------------------------------------------------------------------------


@every_engine
def test_a_step_without_its_code_fails_and_the_run_with_it(policy):
    async def flow():
        return await work("x")

    played = play(Program.of(workflow(flow)), policy=policy, watched=True)
    assert isinstance(played.answer, RunFailedError)
    assert "work" in str(played.answer)
    assert "step failed" in [phrase for phrase, _ in played.notes]


@every_engine
def test_the_output_is_in_the_run(policy):
    assert play(single(work, [1, "two"]), policy=policy).run.output == encode([1, "two"])
