"""Worlds: storage and queues behind the World port.

``atomic`` is the oracle: one create is one atomic step, position is commit order.
``streams`` keeps byte streams in memory.  The file world, the SQL world and the hosted world join
them here, written against substrates.
"""

from simworld.worlds.atomic import AtomicWorld
from simworld.worlds.codec import decode_event, encode_event
from simworld.worlds.hosted import HostedStreams, HostedWorld
from simworld.worlds.local import (
    LocalStreams,
    LocalWitness,
    LocalWorld,
    Prefixes,
    minted_cursor,
    read_local,
)
from simworld.worlds.names import check_name
from simworld.worlds.postgres import (
    PostgresStreams,
    PostgresWorld,
    RowsAfter,
    TableWitness,
    ddl,
    read_postgres,
    schema_version,
    world_tables,
)
from simworld.worlds.queue import JOBS, QUEUES, TABLE_QUEUE, MemoryQueue, TableQueue
from simworld.worlds.state import WorldState
from simworld.worlds.streams import EndingStreams, MemoryStreams

__all__ = [
    "JOBS",
    "QUEUES",
    "TABLE_QUEUE",
    "AtomicWorld",
    "EndingStreams",
    "HostedStreams",
    "HostedWorld",
    "LocalStreams",
    "LocalWitness",
    "LocalWorld",
    "MemoryQueue",
    "MemoryStreams",
    "PostgresStreams",
    "PostgresWorld",
    "Prefixes",
    "RowsAfter",
    "TableQueue",
    "TableWitness",
    "WorldState",
    "check_name",
    "ddl",
    "decode_event",
    "encode_event",
    "minted_cursor",
    "read_local",
    "read_postgres",
    "schema_version",
    "world_tables",
]
