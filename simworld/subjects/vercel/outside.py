"""What user code must not do while an engine runs, and what it says: refused, and not shown.

Whatever blocks would stand still for all simulated processes at once, and nobody could tell when it
ends; so it is refused at the line that asks.  What a module prints or logs, it would print in every
trial; with ``SIMWORLD_DEBUG=1`` it is shown on stderr.
"""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

_BLOCKING: tuple[tuple[Any, str, str], ...] = (
    (time, "sleep", "time.sleep"),
    (socket, "getaddrinfo", "socket.getaddrinfo"),
    (socket.socket, "connect", "socket.connect"),
    (socket.socket, "connect_ex", "socket.connect_ex"),
    (socket.socket, "bind", "socket.bind"),
    (subprocess.Popen, "__init__", "subprocess.Popen"),
    (threading.Thread, "start", "threading.Thread.start"),
    (os, "system", "os.system"),
    (os, "fork", "os.fork"),
)
"""Where it is, its name there, and for people."""


class Outside:
    """Refuses what blocks, from ``begin`` to ``end``; in the thread in which the engine runs."""

    def __init__(self, refuse: Callable[[str], NoReturn], runs_here: Callable[[], bool]) -> None:
        self._refuse = refuse
        self._runs_here = runs_here
        self._before: list[tuple[Any, str, Any]] = []

    def begin(self) -> None:
        """A trial begins."""
        for holder, name, told in _BLOCKING:
            before = getattr(holder, name, None)
            if before is not None:
                self._before.append((holder, name, before))
                setattr(holder, name, self._refusing(before, told))

    def end(self) -> None:
        """Give back what was taken."""
        while self._before:
            setattr(*self._before.pop())

    def _refusing(self, before: Callable[..., Any], told: str) -> Callable[..., Any]:
        def blocking(*args: Any, **kwargs: Any) -> Any:
            if self._runs_here():
                self._refuse(told)
            return before(*args, **kwargs)

        return blocking


class _Nothing(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


_UNHEARD = io.TextIOWrapper(io.BufferedWriter(_Nothing()), encoding="utf-8", errors="replace")


class Unheard:
    """What is printed meanwhile is not shown."""

    def __init__(self) -> None:
        self._shown = os.environ.get("SIMWORLD_DEBUG") == "1"
        self._before: tuple[TextIO, TextIO] = sys.stdout, sys.stderr

    def __enter__(self) -> None:
        self._before = sys.stdout, sys.stderr
        if self._shown:
            sys.stdout = sys.stderr
        else:
            sys.stdout = sys.stderr = _UNHEARD

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._before
