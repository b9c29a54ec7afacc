"""Concurrency inside and between handlers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Pending(Protocol):
    """A delivery that was scheduled."""

    name: str

    def cancel(self) -> None:
        """Withdraw it, if it has not begun."""


class Job(Protocol):
    """A coroutine that runs beside the handler that started it, on the same host."""

    @property
    def done(self) -> bool:
        """It has finished, or failed."""

    def cancel(self) -> None:
        """It does nothing more from now on."""


class Latch(Protocol):
    """Something that tasks of one trial or process may wait for."""

    def set(self) -> None:
        """It has happened: whoever waits goes on, first come first served."""

    async def wait(self, timeout_ms: int | None = None) -> bool:
        """True once it has happened, False if ``timeout_ms`` pass first."""


class Tasks(Protocol):
    """Runs coroutines; every one of them has a causal path as its name."""

    def child_name(self, part: str) -> str:
        """A new name below the running task: its own name, ``/``, ``part``."""

    def spawn(
        self,
        name: str,
        start: Callable[[], Coroutine[Any, Any, None]],
        *,
        delay_ms: int,
        on_lost: Callable[[], None],
    ) -> Pending:
        """Run ``start()`` as a task on a host of its own, ``delay_ms`` from now.

        ``on_lost`` is called if the host dies before the task has ended.
        """

    async def checkpoint(self, doing: str) -> None:
        """A place where other tasks may go first, just before ``doing``."""

    async def gather(self, parts: Sequence[tuple[str, Coroutine[Any, Any, T]]]) -> list[T]:
        """Run named coroutines side by side until all have finished; results in order.

        If some fail, the first error in the order of the arguments is raised then.
        """

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> Job:
        """Run a coroutine beside the running task, on its host; it may outlive its starter.

        It may raise nothing but faults of the world (``SimworldError``), which end it silently.
        """

    def latch(self, wish: str) -> Latch:
        """A new latch, not set; ``wish``: what whoever waits for it "waits to" do."""

    async def kill_host(self, why: str) -> None:
        """End the process that runs this, as if it had died; does not return."""
