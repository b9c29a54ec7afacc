"""The SQL world, written once against ``Tables`` (spec §2.2, §2.4).

``schema`` has the tables as data and their DDL, ``statements`` and ``stream_statements`` every
statement as SQL and as a twin; ``repaired`` and ``merged`` are the two ways to create, ``world``
and ``streams`` the ports, ``dump`` and ``rows`` what the harness looks at.
"""

from simworld.worlds.postgres.dump import read_postgres
from simworld.worlds.postgres.rows import RowsAfter
from simworld.worlds.postgres.schema import ddl, schema_version, world_tables
from simworld.worlds.postgres.streams import PostgresStreams
from simworld.worlds.postgres.witness import TableWitness
from simworld.worlds.postgres.world import PostgresWorld

__all__ = [
    "PostgresStreams",
    "PostgresWorld",
    "RowsAfter",
    "TableWitness",
    "ddl",
    "read_postgres",
    "schema_version",
    "world_tables",
]
