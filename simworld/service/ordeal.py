"""What workers are tortured with: a workflow of each kind, and what each of them owes.

``owed`` works the output out from the run's own log, as spec I-18 wants it: from the input, the
results of steps and the payloads that were recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import (
    Event,
    HookReceived,
    Program,
    RunCreated,
    StepCompleted,
    StepContext,
    StepCreated,
    StreamRef,
    create_hook,
    decode,
    gather,
    get_writable,
    sleep,
    step,
    workflow,
)

PAUSE_MS = 120
"""How long a body takes."""
STOP = "stop"
"""The last payload of a hook."""
STREAM = "news"
CHUNKS = 12


@step
async def double(ctx: StepContext, value: int) -> int:
    """Twice the value, after a while."""
    await ctx.sleep(PAUSE_MS)
    return 2 * value


@step(max_retries=20)
async def flaky(ctx: StepContext) -> str:
    """Fail in every odd attempt."""
    await ctx.sleep(PAUSE_MS)
    if ctx.attempt % 2:
        raise ValueError(f"attempt {ctx.attempt} fails, as planned")
    return "done"


@step
async def keep(ctx: StepContext, payload: str) -> str:
    """Give the payload back, after a while."""
    await ctx.sleep(PAUSE_MS)
    return payload


@step
async def produce(ctx: StepContext, stream: StreamRef, count: int) -> int:
    """Write chunks that tell which attempt has written them; the attempt that got through."""
    writer = ctx.get_writable(stream)
    for number in range(count):
        await ctx.sleep(PAUSE_MS // 4)
        await writer.write(chunk(ctx.attempt, number))
    return ctx.attempt


@step
async def finish(ctx: StepContext, stream: StreamRef) -> None:
    """End the stream."""
    await ctx.get_writable(stream).close()


@workflow
async def sequential(value: int, count: int) -> int:
    """One step after another."""
    for _ in range(count):
        value = await double(value)
    return value


@workflow
async def fan_out(count: int) -> list[int]:
    """All steps at once."""
    return await gather(*[double(number) for number in range(count)])


@workflow
async def retrying() -> str:
    """A step that has to be tried again."""
    return await flaky()


@workflow
async def sleeping(count: int, duration_ms: int) -> int:
    """Sleeps, and a step between them."""
    value = 1
    for _ in range(count):
        await sleep(duration_ms)
        value = await double(value)
    return value


@workflow
async def listening(token: str) -> list[str]:
    """Payloads of a hook, each kept by a step, until one says stop."""
    hook = create_hook(token, payload=str)
    kept: list[str] = []
    while (payload := await hook) != STOP:
        kept.append(await keep(payload))
    hook.dispose()
    return kept


@workflow
async def streaming(count: int) -> int:
    """A stream that one step fills and another one ends."""
    stream = get_writable(STREAM)
    attempt = await produce(stream, count)
    await finish(stream)
    return attempt


PROGRAM = Program.of(
    sequential,
    double,
    flaky,
    keep,
    produce,
    finish,
    children=(fan_out, retrying, sleeping, listening, streaming),
)


def chunk(attempt: int, number: int) -> bytes:
    """The ``number``-th chunk that an attempt at ``produce`` writes."""
    return b"%d.%d" % (attempt, number)


def payloads(log: Sequence[Event]) -> list[str]:
    """What the run's hook has received, in order."""
    return [decode(each.fact.payload) for each in log if isinstance(each.fact, HookReceived)]


def produced_by(log: Sequence[Event]) -> int:
    """The attempt at ``produce`` whose chunks are all in the stream; 0: none has completed."""
    steps = [
        each.correlation_id
        for each in log
        if isinstance(each.fact, StepCreated) and each.fact.step_name == produce.name
    ]
    for each in log:
        if isinstance(each.fact, StepCompleted) and each.correlation_id in steps:
            return int(decode(each.fact.result))
    return 0


def owed(log: Sequence[Event]) -> object:
    """What a completed run must have returned; None for one without its creation."""
    created = next((each.fact for each in log if isinstance(each.fact, RunCreated)), None)
    if created is None:
        return None
    args, _ = decode(created.input)
    name = created.workflow_name
    if name == sequential.name:
        value, count = args
        return value << count
    if name == fan_out.name:
        return [2 * number for number in range(args[0])]
    if name == retrying.name:
        return "done"
    if name == sleeping.name:
        return 1 << args[0]
    if name == listening.name:
        received = payloads(log)
        return received[: received.index(STOP)] if STOP in received else None
    return produced_by(log)
