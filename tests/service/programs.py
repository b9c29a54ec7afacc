"""The program that the tests of the production shell run: one workflow for each kind of thing."""

from __future__ import annotations

import trio

from simworld.engine import (
    FatalError,
    Program,
    create_hook,
    create_webhook,
    gather,
    get_writable,
    real,
    sleep,
    step,
    workflow,
)


@step
async def double(ctx, value, pause_ms=0):
    """Twice the value, after a while."""
    await ctx.sleep(pause_ms)
    return 2 * value


@step
async def flaky(ctx):
    """Fail at first."""
    await ctx.effect("try")
    if ctx.attempt == 1:
        raise ValueError("the first attempt fails")
    return ctx.attempt


@step(max_retries=0)
async def hopeless(ctx):
    """Fail for good."""
    raise FatalError("no use")


@step
async def fetch(ctx, text):
    """Await what only trio can do."""
    send, receive = trio.open_memory_channel(1)
    await real(send.send(text))
    return await real(receive.receive())


@step
async def produce(ctx, stream, count):
    """Write chunks to a stream and end it."""
    writer = ctx.get_writable(stream)
    for number in range(count):
        await writer.write(b"chunk %d" % number)
    await writer.close()


@step
async def consume(ctx, stream):
    """Read a stream to its end."""
    return [chunk.decode() async for chunk in ctx.read(stream)]


@step
async def child(ctx, count):
    """Start another run and wait for it."""
    return await ctx.await_run(await ctx.start_child(sequence, count))


@step
async def answer(ctx, request):
    """Answer a webhook's caller."""
    writer = ctx.get_writable(request["response"])
    await writer.write(b"you sent " + request["body"])
    await writer.close()


@workflow
async def sequence(count, pause_ms=0):
    """One step after another."""
    value = 1
    for _ in range(count):
        value = await double(value, pause_ms)
    return value


@workflow
async def together(count):
    """All steps at once."""
    return await gather(*[double(number) for number in range(count)])


@workflow
async def retried():
    """A step that fails once."""
    return await flaky()


@workflow
async def failing():
    """A step that fails for good."""
    return await hopeless()


@workflow
async def slept(duration_ms):
    """A sleep between two steps."""
    first = await double(1)
    await sleep(duration_ms)
    return [first, await double(2)]


@workflow
async def hooked(token, count):
    """So many payloads of a hook, each worked on by a step."""
    hook = create_hook(token=token)
    seen = [await double(await hook) for _ in range(count)]
    hook.dispose()
    return seen


@workflow
async def asked(token):
    """A webhook whose caller is answered by a step."""
    hook = create_webhook(token=token, manual=True)
    request = await hook
    await answer(request)
    return request["body"]


@workflow
async def streamed(count):
    """One step writes a stream, another one reads it."""
    stream = get_writable("news")
    await produce(stream, count)
    return await consume(stream)


@workflow
async def parent(count):
    """A run that waits for another run."""
    return await child(count)


@workflow
async def fetched(text):
    """A step that awaits the real world."""
    return await fetch(text)


program = Program.of(
    sequence,
    double,
    flaky,
    hopeless,
    fetch,
    produce,
    consume,
    child,
    answer,
    children=(
        together,
        retried,
        failing,
        slept,
        hooked,
        asked,
        streamed,
        parent,
        fetched,
    ),
)
