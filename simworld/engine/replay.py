"""One pass: run the workflow from its first line against a log prefix (spec §5).

A pass is a function of (program, identity, log): same prefix, same requests in the same order.
Under D4 a result is delivered, the workflow runs to quiescence, then the next event is looked at.
Under D0 consumption runs ahead of delivery, as in the merged engine: every event with a live
subscriber is consumed first, results are hydrated one after another, and a continuation runs some
hops after its result (decisions §5.4; the hop counts are assumed).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from simworld.engine import program
from simworld.engine.authoring import Step, StepFailedError, Workflow
from simworld.engine.events import Event, RunCreated, StepCompleted, StepFailed
from simworld.engine.ids import RunIdentity
from simworld.engine.payload import decode, decode_error
from simworld.engine.policy import Delivery, EnginePolicy
from simworld.engine.program import PassLoop, StepHandle
from simworld.engine.suspension import (
    Completed,
    Failed,
    Outcome,
    PassResult,
    Suspension,
    Unconsumed,
)
from simworld.errors import UsageError

D0_HOPS = {"step": 3}
"""Scheduler hops between a resolved result and the code that awaits it, by kind (assumed)."""
D0_HYDRATION_MAX = 4
"""Longest hydration of one result, in hops."""


@attrs.frozen
class Program:
    """A workflow with the steps it may call."""

    workflow: Workflow[Any, Any]
    steps: Mapping[str, Step[Any, Any]]

    @classmethod
    def of(
        cls,
        workflow: Workflow[Any, Any],
        *steps: Step[Any, Any],
        max_retries: int | None = None,
    ) -> Program:
        """A program; ``max_retries``, if given, overrides that of every step."""
        table: dict[str, Step[Any, Any]] = {}
        for each in steps:
            if max_retries is not None and max_retries < 0:
                raise UsageError(f"max_retries cannot be negative: {max_retries}")
            if each.name in table:
                raise UsageError(f"two steps are called {each.name!r}; give one another name")
            table[each.name] = (
                each
                if max_retries is None or max_retries == each.max_retries
                else Step(each.function, each.name, max_retries)
            )
        return cls(workflow, table)


def run_pass(
    program_: Program,
    identity: RunIdentity,
    log: Sequence[Event],
    policy: EnginePolicy,
) -> PassResult:
    """Execute the workflow against ``log`` (which begins with run_created) and say what it wants.

    Raises ``UsageError`` for a log without its first event, for arguments that cannot be stored and
    for a workflow that awaits what is not ours.  Everything else that can happen is an outcome:
    completed, failed, suspended, or an event nobody asked for.
    """
    if not log or not isinstance(log[0].fact, RunCreated):
        raise UsageError(f"the log of run {identity.run_id} does not begin with run_created")
    loop = PassLoop(identity)
    program.enter(loop)
    try:
        args, kwargs = decode(log[0].fact.input)
        try:
            coroutine = program_.workflow.function(*args, **kwargs)
        except TypeError as error:  # the client's arguments do not fit
            return PassResult(Failed(error), ())
        main = loop.spawn(coroutine)
        loop.run_until_idle()
        consumer = _Consumer(loop, log)
        ahead = policy.delivery is Delivery.D0
        while not (main.done or loop.misuse) and consumer.advance(ahead=ahead):
            loop.run_until_idle()
        if loop.misuse is not None:
            raise loop.misuse
        outcome: Outcome
        if main.done:
            failed = main.error is not None
            outcome = (
                Failed(main.error) if main.error is not None and failed else Completed(main.value)
            )
        elif consumer.index < len(log):
            outcome = _unconsumed(log[consumer.index])
        else:
            outcome = Suspension(
                tuple([handle.request for handle in loop.handles.values() if not handle.done])
            )
        loop.close()
    finally:
        program.leave()
    return PassResult(outcome, tuple([handle.request for handle in loop.handles.values()]))


def _unconsumed(event: Event) -> Unconsumed:
    return Unconsumed(
        event.event_id,
        f"event {event.position} ({event.type} {event.correlation_id}) is in the log, but the "
        "workflow has not asked for it: the code or its order of calls has changed",
    )


class _Consumer:
    """Walks the log once, handing results to the handles that the workflow has asked for."""

    __slots__ = ("_clock", "_due", "_finished", "_hydrated", "_log", "_loop", "index")

    def __init__(self, loop: PassLoop, log: Sequence[Event]) -> None:
        self._loop = loop
        self._log = log
        self.index = 0
        self._finished: set[str] = set()  # membership only, never iterated
        self._due: list[tuple[int, int, StepHandle[Any], Event]] = []
        self._clock = 0
        self._hydrated = 0

    def advance(self, *, ahead: bool) -> bool:
        """Deliver the next result; False when nothing can be delivered any more.

        ``ahead`` (D0): consume every event that has a subscriber before delivering.
        """
        log, handles, finished = self._log, self._loop.handles, self._finished
        due = self._due
        while self.index < len(log):
            event = log[self.index]
            correlation_id = event.correlation_id
            if correlation_id:
                handle = handles.get(correlation_id)
                if handle is None or correlation_id in finished:
                    break  # nobody asked for it (yet)
                if event.type == "step_created":
                    handle.request.created = True
                elif event.type in {"step_completed", "step_failed"}:
                    finished.add(correlation_id)
                    self.index += 1
                    if not ahead:
                        _deliver(handle, event)
                        return True
                    heapq.heappush(due, (self._ready_at(), self.index, handle, event))
                    continue
            self.index += 1
        if not due:
            return False
        self._clock, _, handle, event = heapq.heappop(due)
        _deliver(handle, event)
        return True

    def _ready_at(self) -> int:
        """D0: the tick at which the continuation of the event at hand runs.

        Hydration is serial and takes a drawn time, a function of the prefix alone, so that the
        pass stays a pure function while passes over longer prefixes draw anew.
        """
        drawn = (len(self._log) * 2_654_435_761 + self.index * 40_503) >> 7
        self._hydrated = max(self._hydrated, self._clock) + 1 + drawn % D0_HYDRATION_MAX
        return self._hydrated + D0_HOPS["step"]


def _deliver(handle: StepHandle[Any], event: Event) -> None:
    fact = event.fact
    if isinstance(fact, StepCompleted):
        handle.resolve(decode(fact.result))
    elif isinstance(fact, StepFailed):
        error = decode_error(fact.error)
        handle.reject(
            StepFailedError(handle.request.label, error["kind"], error["name"], error["message"])
        )
