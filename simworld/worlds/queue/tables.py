"""The at-least-once queue in a table: durable, and shared by all processes that work on it.

A message is a job that is due at a time.  Whoever consumes takes the oldest ones that are due by
moving that time to the end of a lease, and renews the lease while the handler runs; if the process
dies, or the database cannot be reached for so long, the job is due again and somebody else takes
it.  The first acknowledgement deletes the job; what else a delivery comes to counts only if it is
the latest one of its message.  A message that only says that its run is to be looked at is left in
the table by a process that is just looking at it: meanwhile others are merged with it.

All times are those of the processes, so their clocks must agree to much less than a lease.
"""

from __future__ import annotations

import hashlib

import attrs

from simworld.errors import InternalError, SimworldError, UniqueViolation, UsageError
from simworld.marks import reached
from simworld.ports import (
    Clock,
    Delivery,
    Handler,
    Ids,
    Job,
    Latch,
    Message,
    Redeliver,
    Row,
    Tables,
    Tasks,
)
from simworld.records import (
    Dedup,
    Delays,
    FlowOrder,
    Keeps,
    Merging,
    QueueProfile,
    TimeoutCounting,
    WorkerSlots,
)
from simworld.worlds.codec import decode_row, encode_row
from simworld.worlds.queue.job_statements import (
    ADD,
    CHANNEL,
    DELETE,
    FREE_KEY,
    KEEP,
    NEVER_MS,
    PUT_BACK,
    RETIRE,
    SWEEP,
    TAKE,
)

TABLE_QUEUE = QueueProfile(redelivery_max_ms=3_600_000, workers=50)
"""The repaired queue in a table."""

LEASE_MS = 30_000
"""For so long a job is its worker's own; renewed whenever a third of it has passed."""
LOOK_MS = 5_000
"""At least so often every process looks for jobs, whatever it has been told."""
RETRY_MS = 1_000
"""Pause after a database that could not be asked."""
WORKERS = 50
"""Handlers side by side in one process, if the profile does not say."""
TOGETHER_MAX = 10
"""Jobs taken at a time, so that processes that are woken together share them."""

_RULES = (
    Dedup.NONE,
    Dedup.QUEUED_ONLY,
    Dedup.IN_FLIGHT,
    Dedup.RETENTION,
    Dedup.KEY_AND_PAYLOAD,
)


@attrs.define(eq=False)
class _UnderWay:
    """A delivery whose handler runs."""

    row: Row
    begun_ms: int
    job: Job | None = None
    ours: bool = True
    """Nobody else has taken its message since."""
    looks_at: str = ""
    """The run that it is about to look at, or looks at just now."""


