"""The SDK's own local world behind our ports: its unmodified files, one call one operation.

A second opinion: what the engine does here, it does on the world that it comes with.  The body of
each of its calls is synchronous, so that under the kernel a call is atomic; what could come between
two of its writes is in nobody's reach.  Its clock is the one that is given, its ids count.

What it answers, answers carry as ``original``, and so do refusals: the adapter hands that on as it
is, so that nothing of it is lost between the two.  Rows of hooks that are gone, and of waits, it
does not keep; those are what its log tells.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import attrs
from vercel.workflow._internal import ulid
from vercel.workflow._internal import world as sdk
from vercel.workflow._internal.worlds import local

from simworld.engine import (
    RUN_TERMINAL,
    Event,
    Fact,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookRow,
    HookStatus,
    RunRow,
    RunStatus,
    StepRow,
    WaitCreated,
    WaitRow,
    WaitStatus,
    apply_hook,
    apply_wait,
    release_hook,
)
from simworld.errors import InternalError, UsageError, WorldError
from simworld.ports import (
    Answer,
    BatchFact,
    Chunks,
    Clock,
    Latch,
    Page,
    StreamInfo,
    Tasks,
)
from simworld.subjects.own import OwnWorld
from simworld.subjects.vercel.ambient import clock_at
from simworld.subjects.vercel.rows import our_hook, our_run, our_step
from simworld.subjects.vercel.translate import our_event, sdk_request
from simworld.worlds import WorldState

T = TypeVar("T")

MEMORY = Path("/dev/shm")
"""Where files are in memory, if there is such a place."""
SHOWN = ".workflow-data"
"""What the folder is called in what people see: the SDK's own name for it."""
ENVIRONMENT = ("WORKFLOW_LOCAL_DATA_DIR", "VERCEL_QUEUE_BASE_URL")
"""What the SDK's local world looks at when it is made."""
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (sdk.EntityConflictError, 409),
    (sdk.HookNotFoundError, 404),
    (sdk.TooEarlyError, 425),
    (ValueError, 400),
    (NotImplementedError, 501),
)
"""The status that the field would have for what it raises; a missing run is a RuntimeError."""


class SdkRefusal(WorldError):
    """Whatever the SDK's local world has raised: it is to be raised again, as it is."""

    def __init__(self, original: Exception) -> None:
        name = type(original).__name__
        super().__init__(f"{name}: {original}", status=_status(original))
        self.original = original


def _status(error: Exception) -> int:
    for kind, status in STATUS:
        if isinstance(error, kind):
            return status
    return 404 if "not found" in str(error) else 500


class SdkAnswer(Answer):
    """An answer, and what the SDK's local world has really said."""

    original: sdk.EventResult


class SdkPage(Page):
    """A page, and the SDK's."""

    original: Any


@attrs.frozen(slots=False)
class SdkRunRow(RunRow):
    """A run's row, and the SDK's."""

    original: Any = None


@attrs.frozen(slots=False)
class SdkHookRow(HookRow):
    """A hook's row, and the SDK's."""

    original: Any = None


A = TypeVar("A", SdkAnswer, SdkPage)


