"""The tables on a real server: values, transactions, locks, losses, opening."""

from __future__ import annotations

import contextlib

import pytest
import trio

from simworld.errors import (
    Deadlock,
    DefiniteFailure,
    IndefiniteFailure,
    InternalError,
    UniqueViolation,
    UsageError,
    WorldError,
)
from simworld.substrates import open_postgres
from tests.substrates.pg_statements import (
    DDL,
    END_OTHERS,
    INSERT,
    LOCK,
    SELECT,
    SLEEP,
    SLOW_READ,
    WAITING,
    ids,
    run,
    statement,
    thing,
)


async def until_waiting(tables, kind="Lock"):
    """Return once another connection waits."""
    while True:
        rows = await tables.run(WAITING, kind=kind)
        if rows[0]["waiting"]:
            return
        await trio.sleep(0.005)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        (1, "a 'quoted' \"%(id)s\" \\ näme 🦆 $1 --", True, bytes(range(256)), 2**130),
        (-(2**63), "", False, b"", -1),
        (2**63 - 1, None, None, None, None),
        (0, "x" * 1_000_000, True, b"\0" * 1_000_000, 0),
    ],
)
def test_values_come_back_as_they_went(pg_dsn, values):
    row = dict(zip(("id", "name", "flag", "data", "big"), values, strict=True))

    async def body(tables):
        assert await tables.run(INSERT, **row) == [row]
        assert await tables.run(SELECT, id=row["id"]) == [row]
        assert await tables.run(SELECT, id=5) == []

    run(body, pg_dsn)


def test_a_name_may_occur_twice_and_percent_is_doubled(pg_dsn):
    twice = statement("SELECT %(a)s::text || '%%' || %(b)s || %(a)s AS found", writes=False)

    async def body(tables):
        assert await tables.run(twice, a="x", b="y") == [{"found": "x%yx"}]

    run(body, pg_dsn)


ROWS = statement(
    "SELECT * FROM json_to_recordset(%(rows)s::json) AS given (id bigint, name text, flag boolean)",
    writes=False,
)


def test_a_parameter_may_be_a_tuple_of_rows(pg_dsn):
    rows = (
        {"id": 2**62, "name": "a 'b' \"c\" \\u0000 🦆", "flag": True},
        {"id": -1, "name": "", "flag": False},
    )

    async def body(tables):
        assert await tables.run(ROWS, rows=rows) == list(rows)
        assert await tables.run(ROWS, rows=()) == []

    run(body, pg_dsn)


@pytest.mark.parametrize("bad", ["a\0b", "\ud800"])
def test_rows_hold_only_text(pg_dsn, bad):
    async def body(tables):
        with pytest.raises(WorldError) as refused:
            await tables.run(ROWS, rows=({"id": 1, "name": bad, "flag": True},))
        assert refused.value.status == 400

    run(body, pg_dsn)


@pytest.mark.parametrize("chunks", [[], [b""], [b"a\0b", b"'", bytes(100_000)]])
def test_a_parameter_may_be_a_list_of_bytes(pg_dsn, chunks):
    each = statement("SELECT data FROM unnest(%(chunks)s::bytea[]) data", writes=False)

    async def body(tables):
        assert await tables.run(each, chunks=chunks) == [{"data": data} for data in chunks]

    run(body, pg_dsn)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_what_is_no_text_is_refused_before_it_is_sent(pg_dsn, name):
    async def body(tables):
        with pytest.raises(WorldError) as caught:
            await tables.run(INSERT, **thing(1, name))
        assert caught.value.status == 400
        assert await ids(tables) == []

    run(body, pg_dsn)


def test_mistakes_of_the_house_are_internal_errors(pg_dsn):
    async def body(tables):
        with pytest.raises(InternalError, match="float"):
            await tables.run(SELECT, id=0.5)
        with pytest.raises(InternalError, match="lacks values for id"):
            await tables.run(SELECT)
        with pytest.raises(InternalError, match="understand"):
            await tables.run(statement("SELEC"))
        with pytest.raises(InternalError, match="which rows lack"):
            await tables.run(statement("SELECT now()"))

    run(body, pg_dsn)


# --- transactions and locks -----------------------------------------------------------------------


def test_a_transaction_commits_at_the_end_and_rolls_back_at_an_error(pg_dsn):
    async def body(tables):
        async with tables.transaction() as session:
            await session.run(INSERT, **thing(1))
            assert await ids(tables) == []
        assert await ids(tables) == [1]
        with contextlib.suppress(KeyError):
            async with tables.transaction() as session:
                await session.run(INSERT, **thing(2))
                raise KeyError
        assert await ids(tables) == [1]

    run(body, pg_dsn)