class TableQueue:
    """``ports.Queue``, and the side that consumes."""

    def __init__(
        self,
        tables: Tables,
        *,
        tasks: Tasks,
        clock: Clock,
        ids: Ids,
        profile: QueueProfile = TABLE_QUEUE,
        lease_ms: int = LEASE_MS,
    ) -> None:
        _check(profile)
        self._tables = tables
        self._tasks = tasks
        self._clock = clock
        self._ids = ids
        self._profile = profile
        self._lease_ms = lease_ms
        self._first_ms = min(lease_ms, profile.delivery_timeout_ms or lease_ms)
        """The first lease of a delivery."""
        self._workers = profile.workers or WORKERS
        self._retains = profile.dedup is Dedup.RETENTION
        self._under_way: dict[str, _UnderWay] = {}
        """By their receipts."""
        self._full = False
        """There was no worker left when we last looked for jobs."""
        self._leaves = False
        """When we last looked for jobs, we left those alone that wait for a look under way here."""
        self._news: Latch | None = None
        """There while the consumer waits for something to do."""
        self._stopping = False

    # Sending.

    async def send(
        self, message: Message, *, key: str = "", delay_s: int = 0, merge: bool = False
    ) -> str:
        """See ``ports.Queue``; the message is durable when this returns."""
        body, now_ms, profile = encode_row(message), self._clock.now_ms(), self._profile
        if profile.delays is Delays.IGNORED:
            delay_s = 0
        held = own = self._key(key, body)
        if merge and profile.merging is Merging.QUEUED:
            held, own = _wake_key(message.run_id), None
        elif self._retains and held is not None:
            await self._tables.run(FREE_KEY, key=held, now_ms=now_ms)
        added = await self._tables.run(
            ADD,
            message_id=self._ids.message_id(),
            key=held,
            own_key=own,
            due_ms=now_ms + self._cut(delay_s * 1_000),
            keep_until_ms=now_ms + profile.retention_ms if self._retains else 0,
            body=body,
        )
        if not added:
            reached("message.merged" if merge else "message.deduplicated")
            return ""
        message_id: str = added[0]["message_id"]
        return message_id

    def let_pass(self, delivery: Delivery) -> None:
        """See ``ports.Queue``; whoever waits does so in the table."""
        under_way = self._under_way.get(delivery.receipt)
        if under_way is not None:
            self._has_looked(under_way)

    def _has_looked(self, delivery: _UnderWay) -> None:
        if delivery.looks_at:
            delivery.looks_at = ""
            if self._leaves:
                self._wake()

    def _key(self, key: str, body: bytes) -> str | None:
        """What the key is in the table."""
        if not key or self._profile.dedup is Dedup.NONE:
            return None
        if self._profile.dedup is Dedup.KEY_AND_PAYLOAD:
            return f"{key} {hashlib.sha256(body).hexdigest()}"
        return key

    def _cut(self, delay_ms: int) -> int:
        longest = self._profile.delay_max_s * 1_000
        return min(delay_ms, longest) if longest else delay_ms

    # Consuming.

    async def consume(self, handler: Handler, workers: int = 0) -> None:
        """Deliver what is due until ``stop``, then finish what is under way.

        ``workers``: handlers side by side; 0: as many as the profile says.  Whoever cancels this
        ends what is under way where it stands; those messages come back when their leases have run
        out.
        """
        self._workers = workers or self._workers
        helpers = (
            self._tasks.start("hear of messages", self._hear()),
            self._tasks.start("renew leases", self._renew()),
        )
        try:
            while not self._stopping:
                # What is told from here on ends the wait below, also if it comes before.
                self._news = self._tasks.latch("take a message")
                wait_ms = await self._round(handler)
                if not self._stopping:
                    await self._news.wait(wait_ms)
            while self._under_way:
                self._news = self._tasks.latch("see the last message through")
                await self._news.wait()
        finally:
            for helper in helpers:
                helper.cancel()
            for each in self._under_way.values():
                assert each.job is not None
                each.job.cancel()
            self._under_way = {}

    def stop(self) -> None:
        """Take nothing more; ``consume`` returns when what is under way has ended."""
        self._stopping = True
        self._wake()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    async def _hear(self) -> None:
        """Wake the consumer whenever a message is sent."""
        while True:
            try:
                async with self._tables.listen(CHANNEL) as notices:
                    self._wake()  # it may have missed something
                    while True:
                        await notices.wait()
                        self._wake()
            except (UsageError, InternalError):
                raise
            except SimworldError:
                await self._clock.sleep_ms(RETRY_MS)

    async def _round(self, handler: Handler) -> int:
        """Take what is due, as far as there are workers; for how long there is nothing to do."""
        free = self._workers - len(self._under_way)
        self._full = free <= 0
        if self._full:
            return LOOK_MS  # whoever ends first wakes us
        try:
            return await self._take(handler, min(free, TOGETHER_MAX))
        except (UsageError, InternalError):
            raise
        except SimworldError:
            reached("queue.unreachable")
            return RETRY_MS

    async def _take(self, handler: Handler, count: int) -> int:
        now_ms = self._clock.now_ms()
        if self._retains:
            await self._tables.run(SWEEP, now_ms=now_ms)
        looks = [each.looks_at for each in self._under_way.values() if each.ours and each.looks_at]
        self._leaves = bool(looks)
        found = await self._tables.run(
            TAKE,
            now_ms=now_ms,
            until_ms=now_ms + self._first_ms,
            limit=count,
            keeps_key=self._profile.dedup is not Dedup.QUEUED_ONLY,
            without=[_wake_key(run_id).encode() for run_id in looks],
        )
        taken = [row for row in found if row["message_id"] is not None]
        for row in taken:
            self._begin(handler, row)
        if len(taken) == count:
            return 0  # there may be more
        next_ms = found[0]["next_ms"]
        return LOOK_MS if next_ms is None else min(LOOK_MS, int(next_ms) - now_ms)

    def _begin(self, handler: Handler, row: Row) -> None:
        receipt = f"{row['message_id']}.{row['hands']}"
        name = self._tasks.child_name("delivery")
        delivery = self._under_way[receipt] = _UnderWay(row, self._clock.now_ms())
        delivery.job = self._tasks.start(name, self._deliver(handler, delivery, receipt))

    async def _deliver(self, handler: Handler, delivery: _UnderWay, receipt: str) -> None:
        row = delivery.row
        try:
            if 0 < self._profile.dead_after < row["number"]:
                await self._drop(row)  # its last worker has died
                return
            message = decode_row(row["body"], Message)
            if not message.step_id and self._profile.merging is Merging.QUEUED:
                delivery.looks_at = message.run_id
            await self._handle(handler, message, row, receipt)
        finally:
            self._under_way.pop(receipt, None)
            self._has_looked(delivery)
            if self._full or self._stopping:
                self._wake()

    async def _handle(self, handler: Handler, message: Message, row: Row, receipt: str) -> None:
        try:
            answer = await handler(message, Delivery(row["message_id"], row["number"], receipt))
        except (UsageError, InternalError):
            raise
        except SimworldError:
            # The handler gave up on a fault of the world.  Any other error is a bug, and is let
            # out; then the message comes back when its lease has run out.
            reached("delivery.thrown")
            await self._failed(row)
            return
        if isinstance(answer, Redeliver):
            await self._again(row, answer.after_s * 1_000)
        else:
            await self._delete(row)

    async def _renew(self) -> None:
        """Keep the jobs ours whose handlers run; none for longer than a delivery may take."""
        while True:
            await self._clock.sleep_ms(self._lease_ms // 3)
            for delivery in list(self._under_way.values()):
                if delivery.ours:
                    await self._keep(delivery)

    async def _keep(self, delivery: _UnderWay) -> None:
        row, longest = delivery.row, self._profile.delivery_timeout_ms
        now_ms = self._clock.now_ms()
        until_ms = now_ms + self._lease_ms
        if longest:
            until_ms = min(until_ms, delivery.begun_ms + longest)
        if until_ms <= now_ms:
            delivery.ours = False
            return
        key = {"message_id": row["message_id"], "hands": row["hands"]}
        try:
            delivery.ours = bool(await self._tables.run(KEEP, **key, until_ms=until_ms))
        except (UsageError, InternalError):
            raise
        except SimworldError:
            pass  # there is time for another attempt before the lease runs out

    # What a delivery comes to.

    async def _delete(self, row: Row) -> None:
        keeps = self._retains and row["own_key"] is not None
        await self._tables.run(RETIRE if keeps else DELETE, message_id=row["message_id"])

    async def _drop(self, row: Row) -> None:
        reached("message.dead")
        await self._delete(row)

    async def _failed(self, row: Row) -> None:
        if 0 < self._profile.dead_after <= row["number"]:
            await self._drop(row)
        else:
            await self._put_back(row, self._profile.again_after_ms(row["number"]), row["number"])

    async def _again(self, row: Row, delay_ms: int) -> None:
        number, counting = row["number"], self._profile.timeout_counting
        if counting is TimeoutCounting.COUNTED and 0 < self._profile.dead_after <= number:
            await self._drop(row)
            return
        if counting is TimeoutCounting.RESTARTED:
            number = 0
        elif counting is TimeoutCounting.FREE:
            number -= 1  # the next delivery is told the same
        await self._put_back(row, self._cut(delay_ms), number)

    async def _put_back(self, row: Row, delay_ms: int, number: int) -> None:
        """Due again after the delay, and with its key, if nobody else has that by now."""
        values = {
            "message_id": row["message_id"],
            "hands": row["hands"],
            "due_ms": min(self._clock.now_ms() + delay_ms, NEVER_MS - 1),
            "number": number,
        }
        try:
            await self._tables.run(PUT_BACK, **values, key=row["own_key"])
        except UniqueViolation:
            await self._tables.run(PUT_BACK, **values, key=None)
        self._wake()  # it may be due before anything else is


def _wake_key(run_id: str) -> str:
    """What a message holds that others are merged with; no key of others begins so."""
    return f"\n{run_id}"


def _check(profile: QueueProfile) -> None:
    """``UsageError`` for what a table cannot do, or what nobody wants of one."""
    if profile.dedup not in _RULES:
        known = ", ".join(_RULES)
        raise UsageError(f"a queue in a table has no dedup={profile.dedup}; it has {known}")
    if profile.flow_order is not FlowOrder.SIDE_BY_SIDE:
        raise UsageError("a queue in a table has no flow_order but side_by_side")
    if profile.worker_slots is not WorkerSlots.RELEASED:
        raise UsageError("a queue in a table has no worker_slots but released")
    if profile.delivery_limit_ms:
        raise UsageError("a queue in a table kills no process: it has no delivery_limit_ms but 0")
    if profile.merging is Merging.IN_FLIGHT:
        raise UsageError("a queue in a table loses no wake: it has no merging but queued and never")
    if profile.keeps is not Keeps.MESSAGES:
        raise UsageError("a queue in a table keeps its messages: it has no keeps but messages")
