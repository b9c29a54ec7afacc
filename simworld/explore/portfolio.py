"""The portfolio: several strategies share the trials, because no single one suffices.

Every trial is run by one of them, drawn by weight.  Each is blind to something that another sees:
rendezvous to one task that stops half-way, POS and uniform to meetings of many, PCT to deep bugs,
all of these to lockstep, which oldest-first walks in (design §4 has the figures).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from simworld.entropy import Stream
from simworld.explore.oldest import Oldest
from simworld.explore.pct import Pct
from simworld.explore.pos import Pos
from simworld.explore.rendezvous import Rendezvous
from simworld.explore.surw import Surw
from simworld.explore.uniform import Uniform
from simworld.records import ChoicePoint, Explorer, Profile, TaskView

PORTFOLIO: tuple[tuple[float, Callable[[], Explorer]], ...] = (
    (0.25, lambda: Rendezvous(Pos())),
    (0.10, lambda: Rendezvous(Uniform())),
    (0.25, Surw),
    (0.15, Oldest),
    (0.10, Pos),
    (0.025, lambda: Pct(2)),
    (0.025, lambda: Pct(3)),
    (0.025, lambda: Pct(5)),
    (0.025, lambda: Pct(8)),
    (0.05, Uniform),
)
"""Weight and strategy: the one default for every scenario (decisions §7.2)."""


class Choose(Protocol):
    """An explorer's ``choose``, bound."""

    def __call__(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer.choose``."""


class Portfolio:
    """Draws at ``begin`` which strategy runs the trial; ``chosen`` is its name."""

    name = "portfolio"
    wants_all = False
    choose: Choose

    def __init__(self) -> None:
        self.chosen = ""
        self._explorers = [(weight, make()) for weight, make in PORTFOLIO]
        self._inner = self._explorers[-1][1]
        self.choose = self._delegate

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``."""
        self._inner = inner = self._draw(stream)
        inner.begin(stream, profile)
        self.chosen = inner.name
        # A kernel that takes ``choose`` after this calls the strategy itself: one frame less.
        self.choose = inner.choose

    def _draw(self, stream: Stream) -> Explorer:
        drawn = stream.random()
        for weight, explorer in self._explorers:
            drawn -= weight
            if drawn < 0:
                return explorer
        return self._explorers[-1][1]  # the weights add up to 1, give or take a rounding

    def _delegate(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """For whoever took ``choose`` before the first ``begin``."""
        return self._inner.choose(point, enabled)
