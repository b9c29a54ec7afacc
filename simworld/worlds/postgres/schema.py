"""The tables of the SQL world as data, and the DDL that is generated from them.

``position`` is the place of an event in its run's log, in digits of a fixed width: text, because a
minted position has more digits than a ``bigint``, and of a fixed width, so that the order of the
text is the order of the numbers.  All texts are compared byte by byte (``COLLATE "C"``), as tables
in memory compare them.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.ports import Index, Table
from simworld.records import PostgresProfile

SCHEMA_VERSION = "2"
POSITION_DIGITS = 39
"""Enough for the 128 bits of a ULID."""

RUNS = Table(
    "runs",
    {
        "run_id": str,
        "status": str,
        "workflow_name": str,
        "input": bytes,
        "created_at_ms": int,
        "started_at_ms": int,
        "completed_at_ms": int,
        "output": bytes,
        "error": bytes,
        "error_code": str,
        "last_position": int,
    },
    ("run_id",),
    (Index("runs_by_status", ("status",), ("status", ("pending", "running")), unique=False),),
)
STEPS = Table(
    "steps",
    {
        "run_id": str,
        "correlation_id": str,
        "step_name": str,
        "status": str,
        "input": bytes,
        "created_at_ms": int,
        "attempt": int,
        "error": bytes,
        "output": bytes,
        "retry_after_ms": int,
        "started_at_ms": int,
        "completed_at_ms": int,
        "owner": str,
        "lease_until_ms": int,
        "retries": int,
        "starts": str,
    },
    ("run_id", "correlation_id"),
)
HOOKS = Table(
    "hooks",
    {
        "run_id": str,
        "correlation_id": str,
        "token": str,
        "status": str,
        "created_at_ms": int,
        "metadata": bytes,
        "is_webhook": bool,
        "is_system": bool,
    },
    ("run_id", "correlation_id"),
)
WAITS = Table(
    "waits",
    {
        "run_id": str,
        "correlation_id": str,
        "status": str,
        "resume_at_ms": int,
        "created_at_ms": int,
        "completed_at_ms": int,
    },
    ("run_id", "correlation_id"),
)
EVENTS = Table(
    "events",
    {
        "run_id": str,
        "position": str,
        "event_id": str,
        "created_at_ms": int,
        "type": str,
        "correlation_id": str,
        "fact": bytes,
    },
    ("run_id", "position"),
)
STREAMS = Table(
    "streams",
    {"run_id": str, "name": str, "length": int, "closed": bool, "ordinal": int},
    ("run_id", "name"),
    (Index("streams_by_ordinal", ("run_id", "ordinal")),),
    nullable=("ordinal",),
)
"""``ordinal``: the how-manieth stream of its run got a first chunk; none while it has none."""
CHUNKS = Table(
    "chunks",
    {"run_id": str, "name": str, "number": int, "data": bytes},
    ("run_id", "name", "number"),
)

_LIVE = ("status", ("live",))
_CREATIONS = ("type", ("hook_created", "step_created", "wait_created"))


def world_tables(profile: PostgresProfile) -> tuple[Table, ...]:
    """The tables of the world and its streams; the profile decides which keys are unique."""
    tokens = Index("hooks_by_token", ("token",), _LIVE, unique=profile.pg_unique_tokens)
    hooks = Table(HOOKS.name, HOOKS.columns, HOOKS.key, (tokens,))
    creations: tuple[Index, ...] = ()
    if profile.pg_unique_creations:
        columns = ("run_id", "correlation_id", "type")
        creations = (Index("events_by_creation", columns, _CREATIONS),)
    events = Table(EVENTS.name, EVENTS.columns, EVENTS.key, creations)
    return (RUNS, STEPS, hooks, WAITS, events, STREAMS, CHUNKS)


def schema_version(profile: PostgresProfile) -> str:
    """What the ``version`` row of a database with these tables says."""
    switches = {"tokens": profile.pg_unique_tokens, "creations": profile.pg_unique_creations}
    unique = [name for name, is_on in switches.items() if is_on]
    return f"{SCHEMA_VERSION}, unique: {' and '.join(unique) or 'nothing'}"


def ddl(tables: Sequence[Table], version: str) -> str:
    """Statements, separated by semicolons, that make the tables and the ``version`` row."""
    parts = [_table_sql(each) for each in tables]
    parts += [_index_sql(each, index) for each in tables for index in each.indexes]
    parts.append("CREATE TABLE schema_version (version text NOT NULL)")
    parts.append(f"INSERT INTO schema_version VALUES ({_quoted(version)})")
    return ";\n".join(parts) + ";\n"


_SQL_TYPES = {str: 'text COLLATE "C"', int: "bigint", bool: "boolean", bytes: "bytea"}


def _table_sql(table: Table) -> str:
    lines = []
    for name, kind in table.columns.items():
        null = "" if name in table.nullable else " NOT NULL"
        lines.append(f"  {name} {_SQL_TYPES[kind]}{null}")
    lines.append(f"  PRIMARY KEY ({', '.join(table.key)})")
    return f"CREATE TABLE {table.name} (\n" + ",\n".join(lines) + "\n)"


def _index_sql(table: Table, index: Index) -> str:
    unique = "UNIQUE " if index.unique else ""
    where = ""
    if index.only is not None:
        column, texts = index.only
        where = f" WHERE {column} IN ({', '.join(_quoted(each) for each in texts)})"
    columns = ", ".join(index.columns)
    return f"CREATE {unique}INDEX {index.name} ON {table.name} ({columns}){where}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
