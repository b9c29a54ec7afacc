"""Repairs of the engine that a review asked for, each beside what happens without it."""

from __future__ import annotations

import contextlib

import attrs
import pytest

from simworld.engine import (
    FatalError,
    Program,
    create_hook,
    decode,
    decode_error,
    gather,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.explore import make_explorer
from simworld.records import Fault, Profile
from simworld.runtime import Client
from tests.runtime.programs import work
from tests.runtime.rig import FIXED, MERGE, V1, play


@workflow
async def again():
    """Let a token go and take it again at once."""
    seen = []
    for _ in range(2):
        async with create_hook("token") as hook:
            seen.append(await hook)
    return seen


async def two_payloads(services):
    client = Client(services)
    await client.start()
    for payload in (1, 2):
        await client.sleep(50)
        with contextlib.suppress(HookNotFoundError):
            await client.resume_hook("token", payload)


def test_a_token_that_is_let_go_can_be_taken_again_in_code_order():
    played = play(Program.of(again), policy=FIXED, acts=two_payloads)
    assert decode(played.run.output) == [1, 2]
    hooks = [each for each in played.types if each.startswith("hook_")]
    assert hooks[:4] == ["hook_created", "hook_received", "hook_disposed", "hook_created"]


def test_with_all_creations_first_it_is_refused_to_its_own_run():
    policy = attrs.evolve(FIXED, hook_order="creations_first")
    played = play(Program.of(again), policy=policy, acts=two_payloads)
    assert played.run.status == "failed"
    assert decode_error(played.run.error)["name"] == "HookConflictError"


@step
async def poll(ctx):
    return await ctx.await_run(await ctx.start_child(leaf))


@workflow
async def leaf():
    return await work(1)


@workflow
async def parent():
    return await poll()


@pytest.mark.parametrize("number", range(1, 14))
def test_a_lost_answer_fails_no_body_that_only_looks(number):
    found = Program.of(parent, poll, work, children=(leaf,), max_retries=0)
    faults = (Fault("lost_answer", "start/flow", number),)
    policy = attrs.evolve(FIXED, crashes_max=3)  # a lost answer to a start counts as a crash
    played = play(found, policy=policy, faults=faults)
    assert {run.status for run in played.runs.values()} == {"completed"}
    assert set(played.outcomes) == {"ok"}


@step
async def starts_and_dies(ctx):
    await ctx.start_child(leaf)
    await ctx.effect("after")
    raise FatalError("not again")


@workflow
async def careless():
    await starts_and_dies()


def test_a_child_that_is_recorded_has_its_message():
    """Whatever its starter does next: nobody else would ever wake it."""
    found = Program.of(careless, starts_and_dies, work, children=(leaf,), max_retries=0)
    policy = attrs.evolve(FIXED, crashes_max=1)
    children = 0
    for seed in range(120):
        explorer = make_explorer("uniform")
        explorer.begin(Stream(seed), Profile())
        faults = (Fault("crash", "start/flow", 6 + seed % 6),)
        played = play(found, policy=policy, explorer=explorer, faults=faults)
        children += len(played.runs) - 1
        assert all(run.status != "pending" for run in played.runs.values())
    assert children


@workflow
async def two_waits():
    await gather(work(1), work(2))
    await gather(sleep(1_000), sleep(5_000))


def test_replay_if_new_keeps_the_timer_that_its_message_carries():
    policy = attrs.evolve(MERGE, bg_after="replay_if_new")
    played = play(Program.of(two_waits, work), policy=policy)
    assert played.run.status == "completed"
    assert played.times("wait_completed") == [1_000, 5_000]


def test_the_split_engine_creates_no_step_lazily():
    @workflow
    async def one():
        return await work(1)

    played = play(Program.of(one, work), policy=attrs.evolve(V1, lazy_create=True))
    assert played.run.status == "completed"
    assert "step_created" in played.types
