"""The keys of retries and backstops, and a platform that ends what takes too long (R-19, R-25)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import BackstopKey, InlineGate, KeyPolicy, Program, RetryKey, step, workflow
from simworld.ports import Message
from simworld.records import QueueProfile, Sent
from simworld.runtime import Client
from tests.runtime.programs import program, work
from tests.runtime.rig import MERGE, play

KEYED = attrs.evolve(MERGE, retry_key=RetryKey.STEP)
STAMP = attrs.evolve(KEYED, inline_gate=InlineGate.OWNER_STAMP, lease_ms=30_000)


async def one_step():
    """A step of two seconds."""
    return await work("x", 2_000)


@step
async def fails_late(ctx):
    """The first body fails when two seconds have passed."""
    await ctx.sleep(2_000)
    if ctx.attempt == 1:
        raise RuntimeError("too bad")


@workflow
async def late():
    """One such step."""
    await fails_late()


async def woken(services):
    """The client starts the run, and sends it a flow message while the body runs."""
    run_id = await Client(services).start()
    await services.clock.sleep_ms(1_000)
    await services.queue.send(Message(run_id))


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (MERGE, ""),
        (KEYED, "work#1"),
        (attrs.evolve(KEYED, key_policy=KeyPolicy.ATTEMPT), "work#1:1"),
        (attrs.evolve(KEYED, key_policy=KeyPolicy.EPOCH), "work#1:1.0"),
    ],
    ids=["none", "plain", "attempt", "epoch"],
)
def test_a_retry_may_carry_the_key_that_others_would_send_the_step_with(policy, key):
    played = play(program(one_step), policy=policy, failures=(("work#1", 1),))
    assert played.run.status == "completed"
    (created,) = played.commits("step_created")
    (sent,) = [each for each in played.of(Sent) if each.step == "work#1"]
    assert sent.key.replace(created.event.correlation_id, "work#1") == key


@pytest.mark.parametrize(
    ("backstop_key", "bodies"), [(BackstopKey.START, [0, 3_000]), (BackstopKey.STEP, [0])]
)
def test_a_backstop_with_the_steps_own_key_absorbs_its_retry(backstop_key, bodies):
    policy = attrs.evolve(STAMP, backstop_key=backstop_key)
    played = play(Program.of(late, fails_late), policy=policy, acts=woken)
    assert played.times("step_started") == bodies


def test_a_platform_may_kill_who_takes_too_long():
    queue = QueueProfile(delivery_limit_ms=1_500, redelivery_ms=5_000)
    played = play(program(one_step), queue=queue, turns_max=400)
    # Inline first, then on a message of its own, each time for as long as the platform lets it.
    assert played.times("step_started")[:3] == [0, 6_500, 13_000]
    assert not played.commits("step_completed")


def test_who_ends_in_time_is_not_killed():
    played = play(program(one_step), queue=QueueProfile(delivery_limit_ms=2_500))
    assert played.run.status == "completed"
    assert played.times("step_started") == [0]
