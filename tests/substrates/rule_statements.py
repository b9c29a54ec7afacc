"""A small schema and statements on it, each of which is about one rule of tables in memory.

A statement that changes or locks several rows says in which order: without one, a server takes them
as they happen to lie, and which of them it holds while it waits for the next is nobody's to say.
"""

from __future__ import annotations

from hypothesis import strategies as st

from simworld.ports import Index, Statement, Table
from tests.substrates.interleaving import Step

THING = Table(
    "thing",
    {"id": str, "state": str, "tag": str, "n": int},
    ("id",),
    (Index("thing_tag", ("tag",), ("state", ("live",))), Index("thing_n", ("n",))),
)
ITEM = Table("item", {"id": str, "number": int, "data": bytes}, ("id", "number"))
SCHEMA = (THING, ITEM)
CHANNELS = ("news", "gossip")


def _touches(values):
    return {"row": True}


def _made(name, sql):
    def with_twin(twin):
        return Statement(name, sql, twin, _touches)

    return with_twin


_ROW = ("id", "state", "tag", "n")
_VALUES = "(id, state, tag, n) VALUES (%(id)s, %(state)s, %(tag)s, %(n)s)"


@_made("insert", f"INSERT INTO thing {_VALUES} RETURNING *")
async def insert(session, values):
    return [await session.insert("thing", {each: values[each] for each in _ROW})]


@_made("insert or nothing", f"INSERT INTO thing {_VALUES} ON CONFLICT DO NOTHING RETURNING *")
async def insert_or_nothing(session, values):
    row = {each: values[each] for each in _ROW}
    added = await session.insert("thing", row, on_conflict="nothing")
    return [] if added is None else [added]


@_made("read", "SELECT * FROM thing WHERE id = %(id)s")
async def read(session, values):
    return await session.select("thing", key=(values["id"],))


@_made("read all in a state", "SELECT * FROM thing WHERE state = %(state)s ORDER BY id")
async def read_all(session, values):
    return await session.select("thing", lambda row: row["state"] == values["state"])


@_made("lock", "SELECT * FROM thing WHERE id = %(id)s FOR UPDATE")
async def lock(session, values):
    return await session.select("thing", key=(values["id"],), lock=True)


@_made("lock if", "SELECT * FROM thing WHERE id = %(id)s AND state = %(state)s FOR UPDATE")
async def lock_if(session, values):
    return await session.select(
        "thing", lambda row: row["state"] == values["state"], key=(values["id"],), lock=True
    )


@_made("lock all in a state", "SELECT * FROM thing WHERE state = %(state)s ORDER BY id FOR UPDATE")
async def lock_all(session, values):
    return await session.select("thing", lambda row: row["state"] == values["state"], lock=True)


@_made("count up", "UPDATE thing SET n = n + 10 WHERE id = %(id)s RETURNING *")
async def count_up(session, values):
    return await session.update(
        "thing", lambda row: {**row, "n": row["n"] + 10}, key=(values["id"],)
    )


@_made(
    "move",
    "UPDATE thing SET state = %(state)s WHERE id = %(id)s AND state <> %(state)s RETURNING *",
)
async def move(session, values):
    return await session.update(
        "thing",
        lambda row: {**row, "state": values["state"]},
        lambda row: row["state"] != values["state"],
        key=(values["id"],),
    )


@_made("retag", "UPDATE thing SET tag = %(tag)s WHERE id = %(id)s AND n < 20 RETURNING *")
async def retag(session, values):
    return await session.update(
        "thing",
        lambda row: {**row, "tag": values["tag"]},
        lambda row: row["n"] < 20,
        key=(values["id"],),
    )


@_made("delete", "DELETE FROM thing WHERE id = %(id)s AND state = %(state)s RETURNING *")
async def delete(session, values):
    return await session.delete(
        "thing", lambda row: row["state"] == values["state"], key=(values["id"],)
    )


