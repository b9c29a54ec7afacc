"""Workflows and steps as a user of the SDK writes them: its public API and asyncio, nothing else.

The SDK imports this module a second time, inside of its sandbox, so it imports little.  The bodies
of steps take time by ``asyncio.sleep``, so that they may overlap; how long is told by arguments.
They run on every version from 0.9 on, but for those at the end: ``stopping`` needs steps that can
be cancelled, ``marked`` needs attributes, and both are there only where the SDK has them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from dataclasses import dataclass

import vercel.workflow
from vercel.workflow import (
    BaseHook,
    FatalError,
    Run,
    Workflows,
    get_step_metadata,
    get_writable,
    sleep,
    start,
)

flows = Workflows()

LINES = "lines"
"""The name of the stream that is written and read."""
LOOKS_MAX = 60
"""How often a step looks whether a run has ended."""
SETTLED_MS = 10
"""So long takes a step about whose time nobody cares."""


@dataclass
class Letter(BaseHook):
    """What a client sends to a run."""

    text: str


async def first_of(*awaitables: Awaitable[object]) -> int:
    """Which of them is done first; the others go on, and nobody looks at them any more."""
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return next(index for index, task in enumerate(tasks) if task.done())


# --- steps ----------------------------------------------------------------------------------------


async def _taking(duration_ms: int) -> None:
    await asyncio.sleep(duration_ms / 1_000)


@flows.step
async def work(index: int, duration_ms: int) -> int:
    """Take a while, and give the index back."""
    await _taking(duration_ms)
    return index


@flows.step
async def check(index: int, duration_ms: int) -> int:
    """The same again: what comes behind ``work``."""
    await _taking(duration_ms)
    return index


@flows.step
async def settle(what: str) -> str:
    """What a workflow ends with."""
    await _taking(SETTLED_MS)
    return f"settled by {what}"


@flows.step
async def recover(what: str) -> str:
    """What a workflow ends with when something has not come about."""
    await _taking(SETTLED_MS)
    return f"recovered from {what}"


@flows.step(max_retries=0)
async def fragile(duration_ms: int) -> str:
    """One try is all it has."""
    await _taking(duration_ms)
    return "whole"


@flows.step(max_retries=3)
async def sturdy(duration_ms: int) -> str:
    """Three more tries."""
    await _taking(duration_ms)
    return "whole"


@flows.step
async def refuse(duration_ms: int) -> str:
    """Fail, and say that another try is no use."""
    await _taking(duration_ms)
    raise FatalError("refused")


@flows.step
async def begin_child(index: int, duration_ms: int) -> str:
    """Start a run of its own; the run's id."""
    run = await start(one_step, index, duration_ms)
    return run.run_id


@flows.step
async def await_child(run_id: str, pause_ms: int) -> int:
    """Look again and again until the run has ended, but not for ever; its output."""
    run: Run[int] = Run(run_id)
    for _ in range(LOOKS_MAX):
        if await run.status() not in ("pending", "running"):
            return await run.return_value()
        await _taking(pause_ms)
    raise TimeoutError(f"run {run_id} has not ended")


@flows.step
async def tell(count: int, pause_ms: int) -> int:
    """Write lines into the run's stream, and close it."""
    writer = get_writable(namespace=LINES)
    for index in range(count):
        await writer.write(f"line {index}")
        await _taking(pause_ms)
    await writer.close()
    return count


@flows.step
async def listen() -> list[str]:
    """The stream's lines, each once: whoever is tried again writes them again."""
    run: Run[object] = Run(get_step_metadata().run_id)
    return sorted({str(line) async for line in run.readable(namespace=LINES)})


# --- one after the other, and side by side --------------------------------------------------------


@flows.workflow
async def one_step(index: int, duration_ms: int) -> int:
    """A single step."""
    return await work(index, duration_ms)


@flows.workflow
async def sequence(durations_ms: list[int]) -> list[int]:
    """One step after the other."""
    return [await work(index, each) for index, each in enumerate(durations_ms)]


@flows.workflow
async def gather(durations_ms: list[int]) -> list[int]:
    """A branch for every duration, with one step each; and a step behind them."""
    done = await asyncio.gather(*[work(index, each) for index, each in enumerate(durations_ms)])
    return [*done, await check(len(done), SETTLED_MS)]


@flows.workflow
async def gather_fragile(durations_ms: list[int]) -> str:
    """Branches with one step each, and behind them a step that has no second try."""
    await asyncio.gather(*[work(index, each) for index, each in enumerate(durations_ms)])
    return await fragile(SETTLED_MS)


async def _twice(index: int, duration_ms: int) -> int:
    return await check(await work(index, duration_ms), duration_ms)


@flows.workflow
async def gather_twice(durations_ms: list[int]) -> list[int]:
    """A branch for every duration, with two steps each."""
    return await asyncio.gather(*[_twice(index, each) for index, each in enumerate(durations_ms)])


