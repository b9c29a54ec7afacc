"""The loop an asyncio engine runs on under simworld: no selector, no threads, nothing real.

It runs what is ready until nothing is, and then stops where it is.  Time is told to it; a timer is
what its driver is asked for.  Whatever would reach outside is refused, at the line that asks.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import math
import os
import sys
import sysconfig
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn, Protocol

from simworld.errors import UsageError

STEPS_MAX = 200_000
"""Callbacks after which an engine that has not come to rest is taken to run in circles."""
_MS = 1_000


class Timer(asyncio.TimerHandle):
    """A timer that is asked for."""

    __slots__ = ("number",)

    number: int
    """Of the ask; 0: it is due at once."""


class Driver(Protocol):
    """Who runs the loop."""

    def task_made(self, task: Task) -> None:
        """A task begins."""

    def timer_set(self, timer: Timer, duration_ms: int) -> None:
        """``fire`` this timer after so long."""

    def timer_cancelled(self, timer: Timer) -> None:
        """It need not fire any more."""


class Task(asyncio.Task[Any]):
    """A task whose hash is its number: sets of tasks have the same order in every process."""

    __slots__ = ("number", "strand")

    def __init__(self, coro: Coroutine[Any, Any, Any], number: int, **options: Any) -> None:
        self.number = number
        self.strand = -1
        """Which strand of its activity it is; -1: it has not asked for anything yet."""
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class HostLoop(asyncio.BaseEventLoop):
    """An event loop that only runs what is ready."""

    _ready: collections.deque[asyncio.Handle]
    _thread_id: int | None
    _asyncgens: set[AsyncGenerator[Any, None]]

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self.set_debug(False)
        self.now_ms = 0
        self.refused: UsageError | None = None
        """What user code has asked for that does not exist in here."""
        self._driver = driver
        self._tasks = 0
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def run_ready(self) -> None:
        """Run callbacks until none is ready; ``UsageError`` if that does not come about."""
        ready, left = self._ready, STEPS_MAX
        if not ready:
            return
        surrounding, hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
        asyncio._set_running_loop(self)
        self._thread_id = threading.get_ident()
        sys.set_asyncgen_hooks(self._asyncgens.add, self._asyncgen_finalizer_hook)
        try:
            while ready:
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
                left -= 1
                if not left:
                    raise UsageError(
                        f"the workflow engine does not come to rest: {STEPS_MAX} callbacks without "
                        f"waiting for anything, the last one is {handle!r}; a step body or client "
                        "must not poll without asyncio.sleep"
                    )
        finally:
            self._thread_id = None
            asyncio._set_running_loop(surrounding)
            sys.set_asyncgen_hooks(*hooks)

    def forget(self) -> None:
        """Nothing is ready any more."""
        self._ready.clear()
        self.refused = None
        self._tasks = 0

    def fire(self, timer: Timer) -> None:
        """The time of a timer has come."""
        self._ready.append(timer)

    async def close_generators(self) -> None:
        """Close the asynchronous generators that nobody has read to their ends."""
        for generator in list(self._asyncgens):
            await generator.aclose()

    # What asyncio asks of a loop.

    def time(self) -> float:
        """The virtual clock, in seconds."""
        return self.now_ms / _MS

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Timer:
        """A timer; with no delay at all it is due at once."""
        timer = Timer(self.time() + delay, callback, args, self, context)
        timer.number = 0
        if delay > 0:
            # Who is woken a rounding error before a deadline sets a timer for the rest of it.
            duration_ms = max(1, math.ceil(round(delay * _MS, 3)))
            self._driver.timer_set(timer, duration_ms)
        else:
            self._ready.append(timer)
        return timer

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Timer:
        """A timer at a time of this loop's clock."""
        return self.call_later(when - self.time(), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: Timer) -> None:
        self._driver.timer_cancelled(handle)

    def call_soon_threadsafe(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """As ``call_soon``, from the one thread there is."""
        if threading.get_ident() != self._thread_id:
            self.refuse("loop.call_soon_threadsafe")
        return self.call_soon(callback, *args, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An exception that nobody has looked at is nobody's business here."""

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, None]) -> None:
        self._asyncgens.discard(agen)
        if not self.is_closed():
            self.call_soon(self.create_task, agen.aclose())

    def _make_task(
        self, _: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> Task:
        self._tasks += 1
        task = Task(coro, self._tasks, loop=self, **options)
        self._driver.task_made(task)
        return task

    def runs_here(self) -> bool:
        """Whether it runs, in the thread that asks."""
        return threading.get_ident() == self._thread_id

    def refuse(self, what: str) -> NoReturn:
        """Refuse, and remember it: an engine may take the error for one of a step's body."""
        self.refused = UsageError(
            f"{_users_line(self)}: {what} does not exist under simworld; a step body awaits "
            "only asyncio.sleep and the SDK's own calls: put the outside (network, files, "
            "threads, processes) behind a function you can replace in tests"
        )
        raise self.refused


def _users_line(loop: HostLoop) -> str:
    """``file:line`` of the innermost frame that belongs to no library.

    A library may ask from a task of its own: then it is where the user's code waits for it.
    """
    for frame in _running(sys._getframe(2)):
        if _is_users(frame):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: -getattr(task, "number", 0))
    for task in tasks:
        for frame in reversed(list(_waiting(task.get_coro()))):
            if _is_users(frame):
                return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return "a library"


def _running(frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost one out, as far as the loop."""
    while frame is not None and frame.f_code is not HostLoop.run_ready.__code__:
        yield frame
        frame = frame.f_back


def _waiting(coroutine: Any) -> Iterator[FrameType]:
    """From the outermost one in."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)


def _is_users(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith(_LIBRARIES)


_LIBRARIES = (
    sysconfig.get_path("stdlib") + os.sep,
    sysconfig.get_path("purelib") + os.sep,
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep,
    "<",
)
"""Where code lies that is not the user's: the last one is what is made at run time."""


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(self: HostLoop, *_: object, **__: object) -> NoReturn:
        self.refuse(f"loop.{name}")

    refuse.__name__ = name
    return refuse


_OUTSIDE = (
    "run_in_executor set_default_executor getaddrinfo getnameinfo create_connection create_server "
    "create_datagram_endpoint create_unix_connection create_unix_server connect_accepted_socket "
    "start_tls sendfile sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall "
    "sock_sendto sock_connect sock_accept sock_sendfile add_reader remove_reader add_writer "
    "remove_writer connect_read_pipe connect_write_pipe subprocess_exec subprocess_shell "
    "add_signal_handler remove_signal_handler"
)
for _name in _OUTSIDE.split():
    setattr(HostLoop, _name, _refusal(_name))
