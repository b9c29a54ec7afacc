"""What a workflow author imports: ``@workflow``, ``@step``, ``gather``, ``race`` and errors.

Sleeps, hooks and the rest are in ``verbs`` and ``hooks``.

    @step(max_retries=3)
    async def charge(ctx: StepContext, amount: int) -> str: ...

    @workflow
    async def order(amounts: list[int]) -> list[str]:
        return await gather(*[charge(a) for a in amounts])

Calling a step starts it (eager); awaiting its handle gives the result.  A step's body runs at
least once and awaits only the verbs of its context (decisions §5.5).
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Sequence,
)
from typing import (
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    NoReturn,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

import attrs

from simworld.engine.hooks import Hook
from simworld.engine.payload import result_hint
from simworld.engine.program import Future, RaceWatch, StepHandle, current_loop, joined
from simworld.engine.refs import AbortSignal, StreamRef
from simworld.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class FatalError(Exception):
    """Raised by a step body: do not try this step again."""


class RetryableError(Exception):
    """Raised by a step body: try again, but not before ``retry_after``.

    ``retry_after`` is a number of milliseconds or a ``timedelta``; the default is one second.
    """

    def __init__(self, message: str = "", *, retry_after: int | datetime.timedelta = 1_000) -> None:
        super().__init__(message)
        if isinstance(retry_after, datetime.timedelta):
            retry_after = int(retry_after / datetime.timedelta(milliseconds=1))
        if retry_after < 0:
            raise UsageError(f"retry_after is a delay and cannot be negative: {retry_after} ms")
        self.retry_after_ms = retry_after


class StepFailedError(Exception):
    """Raised where a workflow awaits a step that has failed for good.

    ``kind`` says why: ``fatal``, ``exhausted`` (its retries) or ``interrupted`` (its bodies were
    killed every time); ``name`` and ``text`` are those of the step's own error.
    """

    def __init__(self, step: str, kind: str, name: str, text: str) -> None:
        super().__init__(
            f"step {step} has failed for good ({kind}): {name}: {text}; catch StepFailedError to "
            "go on without it"
        )
        self.step, self.kind, self.name, self.text = step, kind, name, text


class Writer(Protocol):
    """The writing end of a stream."""

    async def write(self, chunk: bytes) -> None:
        """Append a chunk; returns when it is on the server (knob ``stream_write``)."""

    async def close(self) -> None:
        """End the stream; what was written before is there before its end."""


class StepContext(Protocol):
    """The first argument of every step body: where it runs, and all that it may await."""

    @property
    def run_id(self) -> str:
        """The run."""

    @property
    def step_id(self) -> str:
        """The correlation id: stable over attempts, hence the idempotency key for side effects."""

    @property
    def attempt(self) -> int:
        """1 for the first start of this step."""

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass inside the body."""

    async def effect(self, name: str) -> None:
        """A visible act; other handlers may act before it."""

    def get_writable(self, stream: StreamRef | str = "") -> Writer:
        """The writing end of a stream of this run, by reference or by name."""

    def stream(self, chunks: AsyncIterable[bytes]) -> StreamRef:
        """A new stream that is filled in the background; return it, or pass it on."""

    def read(self, stream: StreamRef, start: int = 0) -> AsyncIterator[bytes]:
        """The stream's chunks from index ``start``, as they come; negative: from the end."""

    async def start_child(
        self, workflow: Workflow[Any, Any], *args: object, **kwargs: object
    ) -> str:
        """Start another run; its id.  The same body started again finds the same child."""

    async def await_run(self, run_id: str) -> Any:
        """Poll a run until it has ended; its output.  This body keeps its worker all the while."""

    async def resume_hook(self, token: str, payload: object) -> None:
        """Send a payload to whoever has a hook with this token."""

    async def set_attributes(self, **changes: object) -> None:
        """Record attributes of the run (log only)."""

    async def aborted(self, signal: AbortSignal) -> bool:
        """Whether the workflow has called ``abort``.

        A step called after ``abort`` is sure to see it.  One that was called before is told as
        well as can be: if a host dies just after the abort was recorded, it never is.
        """


@attrs.frozen(eq=False)
class Step(Generic[P, R]):
    """A step function; call it inside a workflow to start it."""

    function: Callable[Concatenate[StepContext, P], Awaitable[R]]
    name: str
    max_retries: int = 3
    """Bodies that may fail before the last one: it runs max_retries + 1 times at most."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> StepHandle[R]:
        return current_loop("step {} was called", self.name).request_step(self.name, args, kwargs)


def result_type(step: Step[..., Any] | None) -> object:
    """What a step's results are turned into; None leaves them plain."""
    return None if step is None else result_hint(step.function)


