"""Scenarios with clients that talk to their runs: payloads of hooks, and streams that are read."""

from __future__ import annotations

from collections.abc import AsyncIterator

from simworld.campaign import Case, Scenario
from simworld.engine import (
    RetryableError,
    StepContext,
    StreamRef,
    create_hook,
    gather,
    step,
    workflow,
)
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Workload
from simworld.runtime import Client, RunFailedError

TALKING_LAWS = ("I-16", "I-17", "I-21", "I-24", "I-25", "L-02", "L-05", "L-06", "L-07", "L-08")
FAULTS = FaultBudget(duplicates=2, crashes=2, lost_answers=2)
CHUNKS = (b"one", b"two", b"three", b"four")


@step
async def work(ctx: StepContext, duration_ms: int) -> int:
    """Take a while."""
    await ctx.sleep(duration_ms)
    return duration_ms


@step
async def moody(ctx: StepContext) -> int:
    """Fail once, and ask for a later time to be tried again."""
    if ctx.attempt == 1:
        raise RetryableError("later", retry_after=3_000)
    return ctx.attempt


@workflow
async def listening(count: int) -> list[int]:
    """So many payloads, while a step is running and another is tried again."""
    busy = work(9_000)
    mood = moody()
    told: list[int] = []
    async with create_hook("ear", payload=int) as hook:
        async for payload in hook:
            told.append(payload)
            if len(told) == count:
                break
    await gather(busy, mood)
    return told


async def resumes(client: Client, workload: Workload) -> None:
    """Send three payloads, each as soon as there is a hook."""
    run_id = await client.start(3)
    for payload in range(3):
        while True:
            try:
                await client.resume_hook("ear", payload)
                break
            except HookNotFoundError:
                await client.sleep(500)
        await client.sleep(700)
    try:
        await client.result(run_id)
    except RunFailedError:
        return  # what that breaks is for the laws to say


LISTENING = Scenario(
    name="listening",
    title="a client resumes a hook three times",
    law="L-05",
    laws=TALKING_LAWS,
    workflow=listening,
    steps=(work, moody),
    args=lambda workload: (3,),
    client=resumes,
    targets=lambda workload: ("work#1", "moody#2"),
    cases=(
        Case(
            name="resumed",
            title="payloads meet a running step",
            draw=lambda stream: Workload(steps=0, durations_ms=(9_000,)),
            budget=FAULTS,
            expect={"fixed": "PASS"},
        ),
    ),
)


@step
async def say(ctx: StepContext, number: int) -> None:
    """Write to the run's log."""
    log = ctx.get_writable("log")
    for chunk in CHUNKS:
        await log.write(b"%d %s" % (number, chunk))


@step
async def seal(ctx: StepContext) -> None:
    """End the run's log."""
    await ctx.get_writable("log").close()


@step
async def emit(ctx: StepContext) -> StreamRef:
    """A stream of its own."""

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in CHUNKS:
            await ctx.sleep(20)
            yield chunk

    return ctx.stream(chunks())


@workflow
async def talking() -> StreamRef:
    """Two steps write to one stream, a third one ends it, a fourth has one of its own."""
    await gather(say(1), say(2))
    await seal()
    return await emit()


async def reads(client: Client, workload: Workload) -> None:
    """Read the log while it is written, once more from its middle, and then the other stream."""
    run_id = await client.start()

    async def follow(start: int) -> None:
        async for _ in client.read_stream(run_id, "log", start):
            pass

    await client.together(follow(0), follow(3))
    try:
        ref = await client.result(run_id)
    except RunFailedError:
        return
    async for _ in client.read_stream(ref.run_id, ref.name):
        pass
    await follow(-2)


TALKING = Scenario(
    name="talking",
    title="streams are written by bodies and read by a client",
    law="I-24",
    laws=TALKING_LAWS,
    workflow=talking,
    steps=(say, seal, emit),
    args=lambda workload: (),
    client=reads,
    targets=lambda workload: ("say#1", "say#2", "emit#4"),
    cases=(
        Case(
            name="read",
            title="live, late and resumed readers",
            draw=lambda stream: Workload(steps=0),
            budget=FAULTS,
            expect={"fixed": "PASS"},
        ),
    ),
)
