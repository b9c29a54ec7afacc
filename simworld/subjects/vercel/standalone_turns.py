"""One race of vercel-workflow, shown without any simulation.

The unmodified SDK runs on its own local world, its own embedded queue and the real clock.  This
file only adds what the contracts of storage and queue allow: a call may take a while (so that the
calls come in the order below), a message may be delivered more than once (one whose delivery has
failed comes again at once, not after the queue's minute), and one call may fail.  A call that is
given up while it takes long has been made all the same.  It needs the SDK, the module with the
workflow, and Python's standard library.

``python FILE`` runs it once in a new folder; the module is looked for beside the script, in the
folder you are in, and wherever ``--path DIR`` or PYTHONPATH says.  ``--plain`` leaves everything to
chance: no order, no duplicate, no failed call.  What the workload plans stays in both: which bodies
fail, and how often a step may be tried again.  It exits with 0 if the run ended as its author would
expect, with 1 if it did not, with 2 if it could not be run.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from vercel.workflow._internal import ulid

PLAN: dict[str, Any] = {}

ENDED = ("completed", "failed", "cancelled")
ENDS = tuple(f"run_{each}" for each in ENDED)
STRAGGLERS = ("step_completed", "step_failed", "step_retrying")
"""What a body that has begun before its run's end may record after that."""
QUIET_S = 1.2
"""A queue that has nothing to do for so long has nothing to do any more."""
PAUSE_S = 0.005
"""After an act: the engine does first all that follows from it at once."""
AFTERWARDS_S = 0.2
"""So long an act waits for another where all that matters has happened."""
DOING: contextvars.ContextVar[str] = contextvars.ContextVar("DOING", default="")
"""The delivery, or the client's call, for which a call of the world is made."""
BODY: contextvars.ContextVar[str] = contextvars.ContextVar("BODY", default="")
"""The step whose body makes it."""


class After:
    """What is done for a run that has ended, and should not be."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self._ends: dict[str, str] = {}
        self._starts: dict[tuple[str, str], int] = {}
        """Of a step, before its run's end: its bodies may begin, and end, after that."""
        self._refused: dict[tuple[str, str], int] = {}

    def look(self, kind: str, fields: dict[str, Any]) -> None:
        """A line of evidence."""
        end = self._ends.get(fields.get("run", ""), "")
        if kind == "event":
            self._event(end, fields)
        elif kind == "began" and end:
            if fields["attempt"] > self._starts.get((fields["run"], fields["step"]), 0):
                told = f"body {fields['number']} of {fields['name']} begins"
                self.broken.append(f"{told} after {end}, and was not started before")
        elif kind == "raised" and end:
            message, error = DOING.get().partition("~")[0], fields["error"]
            count = self._refused[message, error] = self._refused.get((message, error), 0) + 1
            if count == PLAN["deliveries_max"]:
                told = f"{count} deliveries of {message} after {end} fail alike"
                self.broken.append(f"{told}, {count - 1} of them sent by this script: {error}")

    def _event(self, end: str, fields: dict[str, Any]) -> None:
        kind = fields["event"]["eventType"]
        key = fields["run"], fields["event"].get("correlationId", "")
        if end:
            late = kind in STRAGGLERS and key in self._starts
            if not late and not kind == end == "run_cancelled":
                self.broken.append(f"{kind}{fields['where']} is recorded after {end}")
        elif kind in ENDS:
            self._ends[key[0]] = kind
        elif kind == "step_started":
            self._starts[key] = self._starts.get(key, 0) + 1


