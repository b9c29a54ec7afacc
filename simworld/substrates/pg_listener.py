"""Notifications of a PostgreSQL server: one connection that listens for everybody.

There is no task of its own: of those who wait, one reads the connection and wakes the others, and
when it leaves the next one reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio

from simworld.errors import DefiniteFailure
from simworld.ports import Notices
from simworld.substrates.pg_wire import Connection, LostError

IDLE_MAX = 32
"""Channels that nobody wants at the moment; most of them somebody soon wants again."""


class Listener:
    """All listeners of one ``PostgresTables``."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._heard: dict[str, int] = {}
        """Channel → how many notifications have come, of those somebody wants."""
        self._users: dict[str, int] = {}
        """Channel → how many want it."""
        self._active: set[str] = set()
        """The channels that the connection listens to."""
        self._reading: trio.CancelScope | None = None
        """There while somebody reads."""
        self._news = trio.Event()

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Notices]:
        """See ``ports.Tables``."""
        self._heard.setdefault(channel, 0)
        self._users[channel] = self._users.get(channel, 0) + 1
        try:
            if self._reading is None and self._connection is not None:
                with self._losing():
                    self._take(self._connection)  # what was told before is no news
            elif channel not in self._active and self._reading is not None:
                self._reading.cancel()  # whoever reads has to listen to one channel more
            await self._attend(lambda: channel in self._active)
            yield _Heard(self, channel)
        finally:
            self._users[channel] -= 1
            if not self._users[channel]:
                # The server is told when somebody reads next.
                del self._users[channel], self._heard[channel]

    def count(self, channel: str) -> int:
        """How often the channel has been told something so far."""
        return self._heard[channel]

    async def more(self, channel: str, than: int) -> None:
        """Return once the channel has been told something more often than that."""
        await self._attend(lambda: self._heard[channel] > than)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._active.clear()

    async def _attend(self, done: Callable[[], bool]) -> None:
        while not done():
            if self._reading is not None:
                await self._news.wait()
                continue
            try:
                with self._losing(), trio.CancelScope() as self._reading:
                    await self._read()
            finally:
                self._reading = None
                self._news.set()
                self._news = trio.Event()

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """The connection may be gone: whatever was missed, let everybody look."""
        try:
            yield
        except LostError as error:
            self.close()
            for channel in self._heard:
                self._heard[channel] += 1
            raise DefiniteFailure(f"notifications were lost: {error}") from error

    async def _read(self) -> None:
        """Listen to what is wanted, then wait for the server to tell something."""
        if self._connection is None:
            self._connection = await self._connect()
        connection = self._connection
        new = [each for each in self._heard if each not in self._active]
        wanted = [f'LISTEN "{each}"' for each in new]
        idle = [] if len(self._active - self._heard.keys()) <= IDLE_MAX else sorted(self._active)
        past = [f'UNLISTEN "{each}"' for each in idle if each not in self._heard]
        if wanted or past:
            now = self._heard.keys() | (() if past else self._active)
            self._active &= now  # whoever wants one of the others again has to be told to wait
            with trio.CancelScope(shield=True):
                await connection.command(";".join(wanted + past).encode())
            self._active = now
            for channel in new:
                if channel in self._heard:
                    self._heard[channel] += 1  # whoever waits for it already may have missed some
        else:
            await connection.readable()
        self._take(connection)

    def _take(self, connection: Connection) -> None:
        for channel in connection.heard():
            if channel in self._heard:
                self._heard[channel] += 1


class _Heard:
    """``ports.Notices``: what one listener has heard."""

    def __init__(self, listener: Listener, channel: str) -> None:
        self._listener = listener
        self._channel = channel
        self._seen = listener.count(channel)

    async def wait(self, timeout_ms: int | None = None) -> bool:
        """See ``ports.Notices``."""
        seconds = float("inf") if timeout_ms is None else timeout_ms / 1_000
        with trio.move_on_after(seconds) as scope:
            await self._listener.more(self._channel, self._seen)
        self._seen = self._listener.count(self._channel)
        return not scope.cancelled_caught
