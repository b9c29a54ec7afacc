"""Knobs of the worlds and queues (spec §2.3, decisions §3); the engine's own are in the engine."""

from __future__ import annotations

import enum

import attrs

from simworld.engine import at_least, one_of


class Dedup(enum.StrEnum):
    """For how long a message's key suppresses another message with the same key."""

    NONE = "none"
    QUEUED_ONLY = "queued_only"
    """While it waits to be delivered; a delivered message has lost its key."""
    IN_FLIGHT = "in_flight"
    """Until the message is deleted."""
    COMPLETED_LRU = "completed_lru"
    """As in_flight, and the newest deleted keys are remembered for ever."""
    RETENTION = "retention"
    """For ``retention_ms`` from the send, whatever became of the message."""
    KEY_AND_PAYLOAD = "key_and_payload"
    """As in_flight, for messages that agree in key and body."""
    KEY_AND_PAYLOAD_KEPT = "key_and_payload_kept"
    """As key_and_payload, and never forgotten while the queue's process lives."""
    JOB_KEY = "job_key"
    """As queued_only, and a process handles a key once: a second delivery waits for the first and
    then ends without running, as one does whose key was completed lately (PostgreSQL)."""


class DuplicateAttempt(enum.StrEnum):
    """The delivery number an extra delivery of the same message carries."""

    RISES = "rises"
    SAME = "same"


class TimeoutCounting(enum.StrEnum):
    """Whether a delivery that ended with ``{timeoutSeconds}`` counts as a failed delivery."""

    FREE = "free"
    COUNTED = "counted"
    """So timers eat the budget of deliveries (R-20)."""
    RESTARTED = "restarted"
    """What is delivered then is a new job, counted from 1 (PostgreSQL)."""


class WorkerSlots(enum.StrEnum):
    """What a message that is to be delivered again does with its worker (R-74)."""

    RELEASED = "released"
    HELD = "held"
    """Keeps it through the time that ``{timeoutSeconds}`` asked for."""


class Delays(enum.StrEnum):
    """Whether a message waits for as long as its sender said (R-77)."""

    HONOURED = "honoured"
    IGNORED = "ignored"


class FlowOrder(enum.StrEnum):
    """Whether flow messages of one run that carry no key may be handled side by side (R-82)."""

    SIDE_BY_SIDE = "side_by_side"
    ONE_BY_ONE = "one_by_one"
    """In the order of their deliveries, within a process (PostgreSQL)."""


class Merging(enum.StrEnum):
    """With which message of its run one is merged that only says: look at the run."""

    NEVER = "never"
    """With none: every one is delivered."""
    QUEUED = "queued"
    """With one that nobody has begun to handle: whoever will looks at the run after both."""
    IN_FLIGHT = "in_flight"
    """With one that is being handled, too: it may have looked already, and the wake is lost."""


class Keeps(enum.StrEnum):
    """What is left of a queue when every process that works on it has died (§2.6)."""

    MESSAGES = "messages"
    """It is durable; only what processes remember of the keys they have completed is gone."""
    NOTHING = "nothing"
    """It was in their memory; whoever starts next looks at every run that has not ended."""


GROWTH = 3
"""How many times longer each delay of a growing redelivery is than the one before it."""


