"""A world that is looked into: its calls are several operations each, on files or on tables.

The call itself is no choice point; it is what its task is ``doing``, and what came of it is told
behind its last operation.  An event is written down when it comes into being, not when the call is
answered: between the two its host may die.  Where hosts are shared, each has an instance of the
world in its own memory.  A client outlives a power loss; it begins the call anew that it was in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from simworld.engine import Event, Fact, HookRow, RunRow, RunStatus, StepRow, WaitRow
from simworld.errors import Crashed, WorldError
from simworld.ports import Answer, BatchFact, Chunks, Ids, Page, Storage, StreamInfo, Streams
from simworld.records import LogRead, Op
from simworld.sim.kernel import Kernel
from simworld.sim.labels import (
    Labels,
    checkpoint_op,
    find_hook_op,
    read_log_op,
    read_run_op,
    stream_op,
    wait_end_op,
)
from simworld.sim.strikes import by_position, torn
from simworld.sim.substrates import PowerFailed
from simworld.sim.tasks import Task
from simworld.sim.world import Watch, outcome_of, outcomes_of, run_label

T = TypeVar("T")


class Rows(Protocol):
    """The rows that an event is about."""

    @property
    def run(self) -> RunRow | None: ...
    @property
    def step(self) -> StepRow | None: ...
    @property
    def hook(self) -> HookRow | None: ...
    @property
    def wait(self) -> WaitRow | None: ...


def per_host(kernel: Kernel, make: Callable[[], T]) -> Callable[[], T]:
    """What the running host keeps in its own memory, made when it is first asked for."""

    def here() -> T:
        task = kernel.current
        if task is None:
            raise Crashed("this host is dead")
        host = task.host
        if host.memory is None:
            host.memory = make()
        found: T = host.memory
        return found

    return here


class InsideStorage(Watch):
    """``ports.Storage`` over worlds whose operations are choice points themselves."""

    def __init__(
        self,
        kernel: Kernel,
        labels: Labels,
        here: Callable[[], Storage],
        *,
        cursor_of: Callable[[Event], str] = by_position,
    ) -> None:
        """``here``: the instance of the world that the running host uses."""
        super().__init__(kernel, labels)
        self._here = here
        self._cursor_of = cursor_of

    def _begin(self, op: Op) -> Task:
        task = self._kernel.current
        if task is None:
            raise Crashed("this host is dead")
        task.doing = op
        return task

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        kernel = self._kernel
        entity = self._readable(getattr(fact, "correlation_id", ""))
        task = self._begin(self._op(run_id, fact, entity))
        try:
            answer = await self._here().create(run_id, fact)
        except PowerFailed:
            return await self.create(run_id, fact)
        except WorldError as refusal:
            if kernel.trace is not None:
                kernel.remark(self._labels.refused(refusal))
            self.refused(run_id, fact, entity, refusal)
            raise
        finally:
            task.doing = None
        if kernel.trace is not None:
            kernel.remark(outcome_of(answer.event, answer, self._labels))
        return answer

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``."""
        kernel = self._kernel
        task = self._begin(self._append_op(run_id, facts))
        try:
            answers = await self._here().append(run_id, facts, after=after)
        except PowerFailed:
            return await self.append(run_id, facts, after=after)
        except WorldError as refusal:
            if kernel.trace is not None:
                kernel.remark(self._labels.refused(refusal))
            raise
        finally:
            task.doing = None
        if kernel.trace is not None:
            kernel.remark(outcomes_of(answers, self._labels))
        return answers

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``."""
        task = self._begin(wait_end_op(run_label(self._kernel, self._labels, run_id)))
        try:
            await self._here().wait_end(run_id, timeout_ms)
        except PowerFailed:
            await self.wait_end(run_id, timeout_ms)
        finally:
            task.doing = None

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``."""
        kernel = self._kernel
        task = self._begin(read_log_op(run_label(kernel, self._labels, run_id)))
        try:
            page = torn(kernel, await self._here().events(run_id, cursor), self._cursor_of)
        except PowerFailed:
            return await self.events(run_id, cursor)
        finally:
            task.doing = None
        rows = len(page.events)
        kernel.records.append(LogRead(kernel.turn, kernel.now_ms, task.name, run_id, rows))
        if kernel.trace is not None:
            last = page.events[-1].position if rows else 0
            kernel.remark(f"{rows} events, up to position {last}")
        return page

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        kernel = self._kernel
        task = self._begin(read_run_op(run_label(kernel, self._labels, run_id)))
        try:
            row = await self._here().run(run_id)
        except PowerFailed:
            return await self.run(run_id)
        finally:
            task.doing = None
        if kernel.trace is not None:
            kernel.remark(f"the run is {row.status}")
        return row

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        task = self._begin(find_hook_op(self._readable(token)))
        try:
            return await self._here().hook(token)
        except PowerFailed:
            return await self.hook(token)
        finally:
            task.doing = None

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        task = self._begin(checkpoint_op("list the active runs"))
        try:
            return await self._here().active_runs()
        except PowerFailed:
            return await self.active_runs()
        finally:
            task.doing = None

    def published(self, event: Event, rows: Rows, by: str = "") -> None:
        """An event has come into being; ``rows`` are those right after it.

        ``by``: the task that has asked for it, if that is not the one that runs.
        """
        run = rows.run
        if run is None:  # nobody has created it: what a law makes of that is its affair
            run = RunRow(event.run_id, RunStatus.PENDING, "", b"", 0)
        answer = Answer(event, run, rows.step, hook=rows.hook, wait=rows.wait)
        self.write_down(event, self._readable(event.correlation_id), answer, by)


