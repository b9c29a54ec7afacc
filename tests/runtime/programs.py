"""The small workflows of the runtime's tests."""

from __future__ import annotations

from simworld.engine import FatalError, Program, RetryableError, gather, step, workflow


@step
async def work(ctx, value=None, duration_ms=0):
    """Take a while, give the value back."""
    await ctx.sleep(duration_ms)
    return value


@step
async def attempts(ctx):
    """Which attempt this body is told to be."""
    return ctx.attempt


@step
async def broken(ctx):
    """Fail, always."""
    raise ValueError(f"attempt {ctx.attempt}")


@step
async def fatal(ctx):
    """Fail for good."""
    raise FatalError("no use")


@step
async def later(ctx, retry_after_ms):
    """Ask for a retry after so long, once."""
    if ctx.attempt == 1:
        raise RetryableError("not yet", retry_after=retry_after_ms)
    return "now"


STEPS = (work, attempts, broken, fatal, later)


def program(function, **options):
    """A program of ``function`` and all the steps above."""
    return Program.of(workflow(function), *STEPS, **options)


async def sequence(count, duration_ms=0):
    """One step after another."""
    return [await work(number, duration_ms) for number in range(count)]


async def together(count, duration_ms=0):
    """All steps at once."""
    return await gather(*[work(number, duration_ms) for number in range(count)])


def single(step_, *args, **options):
    """A program that does one step with these arguments."""

    async def flow():
        return await step_(*args)

    return program(flow, **options)
