"""Fronts: what stands between a real worker's queue and its handler.

``in-process`` is nothing at all.  Behind the others every delivery is a ``POST /flow`` over HTTP on
the loopback interface, served in this very process, so that its CPU time counts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from simworld.engine import Program
from simworld.errors import UsageError, unknown_name
from simworld.records import IN_PROCESS

if TYPE_CHECKING:
    from simworld.service import App, Settings

FRONTS = {
    IN_PROCESS: "the queue calls the handler",
    "raw": "POST /flow to the raw ASGI app, on hypercorn",
    "starlette": "POST /flow to Starlette, on hypercorn",
    "quart": "POST /flow to Quart-trio, on hypercorn",
}
"""Name → what it is."""
_NEEDS = {"starlette": "starlette", "quart": "quart_trio"}


def check_front(name: str) -> str:
    """The name; ``UsageError`` with the nearest one if there is no such front."""
    if name not in FRONTS:
        raise unknown_name("front", name, FRONTS)
    return name


def check_installed(name: str) -> None:
    """``UsageError`` unless what the front stands on is there."""
    needed = _NEEDS.get(check_front(name))
    if needed and importlib.util.find_spec(needed) is None:
        raise UsageError(
            f"front {name} needs {needed}, which is not installed: pip install 'simworld[bench]'"
        )


@asynccontextmanager
async def behind(
    front: str, world: str, program: Program, settings: Settings
) -> AsyncIterator[App]:
    """A worker on the world, behind the front, for as long as the block lasts; its client."""
    from simworld.service import open_front, working  # noqa: PLC0415  (an extra)

    opening = nullcontext() if check_front(front) == IN_PROCESS else open_front(front)
    async with (
        opening as opened,
        working(world, program, settings=settings, front=opened) as worker,
    ):
        yield worker.app
