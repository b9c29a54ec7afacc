"""The bridge: a foreign engine's asks become operations of the kernel.

Every delivery and every call of a client is an *activity* of the host; its task performs the asks
of strand 0.  Each other strand that asks for something is a job beside that task, for as long as
its asks follow one another.  What only waits, a timer or a live read, is a job by itself.  Whoever
has performed an ask tells the host, which lets the engine go on until it can do nothing more by
itself, all within the same turn: how far an engine gets between two of its asks is not for anybody
to choose.

An answer reaches the engine with the operation that brought it about.  That it comes late is no
choice of its own: what others do meanwhile they can do before the engine's next ask as well.
Within an activity, the answers to asks that are under way side by side come in the order of their
commits; an ask that nobody waits for any more is performed all the same, unless its process dies.
What only waits, a timer or a live read, has a job of its own, which ends when it is taken back.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from simworld.engine import RunCreated
from simworld.errors import DefiniteFailure, InternalError, SimworldError, UsageError
from simworld.ports import (
    Answer,
    Bodies,
    Chunks,
    Clock,
    Delivery,
    Latch,
    Message,
    Queue,
    Redeliver,
    Storage,
    Streams,
)
from simworld.records import Hung
from simworld.sim import MAIN_RUN, HostClock, Kernel, Labels, SimTasks, Task
from simworld.sim import Host as Process
from simworld.subjects.seam import (
    Again,
    Ask,
    AskStream,
    BodyBegins,
    BodyEnds,
    CloseStream,
    Create,
    Ended,
    Failure,
    FindHook,
    Heard,
    Host,
    ReadLog,
    ReadRun,
    ReadStream,
    Send,
    Sleep,
    WriteStream,
)

PART = "part"
"""What a strand beside the handler's own is called in a task's name."""
GO_ON = "go on: its engine waits for its own other parts"


class HandlerError(DefiniteFailure):
    """The engine's handler has let an error out: the delivery has failed."""


class CallError(DefiniteFailure):
    """A client's call has raised something."""

    def __init__(self, message: str, failure: Failure) -> None:
        super().__init__(message)
        self.failure = failure


@functools.lru_cache(maxsize=256)
def _raised(name: str) -> type[Exception]:
    """A class that is called as what a step's body has raised."""
    return type(name, (Exception,), {})


@attrs.frozen
class Surroundings:
    """What the asks are performed on; all of it under the kernel."""

    storage: Storage
    outside: Storage
    """What clients see of it: their payloads may come late."""
    queue: Queue
    streams: Streams
    tasks: SimTasks
    clock: Clock
    bodies: Bodies


@attrs.define(eq=False)
class _Activity:
    """A delivery or a client's call that is under way."""

    name: str
    root: Task
    """The task that performs the asks of strand 0."""
    storage: Storage
    inbox: dict[int, deque[Ask]] = attrs.Factory(dict)
    """Strand → what it has asked for, and nobody performs yet."""
    driven: dict[int, Task] = attrs.Factory(dict)
    """Strand → the task that performs its asks."""
    latch: Latch | None = None
    """What the root waits in."""
    ended: Ended | None = None
    run_id: str = ""
    """Whose message it handles; a client's call has none."""
    stuck: str = ""
    """Why it never goes on."""


def _only_waits(ask: Ask) -> bool:
    """Nothing is done by it, and it may take for ever."""
    question = ask.question
    return isinstance(question, Sleep) or (isinstance(question, ReadStream) and question.live)


