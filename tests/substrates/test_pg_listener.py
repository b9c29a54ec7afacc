"""Notifications of a real server: who hears what, and what is lost with the connection."""

from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing

from simworld.errors import DefiniteFailure
from simworld.substrates import open_postgres, pg_listener
from simworld.substrates.pg_listener import IDLE_MAX, Listener
from simworld.substrates.pg_wire import LostError
from tests.substrates.pg_statements import DDL, END_OTHERS, NOTIFY, run, statement


def test_listeners_hear_of_commits_only(pg_dsn):
    async def body(tables):
        async with tables.listen("news") as notices:
            with contextlib.suppress(KeyError):
                async with tables.transaction() as session:
                    await session.run(NOTIFY, text="never")
                    raise KeyError
            assert not await notices.wait(50)
            async with tables.transaction() as session:
                await session.run(NOTIFY, text="x")
                assert not await notices.wait(50)
            assert await notices.wait(5_000)
            assert not await notices.wait(50)

    run(body, pg_dsn)


def test_what_is_told_between_the_look_and_the_wait_is_heard(pg_dsn):
    async def body(tables):
        async with tables.listen("news") as notices, tables.listen("news") as others:
            await tables.run(NOTIFY, text="x")
            assert await others.wait()
            assert await notices.wait()

    run(body, pg_dsn)


def test_whoever_waits_longest_reads_for_all_and_hands_over(pg_dsn):
    async def body(tables):
        heard = []

        async def wait(channel, timeout_ms, name):
            async with tables.listen(channel) as notices:
                started.release()
                if await notices.wait(timeout_ms):
                    heard.append(name)

        started = trio.Semaphore(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "other", 100, "first")
            await started.acquire()
            for name in ("second", "third"):
                nursery.start_soon(wait, "news", None, name)
                await started.acquire()
            await trio.sleep(0.15)  # the first reader has left
            await tables.run(NOTIFY, text="x")
        assert sorted(heard) == ["second", "third"]

    run(body, pg_dsn)


def test_channels_that_nobody_wants_any_more_are_given_up(pg_dsn):
    listening = statement("SELECT count(*) AS n FROM pg_listening_channels()", writes=False)

    async def body(tables):
        for number in range(IDLE_MAX + 1):
            async with tables.listen(f"news_{number}") as notices:
                assert not await notices.wait(0)
        async with tables.listen("news") as first, tables.listen("news") as second:
            await tables.run(NOTIFY, text="x")
            assert await first.wait()
            assert await second.wait()
        # Only the listener's own connection can say what it listens to.
        async with tables.listen("news"):
            connection = tables._listener._connection
            assert await connection.value(listening.sql.encode()) == "1"

    run(body, pg_dsn)


def test_listeners_are_told_when_the_server_hangs_up_and_may_listen_again(pg_dsn):
    async def body(tables):
        async with open_postgres(pg_dsn, ddl=DDL, version="1") as other:
            async with tables.listen("news") as notices:
                await other.run(END_OTHERS)
                with pytest.raises(DefiniteFailure):
                    await notices.wait()
                assert await notices.wait()  # something may have been missed
            async with tables.listen("news") as notices:
                await tables.run(NOTIFY, text="x")
                assert await notices.wait()

    run(body, pg_dsn)


class SlowConnection:
    """A server that takes its time to carry out a command."""

    def __init__(self):
        self.listens = set()
        self.told = []
        self._arrived = trio.Event()

    async def command(self, text):
        for each in text.decode().split(";"):
            verb, channel = each.split()
            if verb == "UNLISTEN":
                self.listens.discard(channel.strip('"'))
        await trio.sleep(1)
        for each in text.decode().split(";"):
            verb, channel = each.split()
            if verb == "LISTEN":
                self.listens.add(channel.strip('"'))

    async def readable(self):
        await self._arrived.wait()

    def heard(self):
        told, self.told, self._arrived = self.told, [], trio.Event()
        return told

    def tell(self, channel):
        if channel in self.listens:
            self.told.append(channel)
            self._arrived.set()


def test_a_channel_that_is_wanted_again_while_it_is_given_up_is_listened_to(monkeypatch):
    monkeypatch.setattr(pg_listener, "IDLE_MAX", 0)

    async def main():
        connection = SlowConnection()

        async def connect():
            return connection

        listener = Listener(connect)

        async def other():
            async with listener.listen("other") as notices:
                await notices.wait()

        async with listener.listen("news"):
            pass
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await trio.sleep(0.5)  # "news" is being given up
            async with listener.listen("news") as notices:
                connection.tell("news")
                assert await notices.wait(5_000)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_is_told_while_a_lost_connection_is_made_anew_is_not_missed():
    """One of two who wait reads; the other hears of the loss, and waits again."""

    async def main():
        lost, heard = trio.Event(), []

        class Losing(SlowConnection):
            async def readable(self):
                await lost.wait()
                raise LostError("gone")

            def close(self):
                pass

        connections = [Losing(), SlowConnection()]

        async def connect():
            return connections.pop(0)

        listener = Listener(connect)

        async def wait(channel):
            async with listener.listen(channel) as notices:
                with contextlib.suppress(DefiniteFailure):
                    while True:
                        await notices.wait()
                        heard.append(channel)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "end")
            await trio.sleep(2)
            nursery.start_soon(wait, "news")
            await trio.sleep(2)
            lost.set()
            await trio.sleep(0.5)  # nobody is listening: what is told now is told to nobody
            told = len(heard)
            assert told == 1
            await trio.sleep(2)
            assert len(heard) == told + 1
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_is_told_while_the_listener_asks_for_another_channel_is_heard(pg_dsn):
    async def body(tables):
        async with tables.listen("news") as notices:
            await tables.run(NOTIFY, text="x")
            await trio.sleep(0.05)  # it has arrived, and nobody has read it
            async with tables.listen("other"):
                assert await notices.wait(2_000)

    run(body, pg_dsn)


def test_what_was_told_before_one_listens_again_is_no_news(pg_dsn):
    async def body(tables):
        for _ in range(3):
            async with tables.listen("news") as notices:
                assert not await notices.wait(0)
            await tables.run(NOTIFY, text="x")
            await trio.sleep(0.05)  # it has arrived, and nobody has read it
        async with tables.listen("news") as notices:
            assert not await notices.wait(50)
            await tables.run(NOTIFY, text="x")
            assert await notices.wait(5_000)

    run(body, pg_dsn)
