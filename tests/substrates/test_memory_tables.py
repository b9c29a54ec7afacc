"""Tables in memory, rule by rule: what PostgreSQL does under READ COMMITTED, and nothing else."""

from __future__ import annotations

import pytest

from simworld.errors import Deadlock, InternalError, UniqueViolation
from simworld.ports import Index, Statement, Table
from tests.worlds.doubles import now
from tests.worlds.postgres.stepped import Session, memory

ITEMS = Table(
    "items",
    {"box": str, "name": str, "state": str, "tag": str, "count": int},
    ("box", "name"),
    (Index("items_by_tag", ("tag",), ("state", ("live",))),),
    nullable=("tag",),
)


def item(name, box="b", state="live", tag=None, count=0):
    return {"box": box, "name": name, "state": state, "tag": tag, "count": count}


def statement(twin):
    return Statement(twin.__name__, "", twin, lambda _: {})


@statement
async def add(session, values):
    row = await session.insert("items", values["row"], on_conflict=values["on_conflict"])
    return () if row is None else (row,)


@statement
async def read(session, values):
    return await session.select("items", values.get("where"), key=values.get("key", ()))


@statement
async def lock(session, values):
    return await session.select("items", values.get("where"), key=values.get("key", ()), lock=True)


@statement
async def change(session, values):
    return await session.update(
        "items",
        lambda row: {**row, **values["new"](row)},
        values.get("where"),
        key=values.get("key", ()),
    )


@statement
async def remove(session, values):
    return await session.delete("items", values.get("where"), key=values.get("key", ()))


@statement
async def advise(session, values):
    await session.advisory_lock(values["key"])
    return ()


@statement
async def tell(session, values):
    session.notify(values["channel"], "")
    return ()


def one_more(row):
    return {"count": row["count"] + 1}


def emptied(row):
    return {"count": 0}


def retired(row):
    return {"state": "retired"}


class Client:
    """One transaction, driven statement by statement."""

    def __init__(self, tables):
        self._block = tables.transaction()
        self._session = now(self._block.__aenter__())

    def __call__(self, each, **values):
        """The result; it must not wait."""
        return self.begin(each, **values).finish()

    def begin(self, each, **values):
        """Start a statement that may wait."""
        values.setdefault("on_conflict", "error")
        session = Session(self._session.run(each, **values))
        session.step()
        return session

    def commit(self):
        now(self._block.__aexit__(None, None, None))

    def roll_back(self):
        now(self._block.__aexit__(ValueError, ValueError(), None))


@pytest.fixture
def tables():
    """Two items, a and b."""
    found = memory([ITEMS])
    for name in "ab":
        now(found.run(add, row=item(name), on_conflict="error"))
    return found


@pytest.fixture
def first(tables):
    return Client(tables)


@pytest.fixture
def second(tables):
    return Client(tables)


def names(rows):
    return [row["name"] for row in rows]


# --- what is seen ---------------------------------------------------------------------------------


def test_a_statement_sees_what_was_committed_and_what_its_own_transaction_did(first, second):
    first(add, row=item("c"))
    first(change, new=one_more, key=("b", "a"))
    first(remove, key=("b", "b"))
    assert [(row["name"], row["count"]) for row in first(read)] == [("a", 1), ("c", 0)]
    assert [(row["name"], row["count"]) for row in second(read)] == [("a", 0), ("b", 0)]
    first.commit()
    assert [(row["name"], row["count"]) for row in second(read)] == [("a", 1), ("c", 0)]


def test_rollback_undoes_everything(first, tables):
    first(add, row=item("c", tag="t"))
    first(change, new=one_more, key=("b", "a"))
    first(remove, key=("b", "b"))
    first.roll_back()
    assert tables.rows("items") == [item("a"), item("b")]
    now(tables.run(add, row=item("d", tag="t"), on_conflict="error"))


