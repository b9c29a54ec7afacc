"""The small deterministic loop that runs a workflow's coroutines during one pass.

There is no clock, no I/O and no choice in here: a coroutine runs until it awaits an unresolved
``Future``; resolving one makes its waiters ready, first come first served.  The loop is idle when
nothing is ready, and that is known by construction, never by a timer (spec §5.2, R-51).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Generic, TypeVar

from simworld.engine.events import Event
from simworld.engine.ids import Draws, RunIdentity
from simworld.engine.lines import called_exit, event_loop_line, innermost_line
from simworld.engine.policy import EnginePolicy, IdScheme, Seed, SleepClock
from simworld.engine.suspension import (
    UNCHANGEABLE,
    AttrRequest,
    Decision,
    HookRequest,
    Request,
    StepRequest,
    WaitRequest,
)
from simworld.errors import Suspended, UsageError
from simworld.marks import reached

T = TypeVar("T")


class Future(Generic[T]):
    """A value that workflow code may await, now or later, once or often."""

    __slots__ = ("callbacks", "done", "error", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: T | None = None
        self.error: BaseException | None = None
        self.callbacks: list[Callable[[Future[Any]], None]] = []

    def resolve(self, value: T) -> None:
        """Set the value; whoever waits becomes ready."""
        self.value = value
        self._settle()

    def reject(self, error: BaseException) -> None:
        """Set an error, which every ``await`` raises."""
        self.error = error
        self._settle()

    def _settle(self) -> None:
        self.done = True
        callbacks = self.callbacks  # nobody adds to them any more
        for callback in callbacks:
            callback(self)
        callbacks.clear()

    def when_done(self, callback: Callable[[Future[Any]], None]) -> None:
        """Call back with this future once it is settled (at once, if it is)."""
        if self.done:
            callback(self)
        else:
            self.callbacks.append(callback)

    def __await__(self) -> Generator[Future[Any], None, T]:
        if not self.done:
            yield self
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # settled without error: it is a T


class StepHandle(Future[T]):
    """A step that has been started by calling it; await it for the result."""

    __slots__ = ("request",)

    def __init__(self, request: StepRequest) -> None:
        # Future.__init__ written out: a pass makes a handle for every step it has ever asked for.
        self.done = False
        self.value = None
        self.error = None
        self.callbacks = []
        self.request = request


class WaitHandle(Future[None]):
    """A sleep that has begun; await it for its end."""

    __slots__ = ("request",)

    def __init__(self, request: WaitRequest) -> None:
        super().__init__()
        self.request = request


class AttrHandle(Future[None]):
    """A change of attributes; awaiting it waits until it is recorded."""

    __slots__ = ("request",)

    def __init__(self, request: AttrRequest) -> None:
        super().__init__()
        self.request = request


class Payload(Future[Any]):
    """The next payload of a hook, for whoever has asked for it."""

    __slots__ = ("number", "request")

    def __init__(self, hook: HookState) -> None:
        super().__init__()
        self.request = hook.request
        self.number = hook.asked
        """1 for the hook's first: whoever asks later waits for a later one."""


class HookState:
    """A hook's mailbox: who waits for payloads, and payloads nobody has waited for yet."""

    __slots__ = ("aborted", "asked", "buffer", "conflict", "request", "waiters")

    def __init__(self, request: HookRequest) -> None:
        self.request = request
        self.asked = 0
        """How many payloads somebody has asked for."""
        self.waiters: deque[Future[bytes]] = deque()
        self.buffer: deque[bytes] = deque()
        self.conflict: BaseException | None = None
        self.aborted = False
        """Its abort is in the log."""

    def next(self) -> Future[bytes]:
        """The next payload, encoded."""
        self.asked += 1
        future: Future[bytes] = Future()
        if self.buffer:
            future.resolve(self.buffer.popleft())
        elif self.conflict is not None:
            future.reject(self.conflict)
        else:
            self.waiters.append(future)
        return future

    def receive(self, payload: bytes) -> None:
        """Hand a payload to the oldest waiter, or keep it; a hook that is let go of gets none."""
        if self.request.dispose:
            return
        if self.waiters:
            self.waiters.popleft().resolve(payload)
        else:
            self.keep(payload)

    def keep(self, payload: bytes) -> None:
        """For whoever asks next, if anybody does."""
        reached("hook.payload_kept")
        self.buffer.append(payload)

    def reject(self, conflict: BaseException) -> None:
        """The token belongs to somebody else: whoever waits, now or later, is told."""
        self.conflict = conflict
        waiters, self.waiters = self.waiters, deque()
        for waiter in waiters:
            waiter.reject(conflict)


Entity = StepHandle[Any] | WaitHandle | HookState | AttrHandle
"""What stands behind a correlation id in a pass."""


