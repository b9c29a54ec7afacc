"""Plain statements without twins, and running tests on a server's tables with them."""

from __future__ import annotations

import trio

from simworld.ports import Statement
from simworld.substrates import open_postgres

LONG_S = 20


async def no_twin(session, values):
    raise AssertionError("a server runs the SQL, not the twin")


def statement(sql, *, writes=True, name="do something"):
    """A statement that touches one row."""
    return Statement(name, sql, no_twin, lambda values: {"row": writes})


DDL = """
CREATE TABLE thing (id bigint PRIMARY KEY, name text, flag boolean, data bytea, big numeric);
CREATE TABLE schema_version (version text NOT NULL);
INSERT INTO schema_version VALUES ('1');
"""

INSERT = statement(
    "INSERT INTO thing VALUES (%(id)s, %(name)s, %(flag)s, %(data)s, %(big)s) RETURNING *",
    name="insert the thing",
)
SELECT = statement("SELECT * FROM thing WHERE id = %(id)s", writes=False, name="read the thing")
LOCK = statement("SELECT id FROM thing WHERE id = %(id)s FOR UPDATE", name="lock the thing")
ALL = statement("SELECT id FROM thing ORDER BY id", writes=False, name="list")
NOTIFY = statement("SELECT pg_notify('news', %(text)s)", name="tell")
SLEEP = statement("UPDATE thing SET name = pg_sleep(60)::text", name="dawdle")
SLOW_READ = statement("SELECT 1 AS one FROM pg_sleep(60)", writes=False, name="read slowly")
WAITING = statement(
    "SELECT count(*) AS waiting FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = %(kind)s"
    " AND pid <> pg_backend_pid() AND state = 'active'",
    writes=False,
)
END_OTHERS = statement(
    "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def thing(number, name="n"):
    """Values of ``INSERT``."""
    return {"id": number, "name": name, "flag": True, "data": b"", "big": 0}


def run(body, dsn, **options):
    """Run ``body(tables)`` on an open database, for a bounded time."""

    async def main():
        with trio.fail_after(LONG_S):
            async with open_postgres(dsn, ddl=DDL, version="1", **options) as tables:
                return await body(tables)

    return trio.run(main)


async def ids(tables):
    return [row["id"] for row in await tables.run(ALL)]