def test_rows_come_in_the_order_of_their_key_also_under_a_part_of_it(tables):
    for name, box in (("z", "a"), ("c", "b"), ("é", "b"), ("Z", "b")):
        now(tables.run(add, row=item(name, box), on_conflict="error"))
    assert names(now(tables.run(read))) == ["z", "Z", "a", "b", "c", "é"]
    assert names(now(tables.run(read, key=("b",)))) == ["Z", "a", "b", "c", "é"]
    assert now(tables.run(read, key=("b", "none"))) == []


def test_a_plain_select_never_waits(first, second):
    first(lock, key=("b", "a"))
    first(change, new=one_more, key=("b", "b"))
    assert [row["count"] for row in second(read)] == [0, 0]


# --- rows that others hold ------------------------------------------------------------------------


@pytest.mark.parametrize("holds", [lock, change])
@pytest.mark.parametrize("wants", [lock, change, remove])
def test_whoever_wants_a_row_that_is_held_waits_for_the_end(first, second, holds, wants):
    first(holds, new=one_more, key=("b", "a"))
    waiting = second.begin(wants, new=one_more, key=("b", "a"))
    assert waiting.waits
    first.commit()
    grown = 1 if holds is change else 0
    assert [row["count"] for row in waiting.finish()] == [grown + (1 if wants is change else 0)]


def test_after_a_wait_the_predicate_is_asked_of_the_newest_version(first, second):
    first(change, new=one_more, key=("b", "a"))
    waiting = second.begin(change, new=one_more, where=lambda row: row["count"] == 0)
    first.commit()
    assert names(waiting.finish()) == ["b"]


def test_after_a_rollback_the_old_version_counts(first, second):
    first(change, new=one_more, key=("b", "a"))
    waiting = second.begin(change, new=one_more, where=lambda row: row["count"] == 0)
    first.roll_back()
    assert [row["count"] for row in waiting.finish()] == [1, 1]


def test_a_row_that_was_not_seen_at_the_begin_is_not_found_after_the_wait(first, second, tables):
    first(change, new=one_more, key=("b", "a"))
    waiting = second.begin(change, new=emptied, where=lambda row: row["name"] in "ac")
    now(tables.run(add, row=item("c", count=5), on_conflict="error"))
    first.commit()
    assert names(waiting.finish()) == ["a"]


def test_a_row_that_did_not_match_at_the_begin_is_not_found_though_it_does_by_now(
    first, second, tables
):
    first(lock, key=("b", "a"))
    waiting = second.begin(change, new=emptied, where=lambda r: r["name"] == "a" or r["count"] == 1)
    now(tables.run(change, new=one_more, key=("b", "b")))
    first.commit()
    assert names(waiting.finish()) == ["a"]


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_row_that_was_deleted_meanwhile_is_gone_also_if_another_has_its_key(
    first, second, tables, comes_back
):
    first(remove, key=("b", "a"))
    waiting = second.begin(change, new=one_more, key=("b", "a"))
    first.commit()
    if comes_back:
        now(tables.run(add, row=item("a"), on_conflict="error"))
    assert waiting.finish() == []


def test_two_who_wait_go_on_one_after_the_other(first, second, tables):
    third = Client(tables)
    first(change, new=one_more, key=("b", "a"))
    waiting = [each.begin(change, new=one_more, key=("b", "a")) for each in (second, third)]
    first.commit()
    assert [row["count"] for row in waiting[1].finish()] == [2]
    waiting[0].step()
    assert waiting[0].waits
    third.commit()
    assert [row["count"] for row in waiting[0].finish()] == [3]


# --- unique keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize("on_conflict", ["error", "nothing"])
@pytest.mark.parametrize("other", [item("c", tag="t"), item("new", tag="u")])
def test_an_insert_waits_for_an_open_one_and_loses_if_that_commits(
    first, second, on_conflict, other
):
    first(add, row=other)
    waiting = second.begin(add, row=item("new", tag="t"), on_conflict=on_conflict)
    assert waiting.waits
    first.commit()
    result = waiting.finish()
    assert result == [] if on_conflict == "nothing" else isinstance(result, UniqueViolation)


