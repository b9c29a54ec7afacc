"""A scenario that uses everything: sleeps, hooks, attributes, streams, children, a script."""

from __future__ import annotations

import contextlib

from simworld.campaign import Case, Scenario
from simworld.engine import (
    StepContext,
    StreamRef,
    create_hook,
    gather,
    get_writable,
    set_attributes,
    sleep,
    step,
    workflow,
)
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Workload
from simworld.runtime import Client, RunFailedError


@step
async def produce(ctx: StepContext, stream: StreamRef, count: int) -> int:
    """Write to a stream of the run."""
    writer = ctx.get_writable(stream)
    for number in range(count):
        await writer.write(str(number).encode())
    await writer.close()
    return count


@step
async def delegate(ctx: StepContext, number: int) -> int:
    """Let a child run do it."""
    run_id = await ctx.start_child(small, number)
    result: int = await ctx.await_run(run_id)
    return result


@step
async def double(ctx: StepContext, number: int) -> int:
    """Twice as much."""
    await ctx.set_attributes(doubled=number)
    return number * 2


@workflow
async def small(number: int) -> int:
    """The child."""
    await sleep(5)
    return await double(number)


@workflow
async def large(count: int) -> list[int]:
    """The parent."""
    set_attributes(count=count)
    stream = get_writable("numbers")
    async with create_hook("go", payload=int) as hook:
        produced, delegated = await gather(produce(stream, count), delegate(count))
        said = await hook
    own = create_hook(payload=int)  # under a token that is drawn
    own.dispose()
    await sleep(1_000)
    return [produced, delegated, said]


async def client(client: Client, workload: Workload) -> None:
    """Start the run, resume its hook, read its stream, wait for its end."""
    run_id = await client.start(workload.value("count", 3))
    for _ in range(50):
        await client.sleep(500)
        try:
            await client.resume_hook("go", 7)
        except HookNotFoundError:
            continue
        break
    async for _ in client.read_stream(run_id, "numbers"):
        pass
    with contextlib.suppress(RunFailedError):
        await client.result(run_id)


scenario = Scenario(
    name="wide",
    title="a bit of everything",
    law="I-01",
    workflow=large,
    steps=(produce, delegate, double),
    children=(small,),
    args=lambda workload: (),
    client=client,
    cases=(
        Case(
            name="only",
            title="only",
            draw=lambda stream: Workload(steps=2, extra=(("count", stream.between(1, 4)),)),
            budget=FaultBudget(),
            expect={},
        ),
    ),
    targets=lambda workload: ["produce#3", "delegate#4"],
)