@flows.workflow
async def nested(durations_ms: list[int]) -> list[int]:
    """Branches of all kinds in a gather: a sequence, a gather, and a single step last."""
    first, second, third, fourth, last = durations_ms

    async def in_turn() -> list[int]:
        return [await work(0, first), await check(1, second)]

    async def at_once() -> list[int]:
        return list(await asyncio.gather(work(2, third), work(3, fourth)))

    left, right = await asyncio.gather(in_turn(), at_once())
    return [*left, *right, await work(4, last)]


# --- races and sleeps -----------------------------------------------------------------------------


@flows.workflow
async def step_or_sleep(step_ms: int, sleep_ms: int) -> str:
    """A step races a sleep; behind it each winner has a branch of its own."""
    if await first_of(work(0, step_ms), sleep(sleep_ms / 1_000)) == 0:
        return await settle("the step")
    return await recover("the sleep")


@flows.workflow
async def hook_or_sleep(token: str, sleep_ms: int) -> str:
    """A letter races a sleep."""
    hook = Letter.wait(token=token)
    won = await first_of(hook, sleep(sleep_ms / 1_000))
    hook.dispose()
    return await (settle("a letter") if won == 0 else recover("the sleep"))


@flows.workflow
async def parallel_sleeps(durations_ms: list[int]) -> list[int]:
    """Sleeps side by side, and a step behind each of them."""

    async def slept(index: int, duration_ms: int) -> int:
        await sleep(duration_ms / 1_000)
        return await work(index, SETTLED_MS)

    return await asyncio.gather(*[slept(index, each) for index, each in enumerate(durations_ms)])


@flows.workflow
async def long_sleep(duration: str) -> str:
    """A sleep between two steps; its length in words, such as ``26h``."""
    await work(0, SETTLED_MS)
    await sleep(duration)
    return await settle(duration)


# --- failures -------------------------------------------------------------------------------------


@flows.workflow
async def retrying(duration_ms: int) -> str:
    """A step that may be tried again, beside another."""
    whole, _ = await asyncio.gather(sturdy(duration_ms), work(0, duration_ms))
    return whole


@flows.workflow
async def catching(duration_ms: int) -> str:
    """A step without a second try; if it fails, another takes its place."""
    try:
        await fragile(duration_ms)
    except Exception:  # which class it has, differs between versions
        return await recover("a failure")
    return await settle("the step")


@flows.workflow
async def exhausted(duration_ms: int) -> str:
    """A step with three retries; if they all fail, another takes its place."""
    try:
        await sturdy(duration_ms)
    except Exception:
        return await recover("four failures")
    return await settle("the step")


@flows.workflow
async def refused(duration_ms: int) -> str:
    """A step that always fails for good, beside one that does not."""
    working = asyncio.ensure_future(work(0, duration_ms))
    try:
        await refuse(duration_ms)
    except Exception:
        await working
        return await recover("a refusal")
    return "never"


# --- hooks, children, streams ---------------------------------------------------------------------


@flows.workflow
async def letters(token: str, count: int) -> list[str]:
    """Wait for so many letters, with a step for each; one that comes twice counts once."""
    hook = Letter.wait(token=token)
    answers: dict[str, str] = {}
    async for letter in hook:
        if letter.text not in answers:
            answers[letter.text] = await settle(letter.text)
        if len(answers) == count:
            hook.dispose()
    return [*answers.values(), await settle("all")]


@flows.workflow
async def child_polling(index: int, duration_ms: int, pause_ms: int) -> int:
    """A step starts a child run, a later one waits for its end."""
    run_id = await begin_child(index, duration_ms)
    return await await_child(run_id, pause_ms)


@flows.workflow
async def streaming(count: int, pause_ms: int) -> list[str]:
    """One step writes a stream, another reads it meanwhile."""
    _, lines = await asyncio.gather(tell(count, pause_ms), listen())
    return lines


# --- where the SDK can ----------------------------------------------------------------------------


if "cancellable" in inspect.signature(Workflows.step).parameters:

    @flows.step(cancellable=True)
    async def endless(duration_ms: int) -> str:
        """A step that its workflow may cancel."""
        await _taking(duration_ms)
        return "whole"

    @flows.workflow
    async def stopping(step_ms: int, sleep_ms: int) -> str:
        """A sleep runs out, and the step is told to stop."""
        running = asyncio.ensure_future(endless(step_ms))
        if await first_of(running, sleep(sleep_ms / 1_000)) == 0:
            return await settle("the step")
        running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            return await recover("the sleep")
        return await settle("the step")  # it was done before it heard of it


if hasattr(vercel.workflow, "set_attributes"):
    from vercel.workflow import remove_attributes, set_attributes

    @flows.step
    async def mark(phase: str) -> str:
        """Note the phase on the run."""
        await set_attributes(phase=phase)
        return phase

    @flows.workflow
    async def marked(durations_ms: list[int]) -> list[int]:
        """Note on the run how far it is, from the workflow and from a step."""
        await set_attributes(phase="begun", left="yes")
        working = [work(index, each) for index, each in enumerate(durations_ms)]
        done = await asyncio.gather(*working)
        await mark("checked")
        await remove_attributes("left")
        return done