class Bridge:
    """One trial of a host."""

    def __init__(self, kernel: Kernel, labels: Labels, host: Host, on: Surroundings) -> None:
        self._kernel = kernel
        self._labels = labels
        self._host = host
        self._on = on
        self._clock = HostClock(kernel)
        self._activities: dict[str, _Activity] = {}
        self._waiting: dict[int, Task] = {}
        """Number of an ask that only waits → the job that performs it."""
        self._withdrawn: dict[int, None] = {}
        self._runs = 0
        """Those that clients have started."""
        self._performers: dict[type, Callable[[Any], Awaitable[object]]] = {
            ReadLog: lambda ask: on.storage.events(ask.run_id, ask.cursor),
            ReadRun: lambda ask: on.storage.run(ask.run_id),
            Send: self._send,
            WriteStream: lambda ask: on.streams.write(ask.run_id, ask.name, ask.chunks),
            CloseStream: lambda ask: on.streams.close(ask.run_id, ask.name),
            ReadStream: self._read_stream,
            AskStream: lambda ask: on.streams.info(ask.run_id, ask.name),
            Sleep: lambda ask: on.clock.sleep_ms(ask.duration_ms),
            BodyBegins: lambda ask: on.bodies.began(ask.body),
            BodyEnds: self._body_ends,
        }
        kernel.on_crash.append(self._died)

    # Activities.

    async def handle(self, message: Message, delivery: Delivery) -> Redeliver | None:
        """``ports.Handler``: the engine handles a delivery."""
        activity = self._begun(self._root().name, self._on.storage)
        activity.run_id = message.run_id
        self._hear(self._host.deliver(activity.name, message, delivery, self._clock.now_ms()))
        ended = await self._followed(activity)
        if ended.error:
            raise HandlerError(f"the handler lets an error out: {ended.error}")
        if ended.again is not None:
            await self._send_again(message, ended.again)
        return None

    async def _send_again(self, message: Message, again: Again) -> None:
        """The engine's own queue sends a copy of the message before it acknowledges this one."""
        await self._on.queue.send(message, key=again.key, delay_s=again.delay_s)

    async def call(self, verb: str, args: Mapping[str, object]) -> object:
        """A client's call; ``CallError`` with what the engine has raised."""
        root = self._root()
        activity = self._begun(root.child_name(verb), self._on.outside)
        self._hear(self._host.call(activity.name, verb, args, self._clock.now_ms()))
        ended = await self._followed(activity)
        if ended.error:
            raise CallError(ended.error, ended.failure)
        return ended.value

    def _root(self) -> Task:
        task = self._kernel.current
        assert task is not None
        return task

    def _begun(self, name: str, storage: Storage) -> _Activity:
        activity = _Activity(name, self._root(), storage)
        activity.driven[0] = activity.root
        self._activities[name] = activity
        return activity

    async def _followed(self, activity: _Activity) -> Ended:
        """Perform what strand 0 asks for, until the activity has ended."""
        inbox = activity.inbox.setdefault(0, deque())
        while activity.ended is None or inbox:
            if inbox:
                await self._perform(inbox.popleft())
            else:
                activity.latch = self._on.tasks.latch(activity.stuck or GO_ON)
                await activity.latch.wait()
        return activity.ended

    def _died(self, process: Process) -> None:
        for activity in self._activities.values():
            if activity.root.host is process:
                self._host.abandon(activity.name)

    # What a host says.

    def _hear(self, heard: Heard) -> None:
        for identifier, label in heard.names:
            self._labels.learn(identifier, self._labels.reworded(label))
        for number in heard.withdrawn:
            self._withdraw(number)
        for ask in heard.asks:
            self._take(ask)
        for name, why in heard.stuck:
            self._hangs(self._activities[name], why)
        for ended in heard.ended:
            activity = self._activities[ended.activity]
            activity.ended = ended
            self._wake(activity)

    def _hangs(self, activity: _Activity, why: str) -> None:
        kernel, run = self._kernel, self._labels.run(activity.run_id)
        activity.stuck = why
        kernel.remark(why)
        kernel.records.append(Hung(kernel.turn, kernel.now_ms, activity.name, run, why))

    def _take(self, ask: Ask) -> None:
        activity = self._activities[ask.activity]
        if _only_waits(ask):
            self._begin_waiting(activity, ask)
            return
        inbox = activity.inbox.setdefault(ask.strand, deque())
        inbox.append(ask)
        if ask.strand == 0:
            self._wake(activity)
        elif ask.strand not in activity.driven:
            self._begin_strand(activity, ask.strand)

    def _wake(self, activity: _Activity) -> None:
        if activity.latch is not None:
            activity.latch.set()
            activity.latch = None

    def _begin_waiting(self, activity: _Activity, ask: Ask) -> None:
        """A job of its own, whatever its strand is: that goes on as soon as it is taken back."""
        job = self._kernel.begin_beside(activity.root, PART, self._perform(ask))
        if not job.ended:
            self._waiting[ask.number] = job

    def _begin_strand(self, activity: _Activity, strand: int) -> None:
        activity.driven[strand] = activity.root  # until its own task is there
        job = self._kernel.begin_beside(activity.root, PART, self._strand(activity, strand))
        if not job.ended:
            activity.driven[strand] = job

    async def _strand(self, activity: _Activity, strand: int) -> None:
        inbox = activity.inbox[strand]
        while inbox:
            await self._perform(inbox.popleft())
        del activity.driven[strand]

    def _withdraw(self, number: int) -> None:
        job = self._waiting.pop(number, None)
        if job is None:
            self._withdrawn[number] = None
        else:
            self._kernel.cancel_job(job)

    # What an engine asks for.

    async def _perform(self, ask: Ask) -> None:
        question, number = ask.question, ask.number
        try:
            if isinstance(question, Create):
                value: object = await self._create(question, self._activities[ask.activity])
            elif isinstance(question, FindHook):
                value = await self._activities[ask.activity].storage.hook(question.token)
            else:
                value = await self._performers[type(question)](question)
        except (UsageError, InternalError):
            raise
        except Exception as error:
            if not isinstance(error, SimworldError) and not isinstance(question, BodyBegins):
                raise InternalError(f"{question} brings about {error!r}") from error
            if self._is_awaited(number):
                self._hear(self._host.fail(number, error, self._clock.now_ms()))
        else:
            if self._is_awaited(number):
                self._hear(self._host.answer(number, value, self._clock.now_ms()))

    def _is_awaited(self, number: int) -> bool:
        """Whether the engine wants to know what has come of an ask."""
        self._waiting.pop(number, None)
        return self._withdrawn.pop(number, self) is self

    async def _create(self, ask: Create, activity: _Activity) -> Answer:
        fact, task = ask.fact, self._root()
        if isinstance(fact, RunCreated) and not task.body:
            self._runs += 1
            self._labels.learn(ask.run_id, MAIN_RUN if self._runs == 1 else f"run.{self._runs}")
        return await activity.storage.create(ask.run_id, fact)

    async def _send(self, ask: Send) -> str:
        return await self._on.queue.send(ask.message, key=ask.key, delay_s=ask.delay_s)

    async def _read_stream(self, ask: ReadStream) -> Chunks:
        return await self._on.streams.read(ask.run_id, ask.name, ask.start, live=ask.live)

    async def _body_ends(self, ask: BodyEnds) -> None:
        name, _, text = ask.error.partition(": ")
        error = _raised(name)(text) if ask.error else None
        await self._on.bodies.ended(ask.body, ask.outcome, error, ask.result)
