"""What else workflow code may ask for: time, randomness, attributes, streams.

All of it is a function of the run and its log, so that every pass gets the same answers.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable
from typing import TypeVar

from simworld.engine.payload import encode
from simworld.engine.program import AttrHandle, WaitHandle, current_loop
from simworld.engine.refs import StreamRef
from simworld.errors import UsageError

T = TypeVar("T")

DEFAULT_STREAM = "output"


def sleep(duration: int | datetime.timedelta) -> WaitHandle:
    """A sleep of so many milliseconds; it begins now, awaiting it waits for its end."""
    if isinstance(duration, datetime.timedelta):
        duration = int(duration / datetime.timedelta(milliseconds=1))
    if not isinstance(duration, int) or duration < 0:
        raise UsageError(
            f"sleep takes a whole number of milliseconds (≥ 0) or a timedelta, not {duration!r}"
        )
    return current_loop("sleep was called").request_wait(duration)


def now_ms() -> int:
    """The workflow's clock, in ms since the epoch: it stands still while the workflow runs."""
    loop = current_loop("now_ms was called")
    time_ms = loop.read_clock()
    loop.readings.append(time_ms)
    return time_ms


def random() -> float:
    """A number in [0, 1) from the run's own generator."""
    return current_loop("random was called").draws.bits(53) / (1 << 53)


def uuid() -> str:
    """A random UUID from the run's own generator."""
    digits = f"{current_loop('uuid was called').draws.bits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    digits = f"{digits[:12]}4{digits[13:16]}{variant}{digits[17:]}"  # version 4, variant 1
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def set_attributes(**changes: object) -> AttrHandle:
    """Record attributes of the run; awaiting it waits until they are recorded."""
    if not changes:
        raise UsageError("set_attributes takes at least one attribute, as name=value")
    return current_loop("set_attributes was called").request_attributes(encode(changes))


def get_writable(name: str = DEFAULT_STREAM) -> StreamRef:
    """A stream of this run; steps write to it and read it, the workflow passes it on."""
    return StreamRef(current_loop("get_writable was called").run_id, name)


async def real(awaitable: Awaitable[T]) -> T:
    """In a step's body: await what is outside of simworld, such as trio's I/O or an HTTP client.

    A real worker runs on trio, so it works there; the simulation has no outside, and tells the line
    that asks for it.
    """
    return await awaitable
