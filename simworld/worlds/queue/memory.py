"""The at-least-once queue in memory (decisions §3.1).

A message lives from its send to its first acknowledgement.  Each delivery is a task on a host of
its own.  A handler that returns acknowledges; one that returns ``Redeliver`` has the message
delivered again; one that raises a fault of the world, or whose host dies, has it delivered again
unless another delivery of it is still under way or due.  An answer for a message that is gone does
nothing.  Where workers are limited, a delivery that is due waits for one before it begins; where
deliveries share lanes, it then waits for its turn.  A message that only says that its run is to be
looked at is dropped while another one stands for it.  If the profile says so, a message that is
delivered too often is dropped, and a process whose delivery takes too long is killed.  ``restart``
is the death of every process that works on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from simworld.errors import InternalError, SimworldError, UsageError
from simworld.marks import reached
from simworld.ports import Clock, Delivery, Handler, Ids, Latch, Message, Pending, Redeliver, Tasks
from simworld.records import (
    Delays,
    DuplicateAttempt,
    Keeps,
    Merging,
    QueueProfile,
    TimeoutCounting,
    WorkerSlots,
)
from simworld.worlds.queue.dedup import KeyLedger
from simworld.worlds.queue.lanes import Lanes
from simworld.worlds.queue.workers import Workers


class _Entry:
    """A message in the queue."""

    __slots__ = (
        "attempt",
        "body",
        "deliveries",
        "due_ms",
        "gone",
        "holder",
        "id",
        "in_flight",
        "key",
        "merges",
        "name",
        "waiting",
    )

    def __init__(
        self, message_id: str, body: Message, key: str, name: str, due_ms: int, *, merges: bool
    ) -> None:
        self.due_ms = due_ms
        self.holder = 0
        self.id = message_id
        self.body = body
        self.key = key
        self.merges = merges
        self.name = name
        self.attempt = 0
        self.deliveries = 0
        self.in_flight = 0
        self.gone = False
        self.waiting: list[Pending] = []

    def delivery(self, number: int) -> str:
        """What its deliveries are called."""
        return self.name if number == 1 else f"{self.name}~{number}"


class MemoryQueue:
    """See the module; ``handler`` is set once, before the first message is sent."""

    def __init__(
        self, *, tasks: Tasks, clock: Clock, ids: Ids, profile: QueueProfile, processes: int = 1
    ) -> None:
        """``processes``: so many share the deliveries, each with lanes and a memory of its own."""
        self._tasks = tasks
        self._clock = clock
        self._ids = ids
        self._profile = profile
        self._keys = KeyLedger(profile)
        self._workers = Workers(profile.workers, tasks) if profile.workers else None
        self._lanes = Lanes.of(profile, tasks, processes)
        self._timeouts: dict[str, Pending] = {}
        """Delivery → the next one of its message, if it takes too long."""
        self._standing: dict[str, _Entry] = {}
        """Run → the message that stands for all that are sent to have it looked at."""
        self._delayed = profile.delays is Delays.HONOURED
        self._delay_max_ms = profile.delay_max_s * 1_000
        self._entries: dict[str, _Entry] = {}
        """Those that are due or being handled."""
        self._offered = 0
        """Messages offered so far; the number of an accepted one holds its key."""
        self.handler: Handler | None = None

    async def send(
        self, message: Message, *, key: str = "", delay_s: int = 0, merge: bool = False
    ) -> str:
        """See ``ports.Queue``."""
        return self.accept(message, key=key, delay_ms=delay_s * 1_000, merge=merge)

    def accept(self, message: Message, *, key: str, delay_ms: int, merge: bool = False) -> str:
        """``send`` without a coroutine around it."""
        if merge and message.run_id in self._standing:
            reached("message.merged")
            return ""
        now_ms = self._clock.now_ms()
        delay_ms = self._cut(delay_ms) if self._delayed else 0
        self._offered += 1
        if not self._keys.claim(key, message, self._offered, now_ms):
            reached("message.deduplicated")
            return ""
        message_id = self._ids.message_id()
        name = self._tasks.child_name(message.step_id or "flow")
        merges = merge and self._profile.merging is not Merging.NEVER
        entry = _Entry(message_id, message, key, name, now_ms + delay_ms, merges=merges)
        entry.holder = self._offered
        self._entries[message_id] = entry
        if merges:
            self._standing[message.run_id] = entry
        self._schedule(entry, delay_ms, rises=True)
        return entry.id

    def standing(self, run_id: str) -> str:
        """The first delivery of the message that stands for others of the run; empty: none does."""
        entry = self._standing.get(run_id)
        return "" if entry is None else entry.name

    def _stands_no_more(self, entry: _Entry) -> None:
        """Whoever wants the run looked at from now on sends a message of his own."""
        if self._standing.get(entry.body.run_id) is entry:
            del self._standing[entry.body.run_id]

    def _cut(self, delay_ms: int) -> int:
        return min(delay_ms, self._delay_max_ms) if self._delay_max_ms else delay_ms

    def let_pass(self, delivery: Delivery) -> None:
        """See ``ports.Queue``; the delivery may be another queue's, which pushes."""
        entry = self._entries.get(delivery.message_id)
        if self._lanes is not None and entry is not None:
            number = int(delivery.receipt.rpartition(".")[2])
            self._lanes.let_pass(entry.delivery(number))

    def name_of(self, message_id: str) -> str:
        """The causal path of the first delivery of a message that is not handled yet."""
        return self._entries[message_id].name

    def workers_busy(self) -> tuple[str, ...]:
        """The deliveries that have a worker, if workers are limited; some may not have begun."""
        return tuple(self._workers.busy) if self._workers else ()

    def workers_wanted(self) -> tuple[str, ...]:
        """The deliveries that wait for a worker, the next to get one first."""
        return tuple(self._workers.wanted) if self._workers else ()

    def duplicate(self, message_id: str) -> None:
        """Deliver the message once more, as the at-least-once contract allows once it is due."""
        entry = self._entries.get(message_id)
        if entry is not None and not entry.gone:
            reached("delivery.duplicate")
            rises = self._profile.duplicate_attempt is DuplicateAttempt.RISES
            delay_ms = max(0, entry.due_ms - self._clock.now_ms())
            self._schedule(entry, delay_ms, rises=rises, elsewhere=True)

    def time_out(self, message_id: str, name: str, after_ms: int) -> None:
        """Have the delivery called so, which has begun, count as failed if it takes so long."""
        entry = self._entries[message_id]  # there as long as a delivery of it is under way
        if not (entry.gone or 0 < self._profile.dead_after <= entry.attempt):
            self._call_off(entry, name)
            self._timeouts[name] = self._schedule(entry, after_ms, rises=False, instead_of=name)

    def limit_workers(self, count: int) -> None:
        """Have so few workers from now on; 0: as many as the profile says.

        To be limited at all, a queue must be so before its first message.
        """
        most = count or self._profile.workers
        if self._workers is None:
            self._workers = Workers(most, self._tasks)
        else:
            self._workers.resize(most)

    def restart(self) -> None:
        """Every process that works on the queue dies: forget what only they have kept.

        The deliveries under way come back by their own deaths, where their messages are kept.
        """
        kept = self._profile.keeps is Keeps.MESSAGES
        self._keys.restart(kept=kept)
        if not kept:
            for entry in list(self._entries.values()):
                if not entry.gone:
                    reached("message.lost")
                    self._forget(entry)

    def _schedule(
        self,
        entry: _Entry,
        delay_ms: int,
        *,
        rises: bool,
        elsewhere: bool = False,
        instead_of: str = "",
    ) -> Pending:
        """A delivery; ``elsewhere``: in another process than all the others.

        ``instead_of``: the delivery that will have taken too long by then.
        """
        entry.deliveries += 1
        if rises or entry.attempt == 0:
            entry.attempt += 1
        number = entry.deliveries
        name = entry.delivery(number)
        delivery = Delivery(entry.id, entry.attempt, f"{entry.id}.{number}")
        pending: list[Pending] = []
        begun = False

        def begin() -> Coroutine[Any, Any, None]:
            nonlocal begun
            begun = True
            entry.waiting.remove(pending[0])
            entry.in_flight += 1
            self._keys.delivered(entry.key, entry.holder)
            told = delivery
            if instead_of:
                self._give_up(entry, instead_of)
                told = delivery._replace(number=entry.attempt)
            lane = ""
            if self._lanes is not None and not elsewhere:
                lane = self._lanes.lane(entry.key, entry.body, name, merges=entry.merges)
            if lane:
                return self._take_turn(lane, entry, told, name)
            return self._deliver(entry, told, name)

        def on_lost() -> None:
            if begun:
                self._ended(entry, name, handled=False)
            elif pending[0] in entry.waiting:
                entry.waiting.remove(pending[0])  # it died as it waited for a worker
            self._release(name)
            self._failed(entry)

        def begin_with_worker() -> Coroutine[Any, Any, None]:
            assert self._workers is not None
            latch = self._workers.take(name)
            return begin() if latch is None else self._wait(latch, name, begin)

        start = begin if self._workers is None else begin_with_worker
        task = self._tasks.spawn(name, start, delay_ms=delay_ms, on_lost=on_lost)
        pending.append(task)
        entry.waiting.append(task)
        return task

    async def _wait(
        self, latch: Latch, name: str, begin: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Deliver once there is a worker; not at all if the message is gone by then."""
        await latch.wait()
        if name in self.workers_busy():
            await begin()

    async def _take_turn(self, lane: str, entry: _Entry, delivery: Delivery, name: str) -> None:
        """Deliver once the lane is free; not if the message, or its key, is handled by then."""
        assert self._lanes is not None
        latch = self._lanes.enter(lane, name)
        if latch is not None:
            reached("delivery.in_line")
            await latch.wait()
        over = entry.gone or self._keys.completed(entry.key, self._lanes.process(name))
        if over or self._lanes.spared(name):
            reached("delivery.spared")
            self._ended(entry, name, handled=False)
            self._release(name)
            if over or not (entry.in_flight or entry.waiting):
                # Else the delivery before it was of this message, too, and has asked for another.
                self._drop(entry)
        else:
            await self._deliver(entry, delivery, name)

    async def _deliver(self, entry: _Entry, delivery: Delivery, name: str) -> None:
        if self.handler is None:
            raise InternalError("the queue has no handler")
        if self._profile.merging is Merging.QUEUED:
            self._stands_no_more(entry)
        if self._profile.delivery_timeout_ms:
            self.time_out(entry.id, name, self._profile.delivery_timeout_ms)
        try:
            answer = await self._handled(self.handler, entry.body, delivery)
        except (UsageError, InternalError):
            raise
        except SimworldError:
            # The handler gave up on a fault of the world: the message comes back.  Any other error
            # is a bug of the engine or of the harness, and is let out.
            reached("delivery.thrown")
            self._ended(entry, name, handled=False)
            self._release(name)
            self._failed(entry)
            return
        await self._tasks.checkpoint("acknowledge" if answer is None else "ask for redelivery")
        self._ended(entry, name, handled=True)
        if isinstance(answer, Redeliver) and not entry.gone:
            self._again(entry, answer.after_s * 1_000, name)
        else:
            self._release(name)
            self._delete(entry, name)

    def _handled(
        self, handler: Handler, body: Message, delivery: Delivery
    ) -> Awaitable[Redeliver | None]:
        """The handler's answer; where the platform has a limit, its process may die before."""
        limit_ms = self._profile.delivery_limit_ms
        return self._limited(handler, body, delivery) if limit_ms else handler(body, delivery)

    async def _limited(
        self, handler: Handler, body: Message, delivery: Delivery
    ) -> Redeliver | None:
        limit = self._tasks.start("limit", self._kill())
        try:
            return await handler(body, delivery)
        finally:
            limit.cancel()

    async def _kill(self) -> None:
        """End the process once its delivery has taken too long."""
        limit_ms = self._profile.delivery_limit_ms
        await self._clock.sleep_ms(limit_ms)
        reached("delivery.killed")
        await self._tasks.kill_host(f"a delivery took longer than {limit_ms} ms")

    def _ended(self, entry: _Entry, name: str, *, handled: bool) -> None:
        """A delivery that had begun is over; ``handled``: its handler has given an answer."""
        entry.in_flight -= 1
        if entry.gone and not entry.in_flight:
            del self._entries[entry.id]
        if self._lanes is not None:
            self._lanes.leave(name, handled=handled)
        self._call_off(entry, name)

    def _call_off(self, entry: _Entry, name: str) -> None:
        """The delivery called so does not time out any more."""
        timeout = self._timeouts.pop(name, None)
        if timeout in entry.waiting:
            entry.waiting.remove(timeout)
            timeout.cancel()
            self._release(timeout.name)

    def _give_up(self, entry: _Entry, name: str) -> None:
        """The delivery called so has taken too long: it counts as failed, and goes on."""
        reached("delivery.timed_out")
        entry.attempt += 1
        if self._lanes is not None:
            self._lanes.leave(name, handled=False)

    def _failed(self, entry: _Entry) -> None:
        if entry.gone or entry.in_flight or entry.waiting:
            return
        if 0 < self._profile.dead_after <= entry.attempt:
            reached("message.dead")
            self._drop(entry)
            return
        self._stands_no_more(entry)  # it is due later, and its deliveries are counted
        self._keys.rescheduled(entry.key, entry.holder)
        self._schedule(entry, self._profile.again_after_ms(entry.attempt), rises=True)

    def _again(self, entry: _Entry, delay_ms: int, name: str) -> None:
        counting = self._profile.timeout_counting
        if counting is TimeoutCounting.RESTARTED:
            entry.attempt = 0
        elif counting is TimeoutCounting.COUNTED and 0 < self._profile.dead_after <= entry.attempt:
            self._release(name)
            self._failed(entry)
            return
        self._keys.rescheduled(entry.key, entry.holder)
        rises = counting is not TimeoutCounting.FREE
        self._schedule(entry, self._cut(delay_ms), rises=rises)
        if self._workers is not None and self._profile.worker_slots is WorkerSlots.HELD:
            self._workers.pass_on(name, entry.waiting[-1].name)
        else:
            self._release(name)

    def _delete(self, entry: _Entry, name: str) -> None:
        """The delivery called so has handled the message."""
        if not entry.gone:
            process = self._lanes.process(name) if self._lanes is not None else ""
            self._keys.deleted(entry.key, entry.body, entry.holder, process)
            self._forget(entry)

    def _drop(self, entry: _Entry) -> None:
        """The message is not delivered any more, though this key may come again."""
        if not entry.gone:
            self._keys.dropped(entry.key, entry.body, entry.holder)
            self._forget(entry)

    def _forget(self, entry: _Entry) -> None:
        entry.gone = True
        self._stands_no_more(entry)
        for pending in entry.waiting:
            pending.cancel()
            self._release(pending.name)
        entry.waiting.clear()
        if not entry.in_flight:
            del self._entries[entry.id]

    def _release(self, name: str) -> None:
        if self._workers is not None:
            self._workers.release(name)
