"""Every explorer by the name it has on the command line and in reports."""

from __future__ import annotations

from collections.abc import Callable

from simworld.errors import unknown_name
from simworld.explore.default import Default
from simworld.explore.oldest import Oldest
from simworld.explore.pct import Pct
from simworld.explore.portfolio import Portfolio
from simworld.explore.pos import Pos
from simworld.explore.rendezvous import Rendezvous
from simworld.explore.surw import Surw
from simworld.explore.uniform import Uniform
from simworld.records import Explorer

EXPLORERS: dict[str, Callable[[], Explorer]] = {
    "portfolio": Portfolio,
    "uniform": Uniform,
    "oldest": Oldest,
    "pos": Pos,
    "pct2": lambda: Pct(2),
    "pct3": lambda: Pct(3),
    "pct5": lambda: Pct(5),
    "pct8": lambda: Pct(8),
    "rendezvous": lambda: Rendezvous(Uniform()),
    "rendezvous_pos": lambda: Rendezvous(Pos()),
    "surw": Surw,
    "default": Default,
}
"""name → a maker of fresh ones; the name is also the explorer's own."""


def make_explorer(name: str) -> Explorer:
    """A fresh explorer; ``UsageError`` with the nearest names when there is none called so."""
    maker = EXPLORERS.get(name)
    if maker is None:
        raise unknown_name("explorer", name, EXPLORERS)
    return maker()
