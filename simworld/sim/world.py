"""Interposition: every call of the World port becomes an operation of the kernel.

One scheduling point before each operation; "after it committed" is "before the next one".  Only a
lost answer differs, and it is a fault: the operation is performed, the caller sees a failure.  A
world that mints positions at the start of a create has a second point within it: then what is
recorded is recorded behind that point.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

import attrs

from simworld.engine import (
    Event,
    Fact,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookRow,
    RunRow,
    RunStarted,
    RunStatus,
)
from simworld.errors import IndefiniteFailure, WorldError
from simworld.ports import Answer, BatchFact, Delivery, Handler, Message, Page, Redeliver, Storage
from simworld.records import (
    FAULTS,
    Committed,
    Delivered,
    Fault,
    LogRead,
    LostAnswer,
    Op,
    Refused,
    Sent,
    WaitRefused,
)
from simworld.sim.kernel import Kernel
from simworld.sim.labels import (
    Labels,
    append_op,
    checkpoint_op,
    create_op,
    find_hook_op,
    read_log_op,
    read_run_op,
    send_op,
    wait_end_op,
)
from simworld.sim.parking import PARK
from simworld.sim.strikes import refuse, torn


def lose(kernel: Kernel, op: Op) -> IndefiniteFailure:
    """The answer to ``op``, which has just been performed, is lost: what its caller sees."""
    task = kernel.current
    assert task is not None
    kernel.losing = False
    kernel.note_fault(Fault("lost_answer", task.name, task.ops))
    kernel.records.append(LostAnswer(kernel.turn, kernel.now_ms, task.name, op.text))
    kernel.tell("done, but the answer is lost")
    return IndefiniteFailure(f"the answer to '{op.text}' was lost")


def run_label(kernel: Kernel, labels: Labels, run_id: str) -> str:
    """The label of a run; of a new one the running body is the parent."""
    label = labels.known(run_id)
    if label is not None:
        return label
    task = kernel.current
    return labels.run(run_id, task.body if task is not None else "")


class Watch:
    """What every interposed storage does: name the call, and write down what was committed."""

    def __init__(self, kernel: Kernel, labels: Labels) -> None:
        self._kernel = kernel
        self._labels = labels
        self._readable = labels.readable
        self._created: dict[str, None] = {}
        """The runs whose run_created has been written down."""
        self._tokens: dict[str, dict[str, None]] = {}
        """Run id → the labels of the tokens it has: its end sets them free."""

    def _op(self, run_id: str, fact: Fact, entity: str) -> Op:
        run = run_label(self._kernel, self._labels, run_id)
        if isinstance(fact, (HookCreated, HookDisposed)):
            return create_op(fact.type, run, entity, (self._readable(fact.token),))
        if entity or run_id not in self._tokens:
            return create_op(fact.type, run, entity)
        return create_op(fact.type, run, entity, tuple(self._tokens[run_id]))

    def _append_op(self, run_id: str, facts: Sequence[BatchFact]) -> Op:
        return append_op(
            tuple(
                self._op(run_id, fact, self._labels.expected(getattr(fact, "correlation_id", "")))
                for fact in facts
            )
        )

    def refused(self, run_id: str, fact: Fact, entity: str, refusal: WorldError) -> None:
        """The task that runs has been told why its fact is not recorded."""
        kernel = self._kernel
        task, status = kernel.current, refusal.status
        assert task is not None
        kernel.records.append(
            Refused(kernel.turn, kernel.now_ms, task.name, run_id, fact.type, entity, status)
        )
        if status == 409 and fact.type == "wait_completed":
            kernel.records.append(
                WaitRefused(kernel.turn, kernel.now_ms, task.name, run_id, entity)
            )

    def write_down(self, event: Event, entity: str, answer: Answer, by: str = "") -> None:
        """An event has been committed; the rows of ``answer`` are those right after it.

        ``by``: the task that has asked for it, if that is not the one that runs.
        """
        kernel, fact, run_id = self._kernel, event.fact, event.run_id
        task = kernel.current
        assert task is not None
        if entity and entity == event.correlation_id:
            entity = self._labels.created(entity, event.position)
        if event.type == "run_created":
            self._created[run_id] = None
        elif isinstance(fact, RunStarted) and run_id not in self._created and answer.preload:
            # It has brought the run's data and created the run, in the same commit.
            pending = attrs.evolve(answer.run, status=RunStatus.PENDING, started_at_ms=0)
            created = Answer(answer.preload[0], pending)
            self.write_down(answer.preload[0], "", created, by)
        elif isinstance(fact, HookCreated):
            self._tokens.setdefault(run_id, {})[self._readable(fact.token)] = None
        kernel.records.append(
            Committed(
                kernel.turn,
                kernel.now_ms,
                by or task.name,
                event,
                entity,
                answer.run,
                answer.step,
                answer.hook,
                answer.wait,
            )
        )


class SimStorage(Watch):
    """A storage whose calls are choice points."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: Storage) -> None:
        super().__init__(kernel, labels)
        self._inner = inner

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        kernel = self._kernel
        entity = self._readable(getattr(fact, "correlation_id", ""))
        op = self._op(run_id, fact, entity)
        if kernel.at_point(op):
            await PARK
        if kernel.striking is not None:
            refuse(kernel)
        losing = kernel.losing
        try:
            answer = await self._inner.create(run_id, fact)
        except WorldError as refusal:
            if kernel.trace is not None:
                kernel.tell(self._labels.refused(refusal))
            if (losing or kernel.losing) and kernel.faults.spends("lost_answer"):
                raise lose(kernel, op) from refusal
            self.refused(run_id, fact, entity, refusal)
            raise
        event = answer.event
        if event is not None:
            self.write_down(event, entity, answer)
        if kernel.trace is not None:
            kernel.tell(outcome_of(event, answer, self._labels))
        if (losing or kernel.losing) and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)
        return answer

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``; one operation.

        A refusal is written down as none of any fact: who is refused has them judged one by one.
        """
        kernel = self._kernel
        op = self._append_op(run_id, facts)
        if kernel.at_point(op):
            await PARK
        if kernel.striking is not None:
            refuse(kernel)
        losing = kernel.losing
        try:
            answers = await self._inner.append(run_id, facts, after=after)
        except WorldError as refusal:
            if kernel.trace is not None:
                kernel.tell(self._labels.refused(refusal))
            if (losing or kernel.losing) and kernel.faults.spends("lost_answer"):
                raise lose(kernel, op) from refusal
            raise
        for answer in answers:
            assert answer.event is not None
            self.write_down(answer.event, self._readable(answer.event.correlation_id), answer)
        if kernel.trace is not None:
            kernel.tell(outcomes_of(answers, self._labels))
        if (losing or kernel.losing) and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)
        return answers

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``."""
        if self._kernel.at_point(wait_end_op(run_label(self._kernel, self._labels, run_id))):
            await PARK
        await self._inner.wait_end(run_id, timeout_ms)

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``."""
        kernel = self._kernel
        op = read_log_op(run_label(kernel, self._labels, run_id))
        if kernel.at_point(op):
            await PARK
        if kernel.striking is not None:
            refuse(kernel)
        page = torn(kernel, await self._inner.events(run_id, cursor))
        task = kernel.current
        assert task is not None
        rows = len(page.events)
        kernel.records.append(LogRead(kernel.turn, kernel.now_ms, task.name, run_id, rows))
        if kernel.trace is not None:
            last = page.events[-1].position if page.events else 0
            kernel.tell(f"{len(page.events)} events, up to position {last}")
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)
        return page

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        kernel = self._kernel
        op = read_run_op(run_label(kernel, self._labels, run_id))
        if kernel.at_point(op):
            await PARK
        if kernel.striking is not None:
            refuse(kernel)
        row = await self._inner.run(run_id)
        if kernel.trace is not None:
            kernel.tell(f"the run is {row.status}")
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)
        return row

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        kernel = self._kernel
        op = find_hook_op(self._readable(token))
        if kernel.at_point(op):
            await PARK
        if kernel.striking is not None:
            refuse(kernel)
        try:
            row = await self._inner.hook(token)
        except WorldError as refusal:
            kernel.tell(f"refused: {refusal.status}, no live hook has this token")
            raise
        if kernel.trace is not None:
            owner = run_label(kernel, self._labels, row.run_id)
            kernel.tell(f"{self._readable(row.correlation_id)} of {owner}")
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)
        return row

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        if self._kernel.at_point(checkpoint_op("list the active runs")):
            await PARK
        return await self._inner.active_runs()


def outcome_of(event: Event | None, answer: Answer, labels: Labels) -> str:
    """What came of a create, for people."""
    if event is None:
        return "nothing to record"
    told = f"event {event.position}"
    if event.type == "step_started" and answer.step is not None:
        return f"{told}, attempt {answer.step.attempt}"
    if isinstance(event.fact, HookConflict):
        return f"{told}: hook_conflict, {labels.run(event.fact.conflicting_run_id)} has the token"
    return told


def outcomes_of(answers: Sequence[Answer], labels: Labels) -> str:
    """What came of an append, for people."""
    return "; ".join(outcome_of(answer.event, answer, labels) for answer in answers)


class InnerQueue(Protocol):
    """What the interposed queue needs of the one it wraps."""

    handler: Handler | None

    def accept(self, message: Message, *, key: str, delay_ms: int, merge: bool) -> str:
        """Accept or drop at once; the message's id, empty if dropped."""

    def standing(self, run_id: str) -> str:
        """First delivery of the message that others of the run are merged with; empty: none is."""

    def let_pass(self, delivery: Delivery) -> None:
        """See ``ports.Queue``."""

    def name_of(self, message_id: str) -> str:
        """Causal path of the message's first delivery."""

    def duplicate(self, message_id: str) -> None:
        """Deliver once more."""

    def time_out(self, message_id: str, name: str, after_ms: int) -> None:
        """Have the delivery called so, which has begun, count as failed if it takes so long."""

    def limit_workers(self, count: int) -> None:
        """Have so few workers from now on; 0: as many as there should be."""


