"""Ports: what the engine's runtime and the worlds may ask of their surroundings.

Protocols only.  The simulator and the production shell implement them; code above a port cannot
tell which.  Below a world there is a second port, the substrate: a disk's files, a database's
tables.
"""

from simworld.ports.bodies import Bodies, BodyInfo
from simworld.ports.clock import Clock
from simworld.ports.ids import Ids
from simworld.ports.log import ClientCalled, PassReport, RunLog
from simworld.ports.streams import Chunks, StreamInfo, Streams
from simworld.ports.substrate import (
    Files,
    Index,
    Key,
    Notices,
    Predicate,
    Row,
    Session,
    Statement,
    Table,
    Tables,
    TableSession,
    Touches,
    Twin,
)
from simworld.ports.tasks import Job, Latch, Pending, Tasks
from simworld.ports.wire import Replica, Request, Wire
from simworld.ports.world import (
    Answer,
    BatchFact,
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
    "BatchFact",
    "Bodies",
    "BodyInfo",
    "Chunks",
    "ClientCalled",
    "Clock",
    "Delivery",
    "Files",
    "Handler",
    "Ids",
    "Index",
    "Job",
    "Key",
    "Latch",
    "Message",
    "Notices",
    "Page",
    "PassReport",
    "Pending",
    "Predicate",
    "Queue",
    "Redeliver",
    "Replica",
    "Request",
    "Row",
    "RunInput",
    "RunLog",
    "Session",
    "Statement",
    "Storage",
    "StreamInfo",
    "Streams",
    "Table",
    "TableSession",
    "Tables",
    "Tasks",
    "Touches",
    "Twin",
    "Wire",
]
