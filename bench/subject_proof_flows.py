"""The workflows of ``bench.subject_proofs``: nothing but what anybody might write with the engine.

The engine imports this module once more in the sandbox that its passes run in, so it imports
nothing else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from vercel.workflow import BaseHook, Workflows, sleep, start

flows = Workflows()
BODIES: list[str] = []
"""The steps whose bodies have begun, in this process."""


@dataclass
class Letter(BaseHook):
    """What a hook is resumed with."""

    text: str


@flows.step
async def part(number: int) -> int:
    """A step like any other."""
    BODIES.append("part")
    return number


@flows.step(max_retries=0)
async def once(number: int) -> int:
    """A step that must not be tried again."""
    BODIES.append("once")
    return number


@flows.step
async def slow(seconds: float) -> str:
    """A step that takes its time."""
    BODIES.append("slow")
    await asyncio.sleep(seconds)
    return "slow"


@flows.step
async def begin_child(number: int) -> str:
    """A step that starts another run."""
    BODIES.append("begin_child")
    run = await start(one_step, number)
    return run.run_id


@flows.workflow
async def one_step(number: int) -> int:
    """A step, and that is all."""
    return await part(number)


@flows.workflow
async def one_try(number: int) -> int:
    """A step that must not be tried again, and that is all."""
    return await once(number)


@flows.workflow
async def parent(number: int) -> str:
    """A step that starts another run."""
    return await begin_child(number)


@flows.workflow
async def sleeper(length: str) -> str:
    """A sleep of some length."""
    await sleep(length)
    return "woke"


@flows.workflow
async def step_or_sleep(seconds: float) -> str:
    """A slow step and a sleep of a second; the first of them decides."""
    tasks = [asyncio.ensure_future(slow(seconds)), asyncio.ensure_future(sleep(1))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return "first is done"


@flows.workflow
async def gather_then_once(branches: int) -> int:
    """Steps side by side, then one that must not be tried again."""
    done = await asyncio.gather(*[part(number) for number in range(branches)])
    return await once(len(done))


@flows.workflow
async def gather_then_sleep(branches: int) -> int:
    """Steps side by side, a sleep, a slow step, and one more."""
    done = await asyncio.gather(*[part(number) for number in range(branches)])
    await sleep("1s")
    await slow(1.0)
    return await part(len(done))


@flows.workflow
async def as_they_complete(branches: int) -> int:
    """Steps side by side, taken in the order in which they are done."""
    total = 0
    for each in asyncio.as_completed([part(number) for number in range(branches)]):
        total += await each
    return total


@flows.workflow
async def two_letters(token: str) -> list[str]:
    """Two letters; a step for each of them."""
    got: list[str] = []
    hook = Letter.wait(token=token)
    while len(got) < 2:
        letter = await hook
        got.append(letter.text)
        await slow(0.3)
    return got
