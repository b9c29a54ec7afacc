"""Ids that are minted outside a pass."""

from __future__ import annotations

from typing import Protocol


class Ids(Protocol):
    """Mints unique ids."""

    def run_id(self) -> str:
        """A new run's id, ``wrun_…``."""

    def message_id(self) -> str:
        """A new message's id, ``msg_…``."""

    def event_id(self) -> str:
        """A new event's id, ``evnt_…``."""
