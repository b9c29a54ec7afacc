"""Lanes: what a process handles one at a time (spec §2.3, the PostgreSQL-backed queue).

Deliveries with one key share a lane: whoever comes second waits for the first, and ends without
running if that one was handled.  Flow messages of one run that carry no key may share one, too:
then each waits for its turn, and runs.  So do those that only say that the run is to be looked at,
until the one before has looked: what runs a body lets others pass (R-82).  Lanes of several
processes know nothing of each other (R-23), and the extra deliveries of a fault, which are another
process's, nothing of any lane.
"""

from __future__ import annotations

import zlib

from simworld.ports import Latch, Message, Tasks
from simworld.records import Dedup, FlowOrder, Merging, QueueProfile


class Lanes:
    """Who is in which lane, by the names of deliveries."""

    def __init__(self, profile: QueueProfile, tasks: Tasks, processes: int) -> None:
        self._processes = processes
        self._keyed = profile.dedup is Dedup.JOB_KEY
        self._ordered = profile.flow_order is FlowOrder.ONE_BY_ONE
        self._merging = profile.merging is Merging.QUEUED
        self._tasks = tasks
        self._lines: dict[str, list[str]] = {}
        """Lane → who is in it; the first one runs, the others wait."""
        self._lanes: dict[str, str] = {}
        self._latches: dict[str, Latch] = {}
        self._spared: dict[str, None] = {}

    @classmethod
    def of(cls, profile: QueueProfile, tasks: Tasks, processes: int) -> Lanes | None:
        """None where deliveries know nothing of one another."""
        lanes = cls(profile, tasks, processes)
        return lanes if lanes._keyed or lanes._ordered or lanes._merging else None

    def process(self, name: str) -> str:
        """The process that has the delivery called ``name``; empty where there is but one."""
        if self._processes < 2:
            return ""
        return f" in process {zlib.crc32(name.encode()) % self._processes}"  # as its host's is

    def lane(self, key: str, message: Message, name: str, *, merges: bool) -> str:
        """The lane of the delivery called ``name``; empty: it goes its own way."""
        if key:
            return f"key {key}{self.process(name)}" if self._keyed else ""
        if message.step_id or not (self._ordered or merges):
            return ""
        return f"run {message.run_id}{self.process(name)}"

    def enter(self, lane: str, name: str) -> Latch | None:
        """None if it is ``name``'s turn, else what tells that the wait is over."""
        self._lanes[name] = lane
        line = self._lines.setdefault(lane, [])
        line.append(name)
        if len(line) == 1:
            return None
        latch = self._latches[name] = self._tasks.latch("get its turn")
        return latch

    def spared(self, name: str) -> bool:
        """Whether what ``name`` waited to do has been done by another."""
        if name in self._spared:
            del self._spared[name]
            return True
        return False

    def let_pass(self, name: str) -> None:
        """``name`` goes on, and so does the next one, unless each is to be over before."""
        if not self._ordered:
            self.leave(name, handled=False)

    def leave(self, name: str, *, handled: bool) -> None:
        """``name`` does nothing more; the next one goes on, or none has to if it is ``handled``."""
        lane = self._lanes.pop(name, "")
        if not lane:
            return
        line = self._lines[lane]
        ran = line[0] == name
        line.remove(name)
        self._latches.pop(name, None)
        if not line:
            del self._lines[lane]
        elif ran and handled and lane.startswith("key "):
            for other in self._lines.pop(lane):
                del self._lanes[other]
                self._spared[other] = None
                self._latches.pop(other).set()
        elif ran:
            self._latches.pop(line[0]).set()