class Evidence:
    """What has happened, line by line."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115
        self.events: list[dict[str, Any]] = []
        self.after = After()

    def note(self, kind: str, **fields: Any) -> None:
        """One line."""
        line = {"kind": kind, "at_ms": int(time.time() * 1_000), "doing": DOING.get(), **fields}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if kind == "event":
            self.events.append(line)
        self.after.look(kind, fields)


class Conductor:
    """Lets calls go ahead in the order of the plan; whoever is not in it may go at any time."""

    def __init__(self, order: list[list[Any]], evidence: Evidence) -> None:
        self._order = order
        self._evidence = evidence
        self._wanted: dict[tuple[str, str], deque[int]] = {}
        for index, (doing, act, _) in enumerate(order):
            self._wanted.setdefault((doing, act), deque()).append(index)
        self._over = [False] * len(order)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._begun: list[int] = []
        """Those that have been let go ahead, and are not over yet."""
        self._next = 0
        self._pausing = False
        self._alarm: asyncio.TimerHandle | None = None
        self.followed = 0
        self.skipped = 0

    @property
    def whole(self) -> bool:
        """Everything in the order has happened, or never will."""
        return self._next >= len(self._order)

    async def turn(self, doing: str, act: str) -> int:
        """Wait until everything before this act has happened; its index, or -1."""
        wanted = self._wanted.get((doing, act))
        if not wanted:
            return -1
        index = wanted.popleft()
        if self._over[index]:
            return -1
        future = self._waiting[index] = asyncio.get_running_loop().create_future()
        self._go_on()
        await future
        self.followed += 1
        return index

    def done(self, index: int) -> None:
        """The act has happened."""
        if index >= 0:
            self._over[index] = True
            if index in self._begun:
                self._begun.remove(index)
            self._pausing = True
            asyncio.get_running_loop().call_later(PAUSE_S, self._pause_over)

    def _pause_over(self) -> None:
        self._pausing = False
        self._go_on()

    def never(self, gone: Callable[[str], bool]) -> None:
        """What these deliveries have not done, they will not do."""
        for index in range(self._next, len(self._order)):
            pending = index not in self._waiting and index not in self._begun
            if not self._over[index] and pending and gone(self._order[index][0]):
                self._over[index] = True
                self.skipped += 1
        self._go_on()

    def _go_on(self) -> None:
        if self._pausing:
            return
        while self._next < len(self._order) and self._over[self._next]:
            self._next += 1
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
        if self._next >= len(self._order) or self._next in self._begun:
            return
        future = self._waiting.pop(self._next, None)
        if future is not None:
            self._begun.append(self._next)
            future.set_result(None)
        elif self._waiting and self._alarm is None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(self._patience_s(), self._give_up, self._next)

    def _patience_s(self) -> float:
        """How long to wait for an act that has not come: its own time, and some more."""
        if self._next >= PLAN["decided"]:
            return AFTERWARDS_S
        before_ms: int = self._order[max(0, self._next - 1)][2]
        own_ms: int = self._order[self._next][2] - before_ms
        patience_s: float = PLAN["patience_s"] + min(own_ms, PLAN["longest_ms"]) / 1_000
        return patience_s

    def _give_up(self, index: int) -> None:
        self._alarm = None
        if index == self._next and not self._over[index]:
            self._evidence.note("missing", act=self._order[index][1], by=self._order[index][0])
            self._over[index] = True
            self.skipped += 1
            self._go_on()


class Names:
    """Names that are the same in every run: deliveries by who has sent them, steps by number."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self._firsts: dict[str, int] = {}
        self._children: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._begun: dict[str, int] = {}
        self.copies: dict[str, int] = {}
        """Message → how many of it there are; each is delivered once."""
        self._messages: dict[str, asyncio.Future[str]] = {}

    def run(self, run_id: str) -> str:
        """``run``, ``run.2`` …; ``run:#3`` for one that the body of a step has started."""
        if run_id not in self.runs:
            parent = BODY.get().replace("/", ":")
            number = self._children[parent] = self._children.get(parent, 0) + 1
            label = parent or "run"
            self.runs[run_id] = label if number == 1 else f"{label}.{number}"
        return self.runs[run_id]

    def entity(self, run_id: str, correlation_id: str) -> str:
        """``#3``: the third thing that the run has drawn an id for.

        Its ids are one more than the last, from one on that follows from the run's own id.
        """
        if run_id not in self._firsts:
            draw = ulid.monotonic_factory(random.Random(run_id).random)
            self._firsts[run_id] = number_of(draw(1))
        return f"#{number_of(correlation_id) - self._firsts[run_id] + 1}"

    def where(self, run_id: str, correlation_id: str | None) -> str:
        """`` of #3``, `` of run.2/#3``, `` of run.2``; nothing of the main run."""
        run = self.run(run_id)
        if not correlation_id:
            return "" if run == "run" else f" of {run}"
        entity = self.entity(run_id, correlation_id)
        return f" of {entity}" if run == "run" else f" of {run}/{entity}"

    def message(self, sender: str, part: str) -> str:
        """The name of a message that is sent now."""
        path = f"{sender}/{part}"
        number = self._sent[path] = self._sent.get(path, 0) + 1
        return path if number == 1 else f"{path}.{number}"

    def bind(self, message_id: str, name: str) -> None:
        """A message of this name is in the queue, once more perhaps."""
        self.copies[name] = self.copies.get(name, 0) + 1
        future = self._future(message_id)
        if not future.done():
            future.set_result(name)

    async def delivery(self, message_id: str) -> tuple[str, str]:
        """(message, delivery) by the queue's id, which may be known a moment before its name."""
        name = await self._future(message_id)
        number = self._begun[name] = self._begun.get(name, 0) + 1
        return name, name if number == 1 else f"{name}~{number}"

    def _future(self, message_id: str) -> asyncio.Future[str]:
        if message_id not in self._messages:
            self._messages[message_id] = asyncio.get_running_loop().create_future()
        return self._messages[message_id]


def number_of(identifier: str) -> int:
    """What counts in a ULID, as a number."""
    number = 0
    for letter in identifier[-ulid.RANDOM_LEN :]:
        number = number * ulid.ENCODING_LEN + ulid.ENCODING.index(letter)
    return number
