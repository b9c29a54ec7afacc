"""Ports in the smallest form that works: ids that count, a clock, and tasks with timers.

Independent of the simulator, so that the worlds are tested against the ports' own words.
"""

from __future__ import annotations

import heapq

import attrs


def now(coroutine):
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AssertionError("it waited")


class Ids:
    """``ports.Ids``: every id is new."""

    def __init__(self):
        self._count = 0

    def _next(self, kind):
        self._count += 1
        return f"{kind}_{self._count}"

    def run_id(self):
        return self._next("wrun")

    def message_id(self):
        return self._next("msg")

    def event_id(self):
        return self._next("evnt")


class Clock:
    """``ports.Clock`` that stands still until it is told the time."""

    def __init__(self, ms=1_000):
        self.ms = ms

    def now_ms(self):
        return self.ms


class Pause:
    """What a task yields in order to wait."""

    def __init__(self, ms):
        self.ms = ms

    def __await__(self):
        yield self


class Latch:
    """``ports.Latch`` without timeouts; waiting is yielding it."""

    def __init__(self, line):
        self._line = line
        self._waiting = []
        self._is_set = False

    def set(self):
        self._is_set = True
        for task in self._waiting:
            self._line.push(0, task)
        self._waiting.clear()

    async def wait(self):
        if not self._is_set:
            await self
        return True

    def __await__(self):
        yield self

    def park(self, task):
        self._waiting.append(task)


@attrs.define(eq=False)
class Task:
    """A scheduled coroutine; also ``ports.Pending``."""

    name: str
    start: object
    on_lost: object
    coroutine: object = None
    over: bool = False

    def cancel(self):
        if self.coroutine is None:
            self.over = True


class Timeline:
    """``ports.Tasks`` and ``ports.Clock``: what is due first runs first, ties by age."""

    def __init__(self):
        self.ms = 0
        self.tasks = {}
        self._heap = []
        self._count = 0
        self._names = {}

    def now_ms(self):
        return self.ms

    async def sleep_ms(self, duration_ms):
        await Pause(duration_ms)

    def child_name(self, part):
        count = self._names[part] = self._names.get(part, 0) + 1
        return f"test/{part}" if count == 1 else f"test/{part}.{count}"

    def latch(self, wish):
        return Latch(self)

    async def checkpoint(self, doing):
        await Pause(0)

    def run_beside(self, name, coroutine):
        """Run a coroutine as a task of its own, from now on."""
        return self.spawn(name, lambda: coroutine, delay_ms=0, on_lost=None)

    def spawn(self, name, start, *, delay_ms, on_lost):
        assert name not in self.tasks, f"two tasks are called {name}"
        task = self.tasks[name] = Task(name, start, on_lost)
        self.push(delay_ms, task)
        return task

    def push(self, delay_ms, task):
        self._count += 1
        heapq.heappush(self._heap, (self.ms + delay_ms, self._count, task))

    def at(self, ms, act):
        """Call ``act`` at that time."""

        async def once():
            act()

        self._count += 1
        heapq.heappush(self._heap, (ms, self._count, Task(f"act {self._count}", once, None)))

    def kill(self, name):
        """The host of a task that has begun dies."""
        task = self.tasks[name]
        assert task.coroutine is not None
        assert not task.over
        task.over = True
        task.coroutine.close()
        task.on_lost()

    def run(self, *, until_ms=10_000_000):
        """Run until nothing is due any more, or until a time."""
        while self._heap and self._heap[0][0] <= until_ms:
            due, _, task = heapq.heappop(self._heap)
            self.ms = max(self.ms, due)
            if task.over:
                continue
            if task.coroutine is None:
                task.coroutine = task.start()
            try:
                pause = task.coroutine.send(None)
            except StopIteration:
                task.over = True
            else:
                if isinstance(pause, Latch):
                    pause.park(task)
                else:
                    self.push(pause.ms, task)
