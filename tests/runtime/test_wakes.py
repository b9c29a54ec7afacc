"""Messages that only have a run looked at: one stands for several, and who sends none of them."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import Program, Wakes, create_hook, gather, sleep, step, workflow
from simworld.ports import Message
from simworld.runtime import Client
from tests.runtime.rig import B12, FIXED, V1, play

MERGED = attrs.evolve(FIXED, wakes=Wakes.MERGED)
BRANCHES = 10


@step
async def work(ctx, value):
    """Takes as long as its neighbours do."""
    await ctx.sleep(100)
    return value


@workflow
async def branches():
    """Steps side by side."""
    return sum(await gather(*[work(number) for number in range(BRANCHES)]))


@workflow
async def two_hooks():
    """What two hooks are given."""
    return await gather(create_hook("one"), create_hook("two"))


@workflow
async def asleep():
    """A long sleep."""
    await sleep(3_600_000)
    return "awake"


PROGRAM = Program.of(branches, work)


def continuations(played):
    """The messages that were accepted after the run's first one, for no step."""
    return played.messages["flow"] - 1


@pytest.mark.parametrize("policy", [V1, FIXED])
def test_every_result_of_a_background_step_has_the_run_looked_at(policy):
    background = BRANCHES if policy is V1 else BRANCHES - 1
    assert continuations(play(PROGRAM, policy=policy)) == background
    merged = play(PROGRAM, policy=attrs.evolve(policy, wakes=Wakes.MERGED))
    assert merged.run.status == "completed"
    assert continuations(merged) < background
    assert merged.dropped >= background - continuations(merged)


def test_a_gather_costs_messages_and_events_in_proportion_to_its_branches():
    """Not in proportion to their square, as where each of n results has n events read again."""

    def cost(count, policy):
        @workflow
        async def many():
            return len(await gather(*[work(number) for number in range(count)]))

        played = play(Program.of(many, work), policy=policy, turns_max=40_000)
        return sum(played.prefixes), sum(played.messages.values())

    (events, messages), (more_events, more_messages) = cost(10, MERGED), cost(50, MERGED)
    assert more_events <= 5 * events + 50
    assert more_messages <= 5 * messages + 5


@pytest.mark.parametrize("policy", [V1, B12, FIXED])
@pytest.mark.parametrize("wakes", Wakes)
def test_what_a_client_tells_a_run(policy, wakes):
    async def acts(services):
        client = Client(services)
        await client.start()
        await client.sleep(10)
        await client.resume_hook("one", 1)
        await client.resume_hook("two", 2)

    played = play(Program.of(two_hooks), acts=acts, policy=attrs.evolve(policy, wakes=wakes))
    assert played.run.status == "completed"
    assert continuations(played) == (2 if wakes is Wakes.EACH else 1)


def test_a_sleep_that_is_ended_has_the_run_looked_at():
    async def acts(services):
        client = Client(services)
        run_id = await client.start()
        await client.sleep(10)
        await client.together(client.wake_up(run_id), client.wake_up(run_id))

    played = play(Program.of(asleep), acts=acts, policy=MERGED)
    assert played.times("run_completed") == [10]
    assert played.dropped == 1


def test_a_message_that_is_to_stand_in_for_a_lost_one_is_merged_with_none():
    async def acts(services):
        client = Client(services)
        await client.start()
        await client.sleep(10)
        await services.queue.send(Message("wrun_1"), merge=True)
        await client.reenqueue("wrun_1")

    played = play(Program.of(two_hooks), acts=acts, policy=MERGED)
    assert (continuations(played), played.dropped) == (2, 0)


def test_no_wake_waits_behind_a_body():
    """R-82: who runs one lets others look meanwhile."""

    @step
    async def long(ctx):
        await ctx.sleep(60_000)

    @workflow
    async def meanwhile():
        await create_hook("begin")

        async def told():
            await create_hook("told")
            return await work(7)

        return (await gather(long(), told()))[1]

    async def acts(services):
        client = Client(services)
        await client.start()
        for after_ms, token in ((10, "begin"), (1_000, "told")):
            await client.sleep(after_ms)
            await client.resume_hook(token, None)

    played = play(Program.of(meanwhile, long, work), acts=acts, policy=MERGED)
    assert played.times("step_completed") == [1_110, 60_010]
