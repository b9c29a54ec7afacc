"""I-04 created-twice of run/sleep#2: vercel_step_or_sleep, found by simworld.

One race of vercel-workflow, shown without any simulation.

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

PLAN: dict[str, Any] = {'subject': 'vercel-workflow==0.12.0',
 'module': 'scenarios.vercel.flows',
 'expected': ['completed'],
 'max_retries': None,
 'client': [['start', 'start', 'step_or_sleep', [0, 0], {}]],
 'failures': [],
 'copies': {},
 'fails': {},
 'errors': 'local',
 'deliveries_max': 4,
 'patience_s': 3.0,
 'longest_ms': 0,
 'decided': 20,
 'timeout_s': 25.0,
 'order': [['start', 'record run_created', 0],
           ['start', 'send flow', 0],
           ['start/flow', 'deliver flow', 0],
           ['start/flow', 'record run_started', 0],
           ['start/flow', 'read the log', 0],
           ['start/flow', 'record step_created of #1', 0],
           ['start/flow', 'send #1', 0],
           ['start/flow/#1', 'deliver #1', 0],
           ['start/flow/#1', 'read the run', 0],
           ['start/flow/#1', 'record step_started of #1', 0],
           ['start/flow/#1', 'begin the body of #1', 0],
           ['start/flow/#1', 'end the body of #1', 0],
           ['start/flow/#1', 'record step_completed of #1', 0],
           ['start/flow/#1', 'send flow', 0],
           ['start/flow/#1/flow', 'deliver flow', 0],
           ['start/flow/#1/flow', 'record run_started', 0],
           ['start/flow/#1/flow', 'read the log', 0],
           ['start/flow', 'record wait_created of #2', 0],
           ['start/flow', 'send flow', 0],
           ['start/flow/#1/flow', 'record wait_created of #2', 0],
           ['start/flow/#1/flow', 'record step_created of #3', 0],
           ['start/flow/#1/flow', 'send #3', 0],
           ['start/flow/#1/flow', 'send flow', 0],
           ['start/flow/#1/flow/#3', 'deliver #3', 0],
           ['start/flow/#1/flow/#3', 'read the run', 0],
           ['start/flow/#1/flow/#3', 'record step_started of #3', 0],
           ['start/flow/#1/flow/#3', 'begin the body of #3', 0],
           ['start/flow/#1/flow/#3', 'end the body of #3', 10],
           ['start/flow/#1/flow/#3', 'record step_completed of #3', 10],
           ['start/flow/#1/flow/#3', 'send flow', 10],
           ['start/flow/#1/flow/#3/flow', 'deliver flow', 10],
           ['start/flow/#1/flow/#3/flow', 'record run_started', 10],
           ['start/flow/#1/flow/#3/flow', 'read the log', 10],
           ['start/flow/#1/flow/#3/flow', 'record wait_completed of #2', 10],
           ['start/flow/#1/flow/#3/flow', 'record wait_completed of #2', 10],
           ['start/flow/#1/flow/#3/flow', 'read the log', 10],
           ['start/flow/#1/flow/#3/flow', 'record run_completed', 10],
           ['start/flow/flow', 'deliver flow', 1000],
           ['start/flow/flow', 'record run_started', 1000],
           ['start/flow/#1/flow/flow', 'deliver flow', 1000],
           ['start/flow/#1/flow/flow', 'record run_started', 1000]]}

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


import argparse
import asyncio
import functools
import importlib
import importlib.metadata
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import vercel.queue as vqs
from vercel.workflow import Workflows, get_step_metadata, start
from vercel.workflow._internal import runtime
from vercel.workflow._internal import world as w
from vercel.workflow._internal.worlds import local
from vercel.workflow._internal.worlds import vercel as hosted_module


hosted: Any = hosted_module


def failure(how: str, *, of_queue: bool) -> Exception:
    """What the SDK gets to see: a full disk, or what its clients of the hosted service raise."""
    if of_queue and how == "lost_answer":
        return vqs.CommunicationError("no answer")
    if of_queue and how == "throttled":
        return vqs.ThrottledError(1)
    if of_queue:
        return vqs.InternalServerError("503")
    if PLAN["errors"] == "local":
        return OSError("no space left on device")
    if how == "lost_answer":
        silence: Exception = hosted.httpx.ReadTimeout("no answer")
        return silence
    if how == "throttled":
        return w.ThrottleError("429", status=429, retry_after=1)
    return w.WorkflowWorldError("503", status=503)


class World(local.LocalWorld):
    """The SDK's local world: a call waits for its turn, a message comes more than once, one call
    fails; all else is ``super()``'s."""

    def __init__(self, evidence: Evidence, conductor: Conductor, names: Names) -> None:
        super().__init__()
        self._evidence = evidence
        self._conductor = conductor
        self._names = names
        self._at_work = 0
        """Deliveries that are being handled."""
        self._failed: dict[str, bool] = {}
        """Message that comes back in a minute → whether a copy of it came at once."""

    async def _performed(self, act: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Cancelled while it waits, it is carried out all the same: only its answer took long."""
        under_way = asyncio.ensure_future(self._in_turn(act, call))
        under_way.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(under_way)

    async def _in_turn(self, act: str, call: Callable[[], Awaitable[Any]]) -> Any:
        index = await self._conductor.turn(DOING.get(), act)
        how = PLAN["fails"].get(str(index), "")
        try:
            if how and how != "lost_answer":
                self._evidence.note("refused", act=act, how=how)
                raise failure(how, of_queue=act.startswith("send "))
            result = await call()
            if how:
                self._evidence.note("lost", act=act)
                raise failure(how, of_queue=act.startswith("send "))
            return result
        finally:
            self._conductor.done(index)

    async def events_create(self, run_id: Any, data: Any) -> Any:
        """``super()`` in its turn, and a line of evidence."""
        about = getattr(data, "correlation_id", None)
        unborn = f"run of {DOING.get()}"
        where = self._names.where(run_id or unborn, about)

        async def call() -> Any:
            result: Any = await local.LocalWorld.events_create(self, run_id, data)
            if run_id is None:  # before 0.10 it was the world that named a run
                self._names.runs[result.event.server_props.run_id] = self._names.runs.pop(unborn)
            if result.event is not None:
                record = local._encode_js(local.event_record(result.event))
                run_id_of = result.event.server_props.run_id
                self._evidence.note("event", event=record, where=where, run=run_id_of)
            return result

        return await self._performed(f"record {data.event_type}{where}", call)

    async def events_list(self, run_id: str, **kwargs: Any) -> Any:
        """``super()`` in its turn."""
        call = functools.partial(local.LocalWorld.events_list, self, run_id, **kwargs)
        return await self._performed(f"read the log{self._names.where(run_id, None)}", call)

    async def runs_get(self, run_id: str) -> Any:
        """``super()`` in its turn."""
        run = self._names.run(run_id)
        act = "read the run" if run == "run" else f"read {run}"
        return await self._performed(act, functools.partial(self.row, run_id))

    async def row(self, run_id: str) -> Any:
        """The run's row, whoever's turn it is."""
        return await local.LocalWorld.runs_get(self, run_id)

    async def hooks_get_by_token(self, token: str) -> Any:
        """``super()`` in its turn."""
        call = functools.partial(local.LocalWorld.hooks_get_by_token, self, token)
        return await self._performed(f"find the hook of token {token}", call)

    async def queue(self, queue_name: Any, message: Any, **kwargs: Any) -> str:
        """``super()`` in its turn; once more for each further delivery in the plan."""
        run_id, step_id = message.run_id, getattr(message, "step_id", None) or ""
        part = self._names.entity(run_id, step_id) if step_id else "flow"

        async def call() -> str:
            message_id: str = await local.LocalWorld.queue(self, queue_name, message, **kwargs)
            name = ""
            if not self._is_dropped(message_id):
                name = self._names.message(DOING.get(), part)
                self._names.bind(message_id, name)
            self._evidence.note("sent", message=name, run=run_id, step=step_id)
            for _ in range(PLAN["copies"].get(name, 0)):
                await self._send_copy(name, queue_name, message, kwargs, again=False)
            return message_id

        act = f"send {part}{self._names.where(run_id, None)}"
        return str(await self._performed(act, call))

    async def _send_copy(
        self, name: str, queue_name: Any, message: Any, how: Any, *, again: bool
    ) -> None:
        """At least once: the same message, without a key that would hold it back; ``again``: since
        its delivery has failed."""
        how = {**how, "idempotency_key": None}
        message_id = await local.LocalWorld.queue(self, queue_name, message, **how)
        self._names.bind(message_id, name)
        self._evidence.note("copied", message=name, again=again)

    def _is_dropped(self, message_id: str) -> bool:
        """Whether the queue knows it already, by its key and what it says."""
        service: Any = self._embedded_queue_service
        message = service.server.state.by_id.get(message_id)
        return message is not None and message.duplicate_of is not None

    def is_idle(self, *, all_ended: bool) -> bool:
        """Nothing is being handled, and nothing that matters waits for that."""
        service: Any = self._embedded_queue_service
        messages = [] if service is None else service.server.state.messages
        left = (
            each
            for each in messages
            if each.duplicate_of is None
            and not each.acknowledged_by_consumer
            and not self._failed.get(each.message_id, False)
            and not (all_ended and each.message_id in self._failed)
        )
        return not self._at_work and next(left, None) is None

    def create_queue_handler(self, queue_name_prefix: Any, handler: Any) -> Any:
        """``super()`` with a handler that knows which delivery it handles."""

        async def named(message: Any, **told: Any) -> Any:
            base, name = await self._names.delivery(told["message_id"])
            DOING.set(name)
            BODY.set("")
            self._at_work += 1
            try:
                return await self._handled(name, handler, message, told)
            except BaseException as error:
                told_error = f"{type(error).__name__}: {error}"
                self._evidence.note("raised", error=told_error, run=message.get("runId", ""))
                self._conductor.never(functools.partial(self._is_gone, name))
                again = self._names.copies[base] < PLAN["deliveries_max"]
                self._failed[told["message_id"]] = again
                if again:  # the queue's own delivery would come in a minute
                    adaptor: Any = w.QueuePayloadAdaptor
                    read = getattr(adaptor, "from_wire", None) or adaptor.validate_python
                    body = read(message)
                    await self._send_copy(base, told["queue_name"], body, {}, again=True)
                raise
            finally:
                self._at_work -= 1

        return super().create_queue_handler(queue_name_prefix, named)

    async def _handled(self, name: str, handler: Any, message: Any, told: Any) -> Any:
        run_id, step_id = message.get("runId", ""), message.get("stepId") or ""
        part = self._names.entity(run_id, step_id) if step_id else "flow"
        self._conductor.done(await self._conductor.turn(name, f"deliver {part}"))
        attempt = told["attempt"]
        self._evidence.note("delivered", run=run_id, step=step_id, attempt=attempt)
        result = await handler(message, **told)
        if result is None:  # else it sends a message yet
            self._conductor.never(functools.partial(self._is_gone, name))
        return result

    def _is_gone(self, name: str, doing: str) -> bool:
        """Whether it is this delivery, or one of a message that it has not sent."""
        if not doing.startswith(f"{name}/"):
            return doing == name
        part = doing[len(name) + 1 :].partition("/")[0].partition("~")[0]
        return f"{name}/{part}" not in self._names.copies


class Bodies:
    """Bodies begin and end in their turns, and fail where that was planned."""

    def __init__(self, evidence: Evidence, conductor: Conductor, names: Names) -> None:
        self._evidence = evidence
        self._conductor = conductor
        self._names = names
        self._begun: dict[str, int] = {}

    def watch(self, registry: Any) -> None:
        """The user's functions, not the SDK's: each is wrapped where it is registered."""
        for step in registry._steps.values():
            if PLAN["max_retries"] is not None:
                step.max_retries = PLAN["max_retries"]
            step.func = self._watched(step.name, step.func)

    def _watched(self, name: str, inner: Callable[..., Awaitable[Any]]) -> Any:
        @functools.wraps(inner)
        async def body(*args: Any, **kwargs: Any) -> Any:
            told = get_step_metadata()
            where = self._names.where(told.run_id, told.step_id).removeprefix(" of ")
            await self._take_turn(f"begin the body of {where}")
            BODY.set(f"{self._names.run(told.run_id)}/{where.rpartition('/')[2]}")
            number = self._begun[where] = self._begun.get(where, 0) + 1
            about: dict[str, Any] = {"run": told.run_id, "step": told.step_id, "number": number}
            self._evidence.note("began", name=name, attempt=told.attempt, **about)
            outcome, error = "ok", ""
            try:
                if [where, number] in PLAN["failures"]:
                    raise RuntimeError(f"flake: body {number} of {where} fails as planned")
                return await inner(*args, **kwargs)
            except Exception as raised:
                fatal = any(each.__name__ == "FatalError" for each in type(raised).__mro__)
                outcome, error = "fatal" if fatal else "error", f"{type(raised).__name__}: {raised}"
                raise
            finally:
                await self._take_turn(f"end the body of {where}")
                self._evidence.note("ended", outcome=outcome, error=error, **about)

        return body

    async def _take_turn(self, act: str) -> None:
        self._conductor.done(await self._conductor.turn(DOING.get(), act))


class Client:
    """What the clients did, call by call."""

    def __init__(self, module: Any, world: World, names: Names) -> None:
        self._module = module
        self._world = world
        self._names = names
        self.runs: list[Any] = []
        self.cancelled: set[str] = set()

    async def act(self) -> None:
        """All clients side by side, each one call after the other."""
        clients: dict[str, list[list[Any]]] = {}
        for doing, *call in PLAN["client"]:
            clients.setdefault(doing, []).append(call)
        await asyncio.gather(*[self._one(each, calls) for each, calls in clients.items()])

    async def _one(self, doing: str, calls: list[list[Any]]) -> None:
        DOING.set(doing)
        BODY.set("")
        for verb, *given in calls:
            await getattr(self, verb)(*given)

    async def start(self, workflow: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """A new run."""
        self.runs.append(await start(getattr(self._module, workflow), *args, **kwargs))

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass, but no more than has passed until the failure showed."""
        await asyncio.sleep(min(duration_ms, PLAN["longest_ms"]) / 1_000)

    async def resume_hook(self, token: str, payload: Any) -> None:
        """Send a payload to a hook, once it is there."""
        until = time.monotonic() + PLAN["patience_s"]
        while True:
            try:
                await runtime.resume_hook(token, payload)
                return
            except Exception as error:
                if "NotFound" not in type(error).__name__ or time.monotonic() > until:
                    return
            await asyncio.sleep(0.05)

    async def cancel(self, number: int) -> None:
        """End a run; the method's name differs between versions."""
        run = await self._run(number)
        self.cancelled.add(run.run_id)
        try:
            await (run.terminate() if hasattr(run, "terminate") else run.cancel())
        except Exception as error:
            print(f"cancel: {type(error).__name__}: {error}")

    async def result(self, number: int) -> None:
        """Wait for a run's end."""
        run = await self._run(number)
        while (await self._world.row(run.run_id)).status not in ENDED:
            await asyncio.sleep(0.05)

    async def _run(self, number: int) -> Any:
        while len(self.runs) <= number:
            await asyncio.sleep(0.05)
        return self.runs[number]


async def run_once(folder: str) -> int:
    """One run, in a folder of its own; the exit code."""
    os.environ["WORKFLOW_LOCAL_DATA_DIR"] = os.path.join(folder, "data")
    os.environ.pop("VERCEL_QUEUE_BASE_URL", None)
    evidence, names = Evidence(os.path.join(folder, "evidence.jsonl")), Names()
    conductor = Conductor(PLAN["order"], evidence)
    world = World(evidence, conductor, names)
    w.set_world(world)
    try:
        module = importlib.import_module(PLAN["module"])
    except ModuleNotFoundError as error:
        print(f"{error}: go to the folder that {PLAN['module']} is in, or name it with --path DIR")
        return 2
    bodies = Bodies(evidence, conductor, names)
    for registry in [each for each in vars(module).values() if isinstance(each, Workflows)]:
        bodies.watch(registry)
        if not world._queue_callbacks:
            runtime.workflow_entrypoint(registry)  # somebody else was to serve it
    client = Client(module, world, names)
    acting = asyncio.ensure_future(client.act())
    drained = await settled(world, client, acting, evidence)
    if acting.done():
        acting.result()
    for run in client.runs:
        row = await world.row(run.run_id)
        evidence.note("run", run=run.run_id, status=row.status)
    evidence.note(
        "final",
        drained=drained,
        acted=acting.done(),
        runs=names.runs,
        followed=conductor.followed,
        skipped=conductor.skipped,
    )
    code = await tell(client, world, drained, evidence)
    sys.stdout.flush()
    os._exit(code)  # a delivery that has failed would come back in a minute, and is not awaited


async def settled(
    world: World, client: Client, acting: asyncio.Future[Any], evidence: Evidence
) -> bool:
    """Wait until there is nothing left to do; False: there is, and the time is over."""
    until = time.monotonic() + PLAN["timeout_s"]
    quiet = time.monotonic()
    seen = 0
    while time.monotonic() < until:
        await asyncio.sleep(0.05)
        ended = [each["event"]["eventType"] in ENDS for each in evidence.events]
        all_ended = 0 < len(client.runs) <= sum(ended) and acting.done()
        if not world.is_idle(all_ended=all_ended) or len(evidence.events) != seen:
            quiet, seen = time.monotonic(), len(evidence.events)
        elif time.monotonic() - quiet > QUIET_S + PLAN["longest_ms"] / 1_000 * (not acting.done()):
            return True
    return False


async def tell(client: Client, world: World, drained: bool, evidence: Evidence) -> int:
    """What was to be expected, and what was seen."""
    first = client.runs[0] if client.runs else None
    status = "not started" if first is None else (await world.row(first.run_id)).status
    print(f"vercel-workflow {importlib.metadata.version('vercel-workflow')}, its own local world")
    for line in evidence.events:
        kind = line["event"]["eventType"]
        at_ms = line["at_ms"] - evidence.events[0]["at_ms"]
        print(f"  {at_ms:6} ms  {kind}{line['where']}")
    told = ""
    if status in ENDED and first is not None:
        try:
            told = f": {await asyncio.wait_for(first.return_value(), 5)!r}"
        except Exception as error:
            told = f": {type(error).__name__}: {error}"
    expected = expected_of(first, client, evidence)
    print(f"expected: {' or '.join(expected)}, and nothing after that")
    print(f"seen: {status}{told}")
    for each in evidence.after.broken:
        print(f"seen: {each}")
    if not drained:
        print("seen: there was still something to do when the time was over")
    elif status not in ENDED:
        print("seen: the queue has nothing left to do, so nothing will ever go on")
    return 0 if status in expected and not evidence.after.broken else 1


def expected_of(first: Any, client: Client, evidence: Evidence) -> list[str]:
    """How the first run should end: as its client says, if that came first, else as planned."""
    if first is not None and first.run_id in client.cancelled:
        for line in evidence.events:
            kind = line["event"]["eventType"]
            if line["run"] == first.run_id and kind in ENDS:
                return ["cancelled"] if kind == "run_cancelled" else list(PLAN["expected"])
        return ["cancelled"]
    return list(PLAN["expected"])


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plain", action="store_true", help="no order, duplicate or failed call")
    parser.add_argument("--folder", help="where data and evidence go (default: a new one)")
    parser.add_argument("--path", action="append", default=[], help="where the module is, too")
    args = parser.parse_args()
    sys.path[:0] = [*args.path, os.path.dirname(os.path.abspath(__file__)), os.getcwd()]
    logging.disable(logging.CRITICAL)
    if args.plain:
        PLAN.update(order=[], copies={}, deliveries_max=0, fails={})
    return asyncio.run(run_once(args.folder or tempfile.mkdtemp(prefix="confirm-")))


if __name__ == "__main__":
    sys.exit(main())
