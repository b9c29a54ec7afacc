"""The queue's one table, and every statement on it, as SQL and as a twin.

A job is due at ``due_ms``.  Whoever takes it moves that into the future, and again and again while
a handler runs: a job whose worker has died is due again by itself.  ``key`` is the one that keeps
others out now, ``own_key`` the one that the message was sent with; one that others are merged with
has none of its own, and keeps them out only until it is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simworld.ports import Index, Row, Statement, Table, TableSession

NEVER_MS = 2**62
"""Due then: handled, and kept for its key alone."""
CHANNEL = "jobs"

JOBS = Table(
    "jobs",
    {
        "message_id": str,
        "key": str,
        "own_key": str,
        "due_ms": int,
        "number": int,
        "hands": int,
        "keep_until_ms": int,
        "body": bytes,
    },
    ("message_id",),
    (Index("jobs_by_key", ("key",)), Index("jobs_by_due", ("due_ms",), unique=False)),
    nullable=("key", "own_key"),
)
"""``number``: the attempt that the last delivery was told; ``hands``: how often the job has been
taken or put back, so that who had it before can do nothing to it but delete it."""

_COLUMNS = ", ".join(JOBS.columns)


def _job(values: Row) -> Mapping[str, bool]:
    return {f"job {values['message_id']}": True}


def _keyed(values: Row) -> Mapping[str, bool]:
    key = values["key"]
    return _job(values) if key is None else {**_job(values), f"key {key}": True}


async def _add(session: TableSession, values: Row) -> Sequence[Row]:
    row = {"number": 0, "hands": 0, **values}
    added = await session.insert("jobs", row, on_conflict="nothing")
    if added is None:
        return ()
    session.notify(CHANNEL, "")
    return ({"message_id": added["message_id"]},)


ADD = Statement(
    "add the job",
    "WITH added AS ("
    "INSERT INTO jobs (message_id, key, own_key, due_ms, number, hands, keep_until_ms, body) "
    "VALUES (%(message_id)s, %(key)s, %(own_key)s, %(due_ms)s, 0, 0, %(keep_until_ms)s, %(body)s) "
    "ON CONFLICT DO NOTHING RETURNING message_id) "
    f"SELECT message_id FROM added, pg_notify('{CHANNEL}', '')",
    _add,
    _keyed,
)
"""No row back: another message has the key.  Whoever consumes is told."""


async def _free_key(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "jobs",
        lambda row: {**row, "key": None},
        lambda row: row["key"] == values["key"] and row["keep_until_ms"] <= values["now_ms"],
    )


FREE_KEY = Statement(
    "free the key if it has been kept for long enough",
    "UPDATE jobs SET key = NULL WHERE key = %(key)s AND keep_until_ms <= %(now_ms)s "
    f"RETURNING {_COLUMNS}",
    _free_key,
    lambda values: {f"key {values['key']}": True},
)


async def _take(session: TableSession, values: Row) -> Sequence[Row]:
    rows = await session.select("jobs", lambda row: row["due_ms"] < NEVER_MS)
    rows.sort(key=lambda row: (row["due_ms"], row["message_id"]))
    now_ms, without = values["now_ms"], values["without"]
    taken: list[Row] = []
    for row in rows:
        if row["due_ms"] > now_ms or len(taken) == values["limit"]:
            break
        if row["key"] is not None and row["key"].encode() in without:
            continue
        taken += await session.update(
            "jobs",
            lambda row: {
                **row,
                "key": row["key"] if values["keeps_key"] and row["own_key"] is not None else None,
                "due_ms": values["until_ms"],
                "number": row["number"] + 1,
                "hands": row["hands"] + 1,
            },
            lambda row: row["due_ms"] <= now_ms,
            among=(row,),
            skips_locked=True,
        )
    later = [row["due_ms"] for row in rows if row["due_ms"] > now_ms]
    next_ms = min(later, default=None)
    found = sorted(taken, key=lambda row: row["message_id"]) or [dict.fromkeys(JOBS.columns)]
    return [{**row, "next_ms": next_ms} for row in found]


TAKE = Statement(
    "take jobs",
    "WITH free AS (SELECT message_id FROM jobs WHERE due_ms <= %(now_ms)s "
    "AND (key IS NULL OR convert_to(key, 'UTF8') <> ALL (%(without)s::bytea[])) "
    "ORDER BY due_ms, message_id LIMIT %(limit)s::bigint FOR UPDATE SKIP LOCKED), "
    "taken AS (UPDATE jobs SET due_ms = %(until_ms)s, number = number + 1, hands = hands + 1, "
    "key = CASE WHEN %(keeps_key)s::boolean AND own_key IS NOT NULL THEN key END "
    "FROM free WHERE jobs.message_id = free.message_id "
    f"RETURNING {', '.join(f'jobs.{each}' for each in JOBS.columns)}) "
    f"SELECT {', '.join(f'taken.{each}' for each in JOBS.columns)}, (SELECT min(due_ms) FROM jobs "
    f"WHERE due_ms > %(now_ms)s AND due_ms < {NEVER_MS}) AS next_ms "
    "FROM (VALUES (0)) AS always (nothing) LEFT JOIN taken ON true ORDER BY taken.message_id",
    _take,
    lambda _: {"jobs": True},
)
"""At least one row, which is empty but for ``next_ms`` if there was nothing to take: when the next
of the other jobs is due.  A job that somebody else takes or handles at the moment is left alone,
and so is one whose key is in ``without``; one that has a key but none of its own gives it up."""


async def _keep(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "jobs",
        lambda row: {**row, "due_ms": values["until_ms"]},
        lambda row: row["hands"] == values["hands"] and row["due_ms"] < NEVER_MS,
        key=(values["message_id"],),
    )


KEEP = Statement(
    "keep the job",
    "UPDATE jobs SET due_ms = %(until_ms)s WHERE message_id = %(message_id)s "
    f"AND hands = %(hands)s AND due_ms < {NEVER_MS} RETURNING {_COLUMNS}",
    _keep,
    _job,
)
"""No row back: it is gone, or somebody else has taken it since."""


async def _put_back(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "jobs",
        lambda row: {
            **row,
            "due_ms": values["due_ms"],
            "number": values["number"],
            "hands": row["hands"] + 1,
            "key": values["key"],
        },
        lambda row: row["hands"] == values["hands"] and row["due_ms"] < NEVER_MS,
        key=(values["message_id"],),
    )


PUT_BACK = Statement(
    "put the job back",
    "UPDATE jobs SET due_ms = %(due_ms)s, number = %(number)s, hands = hands + 1, key = %(key)s "
    "WHERE message_id = %(message_id)s AND hands = %(hands)s "
    f"AND due_ms < {NEVER_MS} RETURNING {_COLUMNS}",
    _put_back,
    _keyed,
)


async def _delete(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.delete("jobs", key=(values["message_id"],))


DELETE = Statement(
    "delete the job",
    f"DELETE FROM jobs WHERE message_id = %(message_id)s RETURNING {_COLUMNS}",
    _delete,
    _job,
)


async def _retire(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "jobs",
        lambda row: {**row, "due_ms": NEVER_MS, "body": b""},
        key=(values["message_id"],),
    )


RETIRE = Statement(
    "keep nothing but the job's key",
    f"UPDATE jobs SET due_ms = {NEVER_MS}, body = '' WHERE message_id = %(message_id)s "
    f"RETURNING {_COLUMNS}",
    _retire,
    _job,
)


async def _sweep(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.delete(
        "jobs",
        lambda row: row["due_ms"] == NEVER_MS and row["keep_until_ms"] <= values["now_ms"],
    )


SWEEP = Statement(
    "sweep up keys that have been kept for long enough",
    f"DELETE FROM jobs WHERE due_ms = {NEVER_MS} AND keep_until_ms <= %(now_ms)s "
    f"RETURNING {_COLUMNS}",
    _sweep,
    lambda _: {"jobs": True},
)
