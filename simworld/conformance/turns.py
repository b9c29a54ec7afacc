"""Turns: who goes next, at every operation of a substrate in memory.

A world in memory never suspends, so its operations would follow one another.  Around its files or
tables, ``Turns`` makes every task wait before each operation until it is its turn; whose turn it is
is drawn.  A task that waits for something else, a lock or a latch, has no turn until it goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar

import trio
import trio.testing

from simworld.ports import Files, Notices, Row, Session, Statement, Tables

STUCK_S = 0.5
"""For so long nobody may want a turn before everybody is taken for stuck."""

Pick = Callable[[int], int]
"""How many are waiting → whose turn it is."""

_whose: ContextVar[int] = ContextVar("whose")


class Turns:
    """Hands out turns while something runs side by side; else everybody goes on at once."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, trio.Event]] = []
        self._is_on = False

    def files(self, inner: Files) -> Files:
        """Files whose every operation is a turn."""
        return _Files(self, inner)

    def tables(self, inner: Tables) -> Tables:
        """Tables whose every statement, commit and rollback is a turn."""
        return _Tables(self, inner)

    async def turn(self) -> None:
        """Wait for one's turn."""
        if self._is_on:
            event = trio.Event()
            self._waiting.append((_whose.get(-1), event))
            await event.wait()

    async def run(self, parts: Sequence[Callable[[], Awaitable[None]]], pick: Pick) -> bool:
        """Run the parts side by side; False if they wait for one another for ever."""
        ended = 0

        async def run(number: int, part: Callable[[], Awaitable[None]]) -> None:
            nonlocal ended
            _whose.set(number)
            await self.turn()
            await part()
            ended += 1

        self._is_on = True
        try:
            async with trio.open_nursery() as nursery:
                for number, part in enumerate(parts):
                    nursery.start_soon(run, number, part)
                while ended < len(parts):
                    await trio.testing.wait_all_tasks_blocked()
                    if not self._waiting and ended < len(parts):
                        with trio.move_on_after(STUCK_S):
                            while not self._waiting and ended < len(parts):
                                await trio.sleep(0.001)
                    if self._waiting:
                        self._waiting.sort(key=lambda item: item[0])
                        self._waiting.pop(pick(len(self._waiting)))[1].set()
                    elif ended < len(parts):
                        nursery.cancel_scope.cancel()
                        return False
        finally:
            self._is_on = False
            self._waiting.clear()
        return True


class _Files:
    """See ``ports.Files``."""

    def __init__(self, turns: Turns, inner: Files) -> None:
        self._turn = turns.turn
        self._inner = inner

    async def create(self, path: str, data: bytes) -> bool:
        await self._turn()
        return await self._inner.create(path, data)

    async def link(self, path: str, data: bytes) -> bool:
        await self._turn()
        return await self._inner.link(path, data)

    async def link_all(self, paths: Sequence[str], parts: Sequence[bytes]) -> int:
        for done, (path, data) in enumerate(zip(paths, parts, strict=True)):
            if not await self.link(path, data):
                return done
        return len(paths)

    async def replace(self, path: str, data: bytes) -> None:
        await self._turn()
        await self._inner.replace(path, data)

    async def read(self, path: str) -> bytes | None:
        await self._turn()
        return await self._inner.read(path)

    async def read_all(self, paths: Sequence[str]) -> list[bytes | None]:
        await self._turn()
        return await self._inner.read_all(paths)

    async def read_on(self, paths: Sequence[str]) -> list[bytes]:
        await self._turn()
        return await self._inner.read_on(paths)

    async def list(self, folder: str) -> list[str]:
        await self._turn()
        return await self._inner.list(folder)

    async def unlink(self, path: str) -> bool:
        await self._turn()
        return await self._inner.unlink(path)

    async def wait_more(self, folder: str, count: int) -> None:
        await self._inner.wait_more(folder, count)


class _Session:
    """See ``ports.Session``."""

    def __init__(self, turns: Turns, inner: Session) -> None:
        self._turn = turns.turn
        self._inner = inner

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        await self._turn()
        return await self._inner.run(statement, **values)


class _Tables(_Session):
    """See ``ports.Tables``."""

    def __init__(self, turns: Turns, inner: Tables) -> None:
        super().__init__(turns, inner)
        self._turns = turns
        self._tables = inner

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with self._tables.transaction() as session:
            yield _Session(self._turns, session)
            await self._turn()

    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        return self._tables.listen(channel)