class SdkLocal:
    """One of the SDK's local worlds, in a folder of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        place = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="simworld-", dir=place))
        with mock.patch.dict(os.environ):
            for name in ENVIRONMENT:
                os.environ.pop(name, None)
            os.environ[ENVIRONMENT[0]] = str(self.folder)
            self.world = local.LocalWorld()
        self.release = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        """Remove its files; at the latest when nobody knows it any more."""
        self.world.monotonic_ulid = ulid.monotonic_factory(lambda: 0.5)

    def ask(self, call: Coroutine[Any, Any, T]) -> T:
        """What a call of it returns, at the time that the clock tells; or ``SdkRefusal``."""
        try:
            with clock_at(self._clock.now_ms() * 1_000):
                return _now(call)
        except InternalError:
            raise
        except Exception as error:
            raise SdkRefusal(self._shown(error)) from None

    def _shown(self, error: Exception) -> Exception:
        """The same, with no name of a folder that is another one each time."""
        error.args = tuple(
            each.replace(str(self.folder), SHOWN) if isinstance(each, str) else each
            for each in error.args
        )
        return error.with_traceback(None)


def _now(call: Coroutine[Any, Any, T]) -> T:
    try:
        call.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    call.close()
    raise InternalError("a call of the SDK's local world waits for something")


def own_world_of(clock: Clock, tasks: Tasks) -> OwnWorld:
    """A new one, with our ports in front of it."""
    inner = SdkLocal(clock)
    storage, streams = SdkLocalStorage(inner), SdkLocalStreams(inner, tasks=tasks)
    return OwnWorld(storage, streams, lambda: storage.state(streams), inner.release)


class SdkLocalStorage:
    """``ports.Storage`` over the SDK's local world."""

    def __init__(self, inner: SdkLocal) -> None:
        self._inner = inner
        self._runs: dict[str, RunRow] = {}
        self._steps: dict[tuple[str, str], StepRow] = {}
        self._logs: dict[str, list[Event]] = {}
        """In the order of the calls, which is that of its lists: ids and times rise."""
        self._told = _Told()

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``; atomic."""
        inner = self._inner
        found = inner.ask(inner.world.events_create(run_id, sdk_request(fact)))
        new = self._news(run_id, found)
        if found.run is not None:
            self._runs[run_id] = our_run(found.run)
        if found.step is not None:
            self._steps[run_id, found.step.step_id] = our_step(found.step)
        run = self._runs.get(run_id) or _nobody(run_id)
        if run.status in RUN_TERMINAL:
            self._told.release(run_id)
        if not new:
            return _with(SdkAnswer(None, run), found)
        event = new[-1]
        preload = tuple(new) if len(new) > 1 else None
        about = (run_id, event.correlation_id)
        step = self._steps.get(about)  # which the answer may leave out, if it has not changed
        hook, wait = self._told.hooks.get(about), self._told.waits.get(about)
        return _with(SdkAnswer(event, run, step, preload, str(event.position), hook, wait), found)

    def _news(self, run_id: str, found: sdk.EventResult) -> list[Event]:
        """The events that a call has recorded: a run_started may have created its run, too."""
        log = self._logs.setdefault(run_id, [])
        if found.event is None or any(_id(found.event) == each.event_id for each in reversed(log)):
            return []  # it has been recorded before
        recorded = [found.event]
        if not log and found.event.event_type == "run_started":
            recorded = self._inner.ask(self._inner.world.events_list(run_id)).data
        new = [our_event(each, len(log) + at) for at, each in enumerate(recorded, 1)]
        log += new
        for event in new:
            self._told.apply(event)
        return new

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``; not among its calls."""
        raise UsageError(
            f"the SDK's local world records one event at a time, not {len(facts)} of {run_id}; "
            "use commits=each with --world sdk-local"
        )

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``; the whole log at once, and it knows no cursors."""
        options = None if cursor is None else sdk.PaginationOptions(cursor=cursor)
        inner = self._inner
        found = inner.ask(inner.world.events_list(run_id, pagination=options))
        known = {event.event_id: event for event in self._logs.get(run_id, ())}
        events = [known[_id(each)] for each in found.data]
        return _with(SdkPage(events, found.cursor, found.has_more), found)

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        found = self._inner.ask(self._inner.world.runs_get(run_id))
        return SdkRunRow(**attrs.asdict(our_run(found), recurse=False), original=found)

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        found = self._inner.ask(self._inner.world.hooks_get_by_token(token))
        return SdkHookRow(**attrs.asdict(our_hook(found), recurse=False), original=found)

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        return sorted(each for each, row in self._runs.items() if row.status not in RUN_TERMINAL)

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``; the SDK's own clients look again and again."""
        raise InternalError(f"nobody waits at the SDK's local world for the end of {run_id}")

    def state(self, streams: SdkLocalStreams) -> WorldState:
        """Everything it holds, read from its files."""
        ask, world = self._inner.ask, self._inner.world
        runs, steps, logs = {}, {}, {}
        told = _Told()
        for run_id in self._logs:
            logs[run_id] = (now := self._listed(run_id))
            for event in now:
                told.apply(event)
            with suppress(SdkRefusal):
                runs[run_id] = our_run(ask(world.runs_get(run_id)))
                if runs[run_id].status in RUN_TERMINAL:
                    told.release(run_id)
        for run_id, step_id in self._steps:
            steps[run_id, step_id] = our_step(ask(world.steps_get(run_id, step_id)))
        return WorldState(runs, steps, told.hooks, told.waits, logs, streams.contents())

    def _listed(self, run_id: str) -> list[Event]:
        found = self._inner.ask(self._inner.world.events_list(run_id)).data
        return [our_event(each, at) for at, each in enumerate(found, 1)]