def test_a_second_row_is_a_unique_violation_and_ends_the_transaction(pg_dsn):
    async def body(tables):
        await tables.run(INSERT, **thing(1))
        with pytest.raises(UniqueViolation):
            await tables.run(INSERT, **thing(1))
        with pytest.raises(DefiniteFailure, match="nothing was committed"):
            await swallow_it(tables)
        assert await ids(tables) == [1]

    async def swallow_it(tables):
        async with tables.transaction() as session:
            await session.run(INSERT, **thing(2))
            with contextlib.suppress(UniqueViolation):
                await session.run(INSERT, **thing(1))

    run(body, pg_dsn)


def test_a_cancelled_transaction_is_rolled_back_and_frees_its_locks(pg_dsn):
    async def body(tables):
        await tables.run(INSERT, **thing(1))
        with trio.CancelScope() as scope:
            async with tables.transaction() as session:
                await session.run(LOCK, id=1)
                await session.run(INSERT, **thing(2))
                scope.cancel()
                await trio.sleep_forever()
        async with tables.transaction() as session:
            await session.run(LOCK, id=1)
        assert await ids(tables) == [1]

    run(body, pg_dsn)


def test_who_is_cancelled_while_it_waits_for_a_row_waits_no_more_at_the_server(pg_dsn):
    async def body(tables):
        await tables.run(INSERT, **thing(1))
        async with tables.transaction() as session, trio.open_nursery() as nursery:
            await session.run(LOCK, id=1)
            nursery.start_soon(lock_after_insert, tables)
            await until_waiting(tables)
            nursery.cancel_scope.cancel()
        # Its own transaction is over: the row it had inserted does not stand in the way.
        await tables.run(INSERT, **thing(2))
        assert await ids(tables) == [1, 2]

    async def lock_after_insert(tables):
        async with tables.transaction() as session:
            await session.run(INSERT, **thing(2))
            await session.run(LOCK, id=1)

    run(body, pg_dsn)


def test_a_deadlock_ends_one_of_the_two(pg_dsn):
    async def one(tables, first, second, met, ends):
        try:
            async with tables.transaction() as session:
                await session.run(LOCK, id=first)
                await met()
                await session.run(LOCK, id=second)
        except Deadlock:
            ends.append("deadlock")
        else:
            ends.append("committed")

    async def body(tables):
        for number in (1, 2):
            await tables.run(INSERT, **thing(number))
        ends, here, both = [], [], trio.Event()

        async def met():
            here.append(None)
            if len(here) == 2:
                both.set()
            await both.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, tables, 1, 2, met, ends)
            nursery.start_soon(one, tables, 2, 1, met, ends)
        assert sorted(ends) == ["committed", "deadlock"]

    run(body, pg_dsn)


def test_more_tasks_than_connections_take_turns(pg_dsn):
    async def body(tables):
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(insert, tables, number)
        assert await ids(tables) == list(range(20))

    async def insert(tables, number):
        async with tables.transaction() as session:
            await session.run(INSERT, **thing(number))

    run(body, pg_dsn, connections=2)


# --- losses ---------------------------------------------------------------------------------------


async def end_while(tables, dsn, doing, kind):
    """Run ``doing`` and hang up on it from the server's side; what it raises."""
    found = []

    async def watched():
        try:
            await doing()
        except (DefiniteFailure, IndefiniteFailure) as error:
            found.append(error)

    async with open_postgres(dsn, ddl=DDL, version="1") as other, trio.open_nursery() as nursery:
        nursery.start_soon(watched)
        await until_waiting(other, kind)
        await other.run(END_OTHERS)
    return found[0]


def test_what_was_lost_inside_a_transaction_has_not_happened(pg_dsn):
    async def body(tables):
        await tables.run(INSERT, **thing(1))

        async def doing():
            async with tables.transaction() as session:
                await session.run(SLEEP)

        error = await end_while(tables, pg_dsn, doing, "Timeout")
        assert isinstance(error, DefiniteFailure)
        assert await ids(tables) == [1]

    run(body, pg_dsn)


