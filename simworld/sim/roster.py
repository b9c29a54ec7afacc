"""The roster: who can go on, who sleeps until when, whose host stands still or has died.

A task is enabled, or it waits: for a time, in a latch, for its parts.  On a host that stands still
nothing goes on, whatever becomes due; what has died is never resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from simworld.marks import reached
from simworld.records import Crash, Op
from simworld.sim.chronicle import Chronicle
from simworld.sim.tasks import Host, Task, Timers


class Roster(Chronicle):
    """The tasks of a kernel, as far as they can be told without choosing or resuming any."""

    __slots__ = ("_graveyard", "_timers", "enabled", "live_deliveries", "on_bury", "on_calm",
                 "on_crash", "on_restart")  # fmt: skip

    def __init__(self, *, full_trace: bool) -> None:
        super().__init__(full_trace=full_trace)
        self.enabled: list[Task] = []
        self.live_deliveries = 0
        self.on_bury: list[Callable[[Task], None]] = []
        self.on_crash: list[Callable[[Host], None]] = []
        self.on_restart: list[Callable[[Task], None]] = []
        """Who is told that every process dies, by the task before whose operation they do."""
        self.on_calm: list[Callable[[], None]] = []
        """Who is told that the search is over, and that it takes back what hinders others."""
        self._timers = Timers()
        self._graveyard: list[Coroutine[Any, Any, Any]] = []

    def _enable(self, task: Task) -> None:
        """The task can go on, unless its host stands still."""
        if task.host.frozen_until_ms > self.now_ms:
            self._timers.set(task, task.host.frozen_until_ms)
        else:
            self.enabled.append(task)

    def cancel(self, task: Task) -> None:
        """Withdraw a task that has not begun."""
        if not task.dead and task.coroutine is None:
            task.dead = True
            if task in self.enabled:
                self.enabled.remove(task)

    def _set_timer(self, task: Task, delay_ms: int, op: Op) -> None:
        task.op = op
        self._timers.set(task, self.now_ms + delay_ms)

    def _move_time(self) -> bool:
        """Move to the next timer and enable everything that is due; False when there is none."""
        timers = self._timers
        while not self.enabled:  # who is due may be on a host that stands still
            due = timers.next()
            if due is None:
                return False
            deadline_ms = due[0]
            self.now_ms = max(self.now_ms, deadline_ms)
            while due is not None:
                self._due(due[1])
                due = timers.next(deadline_ms)
        return True

    def _due(self, task: Task) -> None:
        if task.host.frozen_until_ms > self.now_ms:
            self._timers.set(task, task.host.frozen_until_ms)
            return
        task.since = self.turn
        task.alarm = 0
        if task.waits_in is not None:
            task.waits_in.forget(task)
            task.waits_in = None
        self.enabled.append(task)

    def freeze(self, host: Host, duration_ms: int) -> None:
        """Nothing on the host goes on for so long; the others do, and so do their timers."""
        reached("host.frozen")
        until_ms = self.now_ms + duration_ms
        host.frozen_until_ms = until_ms
        self.disturb(until_ms)
        for task in host.tasks:
            if task in self.enabled:
                self.enabled.remove(task)
                self._timers.set(task, until_ms)

    def crash(self, host: Host, *, why: str = "") -> None:
        """Kill the host with everything on it; ``why`` if that is no fault, but its own doing."""
        reached("handler.killed" if why else "handler.crashed")
        host.alive = False
        killed = []
        lost: list[Callable[[], None]] = []
        for task in host.tasks:
            if task.done or task.dead or task.coroutine is None:
                continue
            killed.append(task.name)
            self._bury(task)
            if task.on_lost is not None:
                self.live_deliveries -= 1
                lost.append(task.on_lost)
        for tell in self.on_crash:
            tell(host)
        self.records.append(Crash(self.turn, self.now_ms, host.name, tuple(killed), why))
        for redeliver in lost:
            redeliver()

    def _bury(self, task: Task) -> None:
        """The task is never resumed; its coroutine is kept, for dropping it would run it."""
        task.dead = True
        if task in self.enabled:
            self.enabled.remove(task)
        if task.waits_in is not None:
            task.waits_in.forget(task)
            task.waits_in = None
        if task.coroutine is not None:
            self._graveyard.append(task.coroutine)
        for tell in self.on_bury:
            tell(task)
