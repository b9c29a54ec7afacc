"""Small workflows of the SDK for the host's tests."""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from datetime import UTC, datetime

import pydantic
import vercel.workflow as vw

registry = vw.Workflows(as_vercel_job=False)
RAN: list[object] = []
"""What bodies have done in this process."""


class Letter(pydantic.BaseModel, vw.BaseHook):
    text: str


@registry.step
async def work(number: int) -> int:
    await asyncio.sleep(0.5)
    return number * 2


@registry.step(max_retries=2)
async def flaky(number: int) -> int:
    if vw.get_step_metadata().attempt <= number:
        raise ValueError("not yet")
    return number


@registry.step
async def hopeless() -> None:
    raise vw.FatalError("never")


@registry.step
async def ambient() -> list[str]:
    return [
        os.urandom(8).hex(),
        str(random.random()),
        str(uuid.uuid4()),
        str(time.time_ns()),
        datetime.now(UTC).isoformat(),
    ]


@registry.step
async def threads() -> None:
    await asyncio.to_thread(time.time)


@registry.step
async def patient() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        RAN.append("finally")


@registry.step
async def beside() -> list[int]:
    return list(await asyncio.gather(*(_later(each) for each in (3, 1, 2))))


async def _later(seconds: int) -> int:
    await asyncio.sleep(seconds)
    return seconds


@registry.step
async def race() -> str:
    waits = [asyncio.create_task(_later(each)) for each in (1, 30)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    waits[1].cancel()
    return "done"


@registry.step
async def shout(words: list[str]) -> None:
    stream = vw.get_writable()
    for word in words:
        await stream.write(word)
    await stream.close()


@registry.workflow
async def single(number: int) -> int:
    return await work(number)


@registry.workflow
async def fan(number: int) -> int:
    return sum(await asyncio.gather(*(work(each) for each in range(number))))


@registry.workflow
async def trying(number: int) -> int:
    return await flaky(number)


@registry.workflow
async def failing() -> None:
    await hopeless()


@registry.workflow
async def surrounded() -> list[str]:
    return await ambient()


@registry.workflow
async def threaded() -> None:
    await threads()


@registry.workflow
async def waiting() -> None:
    await patient()


@registry.workflow
async def abreast() -> list[int]:
    return await beside()


@registry.workflow
async def racing() -> str:
    return await race()


@registry.workflow
async def napping(duration: str) -> str:
    await vw.sleep(duration)
    return "awake"


@registry.workflow
async def mailbox(token: str) -> str:
    hook = Letter.wait(token=token or None)
    letter = await hook
    return letter.text


@registry.workflow
async def shouting(words: list[str]) -> None:
    await shout(words)


@registry.workflow
async def spinning() -> None:
    while True:
        pass


@registry.workflow
async def unordered(items: int) -> list[int]:
    return [await each for each in asyncio.as_completed([work(item) for item in range(items)])]


@registry.workflow
async def waiting_for_all(items: int) -> list[int]:
    done, _ = await asyncio.wait([asyncio.ensure_future(work(item)) for item in range(items)])
    return [await work(each.result()) for each in done]
