"""Workflows that are hard on whoever drives the SDK: parts left behind, cut off, or read live."""

from __future__ import annotations

import asyncio

import anyio
import vercel.workflow as vw

registry = vw.Workflows(as_vercel_job=False)
SEEN: list[str] = []
"""What bodies have done in this process."""
_LEFT: list[asyncio.Task[None]] = []


@registry.step
async def work(number: int) -> int:
    await asyncio.sleep(0.01)
    return number


@registry.step
async def listening() -> str:
    """Read a stream that nobody writes, for two seconds."""
    try:
        async with asyncio.timeout(2):
            async for _ in vw.Run(vw.get_step_metadata().run_id).readable():
                return "read"
    except TimeoutError:
        return "nothing"
    return "ended"


@registry.step
async def leaving() -> str:
    """Leave a task behind that goes on when the step is over."""

    async def behind() -> None:
        await asyncio.sleep(5)
        SEEN.append(str(await vw.Run(vw.get_step_metadata().run_id).status()))

    _LEFT[:] = [asyncio.create_task(behind())]
    return "left"


@registry.step(max_retries=0)
async def grouped() -> str:
    """One fails, the others are cut off."""

    async def failing() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("one of them")

    async def waiting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await vw.Run(vw.get_step_metadata().run_id).status()
            SEEN.append("finally")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(waiting())
            group.create_task(failing())
    except* ValueError:
        pass
    return "caught"


@registry.step
async def impatient() -> int:
    """Deadlines that seconds as floats do not hit exactly."""
    given_up = 0
    for number in range(1, 80):
        with anyio.move_on_after(number * 0.137) as scope:
            await asyncio.sleep(60)
        given_up += scope.cancelled_caught
    return given_up


@registry.step(max_retries=0)
async def unclosed() -> str:
    """It writes a line, and does not wait until it is there."""
    await vw.get_writable().write("line")
    return "written"


@registry.workflow
async def write() -> str:
    return await unclosed()


@registry.workflow
async def give_up() -> int:
    return await impatient()


@registry.workflow
async def listen() -> str:
    return await listening()


@registry.workflow
async def leave() -> list[object]:
    return [await leaving(), await work(1)]


@registry.workflow
async def group() -> str:
    return await grouped()


@registry.step
async def hasty() -> str:
    """Calls that are cut off while they are under way, and a stream left open."""
    run = vw.Run(vw.get_step_metadata().run_id)
    found = []
    for _ in range(4):
        call = asyncio.create_task(run.status())
        await asyncio.sleep(0)
        call.cancel()
        try:
            found.append(await call)
        except asyncio.CancelledError:
            found.append("cut off")
    writer = vw.get_writable()
    await writer.write("line")
    async for line in run.readable():
        found.append(line)
        break
    try:
        await asyncio.wait_for(anext(run.readable(start_index=1)), 0.5)
    except TimeoutError:
        found.append("late")
    await writer.close()
    return str(len(found))


@registry.workflow
async def haste() -> str:
    return await hasty()


@registry.step(cancellable=True)
async def stoppable() -> str:
    """It starts a child, and looks at it until it is stopped."""
    run = await vw.start(child, 3)
    try:
        while True:
            await run.status()
            await asyncio.sleep(0.3)
    finally:
        SEEN.append(await run.status())


@registry.workflow
async def stop() -> str:
    stopping = asyncio.ensure_future(stoppable())
    await vw.sleep(2)
    stopping.cancel()
    try:
        return await stopping
    except asyncio.CancelledError:
        return "stopped"


@registry.workflow
async def child(number: int) -> int:
    return await work(number)


@registry.step
async def begin(number: int) -> str:
    return (await vw.start(child, number)).run_id


@registry.workflow
async def parent(number: int) -> int:
    """Wait for a child in the workflow itself."""
    return await vw.Run(await begin(number)).return_value()


@registry.workflow
async def firsts() -> list[int]:
    """Sets of tasks are in no order that is anybody's choice."""
    found = []
    left = {asyncio.ensure_future(work(each)) for each in range(6)}
    while left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        found += [task.result() for task in done]
    return sorted(found)