class SimQueue:
    """A queue whose sends are choice points, and whose messages the nemesis may duplicate."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: InnerQueue) -> None:
        self._kernel = kernel
        self._labels = labels
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
            if kernel.searching:
                self._perhaps_again(delivery, task.name, step or "flow")
            return handler(message, delivery)

        self._inner.handler = deliver
        workers = kernel.faults.befalls(
            "scarce_workers", "queue", "", FAULTS["scarce_workers"].most
        )
        if workers:
            kernel.note_fault(Fault("scarce_workers", "queue", workers))
            self._inner.limit_workers(workers)
            kernel.on_calm.append(self._enough_workers)

    def _perhaps_again(self, delivery: Delivery, name: str, part: str) -> None:
        """The delivery that begins may count as failed while its handler lives on."""
        kernel = self._kernel
        value = kernel.faults.befalls("redelivery", name, part, FAULTS["redelivery"].most)
        if value:
            kernel.note_fault(Fault("redelivery", name, value))
            self._inner.time_out(delivery.message_id, name, (value - 1) * 500)

    def _enough_workers(self) -> None:
        self._inner.limit_workers(0)
        self._kernel.disturb(self._kernel.now_ms)

    def disconnect(self) -> None:
        """After the trial."""
        self._inner.handler = None

    async def send(
        self, message: Message, *, key: str = "", delay_s: int = 0, merge: bool = False
    ) -> str:
        """See ``ports.Queue``."""
        kernel, inner = self._kernel, self._inner
        step = self._readable(message.step_id)
        run = run_label(kernel, self._labels, message.run_id)
        standing = inner.standing(message.run_id) if merge else ""
        op = send_op(run, step or "flow", bool(key), standing)
        if kernel.at_point(op):
            await PARK
        if kernel.striking is not None:
            refuse(kernel)
        message_id = inner.accept(message, key=key, delay_ms=delay_s * 1_000, merge=merge)
        task = kernel.current
        assert task is not None
        name = inner.name_of(message_id) if message_id else ""
        kernel.records.append(
            Sent(
                kernel.turn,
                kernel.now_ms,
                task.name,
                message.run_id,
                name,
                step,
                key,
                delay_s * 1_000,
            )
        )
        extra = (
            kernel.faults.duplicates(name, step or "flow") if message_id and kernel.searching else 0
        )
        if extra:
            kernel.note_fault(Fault("duplicate", name, extra))
            for _ in range(extra):
                inner.duplicate(message_id)
        if kernel.trace is not None:
            kernel.tell(_sent(name, extra, delay_s, merge=merge))
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)
        return message_id

    def let_pass(self, delivery: Delivery) -> None:
        """See ``ports.Queue``; nothing that anybody could see."""
        self._inner.let_pass(delivery)


def _sent(name: str, extra: int, delay_s: int, *, merge: bool) -> str:
    if not name:
        return f"dropped: {'one stands for it' if merge else 'the same key is in the queue'}"
    after = f", due in {delay_s} s" if delay_s else ""
    return f"queued as {name}{after}{f', delivered {extra + 1} times' if extra else ''}"
