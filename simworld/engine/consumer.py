"""The consumer: walks the log once and hands results to what the workflow has asked for (spec §5).

Under D4 a result is delivered, the workflow runs to quiescence, then the next event is looked at.
Under D0–D3 consumption runs ahead of delivery, as in the merged engine: every event with a live
subscriber is consumed first, results are hydrated one after another, and a continuation runs some
hops after its result (decisions §5.4; the hop counts are assumed).  D1–D3 add who waits for whom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from simworld.engine.authoring import Step, StepFailedError, result_type
from simworld.engine.events import (
    Event,
    Fact,
    HookConflict,
    HookReceived,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepStarted,
    WaitCreated,
)
from simworld.engine.hooks import HookConflictError
from simworld.engine.payload import decode_error, hydrate
from simworld.engine.policy import (
    Delivery,
    EnginePolicy,
    UnconsumedEvents,
    WorkflowClock,
)
from simworld.engine.program import Entity, HookState, PassLoop, StepHandle, WaitHandle
from simworld.engine.suspension import (
    Diverged,
    Request,
    Unconsumed,
)
from simworld.errors import UsageError

HOPS = {"step": 3, "wait": 1, "hook": 1, "attr": 1}
"""Scheduler hops between a resolved result and the code that awaits it, by kind (assumed)."""
ITERATOR_HOPS = 4
"""The same for a hook that has been iterated over: its later payloads (assumed)."""
HYDRATION_MAX = 4
"""Longest hydration of one result, in hops."""

_BEGINNINGS = (StepCreated, StepStarted)
_CREATIONS = {
    "step_created": "step",
    "wait_created": "wait",
    "hook_created": "hook",
    "hook_conflict": "hook",
}
_SKIPPED = frozenset({"step", "wait", "hook"})
_KINDS: dict[str, str] = {each.type: each.type.partition("_")[0] for each in get_args(Fact)}


def _names(fact: Any, request: Any) -> tuple[str, str]:
    return fact.step_name, request.step_name


def _tokens(fact: Any, request: Any) -> tuple[str, str]:
    return fact.token, request.token


def _times(fact: Any, request: Any) -> tuple[str, str]:
    asked = str(request.resume_at_ms)
    return str(fact.resume_at_ms) if fact.resume_at_ms else asked, asked


_MEANINGS: dict[str, Callable[[Any, Any], tuple[str, str]]] = {
    "step_created": _names,
    "step_started": _names,
    "hook_created": _tokens,
    "hook_conflict": _tokens,
    "hook_received": _tokens,
    "hook_disposed": _tokens,
    "wait_completed": _times,
}
"""What an event says besides its kind, and what its request has asked for."""


class _Due(NamedTuple):
    """A result that has been consumed and not yet delivered."""

    ready: int
    at: int
    kind: str
    entity: Entity
    event: Event


class Consumer:
    """One pass's way through its log; goes on where it stopped when the log has grown."""

    __slots__ = (
        "_ahead",
        "_created",
        "_due",
        "_hydrated",
        "_impatient",
        "_iterated",
        "_log",
        "_loop",
        "_parks",
        "_peeks",
        "_policy",
        "_steps",
        "_tick",
        "_validates",
        "index",
        "verdict",
    )

    def __init__(
        self, loop: PassLoop, policy: EnginePolicy, steps: Mapping[str, Step[..., Any]]
    ) -> None:
        self._loop = loop
        self._policy = policy
        self._steps = steps
        self._ahead = policy.delivery is not Delivery.D4
        self._parks = self._ahead and policy.delivery is not Delivery.D3
        """A payload nobody waits for is kept at once; whoever asks next gets it before results
        that are earlier in the log (R-49)."""
        self._impatient = policy.idle_hops > 0 or policy.verdict_hops > 0
        self._peeks = policy.clock is WorkflowClock.C0
        self._validates = policy.validate
        self._log: Sequence[Event] = ()
        self._due: list[_Due] = []
        self._tick = 0
        self._hydrated = 0
        self._iterated: set[str] = set()  # membership only, never iterated
        self._created: set[str] | None = None  # membership only
        self.index = 0
        self.verdict: Diverged | None = None

    def read(self, log: Sequence[Event]) -> None:
        """Go on with this log, of which everything so far is a prefix."""
        self._log = log
        self._created = None

    def advance(self) -> bool:
        """Deliver the next result; False when nothing can be delivered any more."""
        log, entities, validates = self._log, self._loop.entities, self._validates
        while self.index < len(log):
            event = log[self.index]
            correlation_id = event.correlation_id
            if correlation_id:
                entity = entities.get(correlation_id)
                # Attributes are log only: no world can refuse the second of two handlers.
                if entity is None or (entity.request.done and event.type != "attr_set"):
                    break  # nobody asked for it (yet)
                fact, request = event.fact, entity.request
                if isinstance(fact, _BEGINNINGS) and isinstance(entity, StepHandle):
                    # Most of a log is these, so they are not left to ``_consume``.
                    if validates and fact.step_name != entity.request.step_name:
                        self._differs(request, event)
                        return False
                    if isinstance(fact, StepCreated):
                        if request.created:
                            break
                        request.created = True
                    elif fact.input:  # created lazily
                        request.created = True
                    delivered: bool | None = False
                else:
                    if validates and self._differs(request, event):
                        return False
                    delivered = self._consume(entity, event)
                    if delivered is None:
                        break
            else:
                delivered = False
            self.index += 1
            if self._peeks:
                self._loop.now_ms = event.created_at_ms
            if delivered:
                return True
        if not self._due:
            return False
        due = self._first_due()
        if self._impatient and self._ends_before(due):
            return False
        self._due.remove(due)
        self._tick = max(self._tick, due.ready)
        self._deliver(due.entity, due.event)
        return True

    def _consume(self, entity: Entity, event: Event) -> bool | None:
        """Take an event: True if its result was delivered; None: it does not belong here."""
        kind, request = event.type, entity.request
        if isinstance(entity, StepHandle):
            if kind in ("step_completed", "step_failed"):
                return self._finish(entity, event, "step")
            return False if kind == "step_retrying" else None
        if isinstance(entity, WaitHandle):
            fact = event.fact
            if isinstance(fact, WaitCreated) and not request.created:
                request.created = True
                entity.request.resume_at_ms = fact.resume_at_ms
                return False
            return self._finish(entity, event, "wait") if kind == "wait_completed" else None
        if isinstance(entity, HookState):
            return self._consume_hook(entity, event)
        if kind != "attr_set":
            return None
        return False if request.done else self._finish(entity, event, "attr")

    def _consume_hook(self, hook: HookState, event: Event) -> bool | None:
        request, kind = hook.request, event.type
        if kind == "hook_created" and not request.created:
            request.created = True
            return False
        if kind == "hook_received":
            if request.is_system:
                hook.aborted, request.abort = True, None
                return False
            if self._parks:
                due = sum(1 for each in self._due if each.entity is hook)
                if len(hook.waiters) <= due:
                    assert isinstance(event.fact, HookReceived)
                    hook.keep(event.fact.payload)
                    return False
            return self._hand_over(hook, event, "hook")
        if kind == "hook_conflict" and not request.created:
            return self._finish(hook, event, "hook")
        if kind == "hook_disposed":
            self._loop.finish(request)
            return False
        return None

    def _finish(self, entity: Entity, event: Event, kind: str) -> bool:
        self._loop.finish(entity.request)
        if self._ahead:
            return self._hand_over(entity, event, kind)
        self._deliver(entity, event)
        return True

    def _hand_over(self, entity: Entity, event: Event, kind: str) -> bool:
        """Deliver at once under D4; else it falls due some hops after its hydration."""
        if not self._ahead:
            self._deliver(entity, event)
            return True
        self._due.append(_Due(self._ready_at(kind, event), self.index, kind, entity, event))
        return False

    def _ready_at(self, kind: str, event: Event) -> int:
        """The tick at which the continuation of the event at hand runs.

        Hydration is serial and takes a drawn time, a function of the prefix alone, so that the
        pass stays a pure function while passes over longer prefixes draw anew.
        """
        drawn = (len(self._log) * 2_654_435_761 + (self.index + 1) * 40_503) >> 7
        self._hydrated = max(self._hydrated, self._tick) + 1 + drawn % HYDRATION_MAX
        if kind == "hook":
            again = event.correlation_id in self._iterated
            self._iterated.add(event.correlation_id)
            return self._hydrated + (ITERATOR_HOPS if again else HOPS["hook"])
        return self._hydrated + HOPS[kind]

    def _first_due(self) -> _Due:
        """The first of the results that are due; there is one."""
        best: _Due | None = None
        for each in self._due:
            if (best is None or each[:2] < best[:2]) and not self._blocked(each):
                best = each
        assert best is not None  # the earliest in the log waits for nobody
        return best

    def _ends_before(self, due: _Due) -> bool:
        """Whether a timer ends the pass before this result has reached its code (R-51, R-52).

        The timer starts anew with every result.  Only who waits for something can have the pass
        suspended: with nobody left, the result is waited for.
        """
        hops = due.ready - self._tick
        if self.index < len(self._log):
            return 0 < self._policy.verdict_hops < hops
        return 0 < self._policy.idle_hops < hops and self._is_awaited()

    def _is_awaited(self) -> bool:
        """Whether a step, a sleep or a hook's payload is waited for that is not in the log."""
        for correlation_id in self._loop.open:
            entity = self._loop.entities[correlation_id]
            if not isinstance(entity, HookState) or entity.waiters:
                return True
        return False

    def _blocked(self, one: _Due) -> bool:
        """Whether an earlier result must be delivered first (spec §5.3)."""
        rule = self._policy.delivery
        if rule is Delivery.D0:
            return False
        for other in self._due:
            if other.at >= one.at:
                continue
            if other.kind == one.kind:
                if rule is Delivery.D3 and one.kind == "hook":
                    return True
            elif rule is not Delivery.D1 or "step" not in (one.kind, other.kind):
                return True
        return False

    def _deliver(self, entity: Entity, event: Event) -> None:
        loop, fact = self._loop, event.fact
        loop.event = event
        if (
            not self._peeks
            and event.created_at_ms > loop.now_ms
            and event.type != "attr_set"  # it tells the workflow nothing new
        ):
            loop.now_ms = event.created_at_ms
        if isinstance(entity, StepHandle):
            loop.handed.append(entity.request)
            if isinstance(fact, StepCompleted):
                self._resolve_step(entity, fact.result)
            elif isinstance(fact, StepFailed):
                error = decode_error(fact.error)
                label = entity.request.label
                entity.reject(
                    StepFailedError(label, error["kind"], error["name"], error["message"])
                )
        elif isinstance(entity, WaitHandle):
            entity.resolve(None)
        elif isinstance(entity, HookState):
            if isinstance(fact, HookReceived):
                entity.receive(fact.payload)
            elif isinstance(fact, HookConflict):
                entity.request.conflict = fact.conflicting_run_id
                entity.reject(HookConflictError(fact.token, fact.conflicting_run_id))
        else:
            entity.resolve(None)

    def _resolve_step(self, handle: StepHandle[object], result: bytes) -> None:
        step = self._steps.get(handle.request.step_name)
        try:
            value = hydrate(result, result_type(step))
        except UsageError as error:
            handle.reject(UsageError(f"the result of step {handle.request.label}: {error}"))
        else:
            handle.resolve(value)

    # Events nobody asked for.

    def skip(self) -> bool:
        """Whether the event at hand, which nobody takes, may be passed over (U1, U3)."""
        event, rule = self._log[self.index], self._policy.unconsumed
        if rule is UnconsumedEvents.U1:
            kind = event.type.partition("_")[0]
            skipped = kind in _SKIPPED and event.correlation_id in self._creations()
        elif rule is UnconsumedEvents.U3:
            skipped = self._repeats(event)
        else:
            skipped = False
        if skipped:
            self.index += 1
            if self._peeks:
                self._loop.now_ms = event.created_at_ms
        return skipped

    def _creations(self) -> set[str]:
        if self._created is None:
            self._created = {each.correlation_id for each in self._log if each.type in _CREATIONS}
        return self._created

    def _repeats(self, event: Event) -> bool:
        """Whether it says again what the log has said before; two payloads are never one."""
        if event.type == "hook_received":
            return False
        return any(
            each.correlation_id == event.correlation_id and each.type == event.type
            for each in self._log[: self.index]
        )

    def _differs(self, request: Request, event: Event) -> bool:
        """Whether the log means something else by this id (later eras, spec §5.2)."""
        told = kind = _KINDS[event.type]
        asked = request.kind
        if told == asked:
            meaning = _MEANINGS.get(event.type)
            if meaning is None:
                return False
            told, asked = meaning(event.fact, request)
            if told == asked:
                return False
            told, asked = f"{kind} {told!r}", f"{kind} {asked!r}"
        self.verdict = Diverged(
            event.event_id,
            f"{event.correlation_id} is, in the log (event {event.position}, {event.type}): "
            f"{told}; in this pass: {asked} ({request.label})",
        )
        return True

    def unconsumed(self) -> Unconsumed:
        """The verdict on the event at hand: both sides, and the usual causes."""
        event = self._log[self.index]
        name = getattr(event.fact, "step_name", "")
        known = self._loop.entities.get(event.correlation_id)
        asked = [f"{each.label} ({each.correlation_id})" for each in self._loop.open.values()]
        here = (
            f"{known.request.label} has all it needs"
            if known is not None
            else f"this pass asks for {', '.join(asked[:5]) or 'nothing more'}"
        )
        return Unconsumed(
            event.event_id,
            f"event {event.position} of the log is {event.type} {name or event.correlation_id} "
            f"({event.correlation_id}), and nobody in this pass takes it: {here}; the code or its "
            "order of calls has changed, or the log was read in another order",
        )