@pytest.mark.parametrize("on_conflict", ["error", "nothing"])
def test_an_insert_goes_on_if_the_open_one_is_rolled_back(first, second, on_conflict):
    first(add, row=item("c", tag="t"))
    waiting = second.begin(add, row=item("new", tag="t"), on_conflict=on_conflict)
    first.roll_back()
    assert names(waiting.finish()) == ["new"]


@pytest.mark.parametrize("gives_up", [change, remove])
def test_an_insert_waits_for_whoever_is_about_to_give_its_key_up(first, second, tables, gives_up):
    now(tables.run(add, row=item("c", tag="t"), on_conflict="error"))
    first(gives_up, new=retired, key=("b", "c"))
    waiting = second.begin(add, row=item("new", tag="t"), on_conflict="nothing")
    assert waiting.waits
    first.commit()
    assert names(waiting.finish()) == ["new"]


def test_a_lock_alone_is_no_reason_for_an_insert_to_wait(first, second, tables):
    now(tables.run(add, row=item("c", tag="t"), on_conflict="error"))
    first(lock)
    assert second(add, row=item("a"), on_conflict="nothing") == []
    assert second(add, row=item("new", tag="t"), on_conflict="nothing") == []


def test_what_was_free_before_a_wait_is_asked_again_after_it(first, second, tables):
    first(add, row=item("c", tag="t"))
    waiting = second.begin(add, row=item("new", tag="t"), on_conflict="nothing")
    now(tables.run(add, row=item("new", count=7), on_conflict="error"))
    first.roll_back()
    assert waiting.finish() == []
    assert tables.peek("items", ("b", "new"))["count"] == 7


def test_a_transaction_conflicts_with_its_own_rows_and_not_with_what_it_gave_up(first):
    first(add, row=item("c", tag="t"))
    assert first(add, row=item("d", tag="t"), on_conflict="nothing") == []
    first(change, new=retired, key=("b", "c"))
    assert names(first(add, row=item("d", tag="t"), on_conflict="nothing")) == ["d"]
    assert first(add, row=item("d"), on_conflict="nothing") == []
    first.commit()


def test_a_partial_index_holds_the_rows_it_is_for_and_none_without_a_value(tables):
    for row in (item("c", tag="t", state="retired"), item("d", tag="t"), item("e"), item("f")):
        assert now(tables.run(add, row=row, on_conflict="nothing"))
    assert now(tables.run(add, row=item("g", tag="t"), on_conflict="nothing")) == []


def test_an_update_that_takes_a_key_conflicts_like_an_insert(first, second):
    first(add, row=item("c", tag="t"))
    first.commit()
    refused = second(change, new=lambda _: {"tag": "t"}, key=("b", "a"))
    assert isinstance(refused, UniqueViolation)


def test_inserts_enter_one_index_after_another(first, second):
    """So who waits for a tag holds its primary key already, and others wait for that."""
    first(add, row=item("c", tag="t"))
    waiting = second.begin(add, row=item("new", tag="t"))
    assert waiting.waits
    assert isinstance(first(add, row=item("new")), Deadlock)
    first.roll_back()
    assert names(waiting.finish()) == ["new"]


# --- the ends of transactions ---------------------------------------------------------------------


def test_a_circle_of_waits_is_refused_at_once_to_whoever_closes_it(first, second, tables):
    first(change, new=one_more, key=("b", "a"))
    second(change, new=one_more, key=("b", "b"))
    waiting = first.begin(change, new=one_more, key=("b", "b"))
    assert isinstance(second(change, new=one_more, key=("b", "a")), Deadlock)
    second.roll_back()
    assert waiting.finish()
    first.commit()
    assert [row["count"] for row in tables.rows("items")] == [1, 1]


def test_after_a_failure_a_transaction_can_only_be_rolled_back(first):
    assert isinstance(first(add, row=item("a")), UniqueViolation)
    with pytest.raises(InternalError, match="failed"):
        first(read)
    with pytest.raises(InternalError, match="cannot commit"):
        first.commit()
    first.roll_back()


