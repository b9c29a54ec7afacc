"""Which label to watch: the draw that rendezvous and SURW begin with.

Labels that two tasks touch even in an undisturbed run come first.  Labels that one task touches
twice count too: faults bring further deliveries of its message, and then two tasks touch them.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.entropy import Stream
from simworld.records import Profile, TaskView

PREFER_SHARED = 0.7
"""How often a label comes from those that several tasks touch, where there are both sorts."""


class LabelPool:
    """The labels of a profile, sorted out once per profile and not once per trial."""

    def __init__(self) -> None:
        self._profile: Profile | None = None
        self._shared: tuple[str, ...] = ()
        self._repeated: tuple[str, ...] = ()

    def learn(self, profile: Profile) -> None:
        """From now on draw from the labels of ``profile``."""
        if profile is self._profile:
            return
        self._profile = profile
        self._shared = profile.labels
        shared = dict.fromkeys(profile.labels)
        self._repeated = tuple(
            label
            for label, counts in profile.counts.items()
            if label not in shared and sum(counts.values()) > 1
        )

    def draw(self, stream: Stream) -> str:
        """A label worth watching, or "" when the profile knows none."""
        shared, repeated = self._shared, self._repeated
        if shared and (not repeated or stream.chance(PREFER_SHARED)):
            return stream.choice(shared)
        return stream.choice(repeated) if repeated else ""


def pending_label(stream: Stream, enabled: Sequence[TaskView]) -> str:
    """A label that one of the tasks is about to touch, or "" when none touches any."""
    count = len(enabled)
    first = stream.below(count)
    for offset in range(count):
        fine = enabled[(first + offset) % count].op.fine
        if fine:
            return stream.choice(tuple(fine))
    return ""