def _with(answer: A, original: Any) -> A:
    answer.original = original
    return answer


def _id(event: sdk.Event) -> str:
    assert event.server_props is not None  # it has been recorded
    return event.server_props.event_id


def _nobody(run_id: str) -> RunRow:
    """For answers about a run that does not exist: it records steps and waits of those, too."""
    return RunRow(run_id, RunStatus.PENDING, "", b"", 0)


class _Told:
    """Rows of hooks and waits, as a log tells them, whatever it is."""

    def __init__(self) -> None:
        self.hooks: dict[tuple[str, str], HookRow] = {}
        self.waits: dict[tuple[str, str], WaitRow] = {}
        """Of runs that have not ended."""

    def apply(self, event: Event) -> None:
        """Move on by an event."""
        fact, key, now_ms = event.fact, (event.run_id, event.correlation_id), event.created_at_ms
        if isinstance(fact, HookCreated | HookConflict):
            self.hooks[key] = apply_hook(None, event.run_id, fact, now_ms)
        elif isinstance(fact, HookDisposed):
            self.hooks[key] = release_hook(self.hooks[key])
        elif isinstance(fact, WaitCreated):
            self.waits[key] = apply_wait(None, event.run_id, fact, now_ms)
        elif event.type == "wait_completed":
            row = self.waits.get(key) or WaitRow(*key, WaitStatus.WAITING, 0, now_ms)
            self.waits[key] = attrs.evolve(row, status=WaitStatus.COMPLETED, completed_at_ms=now_ms)

    def release(self, run_id: str) -> None:
        """The run has ended: its waits are gone, its tokens are free."""
        for key in [each for each in self.waits if each[0] == run_id]:
            del self.waits[key]
        for key, hook in self.hooks.items():
            if key[0] == run_id and hook.status is HookStatus.LIVE:
                self.hooks[key] = release_hook(hook)


class SdkLocalStreams:
    """``ports.Streams`` over the SDK's local world: who waits for a chunk is told, not polling."""

    def __init__(self, inner: SdkLocal, *, tasks: Tasks) -> None:
        self._inner = inner
        self._tasks = tasks
        self._news: dict[str, Latch] = {}
        """Stream → what its live readers wait for."""
        self._written: dict[tuple[str, str], None] = {}

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``; a chunk behind the end is kept, and never read."""
        self._inner.ask(self._inner.world.streams_write_multi(run_id, name, chunks))
        self._tell(run_id, name)

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""
        self._inner.ask(self._inner.world.streams_close(run_id, name))
        self._tell(run_id, name)

    def _tell(self, run_id: str, name: str) -> None:
        self._written[run_id, name] = None
        if name in self._news:
            self._news.pop(name).set()

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        found = self._found(run_id, name)
        while live and len(found.chunks) <= start and not found.closed:
            if name not in self._news:
                self._news[name] = self._tasks.latch(f"see more of stream {name}")
            await self._news[name].wait()
            found = self._found(run_id, name)
        return Chunks(found.chunks[start:], found.closed)

    def _found(self, run_id: str, name: str) -> Chunks:
        call = self._inner.world.streams_get_chunks(run_id, name, limit=CHUNKS_MAX)
        page = self._inner.ask(call)
        return Chunks(tuple(each.data for each in page.data), page.done)

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """See ``ports.Streams``."""
        found = self._inner.ask(self._inner.world.streams_get_info(run_id, name))
        return StreamInfo(found.tail_index, found.done)

    async def names(self, run_id: str) -> Sequence[str]:
        """See ``ports.Streams``."""
        return tuple(self._inner.ask(self._inner.world.streams_list(run_id)))

    def contents(self) -> Mapping[tuple[str, str], Chunks]:
        """Every stream that has a chunk or an end, by run and name: for the harness."""
        return {key: self._found(*key) for key in self._written}


CHUNKS_MAX = 1_000_000_000
"""More chunks than any stream has."""
