"""A bound on the processor time of one engine run: some of its passes never come back.

A loop that never waits is told from a long computation by its time alone, so the bound is far above
what any pass needs.  It works in the main thread of a process only, as signals do.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

PASS_S = 5.0
"""Seconds of processor time after which a pass is taken to turn round and round; one takes some
milliseconds, unless its author computes in the workflow."""
BODY_S = 20.0
"""The same for the bodies of steps, which may compute."""

_IMPORTS = "<frozen importlib"
"""Where the code of imports lies: some versions import the workflow's module in every pass."""


class Endless(BaseException):
    """Raised into code that does not come back; no engine's business, so nobody catches it."""


class Watch:
    """Interrupts what does not come back, from ``begin`` to ``end``."""

    def __init__(self) -> None:
        self._handler: Any = None
        self._seconds = 0.0
        """What it has, that runs now; 0: nothing does."""

    def begin(self) -> None:
        """A trial begins."""
        if hasattr(signal, "SIGVTALRM") and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGVTALRM, self.interrupt)

    def end(self) -> None:
        """Give the signal back."""
        if self._handler is not None:
            signal.signal(signal.SIGVTALRM, self._handler)
            self._handler = None

    def set(self, seconds: float) -> None:
        """What runs now has so long; 0: nothing does."""
        self._seconds = seconds
        if self._handler is not None:
            # Again and again, because a loop swallows what is raised into its callbacks.
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)

    def interrupt(self, _: int, frame: FrameType | None) -> None:
        """The time is over."""
        if not self._seconds:  # it has come back just now
            return
        while frame is not None:  # an import comes to its end, and may take longer than any pass
            if frame.f_code.co_filename.startswith(_IMPORTS):
                return
            frame = frame.f_back
        # Where it was interrupted is chance, so nobody is told of it.
        raise Endless(f"it has not come back in {self._seconds:g} s of processor time")
