"""Interposition: every call of the World port becomes an operation of the kernel.

One scheduling point before each operation; "after it committed" is "before the next one".  Only a
lost answer differs, and it is a fault: the operation is performed, the caller sees a failure.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from simworld.engine import Event, Fact, RunRow
from simworld.errors import IndefiniteFailure, WorldError
from simworld.ports import Answer, Delivery, Handler, Message, Page, Redeliver, Storage
from simworld.records import Committed, Delivered, Fault, LostAnswer, Op, Sent
from simworld.sim.kernel import PARK, Kernel
from simworld.sim.labels import Labels, create_op, read_log_op, read_run_op, send_op


def _lose(kernel: Kernel, op: Op) -> IndefiniteFailure:
    task = kernel.current
    assert task is not None
    kernel.losing = False
    kernel.note_fault(Fault("lost_answer", task.name, task.ops))
    kernel.records.append(LostAnswer(kernel.turn, kernel.now_ms, task.name, op.text))
    kernel.tell("done, but the answer is lost")
    return IndefiniteFailure(f"the answer to '{op.text}' was lost")


class SimStorage:
    """A storage whose calls are choice points."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: Storage) -> None:
        self._kernel = kernel
        self._readable = labels.readable
        self._inner = inner

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        kernel = self._kernel
        step_id: str = getattr(fact, "correlation_id", "")
        step = self._readable(step_id)
        op = create_op(fact.type, self._readable(run_id), step)
        if kernel.at_point(op):
            await PARK
        try:
            answer = await self._inner.create(run_id, fact)
        except WorldError as refusal:
            if kernel.trace is not None:
                kernel.tell(f"refused: {refusal.status} {refusal}")
            if kernel.losing and kernel.faults.spends("lost_answer"):
                raise _lose(kernel, op) from refusal
            raise
        event = answer.event
        if event is not None:
            task = kernel.current
            assert task is not None
            kernel.records.append(
                Committed(
                    kernel.turn, kernel.now_ms, task.name, event, step, answer.run, answer.step
                )
            )
        if kernel.trace is not None:
            kernel.tell(_outcome(event, answer))
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise _lose(kernel, op)
        return answer

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``."""
        kernel = self._kernel
        op = read_log_op(self._readable(run_id))
        if kernel.at_point(op):
            await PARK
        page = await self._inner.events(run_id, cursor)
        if kernel.trace is not None:
            last = page.events[-1].position if page.events else 0
            kernel.tell(f"{len(page.events)} events, up to position {last}")
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise _lose(kernel, op)
        return page

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        kernel = self._kernel
        op = read_run_op(self._readable(run_id))
        if kernel.at_point(op):
            await PARK
        row = await self._inner.run(run_id)
        if kernel.trace is not None:
            kernel.tell(f"the run is {row.status}")
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise _lose(kernel, op)
        return row


def _outcome(event: Event | None, answer: Answer) -> str:
    if event is None:
        return "nothing to record"
    attempt = f", attempt {answer.step.attempt}" if answer.step is not None else ""
    return f"event {event.position}{attempt if event.type == 'step_started' else ''}"


class InnerQueue(Protocol):
    """What the interposed queue needs of the one it wraps."""

    handler: Handler | None

    def accept(self, message: Message, *, key: str, delay_ms: int) -> str:
        """Accept or drop at once; the message's id, empty if dropped."""

    def name_of(self, message_id: str) -> str:
        """Causal path of the message's first delivery."""

    def duplicate(self, message_id: str) -> None:
        """Deliver once more."""


class SimQueue:
    """A queue whose sends are choice points, and whose messages the nemesis may duplicate."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: InnerQueue) -> None:
        self._kernel = kernel
        self._readable = labels.readable
        self._inner = inner
        self.deliveries = 0

    def connect(self, handler: Handler) -> None:
        """Hand every delivery to ``handler``, and write down that it happened."""
        kernel, readable = self._kernel, self._readable

        def deliver(message: Message, delivery: Delivery) -> Awaitable[Redeliver | None]:
            task = kernel.current
            assert task is not None
            self.deliveries += 1
            number = int(delivery.receipt.rpartition(".")[2])
            step = readable(message.step_id)
            kernel.records.append(
                Delivered(kernel.turn, kernel.now_ms, task.name, message.run_id, step, number)
            )
            return handler(message, delivery)

        self._inner.handler = deliver

    def disconnect(self) -> None:
        """After the trial."""
        self._inner.handler = None

    async def send(self, message: Message, *, key: str = "", delay_s: int = 0) -> str:
        """See ``ports.Queue``."""
        kernel, inner = self._kernel, self._inner
        step = self._readable(message.step_id)
        op = send_op(self._readable(message.run_id), step or "flow", bool(key))
        if kernel.at_point(op):
            await PARK
        message_id = inner.accept(message, key=key, delay_ms=delay_s * 1_000)
        task = kernel.current
        assert task is not None
        name = inner.name_of(message_id) if message_id else ""
        kernel.records.append(
            Sent(kernel.turn, kernel.now_ms, task.name, message.run_id, name, step)
        )
        extra = (
            kernel.faults.duplicates(name, step or "flow") if message_id and kernel.searching else 0
        )
        if extra:
            kernel.note_fault(Fault("duplicate", name, extra))
            for _ in range(extra):
                inner.duplicate(message_id)
        if kernel.trace is not None:
            kernel.tell(_sent(name, extra, delay_s))
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise _lose(kernel, op)
        return message_id


def _sent(name: str, extra: int, delay_s: int) -> str:
    if not name:
        return "dropped: the same key is in the queue"
    after = f", due in {delay_s} s" if delay_s else ""
    return f"queued as {name}{after}{f', delivered {extra + 1} times' if extra else ''}"
