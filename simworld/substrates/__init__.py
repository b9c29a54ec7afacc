"""Substrates: what worlds stand on, in memory and for real.

``MemoryFiles`` and ``DiskFiles`` are the two kinds of files.
"""

from typing import TYPE_CHECKING, Any

from simworld.errors import UsageError
from simworld.substrates.disk import DiskFiles
from simworld.substrates.memory_files import MemoryFiles
from simworld.substrates.memory_tables import MemoryTables
from simworld.substrates.paths import Sync
from simworld.substrates.pg_server import PrivateServer
from simworld.substrates.real_ids import RealIds
from simworld.substrates.trio_host import (
    TrioClock,
    TrioHost,
    TrioTasks,
    exit_now,
    open_host,
    task_name,
    wall_ms,
)

if TYPE_CHECKING:
    from simworld.substrates.postgres import PostgresTables, open_postgres

__all__ = [
    "DiskFiles",
    "MemoryFiles",
    "MemoryTables",
    "PostgresTables",
    "PrivateServer",
    "RealIds",
    "Sync",
    "TrioClock",
    "TrioHost",
    "TrioTasks",
    "exit_now",
    "open_host",
    "open_postgres",
    "task_name",
    "wall_ms",
]


def __getattr__(name: str) -> Any:
    """What needs an extra is imported when it is asked for."""
    if name not in ("PostgresTables", "open_postgres"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from simworld.substrates import postgres  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("psycopg is missing: pip install 'simworld[postgres]'") from error
    return getattr(postgres, name)
