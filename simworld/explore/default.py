"""Default: the all-zero schedule, which stays with the current task and else takes the lowest.

It is what an empty schedule means and what a profile is measured under; as a search it finds only
what needs no search.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.records import ChoicePoint, Profile, TaskView


class Default:
    """Always index 0; draws nothing."""

    name = "default"
    wants_all = False

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``."""
        return 0