def test_what_was_lost_before_the_commit_was_sent_has_not_happened(pg_dsn):
    async def body(tables):
        async with open_postgres(pg_dsn, ddl=DDL, version="1") as other:
            with pytest.raises(DefiniteFailure, match="before the commit"):
                await hung_up_on(tables, other)
        assert await ids(tables) == []

    async def hung_up_on(tables, other):
        async with tables.transaction() as session:
            await session.run(INSERT, **thing(1))
            await other.run(END_OTHERS)
            await trio.sleep(0.05)

    run(body, pg_dsn)


def test_what_was_lost_alone_may_have_happened_unless_it_only_reads(pg_dsn):
    async def body(tables):
        await tables.run(INSERT, **thing(1))
        error = await end_while(tables, pg_dsn, lambda: tables.run(SLEEP), "Timeout")
        assert isinstance(error, IndefiniteFailure)
        error = await end_while(tables, pg_dsn, lambda: tables.run(SLOW_READ), "Timeout")
        assert isinstance(error, DefiniteFailure)

    run(body, pg_dsn)


def test_what_was_lost_during_the_commit_may_have_happened(pg_dsn):
    slow = [
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON thing DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION slow()",
    ]

    async def body(tables):
        for each in slow:
            await tables.run(statement(each))

        async def doing():
            async with tables.transaction() as session:
                await session.run(INSERT, **thing(1))

        error = await end_while(tables, pg_dsn, doing, "Timeout")
        assert isinstance(error, IndefiniteFailure)

    run(body, pg_dsn)


def test_a_connection_that_died_while_idle_is_replaced(pg_dsn):
    async def body(tables):
        await tables.run(INSERT, **thing(1))
        async with open_postgres(pg_dsn, ddl=DDL, version="1") as other:
            await other.run(END_OTHERS)
            await trio.sleep(0.05)
        assert await ids(tables) == [1]

    run(body, pg_dsn)


def test_a_full_disk_is_a_definite_failure(pg_dsn):
    full = statement(
        "CREATE FUNCTION full_disk() RETURNS bigint LANGUAGE plpgsql AS"
        " 'BEGIN RAISE ''no space left on device'' USING ERRCODE = ''53100''; END'"
    )

    async def body(tables):
        await tables.run(full)
        with pytest.raises(DefiniteFailure, match="no space left"):
            await tables.run(statement("SELECT full_disk() AS n"))

    run(body, pg_dsn)


# --- opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("what is this", "no PostgreSQL DSN"),
        ("host=/nowhere/at/all dbname=x", "check that the server runs"),
        ("{dsn} dbname=missing", "missing"),
        ("{dsn} user=stranger", "stranger"),
    ],
)
def test_a_database_that_cannot_be_opened_is_the_users_mistake(pg_dsn, dsn, said):
    async def nothing(tables):
        raise AssertionError("it was opened")

    with pytest.raises(UsageError, match=said):
        run(nothing, dsn.format(dsn=pg_dsn))


def test_many_open_a_fresh_database_at_once(pg_dsn):
    async def open_it():
        async with open_postgres(pg_dsn, ddl=DDL, version="1") as tables:
            assert await ids(tables) == []

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(open_it)

    trio.run(main)


def test_a_schema_of_another_version_is_refused_and_nothing_written(pg_dsn):
    async def body(tables):
        with pytest.raises(UsageError, match=r"schema '1'.*needs '2'"):
            await tables.prepare("CREATE TABLE more (id bigint)", "2")
        with pytest.raises(UsageError, match="another schema"):
            await tables.run(statement("SELECT * FROM more", writes=False))

    run(body, pg_dsn)


def test_tables_of_somebody_else_are_left_alone(pg_server, pg_dsn):
    create = statement("CREATE TABLE thing (id bigint)")

    async def other(tables):
        await tables.run(statement("DROP TABLE thing, schema_version"))
        await tables.run(create)
        with pytest.raises(UsageError, match="tables of something else"):
            await tables.prepare(f"CREATE TABLE more (id bigint);{DDL}", "1")
        with pytest.raises(UsageError, match="another schema"):
            await tables.run(statement("SELECT * FROM more", writes=False))

    run(other, pg_dsn)


def test_every_statement_is_read_committed_whatever_the_server_says(pg_dsn):
    show = statement("SHOW transaction_isolation", writes=False)

    async def body(tables):
        async with tables.transaction() as session:
            found = await session.run(show)
        assert [*found, *await tables.run(show)] == [
            {"transaction_isolation": "read committed"}
        ] * 2

    run(body, f"{pg_dsn} options='-c default_transaction_isolation=serializable'")
