"""Interleavings of the statements that the SQL world and its streams are made of."""

from __future__ import annotations

from simworld.ports import Statement
from simworld.substrates.pg_wire import compiled
from simworld.worlds.postgres import append_statements as appending
from simworld.worlds.postgres import schema
from simworld.worlds.postgres import statements as storage
from simworld.worlds.postgres import stream_statements as streams
from simworld.worlds.postgres.statements import place
from simworld.worlds.queue import job_statements as jobs
from tests.substrates.interleaving import Step
from tests.substrates.rule_statements import interleavings

CHANNELS = ("news", "gossip")


def _all(*modules):
    return [
        each
        for module in modules
        for _, each in sorted(vars(module).items())
        if isinstance(each, Statement)
    ]


STATEMENTS = _all(storage, appending, streams)
JOB_STATEMENTS = _all(jobs)


def _rows(table, **columns):
    """Rows for a statement that takes several: none, the first, or both of two."""
    empty = {str: "", int: 0, bool: False, bytes: 1}
    row = {name: empty[kind] for name, kind in table.columns.items()}
    first, second = (
        {**row, "run_id": "r1", **dict(zip(columns, values, strict=True))}
        for values in zip(*columns.values(), strict=True)
    )
    return ((), (first,), (first, second))


_POOLS = {
    "events": _rows(
        schema.EVENTS,
        position=(place(1), place(2)),
        event_id=("e1", "e2"),
        type=("step_created", "attr_set"),
        correlation_id=("c1", "c2"),
    ),
    "steps": _rows(schema.STEPS, correlation_id=("c1", "c2"), status=("running", "pending")),
    "waits": _rows(schema.WAITS, correlation_id=("c1", "c2"), status=("waiting", "completed")),
    "run_id": ("r1", "r1", "r1", "r2"),
    "correlation_id": ("c1", "c1", "c2"),
    "name": ("s1", "s1", "s2"),
    "channel": CHANNELS,
    "token": ("t1", "t2"),
    "workflow_name": ("w",),
    "step_name": ("work",),
    "input": (b"", b"\0in"),
    "output": (b"", b"out"),
    "error": (b"", b"bad"),
    "error_code": ("", "E"),
    "metadata": (b"{}",),
    "is_webhook": (False, True),
    "is_system": (False,),
    "owner": ("", "me", "you"),
    "starts": ("", "me\n"),
    "also": ("", "cancelled"),
    "event_id": ("e1", "e2", "e3"),
    "type": ("step_created", "hook_created", "step_started", "attr_set"),
    "fact": (b"{}",),
    "position": tuple(map(place, (1, 2, 3, 2**120))),
    "after": tuple(map(place, (0, 1, 2))),
    "limit": (None, 1, 10),
    "blobs": ([b"\0'blob"], []),
    "chunks": ([], [b"one"], [b"", b"\xff\0", b"'"]),
    "data": (b"chunk",),
    "first": (0, 1),
    "end": (1, 100),
    "closed": (False, True),
    **dict.fromkeys(("now_ms", "created_at_ms", "started_at_ms", "completed_at_ms"), (0, 7, 8)),
    **dict.fromkeys(("retry_after_ms", "lease_until_ms", "resume_at_ms"), (0, 9)),
    **dict.fromkeys(("attempt", "retries", "length", "ordinal"), (0, 1)),
    "last_position": (0,),
    "message_id": ("m1", "m1", "m2", "m3"),
    **dict.fromkeys(("key", "own_key"), ("k1", "k1", "k2", None)),
    "body": (b"{}",),
    "keeps_key": (True, False),
    "without": ([], [b"k1"]),
    "number": (0, 1),
    "hands": (0, 0, 1, 2),
    **dict.fromkeys(("due_ms", "until_ms"), (0, 7, 9)),
    "keep_until_ms": (0, 8),
}
_OWN_POOLS = {
    (storage.ADD_RUN, "status"): ("pending", "running"),
    (storage.END_RUN, "status"): ("completed", "failed", "cancelled"),
    (storage.ADD_STEP, "status"): ("pending", "running"),
    (storage.END_STEP, "status"): ("completed", "failed"),
    (storage.ADD_HOOK, "status"): ("live", "live", "disposed"),
    (storage.ADD_WAIT, "status"): ("waiting",),
    (jobs.FREE_KEY, "key"): ("k1", "k2"),
    **{(each, "after"): (0, 0, 1) for each in _all(appending)},
    **{(each, "last_position"): (0, 1, 2) for each in _all(appending)},
    (appending.OPEN, "status"): ("pending", "running"),
    (appending.START, "status"): ("running",),
    (appending.END, "status"): ("completed", "failed", "cancelled"),
}
_FIRST = (
    storage.ADD_RUN,
    storage.ADD_STEP,
    storage.ADD_HOOK,
    storage.ADD_WAIT,
    streams.BEGIN_STREAM,
)
"""Statements that make rows; the first values of their pools are always there already."""
_CONTENDED = (
    storage.LOCK_RUN,
    storage.START_RUN,
    storage.END_RUN,
    storage.START_STEP,
    storage.END_STEP,
    storage.ADD_HOOK,
    storage.DISPOSE_HOOK,
    storage.COMPLETE_WAIT,
    storage.APPEND_SLOT,
    appending.RECORD,
    appending.END,
    streams.BEGIN_STREAM,
    streams.APPEND_CHUNKS,
)


def _parameters(statement):
    """Name → what it may be; ``touches`` may want more than the SQL does."""
    names = dict.fromkeys(compiled(statement, "").order)
    if statement is storage.DISPOSE_HOOK:
        names["token"] = None
    return {each: _OWN_POOLS.get((statement, each)) or _POOLS[each] for each in names}


def world_interleavings():
    """Interleavings of all statements of the world, on a run that has one of everything."""
    return _with_rows(STATEMENTS, _FIRST, _CONTENDED)


def queue_interleavings():
    """Interleavings of all statements of the queue, on one that has a job."""
    return _with_rows(JOB_STATEMENTS, (jobs.ADD,), (jobs.ADD, jobs.TAKE, jobs.PUT_BACK))


def _with_rows(statements, first, contended):
    pools = {each: _parameters(each) for each in statements}
    there = [
        Step(0, "run", each, {name: pool[0] for name, pool in pools[each].items()})
        for each in first
    ]
    drawn = interleavings(pools, first=first, contended=contended)
    return drawn.map(lambda steps: [*there, *steps])
