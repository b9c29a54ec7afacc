"""Tables in memory under statements of several parts, which replace, skip, and see one moment."""

from __future__ import annotations

import pytest

from simworld.errors import InternalError
from simworld.ports import Table
from tests.substrates.test_memory_tables import ITEMS, Client, add, item, statement
from tests.worlds.doubles import now
from tests.worlds.postgres.stepped import memory

PLAIN = Table("plain", {"id": str, "n": int}, ("id",))


@statement
async def replace(session, values):
    return (await session.insert("plain", values["row"], on_conflict="replace"),)


@statement
async def move_the_plain(session, values):
    """Lock one row, then change those that were there at the beginning."""
    others = await session.select("plain", lambda row: row["id"] != "a")
    await session.update("plain", one_more_plain, key=("a",))
    return await session.update("plain", one_more_plain, among=others)


@statement
async def move_what_is_free(session, values):
    rows = await session.select("plain")
    return await session.update("plain", one_more_plain, among=rows, skips_locked=True)


@statement
async def drop_plain(session, values):
    return await session.delete("plain", key=(values["id"],))


def one_more_plain(row):
    return {**row, "n": row["n"] + 1}


@pytest.fixture
def plain():
    """Three rows, a, b and c."""
    found = memory([PLAIN])
    for name in "abc":
        now(found.run(replace, row={"id": name, "n": 0}))
    return found


def counts(tables):
    return {row["id"]: row["n"] for row in tables.rows("plain")}


def test_a_row_takes_the_place_of_another_behind_a_lock(plain):
    mine, other = Client(plain), Client(plain)
    mine(replace, row={"id": "a", "n": 7})
    waiting = other.begin(replace, row={"id": "a", "n": 8})
    assert waiting.waits
    mine.commit()
    waiting.finish()
    other.commit()
    assert counts(plain)["a"] == 8


def test_only_a_table_without_other_unique_keys_has_its_rows_replaced():
    with pytest.raises(InternalError, match="other unique keys"):
        now(memory([ITEMS]).run(add, row=item("a"), on_conflict="replace"))


def test_a_later_part_changes_what_the_statement_saw_when_it_began(plain):
    mine, other = Client(plain), Client(plain)
    mine(replace, row={"id": "a", "n": 0})
    waiting = other.begin(move_the_plain)
    now(plain.run(drop_plain, id="b"))
    now(plain.run(replace, row={"id": "b", "n": 50}))  # another row by now
    now(plain.run(replace, row={"id": "c", "n": 60}))
    now(plain.run(replace, row={"id": "d", "n": 70}))
    mine.commit()
    assert [row["id"] for row in waiting.finish()] == ["c"]
    other.commit()
    assert counts(plain) == {"a": 1, "b": 50, "c": 61, "d": 70}


def test_locked_rows_may_be_skipped(plain):
    mine = Client(plain)
    mine(replace, row={"id": "b", "n": 5})
    assert [row["id"] for row in now(plain.run(move_what_is_free))] == ["a", "c"]
    mine.roll_back()
    assert counts(plain) == {"a": 1, "b": 0, "c": 1}
