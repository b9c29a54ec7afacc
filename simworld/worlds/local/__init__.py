"""The file world: storage and streams on ``ports.Files``."""

from simworld.worlds.local.dump import LocalWitness, read_local
from simworld.worlds.local.minted_log import cursor_of as minted_cursor
from simworld.worlds.local.streams import LocalStreams
from simworld.worlds.local.world import LocalWorld
from simworld.worlds.prefixes import Prefixes

__all__ = [
    "LocalStreams",
    "LocalWitness",
    "LocalWorld",
    "Prefixes",
    "minted_cursor",
    "read_local",
]
