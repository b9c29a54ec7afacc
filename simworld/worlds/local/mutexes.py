"""Mutexes in the memory of one process, one for each key; first come, first served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from simworld.ports import Latch, Tasks

T = TypeVar("T")


class Mutexes:
    """Nothing of them outlives the process."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._held: dict[object, list[Latch]] = {}
        """Key → those who wait for it; a key that nobody holds is not in here."""

    async def within(self, key: object, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do ``act`` while nobody else does anything under ``key``."""
        waiting = self._held.get(key)
        if waiting is None:
            self._held[key] = []
        else:
            turn = self._tasks.latch(f"have the mutex of {what}")
            waiting.append(turn)
            try:
                await turn.wait()
            except BaseException:
                if turn in waiting:
                    waiting.remove(turn)
                else:
                    self._release(key)
                raise
        try:
            return await act()
        finally:
            self._release(key)

    def _release(self, key: object) -> None:
        waiting = self._held[key]
        if waiting:
            waiting.pop(0).set()
        else:
            del self._held[key]
