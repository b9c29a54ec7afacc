"""The queues of the field, as knobs (spec §2.3).

Each is there twice: repaired, and as it was when the pull request was merged (``…-merged``).
``sdk-local`` is the embedded queue that comes with a subject, as it is.
"""

from __future__ import annotations

from typing import Any

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

_LOCAL: dict[str, Any] = {
    "dedup": Dedup.IN_FLIGHT,  # idempotency window: while the message is alive, its sleeps included
    "redelivery_ms": 5_000,  # delay after failure: 5 s constant
    "workers": 1_000,  # concurrency: semaphore 1000
    "keeps": Keeps.NOTHING,  # storage: process memory, lost on restart
}
_POSTGRES: dict[str, Any] = {
    "dedup": Dedup.JOB_KEY,  # idempotency window: a locked job loses its key; in-flight map; LRU
    "completed_max": 10_000,  # idempotency window: completed keys
    "timeout_counting": TimeoutCounting.RESTARTED,  # attempt number: a reschedule is a new job
    "redelivery_ms": 2_700,  # delay after failure: graphile backoff, e s to begin with
    "redelivery_flat": 1,  # … growing from the first one on
    "redelivery_max_ms": 22_000_000,  # … up to e¹⁰ s
    "workers": 50,  # concurrency: 10, raised to 50 by the pull request
}
_HOSTED: dict[str, Any] = {
    "dedup": Dedup.RETENTION,  # idempotency window: until retention, even after the acknowledgement
    "retention_ms": 86_400_000,  # … 24 h
    "timeout_counting": TimeoutCounting.COUNTED,  # attempt number: delivery count
    "delay_max_s": 900,  # delaySeconds: at most 900 s per hop on some backends
    "merging": Merging.NEVER,  # a service that knows nothing of runs
}

QUEUES: dict[str, QueueProfile] = {
    "local": QueueProfile(**_LOCAL),
    "local-merged": QueueProfile(
        **_LOCAL,
        worker_slots=WorkerSlots.HELD,  # slot held during timeoutSeconds: yes
        delays=Delays.IGNORED,  # delaySeconds: ignored at merge
        timeout_counting=TimeoutCounting.COUNTED,  # attempt number: also timeoutSeconds
        dead_after=256,  # local hard stop: 256 loops
        delivery_timeout_ms=300_000,  # transport timeouts: 300 s body timeout
    ),
    "postgres": QueueProfile(
        **_POSTGRES,
        dead_after=49,  # repaired: the handler's own limit of 48 deliveries is reached
        flow_order=FlowOrder.SIDE_BY_SIDE,  # repaired: no wake waits behind a body
    ),
    "postgres-merged": QueueProfile(
        **_POSTGRES,
        flow_order=FlowOrder.ONE_BY_ONE,  # serialisation per run: unkeyed flow messages
        dead_after=3,  # local hard stop: 3 attempts, then the job is dead
        delivery_timeout_ms=300_000,  # transport timeouts: 300 s, the live handler redelivered
    ),
    "hosted": QueueProfile(
        **_HOSTED,
        redelivery_ms=5_000,  # delay after failure: 5 s …
        redelivery_flat=32,  # … for deliveries 1-32, then exponential
        redelivery_max_ms=7_200_000,  # … up to 7200 s: 48 deliveries take about 20 h
    ),
    "hosted-merged": QueueProfile(
        **_HOSTED,
        redelivery_ms=300_000,  # delay after failure: locked for 300 s before #1999
    ),
    "sdk-local": QueueProfile(
        dedup=Dedup.KEY_AND_PAYLOAD_KEPT,  # topic, key and body; nothing ever empties that table
        timeout_counting=TimeoutCounting.RESTARTED,  # a continuation is a new message, sent first
        redelivery_ms=60_000,  # a handler that raises: visible again after 60 s, every time
        dead_after=1_440,  # no limit of attempts, but a message expires after 24 h
        delay_max_s=82_800,  # the handler cuts a continuation's delay to 23 h
        workers=0,  # its subscriber sets no max_concurrency: every visible message is handed out
        flow_order=FlowOrder.SIDE_BY_SIDE,  # each delivery is a task of its own, begun in order
        delivery_timeout_ms=0,  # a lease of 300 s, renewed by a thread while the handler runs
        keeps=Keeps.NOTHING,  # its messages are in the memory of the process that handles them
        merging=Merging.NEVER,  # it knows nothing of runs
    ),
}
"""Name → profile."""