class Branch(Future[T]):
    """A coroutine of the workflow, driven by the loop; awaiting it gives its result."""

    __slots__ = ("coroutine", "loop")

    def __init__(self, loop: PassLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        super().__init__()
        self.loop = loop
        self.coroutine = coroutine

    def wake(self, _settled: Future[Any]) -> None:
        """Something this branch awaits has settled."""
        self.loop.ready.append(self)

    def advance(self) -> None:
        """Run to the next unresolved await, or to the end."""
        try:
            awaited = self.coroutine.send(None)
        except StopIteration as stop:
            self.resolve(stop.value)
            return
        except Suspended:
            return
        except SystemExit as error:
            self.loop.misuse = called_exit(error, "the workflow")
            return
        except Exception as error:
            line, loop_name = event_loop_line(error)
            if loop_name:
                self.loop.misuse = _foreign(line or "the workflow", loop_name)
            else:
                self.reject(error)
            return
        if not isinstance(awaited, Future):
            self.loop.misuse = _foreign(innermost_line(self.coroutine), type(awaited).__name__)
            return
        awaited.when_done(self.wake)


def _foreign(line: str, what: str) -> UsageError:
    return UsageError(
        f"{line} awaits {what}, which is not part of simworld; a workflow awaits steps, sleeps, "
        "hooks, gather and race only"
    )


class PassLoop:
    """One pass: its branches, what it asked for, its generator and its clock."""

    def __init__(self, identity: RunIdentity, policy: EnginePolicy) -> None:
        self.run_id = identity.run_id
        self.ready: deque[Branch[Any]] = deque()
        self.branches: list[Branch[Any]] = []
        self.entities: dict[str, Entity] = {}
        self.requests: list[Request] = []
        """Everything asked for, in the order of the code."""
        self.open: dict[str, Request] = {}
        """Those of them that are not done."""
        self.joins: list[Future[Any]] = []
        """Futures made of others: they and those others may know each other."""
        self.event: Event | None = None
        """The one whose result was handed over last."""
        self.handed: list[StepRequest] = []
        self.decisions: list[Decision] = []
        self.readings: list[int] = []
        """What the workflow was given: see ``PassResult``."""
        self.races = 0
        self.real_ids: dict[str, str] = {}
        """Of events on which races were called before they were recorded: the ids they got."""
        self.time_asked = False
        """The workflow has looked at its clock (since somebody has set this to False)."""
        self.closed = False
        self.misuse: UsageError | None = None
        """Set where the workflow awaits what is not ours: no ``except`` of its may hide that."""
        seeded_by_id = policy.seed is Seed.RUN_ID
        self.now_ms = identity.created_at_ms if seeded_by_id else identity.started_at_ms
        """The workflow's clock (spec §5.4)."""
        self.host_now_ms = 0
        self.sleeps_by_host = policy.sleep_clock is SleepClock.HOST
        self.draws = Draws(identity, policy.ids, policy.seed)
        self._needs_site = policy.ids is IdScheme.CALL_SITE

    def _draw(self, kind: str, name: str, content: bytes) -> str:
        if self.closed:
            raise Suspended
        if self._needs_site:
            return self.draws.draw(kind, b"%s/%s" % (name.encode(), content))
        return self.draws.draw(kind, b"")

    def _ask(self, entity: Entity) -> None:
        request = entity.request
        self.entities[request.correlation_id] = entity
        self.requests.append(request)
        self.open[request.correlation_id] = request

    def request_step(
        self, name: str, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> StepHandle[Any]:
        """Ask for a step; the draw of its id makes the order of calls part of the log."""
        if self.closed:
            raise Suspended
        # Written out, without ``_draw`` and ``_ask``: every pass asks for all its steps again.
        requests = self.requests
        request = StepRequest("", len(requests) + 1, name, args, kwargs)
        site = b""
        if self._needs_site:
            site = b"%s/%s" % (name.encode(), request.keep_input())
        elif kwargs or not UNCHANGEABLE.issuperset(map(type, args)):
            request.keep_input()
        request.correlation_id = correlation_id = self.draws.draw("step", site)
        handle: StepHandle[Any] = StepHandle(request)
        self.entities[correlation_id] = handle
        requests.append(request)
        self.open[correlation_id] = request
        return handle

    def request_wait(self, duration_ms: int) -> WaitHandle:
        """Ask for a sleep that counts from now, by the clock the variant goes by (R-44)."""
        correlation_id = self._draw("wait", "", b"%d" % duration_ms)
        now_ms = self.read_clock()
        if self.sleeps_by_host:
            now_ms = self.host_now_ms
        request = WaitRequest(correlation_id, len(self.requests) + 1, now_ms + duration_ms)
        handle = WaitHandle(request)
        self._ask(handle)
        return handle

    def request_hook(
        self,
        token: str,
        *,
        metadata: bytes = b"",
        is_webhook: bool = False,
        is_system: bool = False,
    ) -> HookState:
        """Ask for a hook; an empty ``token`` is drawn from the run's generator."""
        correlation_id = self._draw("hook", token, metadata)
        if not token:
            token = self.draws.token(correlation_id)
        request = HookRequest(
            correlation_id, len(self.requests) + 1, token, metadata, is_webhook, is_system
        )
        state = HookState(request)
        self._ask(state)
        return state

    def request_attributes(self, changes: bytes) -> AttrHandle:
        """Ask for a change of the run's attributes."""
        correlation_id = self._draw("attr", "", changes)
        handle = AttrHandle(AttrRequest(correlation_id, len(self.requests) + 1, changes))
        self._ask(handle)
        return handle

    def read_clock(self) -> int:
        """The workflow's clock."""
        self.time_asked = True
        return self.now_ms

    def finish(self, request: Request) -> None:
        """Nothing more is to come for ``request``."""
        request.done = True
        self.open.pop(request.correlation_id, None)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Branch[T]:
        """Start a branch at once: it runs to its first unresolved await before this returns."""
        branch = Branch(self, coroutine)
        self.branches.append(branch)
        branch.advance()
        return branch

    def run_until_idle(self) -> None:
        """Run every ready branch, in the order in which they became ready."""
        ready = self.ready
        while ready:
            ready.popleft().advance()

    def close(self) -> None:
        """End the pass: nothing its coroutines still do has any effect."""
        self.closed = True
        for branch in reversed(self.branches):
            for _ in range(_CLOSES_MAX):
                try:
                    branch.coroutine.close()
                except RuntimeError:
                    continue  # it awaits again in a finally block: close that await, too
                except (Exception, Suspended):
                    # A finally block of the workflow failed or asked for a step after the pass
                    # had ended: this pass is over, and the next one will tell the story properly.
                    break
                break
        # Whoever waits knows whom it waits for, and an error's traceback knows the code that knows
        # the error: without these cycles a pass is freed as soon as it is over.
        for entity in self.entities.values():
            if isinstance(entity, HookState):
                entity.conflict = None
                for waiter in entity.waiters:
                    waiter.callbacks.clear()
            else:
                entity.error = None
                entity.callbacks.clear()
        for future in (*self.branches, *self.joins):
            future.error = None
            future.callbacks.clear()
        self.joins.clear()
        self.branches.clear()


_CLOSES_MAX = 100
"""Awaits in finally blocks of one coroutine that are closed one by one."""

_current: list[PassLoop] = []


def enter(loop: PassLoop) -> None:
    """Make ``loop`` the one that steps called from now on belong to (passes do not nest)."""
    _current.append(loop)


def leave() -> None:
    """Undo the last ``enter``."""
    _current.pop()


F = TypeVar("F", bound=Future[Any])


def joined(future: F) -> F:
    """``future``, which is made of others; the pass lets go of it when it is closed."""
    if _current:
        _current[-1].joins.append(future)
    return future


class RaceWatch:
    """A race that waits: what it was called on, for the one event that decides it."""

    __slots__ = ("called_id", "loop", "number", "parts")

    def __init__(self, parts: Sequence[Future[Any]]) -> None:
        self.loop = loop = current_loop("race was called")
        loop.races += 1
        self.number = loop.races
        self.called_id = "" if loop.event is None else loop.event.event_id
        self.parts = parts

    def decided(self, winner: int) -> None:
        """Write down who has won, and on which event."""
        loop = self.loop
        if loop.event is not None:
            parts = tuple([_decided_by(part) for part in self.parts])
            called_id = loop.real_ids.get(self.called_id, self.called_id)
            told = Decision(self.number, winner, loop.event.event_id, called_id, parts)
            loop.decisions.append(told)


def _decided_by(part: Future[Any]) -> tuple[str, int]:
    """See ``Decision.parts``; a hook that has been let go of may have got payloads in vain."""
    if isinstance(part, StepHandle | WaitHandle | AttrHandle):
        return part.request.correlation_id, 0
    if isinstance(part, Payload) and not part.request.dispose:
        return part.request.correlation_id, part.number
    return "", 0


def current_loop(doing: str, name: str = "") -> PassLoop:
    """The pass that is running; ``UsageError`` outside a workflow.

    ``doing`` says what is done, with ``{}`` where ``name`` belongs.
    """
    if not _current:
        raise UsageError(
            f"{doing.format(name)} outside a workflow: only a workflow function may do this; a "
            "step body uses the verbs of its context (ctx.…)"
        )
    return _current[-1]
