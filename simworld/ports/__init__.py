"""Ports: what the engine's runtime and the worlds may ask of their surroundings.

Protocols only.  The simulator and the production shell implement them; code above a port cannot
tell which.  The substrate ports (files, tables) and the stream port join this room with the worlds
that need them.
"""

from simworld.ports.bodies import Bodies, BodyInfo
from simworld.ports.clock import Clock
from simworld.ports.ids import Ids
from simworld.ports.log import RunLog
from simworld.ports.tasks import Pending, Tasks
from simworld.ports.world import (
    Answer,
    Delivery,
    Handler,
    Message,
    Page,
    Queue,
    Redeliver,
    Storage,
)

__all__ = [
    "Answer",
    "Bodies",
    "BodyInfo",
    "Clock",
    "Delivery",
    "Handler",
    "Ids",
    "Message",
    "Page",
    "Pending",
    "Queue",
    "Redeliver",
    "RunLog",
    "Storage",
    "Tasks",
]
