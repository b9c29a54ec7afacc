"""Ports: what the engine's runtime and the worlds may ask of their surroundings.

Protocols only.  The simulator and the production shell implement them; code above a port cannot
tell which.  The substrate ports (files, tables) join this room with the worlds that need them.
"""

from simworld.ports.bodies import Bodies, BodyInfo
from simworld.ports.clock import Clock
from simworld.ports.ids import Ids
from simworld.ports.log import PassReport, RunLog
from simworld.ports.streams import Chunks, StreamInfo, Streams
from simworld.ports.tasks import Job, Latch, Pending, Tasks
from simworld.ports.world import (
    Answer,
    Delivery,
    Handler,
    Message,
    Page,
    Queue,
    Redeliver,
    RunInput,
    Storage,
)

__all__ = [
    "Answer",
    "Bodies",
    "BodyInfo",
    "Chunks",
    "Clock",
    "Delivery",
    "Handler",
    "Ids",
    "Job",
    "Latch",
    "Message",
    "Page",
    "PassReport",
    "Pending",
    "Queue",
    "Redeliver",
    "RunInput",
    "RunLog",
    "Storage",
    "StreamInfo",
    "Streams",
    "Tasks",
]