def test_advisory_locks_last_to_the_end_and_may_be_taken_twice(first, second):
    first(advise, key="k")
    first(advise, key="k")
    waiting = second.begin(advise, key="k")
    assert waiting.waits
    first.commit()
    assert waiting.finish() == []


def test_whoever_is_gone_is_rolled_back_and_holds_nothing(tables, second):
    hosts = ["h1"]
    alive = memory([ITEMS], owner=lambda: hosts[0])
    now(alive.run(add, row=item("a"), on_conflict="error"))
    gone, waits = Client(alive), Client(alive)
    hosts[0] = "h2"
    stays = Client(alive)
    gone(change, new=one_more, key=("b", "a"))
    left = waits.begin(change, new=one_more, key=("b", "a"))
    waiting = stays.begin(change, new=one_more, key=("b", "a"))
    alive.abandon("h1")
    assert [row["count"] for row in waiting.finish()] == [1]
    stays.commit()
    gone.roll_back()
    left.coroutine.close()
    assert alive.peek("items", ("b", "a"))["count"] == 1


def test_the_harness_is_told_of_new_rows_before_anybody_goes_on():
    told = []
    found = memory([ITEMS], on_commit=lambda rows: told.append((rows, found.rows("items"))))
    client = Client(found)
    client(add, row=item("a"))
    client(add, row=item("b"))
    client(remove, key=("b", "b"))
    assert told == []
    client.commit()
    assert told == [([("items", item("a"))], [item("a")])]
    now(found.run(change, new=one_more))
    assert len(told) == 1


# --- notifications --------------------------------------------------------------------------------


def test_a_notification_is_heard_at_its_commit_and_not_if_it_is_rolled_back(tables):
    async def hear():
        async with tables.listen("news") as notices:
            return await notices.wait()

    session = Session(hear())
    session.step()
    for client, end in ((Client(tables), Client.roll_back), (Client(tables), Client.commit)):
        assert session.waits
        client(tell, channel="news")
        assert session.waits
        end(client)
    assert session.finish() is True


def test_what_commits_between_a_look_and_the_wait_is_not_lost(tables):
    heard = []

    async def hear():
        async with tables.listen("news") as notices:
            await tables.run(tell, channel="news")
            heard.append(await notices.wait())
            await notices.wait()

    session = Session(hear())
    session.step()
    assert heard == [True]
    assert session.waits
    session.coroutine.close()
    now(tables.run(tell, channel="news"))


# --- everything else is refused -------------------------------------------------------------------


@statement
async def write_then_read(session, values):
    await session.insert("items", item("c"))
    return await session.select("items")


@statement
async def wait_then_read(session, values):
    await session.select("items", key=("b", "a"), lock=True)
    return await session.select("items")


def test_a_twin_may_not_look_again_after_it_has_written_or_waited(first, second, tables):
    with pytest.raises(InternalError, match="looks at tables once"):
        now(tables.run(write_then_read))
    first(lock, key=("b", "a"))
    waiting = second.begin(wait_then_read)
    first.commit()
    with pytest.raises(InternalError, match="looks at tables once"):
        waiting.finish()


@pytest.mark.parametrize(
    ("each", "values", "complaint"),
    [
        (add, {"row": {"box": "b"}, "on_conflict": "error"}, "other columns"),
        (change, {"new": lambda _: {"name": "z"}}, "no primary key"),
        (change, {"new": lambda _: {"size": 1}}, "no shape"),
    ],
)
def test_rows_keep_their_shape_and_their_key(tables, each, values, complaint):
    with pytest.raises(InternalError, match=complaint):
        now(tables.run(each, **values))
    assert tables.rows("items") == [item("a"), item("b")]


def test_a_key_that_was_deleted_is_not_inserted_in_the_same_transaction(first):
    first(remove, key=("b", "a"))
    with pytest.raises(InternalError, match="insert it anew"):
        first(add, row=item("a"))


def test_a_table_nobody_made_is_ours_to_blame(tables):
    with pytest.raises(InternalError, match="no table 'nothing'"):
        tables.peek("nothing", ())
