"""One pass: run the workflow from its first line against a log prefix (spec §5).

A pass is a function of (program, identity, log): same prefix, same requests in the same order.
A *retained* pass is fed a log that has grown at its end and goes on where it had stopped; under D4
and C1 that makes the same requests as starting anew (decisions §5.3), at a cost that does not
depend on the log's length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import attrs

from simworld.engine import program
from simworld.engine.authoring import Step, Workflow
from simworld.engine.consumer import Consumer
from simworld.engine.events import Event, RunCreated, StepCompleted
from simworld.engine.ids import RunIdentity
from simworld.engine.payload import decode, error_text, hydrate_args
from simworld.engine.policy import EnginePolicy
from simworld.engine.program import Branch, PassLoop
from simworld.engine.suspension import (
    AttrRequest,
    Completed,
    Diverged,
    Failed,
    HookRequest,
    Outcome,
    PassResult,
    Request,
    StepRequest,
    Suspension,
    WaitRequest,
)
from simworld.errors import InternalError, UsageError, unknown_name


@attrs.frozen
class Program:
    """A workflow with the steps it may call and the workflows its steps may start."""

    workflow: Workflow[Any, Any]
    steps: Mapping[str, Step[Any, Any]]
    workflows: Mapping[str, Workflow[Any, Any]]

    @classmethod
    def of(
        cls,
        workflow: Workflow[Any, Any],
        *steps: Step[Any, Any],
        children: Sequence[Workflow[Any, Any]] = (),
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
        workflows: dict[str, Workflow[Any, Any]] = {}
        for flow in (workflow, *children):
            if workflows.setdefault(flow.name, flow) is not flow:
                raise UsageError(f"two workflows are called {flow.name!r}; give one another name")
        return cls(workflow, table, workflows)


class Pass:
    """One execution of a workflow's function; feed it the log, close it at the end."""

    __slots__ = ("_consumer", "_identity", "_loop", "_main", "_program", "_told")

    def __init__(self, program_: Program, identity: RunIdentity, policy: EnginePolicy) -> None:
        self._program = program_
        self._identity = identity
        self._loop = PassLoop(identity, policy)
        self._consumer = Consumer(self._loop, policy, program_.steps)
        self._main: Branch[Any] | None = None
        self._told = (0, 0, 0)
        """How much of what the workflow was given earlier results have told."""

    def feed(self, log: Sequence[Event], now_ms: int = 0) -> PassResult:
        """Go on against ``log``: the whole of it, beginning with run_created.

        May be called again after a suspension, with a log that has grown at its end.  ``now_ms``,
        the host's time, is used by sleeps that have no recorded end only.  Raises ``UsageError``
        for an unknown workflow, for arguments that cannot be stored and for a workflow that awaits
        what is not ours.
        """
        loop, consumer = self._loop, self._consumer
        if loop.closed:
            raise InternalError("a pass that was closed is fed again")
        loop.host_now_ms = now_ms
        program.enter(loop)
        try:
            main = self._main
            if main is None:
                begun = self._begin(log)
                if isinstance(begun, Failed | Diverged):
                    return PassResult(begun, ())
                main = self._main = begun
                loop.run_until_idle()
            consumer.read(log)
            while True:
                while not (main.done or loop.misuse) and consumer.advance():
                    loop.run_until_idle()
                if main.done or loop.misuse or consumer.verdict or consumer.index == len(log):
                    break
                if not consumer.skip():
                    break
        finally:
            program.leave()
        if loop.misuse is not None:
            raise loop.misuse
        return self._result(self._outcome(main, log))

    def feed_ahead(
        self, log: list[Event], fact: StepCompleted, now_ms: int = 0
    ) -> PassResult | None:
        """Go on as if ``fact`` were the next event of the log; D4 and C1 only.

        ``settle`` it once it is, or ``close`` the pass: what it has seen has not happened.  None:
        close it, for it has asked for the time of that event, or disagrees with the log.
        """
        loop = self._loop
        loop.time_asked = False
        event_id, position = _ahead_id(fact), log[-1].position + 1
        log.append(
            Event(
                self._identity.run_id, event_id, position, 0, fact.type, fact.correlation_id, fact
            )
        )
        try:
            result = self.feed(log, now_ms)
        finally:
            log.pop()
        if loop.time_asked or not isinstance(result.outcome, Completed | Failed | Suspension):
            return None
        return result

    def settle(self, result: PassResult, event: Event) -> PassResult:
        """What it was fed ahead has been recorded as ``event``: ``result`` as it is now."""
        loop, fact = self._loop, event.fact
        assert isinstance(fact, StepCompleted)
        loop.event = event
        loop.now_ms = max(loop.now_ms, event.created_at_ms)
        if not loop.races:
            return result
        assumed = _ahead_id(fact)
        loop.real_ids[assumed] = event.event_id
        decisions = [
            each._replace(event_id=event.event_id) if each.event_id == assumed else each
            for each in result.decisions
        ]
        return attrs.evolve(result, decisions=decisions)

    def _result(self, outcome: Outcome) -> PassResult:
        loop = self._loop
        handed, decided, read = self._told
        self._told = (len(loop.handed), len(loop.decisions), len(loop.readings))
        return PassResult(
            outcome,
            loop.requests,
            loop.handed[handed:],
            loop.decisions[decided:],
            loop.readings[read:],
            read,
        )

    def _begin(self, log: Sequence[Event]) -> Branch[Any] | Failed | Diverged:
        run_id = self._identity.run_id
        if not log or not isinstance(log[0].fact, RunCreated):
            return Diverged(
                log[0].event_id if log else "",
                f"the log of run {run_id} does not begin with run_created, but with "
                f"{log[0].type if log else 'nothing'}: its world has lost the beginning, or has "
                "put something before it",
            )
        name = log[0].fact.workflow_name
        flow = self._program.workflows.get(name)
        if flow is None:
            raise unknown_name(f"workflow of run {run_id}", name, self._program.workflows)
        try:
            args, kwargs = hydrate_args(flow.function, log[0].fact.input, skip=0)
            coroutine = flow.function(*args, **kwargs)
        except (TypeError, UsageError) as error:  # the client's arguments do not fit
            return Failed(TypeError(f"workflow {name} was started with wrong arguments: {error}"))
        return self._loop.spawn(coroutine)

    def _outcome(self, main: Branch[Any], log: Sequence[Event]) -> Outcome:
        consumer = self._consumer
        if main.done:
            return Completed(main.value) if main.error is None else Failed(main.error)
        if consumer.verdict is not None:
            return consumer.verdict
        if consumer.index < len(log):
            return consumer.unconsumed()
        return Suspension(tuple(self._loop.open.values()))

    def close(self) -> None:
        """The pass is over: nothing its coroutines still do has any effect."""
        program.enter(self._loop)
        try:
            self._loop.close()
        finally:
            program.leave()