@_made("advisory lock", "SELECT FROM pg_advisory_xact_lock(hashtextextended(%(id)s::text, 0))")
async def advisory(session, values):
    await session.advisory_lock(values["id"])
    return [{}]


@_made("tell", "SELECT FROM pg_notify(%(channel)s, '')")
async def tell(session, values):
    session.notify(values["channel"], "")
    return [{}]


@_made(
    "add an item",
    "INSERT INTO item (id, number, data) VALUES (%(id)s, %(n)s, %(tag)s::text::bytea)"
    " ON CONFLICT DO NOTHING RETURNING *",
)
async def add_item(session, values):
    row = {"id": values["id"], "number": values["n"], "data": values["tag"].encode()}
    added = await session.insert("item", row, on_conflict="nothing")
    return [] if added is None else [added]


@_made("lock items", "SELECT * FROM item WHERE id = %(id)s ORDER BY id, number FOR UPDATE")
async def lock_items(session, values):
    return await session.select("item", key=(values["id"],), lock=True)


@_made(
    "read items",
    "SELECT * FROM item WHERE number >= %(n)s ORDER BY id, number",
)
async def read_items(session, values):
    return await session.select("item", lambda row: row["number"] >= values["n"])


_POOLS = {
    "id": ("a", "a", "b", "c"),
    "state": ("live", "dead"),
    "tag": ("x", "y"),
    "n": (1, 2, 3, 4, 5, 6),
    "channel": CHANNELS,
}
_PARAMETERS = {
    insert: _ROW,
    insert_or_nothing: _ROW,
    read: ("id",),
    read_all: ("state",),
    lock: ("id",),
    lock_if: ("id", "state"),
    lock_all: ("state",),
    count_up: ("id",),
    move: ("id", "state"),
    retag: ("id", "tag"),
    delete: ("id", "state"),
    advisory: ("id",),
    tell: ("channel",),
    add_item: ("id", "n", "tag"),
    lock_items: ("id",),
    read_items: ("n",),
}


def runs(pools, sessions=(0, 1)):
    """A strategy: one of the statements, with values from its pools."""
    return st.one_of(
        *[
            st.builds(
                Step,
                st.sampled_from(sessions),
                st.just("run"),
                st.just(statement),
                st.fixed_dictionaries({each: st.sampled_from(pool) for each, pool in own.items()}),
            )
            for statement, own in pools.items()
        ]
    )


def interleavings(pools, *, first, contended):
    """A strategy: rows that are there already, then two sessions that both begin, and go on.

    ``pools``: statement → parameter → what it may be; ``first``: what makes the rows;
    ``contended``: what is drawn more often than others.
    """
    often = {each: pools[each] for each in contended}
    first = {each: pools[each] for each in first}
    blocks = st.builds(
        Step, st.sampled_from((0, 1)), st.sampled_from(("begin", "begin", "commit", "rollback"))
    )
    steps = st.lists(st.one_of(runs(often), runs(pools), blocks), min_size=4, max_size=16)
    before = st.lists(runs(first, (0,)), max_size=4)
    return st.builds(
        lambda one, two: [*one, Step(0, "begin"), Step(1, "begin"), *two], before, steps
    )


_THERE = (
    {"id": "a", "state": "live", "tag": "x", "n": 1},
    {"id": "b", "state": "live", "tag": "y", "n": 2},
    {"id": "c", "state": "dead", "tag": "x", "n": 3},
)


def rule_interleavings():
    """Interleavings of the statements of this module, most of them on rows that are there."""
    there = [Step(0, "run", insert, each) for each in _THERE]
    pools = {
        statement: {each: _POOLS[each] for each in names}
        for statement, names in _PARAMETERS.items()
    }
    drawn = interleavings(
        pools,
        first=(insert_or_nothing, add_item),
        contended=(insert_or_nothing, lock, lock_if, lock_all, count_up, move, retag, delete),
    )
    return st.builds(lambda count, steps: [*there[:count], *steps], st.integers(0, 3), drawn)
