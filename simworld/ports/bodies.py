"""The visible side of step bodies: their beginning, their acts and their end."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class BodyInfo(NamedTuple):
    """One execution of a step's body."""

    run_id: str
    step_id: str
    step_name: str
    attempt: int
    """What the body is told."""
    start: int
    """The number of its own accepted start."""
    lease_until_ms: int
    input: bytes
    """Its encoded arguments."""


class Bodies(Protocol):
    """Where bodies report; in simulation these are choice points, and flakes come from here."""

    async def began(self, body: BodyInfo) -> None:
        """The body begins.  May raise: then the body is taken to have failed with that error."""

    async def effect(self, body: BodyInfo, name: str) -> None:
        """The body does something the outside world can see."""

    async def ended(
        self, body: BodyInfo, outcome: str, error: Exception | None = None, result: bytes = b""
    ) -> None:
        """The body ended by itself: ``ok``, or ``error`` or ``fatal`` with what it raised.

        ``result``: what it has returned, encoded.
        """