@attrs.frozen
class QueueProfile:
    """How a queue behaves inside its at-least-once contract."""

    dedup: Dedup = one_of(Dedup.IN_FLIGHT)
    duplicate_attempt: DuplicateAttempt = one_of(DuplicateAttempt.RISES)
    timeout_counting: TimeoutCounting = one_of(TimeoutCounting.FREE)
    redelivery_ms: int = at_least(0, 5_000)
    """Delay before the next delivery after a throw or the death of a handler."""
    redelivery_flat: int = at_least(1, 32)
    """Deliveries of a message with that delay; from the next one on it grows threefold."""
    redelivery_max_ms: int = at_least(0, 0)
    """What the delay grows up to; 0: it does not grow."""
    dead_after: int = at_least(0, 0)
    """Deliveries after which a message that is not handled is dropped (R-21); 0: never."""
    delivery_timeout_ms: int = at_least(0, 0)
    """After so long a delivery counts as failed, though its handler lives on (R-22); 0: never."""
    delivery_limit_ms: int = at_least(0, 0)
    """After so long the platform kills the process that handles a delivery (R-25); 0: never."""
    delay_max_s: int = at_least(0, 0)
    """A longer delay is cut to this one; 0: none is."""
    retention_ms: int = at_least(0, 86_400_000)
    """For how long a key suppresses others under ``retention``."""
    completed_max: int = at_least(1, 10_000)
    """Deleted keys remembered under ``completed_lru`` and ``job_key``."""
    flow_order: FlowOrder = one_of(FlowOrder.SIDE_BY_SIDE)
    workers: int = at_least(0, 0)
    """Deliveries that may be under way at a time (R-72); 0: as many as are due."""
    worker_slots: WorkerSlots = one_of(WorkerSlots.RELEASED)
    delays: Delays = one_of(Delays.HONOURED)
    keeps: Keeps = one_of(Keeps.MESSAGES)
    merging: Merging = one_of(Merging.QUEUED)

    def again_after_ms(self, attempt: int) -> int:
        """Delay after the ``attempt``-th delivery of a message has failed."""
        grown = attempt - self.redelivery_flat
        if not self.redelivery_max_ms or grown <= 0:
            return self.redelivery_ms
        # Beyond 20 steps every delay that grows at all is longer than any that is allowed.
        delay_ms: int = self.redelivery_ms * GROWTH ** min(grown, 20)
        return min(delay_ms, self.redelivery_max_ms)


class LogPosition(enum.StrEnum):
    """When an event gets the key by which readers order the log (R-45)."""

    AT_COMMIT = "at_commit"
    MINT_AT_START = "mint_at_start"
    """Before the event is visible: a smaller key may appear behind a reader's cursor."""


class LastCursor(enum.StrEnum):
    """Whether the last page of a list has a cursor (R-41)."""

    KEPT = "kept"
    NULL = "null"


class TerminalCreate(enum.StrEnum):
    """What a creation on a terminal run is answered with (decisions §5.13)."""

    CONFLICT = "409"
    GONE = "410"


class LateChunks(enum.StrEnum):
    """What a write to a stream of a run that has ended is answered with (R-69)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """410, and so is its end."""


class ChunkOrder(enum.StrEnum):
    """When chunks get the place by which readers order a stream, in the atomic and the hosted world
    (R-70)."""

    AT_COMMIT = "at_commit"
    MINT_AT_START = "mint_at_start"
    """Before they are visible: chunks may appear behind a live reader, who has read on."""


class HandlerClock(enum.StrEnum):
    """Which clock handlers go by when they look whether a wait is over (R-42)."""

    HOST = "host"
    """Their host's, which may be ahead or behind."""
    SERVER = "server"
    """The world's, which all hosts share."""


@attrs.frozen
class WorldProfile:
    """How a world behaves inside its contract."""

    page_max: int = at_least(1, 1_000)
    """Events per page of ``list``."""
    hosts: int = at_least(0, 0)
    """Processes that deliveries share, with their memory and what their queue has in hand (R-23);
    0: each delivery has a memory of its own, and the queue takes all for one process."""
    log_position: LogPosition = one_of(LogPosition.AT_COMMIT)
    last_cursor: LastCursor = one_of(LastCursor.KEPT)
    terminal_create: TerminalCreate = one_of(TerminalCreate.CONFLICT)
    handler_clock: HandlerClock = one_of(HandlerClock.HOST)
    late_chunks: LateChunks = one_of(LateChunks.ACCEPTED)
    chunk_order: ChunkOrder = one_of(ChunkOrder.AT_COMMIT)
