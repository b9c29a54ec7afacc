"""The simulated wire: requests travel, are performed on a server, and their answers travel.

A request is a task of its own, named below its sender's (``start/flow/step_started.work#3``), on a
server that never dies: it goes on when its sender's host has died.  So its arrival is a choice, and
the arrival of its answer is one of the sender's.  By default both come at once.  What is committed
is written down when the server performs it, whether or not anybody hears of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from simworld.errors import Crashed, IndefiniteFailure, UsageError, WorldError
from simworld.marks import reached
from simworld.ports import Answer, Chunks, Page, Replica, Request, StreamInfo
from simworld.records import Fault, HostedProfile, LogRead, LostAnswer, Op
from simworld.sim.kernel import Kernel
from simworld.sim.labels import (
    Labels,
    await_op,
    checkpoint_op,
    find_hook_op,
    hear_op,
    message_of,
    read_log_op,
    read_run_op,
    stream_op,
    wait_end_op,
)
from simworld.sim.parking import PARK
from simworld.sim.strikes import refuse, torn
from simworld.sim.tasks import Task
from simworld.sim.world import Watch, lose, outcomes_of, run_label

T = TypeVar("T")

LATE_MAX_MS = 10_000
"""A request that is late comes at most so long after its sender has given up."""

_PARTS = {
    "events": "read_log",
    "run": "read_run",
    "hook": "find_hook",
    "wait for the end": "wait_end",
}


class _Call:
    """One request under way; what its sender waits in."""

    __slots__ = ("answer", "heard", "late", "over", "refusal", "replica", "struck", "task", "told")

    def __init__(self, task: Task, heard: Op) -> None:
        self.task = task
        self.heard = heard
        self.replica = Replica()
        self.late = False
        self.struck = False
        """Its way is another than usual, so nobody can say that it was not performed."""
        self.over = False
        """The server has answered."""
        self.answer: Any = None
        self.refusal: WorldError | UsageError | None = None
        self.told = ""

    def forget(self, task: Task) -> None:
        """See ``tasks.Waiters``: whoever stops waiting does not hear the answer."""


class SimWire(Watch):
    """``ports.Wire``."""

    def __init__(self, kernel: Kernel, labels: Labels, profile: HostedProfile) -> None:
        super().__init__(kernel, labels)
        self._timeout_ms = profile.request_timeout_ms
        changes = {"lost_request": 1, "duplicate_request": 1, "late_answer": LATE_MAX_MS}
        rows = {"lost_request": 1, "stale_read": profile.lag_max}
        log = {**rows, "holed_read": profile.lag_max + 1}
        self._faults = {"create": changes, "append": changes, "run": rows, "events": log}
        self._other_faults = {"lost_request": 1}

    async def call(self, request: Request, perform: Callable[[Replica], Awaitable[T]]) -> T:
        """See ``ports.Wire``."""
        kernel = self._kernel
        task = kernel.current
        if task is None:
            raise Crashed("this host is dead")
        op = self._request_op(request)
        call = _Call(task, hear_op(op.text))
        follower, lost = self._send(request, op, call, perform)
        if kernel.at_point(await_op(op.text)):
            await PARK
        losing = kernel.losing
        if kernel.striking is not None and follower is not None:
            self._refuse(call, follower)
        if not call.over:
            kernel.follow = follower
            limited = lost or not request.waits
            kernel.suspend(call, call.heard, self._timeout_ms if limited else None)
            await PARK
            if not call.over:
                raise self._give_up(task, op)
        answer: T = self._heard(request, call, op, losing=losing or kernel.losing)
        return answer

    def _request_op(self, request: Request) -> Op:
        """What the server does, with the labels it touches."""
        if request.fact is not None:
            entity = self._readable(getattr(request.fact, "correlation_id", ""))
            return self._op(request.run_id, request.fact, entity)
        if request.facts:
            return self._append_op(request.run_id, request.facts)
        if request.verb == "active runs":
            return checkpoint_op("list the active runs")
        if request.verb == "hook":
            return find_hook_op(self._readable(request.name))
        run = run_label(self._kernel, self._labels, request.run_id)
        if request.verb == "events":
            return read_log_op(run)
        if request.verb == "run":
            return read_run_op(run)
        if request.verb == "wait for the end":
            return wait_end_op(run)
        name = self._labels.reworded(request.name)
        return stream_op(request.verb, run, name, writes=request.writes)

    def _part(self, request: Request) -> str:
        """The last part of the name of the request's task."""
        if request.fact is None:
            return _PARTS.get(request.verb) or request.verb.partition(" ")[0]
        entity = self._readable(getattr(request.fact, "correlation_id", ""))
        return f"{request.fact.type}.{entity}" if entity else request.fact.type

    # On its way.

    def _send(
        self,
        request: Request,
        op: Op,
        call: _Call,
        perform: Callable[[Replica], Awaitable[object]],
    ) -> tuple[Task | None, bool]:
        """Let the request travel; its task, and whether it is lost."""
        kernel, task = self._kernel, call.task
        name = task.child_name(self._part(request))
        fault = None
        if kernel.searching and not task.host.spared:
            most = self._faults.get(request.verb, self._other_faults)
            fault = kernel.faults.strikes(name, message_of(task.name), most)
        copies, delay_ms = 1, 0
        if fault is not None:
            call.struck = True
            kernel.note_fault(fault)
            reached(f"request.{fault.kind}")
            if fault.kind == "lost_request":
                return None, True
            if fault.kind == "late_answer":
                call.late = True
                delay_ms = self._timeout_ms + fault.value
            elif fault.kind == "duplicate_request":
                copies += fault.value
            else:
                call.replica = _replica(fault)

        def serve() -> Coroutine[Any, Any, None]:
            return self._serve(request, call, perform)

        first = kernel.spawn(name, serve, part="", op=op, delay_ms=delay_ms)
        for number in range(2, copies + 1):
            kernel.spawn(f"{name}~{number}", serve, part="", op=op)
        return first, False

    def _refuse(self, call: _Call, follower: Task) -> None:
        """Have the server refuse the request that is about to arrive, if that is to be."""
        if call.struck or follower.coroutine is not None:
            return
        try:
            refuse(self._kernel)
        except WorldError:
            self._kernel.cancel(follower)
            raise

    async def _serve(
        self, request: Request, call: _Call, perform: Callable[[Replica], Awaitable[object]]
    ) -> None:
        """On the server: perform the request, and answer if nobody has yet."""
        kernel = self._kernel
        answer: object = None
        refusal: WorldError | UsageError | None = None
        try:
            answer = await perform(call.replica)
        except (WorldError, UsageError) as error:
            refusal = error.with_traceback(None)  # which would lead back here
            told = self._refused(error)
        else:
            told = self._outcome(answer)
        for each in _answers(answer):
            if each.event is not None:
                self.write_down(each.event, self._readable(each.event.correlation_id), each)
        if call.late:
            kernel.disturb(kernel.now_ms)
        kernel.tell(told)
        if call.over:
            return
        call.over, call.answer, call.refusal, call.told = True, answer, refusal, told
        sender = call.task
        if sender.waits_in is call:
            kernel.wake(sender)
            sender.op = call.heard
            kernel.follow = sender

    def _refused(self, error: WorldError | UsageError) -> str:
        if self._kernel.trace is None or isinstance(error, UsageError):
            return ""
        return self._labels.refused(error)

    def _outcome(self, answer: object) -> str:
        if self._kernel.trace is None:
            return ""
        answers = _answers(answer)
        if answers:
            return outcomes_of(answers, self._labels)
        match answer:
            case Page():
                last = answer.events[-1].position if answer.events else 0
                return f"{len(answer.events)} events, up to position {last}"
            case Chunks():
                return f"{len(answer.chunks)} chunks{', the end' if answer.closed else ''}"
            case StreamInfo():
                return f"up to chunk {answer.tail}{', the end' if answer.closed else ''}"
        status = getattr(answer, "status", "")
        return str(status)

    # Back with its sender.

    def _heard(self, request: Request, call: _Call, op: Op, *, losing: bool) -> Any:
        """The answer is here: hand it over, unless it is lost on the last bit of its way."""
        kernel, task = self._kernel, call.task
        refusal, call.refusal = call.refusal, None  # an error that is kept keeps who raises it
        kernel.tell(call.told)
        try:
            if losing and kernel.faults.spends("lost_answer"):
                raise lose(kernel, op)
            if refusal is not None:
                fact = request.fact
                if fact is not None and isinstance(refusal, WorldError):
                    entity = self._readable(getattr(fact, "correlation_id", ""))
                    self.refused(request.run_id, fact, entity, refusal)
                raise refusal
        finally:
            del refusal
        if isinstance(call.answer, Page):
            call.answer = torn(kernel, call.answer)
            rows = len(call.answer.events)
            kernel.records.append(
                LogRead(kernel.turn, kernel.now_ms, task.name, request.run_id, rows)
            )
        return call.answer

    def _give_up(self, task: Task, op: Op) -> IndefiniteFailure:
        kernel = self._kernel
        kernel.disturb(kernel.now_ms)
        kernel.records.append(LostAnswer(kernel.turn, kernel.now_ms, task.name, op.text))
        kernel.tell(f"no answer within {self._timeout_ms} ms")
        return IndefiniteFailure(f"no answer to '{op.text}' within {self._timeout_ms} ms")


def _answers(answer: object) -> Sequence[Answer]:
    """Those of a create or of an append."""
    if isinstance(answer, Answer):
        return (answer,)
    if isinstance(answer, list):
        return [each for each in answer if isinstance(each, Answer)]
    return ()


def _replica(fault: Fault) -> Replica:
    """Who answers a read that is struck."""
    if fault.kind == "stale_read":
        return Replica(lag=fault.value)
    return Replica(hole=fault.value)
