"""Explorers: who chooses the next task, and what is done with the choices afterwards.

A search is a portfolio of small strategies, one per file, all behind the ``Explorer`` protocol of
``records``: given the enabled tasks, name one.  Around them: ``Replay`` follows a recorded
schedule, ``shrink`` makes a failing one as short as it can be, ``RunTwice`` shows that the seed
decides everything, and ``meetings`` names what could have come in the other order.
"""

from simworld.explore.default import Default
from simworld.explore.meetings import Meeting, exchanged, meetings, overtakings, turned_round
from simworld.explore.oldest import Oldest
from simworld.explore.pct import Pct
from simworld.explore.portfolio import PORTFOLIO, Portfolio
from simworld.explore.pos import Pos
from simworld.explore.registry import EXPLORERS, make_explorer
from simworld.explore.rendezvous import Rendezvous
from simworld.explore.replay import Replay
from simworld.explore.run_twice import RunTwice
from simworld.explore.scripted import Scripted
from simworld.explore.shrink import ATTEMPTS_MAX, Attempt, Candidate, moves, shrink
from simworld.explore.surw import Surw
from simworld.explore.uniform import Uniform

__all__ = [
    "ATTEMPTS_MAX",
    "EXPLORERS",
    "PORTFOLIO",
    "Attempt",
    "Candidate",
    "Default",
    "Meeting",
    "Oldest",
    "Pct",
    "Portfolio",
    "Pos",
    "Rendezvous",
    "Replay",
    "RunTwice",
    "Scripted",
    "Surw",
    "Uniform",
    "exchanged",
    "make_explorer",
    "meetings",
    "moves",
    "overtakings",
    "shrink",
    "turned_round",
]
