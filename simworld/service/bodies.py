"""Bodies of real steps: nobody plans their failures, and their acts are their own."""

from __future__ import annotations

import trio

from simworld.ports import BodyInfo


class RealBodies:
    """``ports.Bodies``."""

    async def began(self, body: BodyInfo) -> None:
        """See ``ports.Bodies``."""

    async def effect(self, body: BodyInfo, name: str) -> None:
        """See ``ports.Bodies``; others may go first, as in the simulation."""
        await trio.lowlevel.checkpoint()

    async def ended(
        self, body: BodyInfo, outcome: str, error: Exception | None = None, result: bytes = b""
    ) -> None:
        """See ``ports.Bodies``."""
