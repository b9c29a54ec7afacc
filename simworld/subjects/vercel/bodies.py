"""Steps' functions that tell when they begin and end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from vercel.workflow._internal import errors as sdk_errors
from vercel.workflow._internal import runtime

from simworld.engine import StepRow
from simworld.ports import BodyInfo
from simworld.subjects.seam import BodyBegins, BodyEnds, Question

Body = Callable[..., Awaitable[Any]]


def telling(
    step: Any, ask: Callable[[Question], Awaitable[Any]], started: Callable[[], StepRow | None]
) -> Body:
    """The step's function, wrapped; ``started``: the step that the running activity has started."""
    function: Body = step.func
    # A body that its workflow has cancelled fails its step for good.
    fatal: tuple[type[BaseException], ...] = (sdk_errors.FatalError,)
    if getattr(step, "cancellable", False):
        fatal += (asyncio.CancelledError,)

    @functools.wraps(function)
    async def body(*args: Any, **kwargs: Any) -> Any:
        row = started()
        # The SDK calls its own steps' functions from elsewhere, too, where they are no steps.
        if row is None or row.step_name != step.name:
            return await function(*args, **kwargs)
        attempt = runtime.get_step_metadata().attempt
        name, step_id = row.step_name, row.correlation_id
        info = BodyInfo(row.run_id, step_id, name, attempt, row.attempt, 0, row.input)
        try:
            await ask(BodyBegins(info))
            result = await function(*args, **kwargs)
            # What it has written fails it, if it does not arrive; the SDK looks after that as well.
            await runtime._step_streams_ctx.get().drain()
        except (Exception, asyncio.CancelledError) as error:
            outcome = "fatal" if isinstance(error, fatal) else "error"
            await tell(BodyEnds(info, outcome, told(error), b""))
            raise
        await tell(BodyEnds(info, "ok", "", b""))
        return result

    async def tell(ends: BodyEnds) -> None:
        # Nobody can cancel a function that has returned.
        with contextlib.suppress(asyncio.CancelledError):
            await ask(ends)

    return body


def told(error: BaseException) -> str:
    """``ValueError: boom``; of a group of errors those in it."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(told(each) for each in error.exceptions)
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
