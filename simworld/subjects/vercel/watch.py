"""A bound on the processor time of one engine run: some of its passes never come back.

A loop that never waits is told from a long computation by its time alone, so the bound is far above
what any pass needs.  It works in the main thread of a process only, as signals do.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

CPU_S = 3.0
"""Seconds of processor time after which the engine is taken to turn round and round."""


class Endless(BaseException):
    """Raised into code that does not come back; no engine's business, so nobody catches it."""


class Watch:
    """Interrupts what does not come back, from ``begin`` to ``end``."""

    def __init__(self) -> None:
        self._handler: Any = None

    def begin(self) -> None:
        """A trial begins."""
        if hasattr(signal, "SIGVTALRM") and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGVTALRM, _interrupt)

    def end(self) -> None:
        """Give the signal back."""
        if self._handler is not None:
            signal.signal(signal.SIGVTALRM, self._handler)
            self._handler = None

    def __enter__(self) -> None:
        if self._handler is not None:
            signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)

    def __exit__(self, *_: object) -> None:
        if self._handler is not None:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _interrupt(_: int, frame: FrameType | None) -> None:
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "somewhere"
    raise Endless(f"it has not come back after {CPU_S:g} s of processor time, at {place}")
