"""What surrounds an engine in its process, made virtual: clock, randomness, what it prints.

All of it is in force only while the engine runs: the harness around it must not live in a clock
that stands still.  Entering and leaving costs about four microseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import importlib.util
import itertools
import logging
import math
import os
import random
from asyncio import tasks
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import time_machine
from anyio._backends import _asyncio as scopes
from vercel.workflow._internal import ulid

_LOGGERS = ("vercel.workflow", "vercel.workflow._internal.py_sandbox")
"""Who tells of failures, which are what trials are made of."""
_LATE_LOGGER = "asyncio"
"""Who tells of them when a task is collected, which may be long after its trial."""


_TRAVEL = time_machine.travel(0, tick=False)
"""Where the clock is set; who begins to travel stands still where it is set by then."""
_URANDOM = os.urandom, random._urandom  # type: ignore[attr-defined]


class _Scope(scopes.CancelScope):
    """A cancel scope whose hash is its number: address would decide who is cancelled first."""

    __slots__ = ("_number",)

    numbers = itertools.count()

    def __init__(self, deadline: float = math.inf, shield: bool = False) -> None:
        self._number = next(_Scope.numbers)
        super().__init__(deadline, shield)

    def __hash__(self) -> int:
        return self._number


class _Task(asyncio.Task[Any]):
    """A task of a workflow function: its hash is drawn, where address would be chance.

    So a set of them comes in another order in every pass, and in the same one in every process.
    """

    __slots__ = ("_drawn",)

    chance = random.Random()

    def __init__(self, *args: Any, **options: Any) -> None:
        self._drawn = _Task.chance.getrandbits(32)
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._drawn


def _some_order(items: Iterable[Any] = ()) -> Iterable[Any]:
    """``set``, for asyncio: what is no task yet comes in an order that is drawn, too."""
    found = list(dict.fromkeys(items))
    if not any(asyncio.iscoroutine(each) for each in found):
        return set(found)
    _Task.chance.shuffle(found)
    return found


@contextlib.contextmanager
def clock_at(now_us: int) -> Iterator[None]:
    """The wall clock stands still at so many microseconds since the epoch."""
    _TRAVEL.destination_timestamp_ns = now_us * 1_000
    with _TRAVEL:
        yield


class Ambient:
    """The surroundings of one engine, the same for the same seed."""

    def __init__(self) -> None:
        self._random = random.Random()
        self._randbytes = self._random.randbytes
        self._entries: dict[int, int] = {}
        """Millisecond → how often the engine has been entered in it."""
        self._restore: list[Callable[[], object]] = []
        logging.getLogger(_LATE_LOGGER).disabled = True

    def begin(self, seed: int, orders: int = 0) -> None:
        """A trial begins; from ``orders`` is drawn how sets are ordered."""
        self._random.seed(seed)
        self._entries.clear()
        state = random.getstate()
        self._restore.append(lambda: random.setstate(state))
        random.seed(seed)
        for module, name in _ulid_generators():
            self._set(module, name, ulid.monotonic_factory(self._random.random))
        _Scope.numbers = itertools.count()
        self._set(scopes, "CancelScope", _Scope)
        _Task.chance.seed(orders)
        self._set(tasks, "Task", _Task)
        self._set(tasks, "set", _some_order)
        for each in _LOGGERS:
            self._set(logging.getLogger(each), "disabled", True)

    def end(self) -> None:
        """Give back what was changed for the trial."""
        while self._restore:
            self._restore.pop()()

    def enter(self, now_ms: int) -> None:
        """The engine runs from here on.

        Within one millisecond each time is a microsecond later than the last one, as two readings
        of a real clock are; whatever the clocks of other processes have shown meanwhile.
        """
        entries = self._entries.get(now_ms, 0)
        self._entries[now_ms] = min(entries + 1, 999)
        os.urandom = random._urandom = self._randbytes  # type: ignore[attr-defined]
        _TRAVEL.destination_timestamp_ns = (now_ms * 1_000 + entries) * 1_000
        _TRAVEL.start()

    def leave(self) -> None:
        """It stands still: the harness has its own clock and randomness again."""
        _TRAVEL.stop()
        os.urandom, random._urandom = _URANDOM  # type: ignore[attr-defined]

    def _set(self, holder: Any, name: str, value: object) -> None:
        if name in vars(holder):
            self._restore.append(functools.partial(setattr, holder, name, getattr(holder, name)))
        else:  # it hides a built-in one
            self._restore.append(functools.partial(delattr, holder, name))
        setattr(holder, name, value)


@functools.cache
def _ulid_generators() -> list[tuple[Any, str]]:
    """(module, name) of what the SDK mints run ids with; in its earlier versions worlds do that."""
    if importlib.util.find_spec("vercel.workflow._internal.run") is None:
        return []
    return [(importlib.import_module("vercel.workflow._internal.run"), "_generate_run_ulid")]
