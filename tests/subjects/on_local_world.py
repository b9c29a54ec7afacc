"""The workflows of ``scenarios.vercel.flows`` for real: their SDK, its own local world, real time.

A process of its own, since world and queue of the SDK belong to a process: with
WORKFLOW_LOCAL_DATA_DIR set, it prints what every run has come to as JSON.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from vercel.workflow import Run, start
from vercel.workflow._internal import world

from scenarios.vercel import flows

PATIENCE_S = 30
"""No run takes longer, on a slow machine either."""
PAUSE_S = 0.05
"""So long a client waits before it tries again."""

Client = Callable[[Run], Awaitable[None]]


async def main() -> None:
    """Run all of them side by side, and tell how each has ended."""
    logging.disable(logging.CRITICAL)
    fail_first(flows.sturdy, {10: 2, 20: 4})
    fail_first(flows.fragile, {10: 1})
    first, *others = RUNS.values()
    outcomes = [await outcome(*first)]  # the queue belongs to the task that first sends
    outcomes += await asyncio.gather(*[outcome(*each) for each in others])
    json.dump(dict(zip(RUNS, outcomes, strict=True)), sys.stdout)
    await world.get_world().aclose()  # type: ignore[attr-defined]


def fail_first(step: Any, counts: dict[int, int]) -> None:
    """Have the first bodies of a step fail, as planned failures do under the simulation.

    ``counts``: the duration of a body → how many of them fail.
    """
    body = step.func
    left = Counter(counts)

    @functools.wraps(body)
    async def failing(duration_ms: int) -> Any:
        if left[duration_ms]:
            left[duration_ms] -= 1
            raise ValueError("planned")
        return await body(duration_ms)

    step.func = failing


async def outcome(name: str, args: tuple[Any, ...], client: Client) -> Any:
    """What a run has come to; None if this version of the SDK has no such workflow or call."""
    workflow = getattr(flows, name, None)
    if workflow is None or (client is cancel and not hasattr(Run, "terminate")):
        return None
    run = await start(workflow, *args)
    async with asyncio.timeout(PATIENCE_S):
        await client(run)
        try:
            return await run.return_value()
        except RuntimeError as error:
            return str(error)


async def watch(run: Run) -> None:
    """Leave the run alone."""


def send(token: str, *texts: str) -> Client:
    """Send letters, each as soon as there is somebody to take it."""

    async def sending(run: Run) -> None:
        for text in texts:
            await until_taken(flows.Letter(text), token)

    return sending


async def until_taken(letter: flows.Letter, token: str) -> None:
    """Try until the hook is there: its error has another class in every version."""
    while True:
        try:
            await letter.resume(token)
        except Exception:
            await asyncio.sleep(PAUSE_S)
        else:
            return


async def cancel(run: Run) -> None:
    """End the run while a step of it runs."""
    await asyncio.sleep(PAUSE_S)
    await run.terminate()


RUNS: dict[str, tuple[str, tuple[Any, ...], Client]] = {
    "a step": ("one_step", (7, 10), watch),
    "one after the other": ("sequence", ([10, 0, 10],), watch),
    "side by side": ("gather", ([30, 0, 10],), watch),
    "two each": ("gather_twice", ([30, 0, 10],), watch),
    "nested": ("nested", ([10, 0, 10, 0, 10],), watch),
    "the step wins": ("step_or_sleep", (10, 2_500), watch),
    "the sleep wins": ("step_or_sleep", (2_500, 10), watch),
    "the letter wins": ("hook_or_sleep", ("now", 5_000), send("now", "yes")),
    "no letter": ("hook_or_sleep", ("never", 10), watch),
    "sleeps": ("parallel_sleeps", ([30, 0, 1_100],), watch),
    "tried again": ("retrying", (10,), watch),
    "caught": ("catching", (10,), watch),
    "given up": ("exhausted", (20,), watch),
    "refused": ("refused", (10,), watch),
    "letters": ("letters", ("post", 2), send("post", "one", "two")),
    "a child": ("child_polling", (7, 50, 100), watch),
    "a stream": ("streaming", (3, 10), watch),
    "cancelled": ("sequence", ([500, 0],), cancel),
    "stopped": ("stopping", (60_000, 100), watch),
    "marked": ("marked", ([0, 10],), watch),
}
"""What happens → workflow, arguments, and what its client does meanwhile."""

if __name__ == "__main__":
    asyncio.run(main())
