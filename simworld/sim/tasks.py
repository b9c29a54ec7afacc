"""Tasks and hosts: what the kernel schedules, and what a crash kills together."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from simworld.records import Op

EPOCH_MS = 1_750_000_000_000
"""Virtual time at the start of every trial."""


class Host:
    """A crash domain; by default one per delivery."""

    __slots__ = ("alive", "name", "tasks")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.tasks: list[Task] = []


class Task:
    """See ``records.TaskView`` for what explorers read of it."""

    __slots__ = (
        "armed",
        "birth",
        "coroutine",
        "crash_at",
        "dead",
        "done",
        "error",
        "host",
        "lose_at",
        "missing",
        "name",
        "on_lost",
        "op",
        "ops",
        "parent",
        "parts",
        "since",
        "start",
        "value",
    )

    def __init__(self, name: str, birth: int, host: Host, op: Op, since: int) -> None:
        self.name = name
        self.birth = birth
        self.host = host
        self.op = op
        self.ops = 0
        self.since = since
        self.start: Callable[[], Coroutine[Any, Any, Any]] | None = None
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.parent: Task | None = None
        self.missing = 0
        self.done = False
        self.dead = False
        self.value: Any = None
        self.error: Exception | None = None
        self.on_lost: Callable[[], None] | None = None
        self.armed = False
        self.parts: dict[str, int] | None = None
        """How many messages with each part's name this task has sent."""

    @property
    def ended(self) -> bool:
        """See ``records.TaskView``."""
        return self.done or self.dead

    def arm(self, crash_at: int, lose_at: int) -> None:
        """Set the operations at which its host dies and whose answer is lost; 0: never."""
        if crash_at or lose_at:
            self.armed = True
            self.crash_at = crash_at
            self.lose_at = lose_at

    def release(self) -> None:
        """Let go of everything that could lead back here."""
        self.start = self.coroutine = self.on_lost = self.parent = None
        self.error = None
        self.host.tasks.clear()

    def child_name(self, part: str) -> str:
        """A causal path below this task: the second ``flow`` it sends is ``…/flow.2``."""
        if self.parts is None:
            self.parts = {}
        count = self.parts.get(part, 0) + 1
        self.parts[part] = count
        return f"{self.name}/{part}" if count == 1 else f"{self.name}/{part}.{count}"
