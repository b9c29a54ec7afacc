"""Parking: how simulated coroutines suspend, and why nothing else may."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from simworld.engine import innermost_line
from simworld.errors import UsageError


class _Park:
    """What a suspended coroutine yields; anything else is a foreign await."""

    def __await__(self) -> Generator[_Park, None, None]:
        yield self


PARK = _Park()


def foreign_await(coroutine: Any, awaited: object) -> UsageError:
    """Name the line that awaits something the simulation does not know."""
    return UsageError(
        f"{innermost_line(coroutine)} awaits {type(awaited).__name__}, which the simulation does "
        "not know; a step body awaits only the verbs of its context (ctx.sleep, ctx.effect)"
    )