class AskerIds:
    """``ports.Ids`` that remember who has asked for an event, where another may record it."""

    def __init__(self, kernel: Kernel, inner: Ids) -> None:
        self._kernel = kernel
        self._inner = inner
        self.run_id, self.message_id = inner.run_id, inner.message_id
        self.asker: dict[str, str] = {}
        """Event id → the name of a task."""

    def event_id(self) -> str:
        """See ``ports.Ids``."""
        event_id = self._inner.event_id()
        task = self._kernel.current
        if task is None:
            raise Crashed("this host is dead")
        self.asker[event_id] = task.name
        return event_id


class InsideStreams:
    """``ports.Streams`` over streams whose operations are choice points themselves."""

    def __init__(self, kernel: Kernel, labels: Labels, here: Callable[[], Streams]) -> None:
        """``here``: the instance that the running host uses."""
        self._kernel = kernel
        self._labels = labels
        self._here = here

    async def _within(
        self,
        verb: str,
        run_id: str,
        name: str,
        call: Callable[[Streams], Awaitable[T]],
        *,
        writes: bool,
    ) -> T:
        task = self._kernel.current
        if task is None:
            raise Crashed("this host is dead")
        run = run_label(self._kernel, self._labels, run_id)
        task.doing = stream_op(verb, run, self._labels.reworded(name), writes=writes)
        try:
            return await call(self._here())
        except PowerFailed:
            return await self._within(verb, run_id, name, call, writes=writes)
        finally:
            task.doing = None

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""

        def write(streams: Streams) -> Awaitable[None]:
            return streams.write(run_id, name, chunks)

        await self._within("write to stream", run_id, name, write, writes=True)

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""

        def close(streams: Streams) -> Awaitable[None]:
            return streams.close(run_id, name)

        await self._within("close stream", run_id, name, close, writes=True)

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        verb = "follow stream" if live else "read stream"

        def read(streams: Streams) -> Awaitable[Chunks]:
            return streams.read(run_id, name, start, live=live)

        return await self._within(verb, run_id, name, read, writes=False)

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """See ``ports.Streams``."""

        def info(streams: Streams) -> Awaitable[StreamInfo]:
            return streams.info(run_id, name)

        return await self._within("look at stream", run_id, name, info, writes=False)

    async def names(self, run_id: str) -> Sequence[str]:
        """See ``ports.Streams``."""

        def names(streams: Streams) -> Awaitable[Sequence[str]]:
            return streams.names(run_id)

        return await self._within("list the streams", run_id, "", names, writes=False)