def _ahead_id(fact: StepCompleted) -> str:
    """The id of an event that is not recorded yet."""
    return f"{fact.correlation_id} ahead"


def run_pass(
    program_: Program,
    identity: RunIdentity,
    log: Sequence[Event],
    policy: EnginePolicy,
    now_ms: int = 0,
) -> PassResult:
    """Execute the workflow against ``log`` from its first line and say what it wants.

    What it raises is in ``Pass.feed``.  Everything else that can happen is an outcome: completed,
    failed, suspended, an event nobody asked for, or one that means something else.
    """
    one = Pass(program_, identity, policy)
    try:
        return one.feed(log, now_ms)
    finally:
        one.close()


def disagreement(one: PassResult, other: PassResult) -> str:
    """What two passes over the same log disagree about, side by side; empty if they agree."""
    for index, (mine, its) in enumerate(zip_longest(one.requests, other.requests)):
        if mine is not None and its is not None and _essence(mine) == _essence(its):
            continue
        left = _fingerprint(one, index)
        right = _fingerprint(other, index)
        if left != right:
            return f"request {index + 1} is {left} in one pass and {right} in the other"
    left, right = _told(one.outcome), _told(other.outcome)
    return "" if left == right else f"one pass ends with {left}, the other with {right}"


def taken_back(shorter: PassResult, longer: PassResult) -> str:
    """What one pass has asked for and another, over a longer log, asks otherwise; empty: nothing.

    A longer log only adds requests: that is the contract of a pass (spec §5.1).
    """
    for index, request in enumerate(shorter.requests):
        if index >= len(longer.requests):
            return f"request {index + 1} was {_fingerprint(shorter, index)} and is no more"
        if _asked(request) != _asked(longer.requests[index]):
            told = f"{_fingerprint(shorter, index)} and is {_fingerprint(longer, index)}"
            return f"request {index + 1} was {told}"
    return ""


def asked_for(result: PassResult) -> list[str]:
    """Every request of a pass and how it ended, in words that are equal where passes agree."""
    return [
        *[_fingerprint(result, index) for index in range(len(result.requests))],
        _told(result.outcome),
    ]


def _essence(request: Request) -> tuple[object, ...]:
    """Requests whose essences are equal have equal fingerprints; it takes far less time."""
    named = (request.correlation_id, request.ordinal)
    if isinstance(request, StepRequest):
        return *named, request.step_name, request.input
    if isinstance(request, HookRequest):
        return *named, request.token, request.metadata, request.dispose
    if isinstance(request, AttrRequest):
        return *named, request.changes
    if isinstance(request, WaitRequest):
        return *named, request.created, request.resume_at_ms
    return named


def _asked(request: Request) -> tuple[object, ...]:
    """What every longer log must have asked for, too, whatever has become of it since."""
    named = (type(request), request.correlation_id)
    if isinstance(request, StepRequest):
        return *named, request.step_name, request.input
    if isinstance(request, HookRequest):
        return *named, request.token, request.metadata
    if isinstance(request, AttrRequest):
        return *named, request.changes
    if isinstance(request, WaitRequest):
        return *named, request.resume_at_ms
    return named


def _fingerprint(result: PassResult, index: int) -> str:
    """A request with all that a second pass must repeat."""
    if index >= len(result.requests):
        return "nothing"
    request = result.requests[index]
    name = f"{request.kind} {request.label} ({request.correlation_id})"
    if isinstance(request, StepRequest):
        return f"{name} with input {decode(request.input)!r}"
    if isinstance(request, HookRequest):
        kept = f" and metadata {decode(request.metadata)!r}" if request.metadata else ""
        disposed = ", disposed" if request.dispose else ""
        return f"{name} with token {request.token!r}{kept}{disposed}"
    if isinstance(request, AttrRequest):
        return f"{name} with {decode(request.changes)!r}"
    if isinstance(request, WaitRequest) and request.created:
        return f"{name} until {request.resume_at_ms}"
    return name


def _told(outcome: Outcome) -> str:
    if isinstance(outcome, Completed):
        return f"the output {outcome.output!r}"
    if isinstance(outcome, Failed):
        return f"{type(outcome.error).__name__}: {error_text(outcome.error)}"
    if isinstance(outcome, Suspension):
        return f"a suspension on {', '.join(each.label for each in outcome.requests) or 'nothing'}"
    return outcome.message
