"""Worlds: storage and queues behind the World port.

``atomic`` is the oracle: one create is one atomic step, position is commit order.  The file world,
the SQL world and the hosted world join it here, written against substrates.
"""

from simworld.worlds.atomic import AtomicWorld
from simworld.worlds.queue import MemoryQueue

__all__ = ["AtomicWorld", "MemoryQueue"]
