"""What surrounds an engine in its process, made virtual: clock, randomness, what it prints.

All of it is in force only while the engine runs: the harness around it must not live in a clock
that stands still.  Entering and leaving costs about four microseconds.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import logging
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import time_machine
from vercel.workflow._internal import ulid

_LOGGERS = ("vercel.workflow", "vercel.workflow._internal.py_sandbox", "asyncio")
"""Who tells of failures, which are what trials are made of."""


@contextlib.contextmanager
def clock_at(now_us: int) -> Iterator[None]:
    """The wall clock stands still at so many microseconds since the epoch."""
    travel = _travel()
    travel.destination_timestamp_ns = now_us * 1_000
    travel.start()
    try:
        yield
    finally:
        travel.stop()


@functools.cache
def _travel() -> time_machine.travel:
    return time_machine.travel(0, tick=False)


class Ambient:
    """The surroundings of one engine, the same for the same seed."""

    def __init__(self) -> None:
        self._random = random.Random()
        self._randbytes = self._random.randbytes
        self._now_us = 0
        self._restore: list[Callable[[], object]] = []

    def begin(self, seed: int) -> None:
        """A trial begins."""
        self._random.seed(seed)
        self._now_us = 0
        state = random.getstate()
        self._restore.append(lambda: random.setstate(state))
        random.seed(seed)
        for module, name in _ulid_generators():
            self._set(module, name, ulid.monotonic_factory(self._random.random))
        for each in _LOGGERS:
            self._set(logging.getLogger(each), "disabled", True)

    def end(self) -> None:
        """Give back what was changed for the trial."""
        while self._restore:
            self._restore.pop()()

    @contextlib.contextmanager
    def entered(self, now_ms: int) -> Iterator[None]:
        """The engine runs.

        Within one millisecond each entry is a microsecond later than the last one, as two calls of
        a real clock are.
        """
        earliest = now_ms * 1_000
        self._now_us = min(max(self._now_us + 1, earliest), earliest + 999)
        os_urandom, random_urandom = os.urandom, random._urandom  # type: ignore[attr-defined]
        os.urandom = random._urandom = self._randbytes  # type: ignore[attr-defined]
        try:
            with clock_at(self._now_us):
                yield
        finally:
            os.urandom, random._urandom = os_urandom, random_urandom  # type: ignore[attr-defined]

    def _set(self, holder: Any, name: str, value: object) -> None:
        before = getattr(holder, name)
        self._restore.append(lambda: setattr(holder, name, before))
        setattr(holder, name, value)


@functools.cache
def _ulid_generators() -> list[tuple[Any, str]]:
    """(module, name) of what the SDK mints run ids with; in its earlier versions worlds do that."""
    if importlib.util.find_spec("vercel.workflow._internal.run") is None:
        return []
    return [(importlib.import_module("vercel.workflow._internal.run"), "_generate_run_ulid")]
