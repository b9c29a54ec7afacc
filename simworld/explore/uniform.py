"""Uniform: every enabled task is as likely as any other.

The weakest strategy and the yardstick of all others: it reaches everything in principle, and
nothing that needs one task to stand still while another runs to its end.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.records import ChoicePoint, Profile, TaskView


class Uniform:
    """A coin with as many sides as there are enabled tasks."""

    name = "uniform"
    wants_all = False

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""
        self._random = stream.random

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        return int(self._random() * len(enabled))