@attrs.frozen(eq=False)
class Workflow(Generic[P, R]):
    """A workflow function; runs of it are started by a client."""

    function: Callable[P, Coroutine[Any, Any, R]]
    name: str

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        """Refuse: a run is started by a client, or by a step as a child."""
        raise UsageError(
            f"workflow {self.name} is called like a function; start it as a child in a step: "
            f"ctx.start_child({self.name}, …), or from a client: client.start_run({self.name}, …)"
        )


@overload
def step(function: Callable[Concatenate[StepContext, P], Awaitable[R]], /) -> Step[P, R]: ...
@overload
def step(
    *, max_retries: int = 3, name: str = ""
) -> Callable[[Callable[Concatenate[StepContext, P], Awaitable[R]]], Step[P, R]]: ...
def step(function: Any = None, /, *, max_retries: int = 3, name: str = "") -> Any:
    """Make a step of ``async def body(ctx, …)``.

    ``max_retries`` ≥ 0: how often a failed body is tried again (so it runs max_retries + 1 times).
    """
    if max_retries < 0:
        raise UsageError(
            f"max_retries of step {name or '…'} cannot be negative: {max_retries} "
            "(0: never try again)"
        )
    if set(name) & set("/~#"):
        raise UsageError(f"a step's name may not contain '/', '~' or '#': {name!r}")

    def make(body: Any) -> Any:
        _check_async(body, "step")
        return Step(body, name or body.__name__, max_retries)

    return make(function) if function is not None else make


def _check_async(function: Any, what: str) -> None:
    if not inspect.iscoroutinefunction(function):
        raise UsageError(f"a {what} is made of an 'async def' function, not of {function!r}")


def workflow(function: Callable[P, Coroutine[Any, Any, R]]) -> Workflow[P, R]:
    """Make a workflow of ``async def flow(…)``; it is named after the function."""
    _check_async(function, "workflow")
    return Workflow(function, function.__name__)


Awaited = Future[T] | Coroutine[Any, Any, T] | Hook[T]
"""What ``gather`` and ``race`` take: handles of steps and sleeps, hooks, and coroutines."""


def _futures(awaitables: Sequence[Awaited[T]], verb: str) -> list[Future[T]]:
    return [each if isinstance(each, Future) else _started(each, verb) for each in awaitables]


def _started(awaitable: Coroutine[Any, Any, T] | Hook[T], verb: str) -> Future[T]:
    if isinstance(awaitable, Hook):
        return awaitable.next()
    if isinstance(awaitable, Coroutine):
        return current_loop(verb).spawn(awaitable)
    unpack = f"; unpack it: {verb}(*[…])" if isinstance(awaitable, list | tuple | Generator) else ""
    raise UsageError(
        f"{verb} takes steps, sleeps, hooks and coroutines, not {type(awaitable).__name__}{unpack}"
    )


def gather(*awaitables: Awaited[T]) -> Future[list[T]]:
    """All results, in the order of the arguments; the first failure in time fails it at once.

    Coroutines start here, in order, before ``gather`` returns.
    """
    parts = _futures(awaitables, "gather")
    whole: Future[list[T]] = joined(Future())
    missing = len(parts)

    def part_done(part: Future[Any]) -> None:
        nonlocal missing
        missing -= 1
        if whole.done:
            return
        if part.error is not None:
            whole.reject(part.error)
        elif missing == 0:
            whole.resolve([each.value for each in parts])  # type: ignore[misc]

    if not parts:
        whole.resolve([])
    for part in parts:
        part.when_done(part_done)
    return whole


class Winner(NamedTuple):
    """What ``race`` gives: which of its arguments was first (from 0), and its result."""

    which: int
    value: Any


def race(*awaitables: Awaited[Any]) -> Future[Winner]:
    """The first of the awaitables to settle; the others keep running.

    If the first one fails, awaiting the race raises its error.
    """
    if not awaitables:
        raise UsageError("race needs at least one awaitable: an empty race never ends")
    parts = _futures(awaitables, "race")
    first: Future[Winner] = joined(Future())
    watch: RaceWatch | None = None

    def part_done(part: Future[Any]) -> None:
        if first.done:
            return
        if watch is not None:
            watch.decided(parts.index(part))
        if part.error is not None:
            first.reject(part.error)
        else:
            first.resolve(Winner(parts.index(part), part.value))

    for part in parts:
        if part.done:
            part_done(part)
        else:
            part.callbacks.append(part_done)
    if not first.done:
        watch = RaceWatch(parts)
    return first
