"""Tasks, hosts, latches and timers: what the kernel schedules, and what a crash kills together."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from simworld.records import Fault, Op

EPOCH_MS = 1_750_000_000_000
"""Virtual time at the start of every trial."""


class Host:
    """A crash domain; by default one per delivery."""

    __slots__ = ("alive", "clock_ms", "frozen_until_ms", "memory", "name", "spared", "tasks")

    def __init__(self, name: str, *, spared: bool = False) -> None:
        self.name = name
        self.alive = True
        self.spared = spared
        """The nemesis leaves it alone: there is nobody to tell of its death (a client's)."""
        self.tasks: list[Task] = []
        self.memory: Any = None
        """What the world keeps in the memory of this process; gone when it dies."""
        self.clock_ms = 0
        """How far its clock is ahead of the true time."""
        self.frozen_until_ms = 0
        """Nothing on it goes on before."""


class Hosts:
    """Which host a delivery runs on: one of its own, or one of so many that deliveries share."""

    def __init__(self, count: int) -> None:
        self._shared: list[Host | None] = [None] * count
        self._born = 0

    def of(self, name: str, *, spared: bool) -> Host:
        """The host of the task called so, by its name alone; a dead one has been started anew."""
        if spared or not self._shared:
            return Host(name, spared=spared)
        index = zlib.crc32(name.encode()) % len(self._shared)
        host = self._shared[index]
        if host is None or not host.alive:
            self._born += 1
            host = self._shared[index] = Host(f"process-{self._born}")
        return host


class Waiters(Protocol):
    """What a task waits in."""

    def forget(self, task: Task) -> None:
        """It does not wait any more."""


class Task:
    """See ``records.TaskView`` for what explorers read of it."""

    __slots__ = (
        "alarm",
        "armed",
        "birth",
        "body",
        "coroutine",
        "crash_at",
        "dead",
        "doing",
        "done",
        "error",
        "host",
        "is_job",
        "lose_at",
        "missing",
        "name",
        "on_lost",
        "op",
        "ops",
        "parent",
        "parts",
        "plan",
        "since",
        "start",
        "value",
        "waits_in",
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
        self.is_job = False
        """It runs beside its starter, and nobody joins it."""
        self.alarm = 0
        """The number of the timer it waits for; 0: none, and any that is still set is void."""
        self.waits_in: Waiters | None = None
        self.body = ""
        """Run and step of the body it runs, as labels."""
        self.doing: Op | None = None
        """The call of the World port it is in, where that consists of several operations."""
        self.armed = False
        self.parts: dict[str, int] | None = None
        """How many messages, parts and jobs of each name this task has brought about."""

    @property
    def ended(self) -> bool:
        """See ``records.TaskView``."""
        return self.done or self.dead

    def arm(self, crash_at: int, lose_at: int, plan: dict[int, Fault] | None) -> None:
        """Set the operations at which its host dies and whose answer is lost (0: never), and what
        strikes others of them."""
        if crash_at or lose_at or plan:
            self.armed = True
            self.crash_at = crash_at
            self.lose_at = lose_at
            self.plan = plan

    def works_for(self, other: Task) -> bool:
        """Whether it is ``other`` or a part of a gather of it, however deep."""
        task: Task | None = self
        while task is not None and task is not other:
            task = task.parent
        return task is other

    def release(self) -> None:
        """Let go of everything that could lead back here."""
        self.start = self.coroutine = self.on_lost = self.parent = self.waits_in = None
        self.error = None
        self.host.memory = None
        self.host.tasks.clear()

    def child_name(self, part: str) -> str:
        """A causal path below this task: the second ``flow`` it sends is ``…/flow.2``."""
        if self.parts is None:
            self.parts = {}
        count = self.parts.get(part, 0) + 1
        self.parts[part] = count
        return f"{self.name}/{part}" if count == 1 else f"{self.name}/{part}.{count}"


class Timers:
    """Who is to be woken when; of equal times, who has asked first."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Task]] = []
        self._count = 0

    def set(self, task: Task, deadline_ms: int) -> None:
        """Wake ``task`` then, unless it is woken or dies before."""
        self._count += 1
        task.alarm = self._count
        heapq.heappush(self._heap, (deadline_ms, self._count, task))

    def next(self, not_after_ms: int | None = None) -> tuple[int, Task] | None:
        """Take out the next timer that is not void and, if a time is given, due by then."""
        heap = self._heap
        while heap and (not_after_ms is None or heap[0][0] <= not_after_ms):
            deadline_ms, number, task = heapq.heappop(heap)
            if task.alarm == number and not task.dead:
                return deadline_ms, task
        return None


def values_of(children: Sequence[Task]) -> list[Any]:
    """What finished children came to; the first error in their order is raised."""
    for child in children:
        if child.error is not None:
            raise child.error
    return [child.value for child in children]


def oldest_first(point: object, enabled: Sequence[Task]) -> int:
    """Phase 2: the operation that has waited longest; fair, draws nothing."""
    best = 0
    for index in range(1, len(enabled)):
        task, rival = enabled[index], enabled[best]
        if (task.since, task.birth) < (rival.since, rival.birth):
            best = index
    return best
