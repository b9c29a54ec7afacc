"""Every statement of the SQL world's storage, twice: SQL for a server, a twin for memory.

A conditional UPDATE says what its transition needs; no row back means that somebody else was
first.  The appends answer with the run's row, as of the statement's begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simworld.ports import Row, Statement, TableSession
from simworld.worlds.postgres.making import add, changed, columns, label, read
from simworld.worlds.postgres.schema import (
    EVENTS,
    HOOKS,
    POSITION_DIGITS,
    RUNS,
    STEPS,
    WAITS,
)

_RUN_IS_OPEN = ("pending", "running")
_STEP_IS_OVER = ("completed", "failed")

_reads_run = label("run", "run_id", writes=False)
_writes_run = label("run", "run_id", writes=True)
_reads_step = label("step", "run_id", "correlation_id", writes=False)
_writes_step = label("step", "run_id", "correlation_id", writes=True)
_reads_hook = label("hook", "run_id", "correlation_id", writes=False)
_writes_hook = label("hook", "run_id", "correlation_id", writes=True)
_reads_wait = label("wait", "run_id", "correlation_id", writes=False)
_writes_wait = label("wait", "run_id", "correlation_id", writes=True)
_writes_log = label("log", "run_id", writes=True)


# --- runs -----------------------------------------------------------------------------------------

READ_RUN = read("read the run", RUNS, _reads_run)
LOCK_RUN = read("lock the run", RUNS, _writes_run, lock=True)
ADD_RUN = add("add the run", RUNS, _writes_run)


def _started(values: Row) -> Mapping[str, object]:
    return {"status": "running", "started_at_ms": values["now_ms"]}


async def _start_run(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "runs", lambda row: {**row, **_started(values)}, key=(values["run_id"],)
    )


START_ANY_RUN = Statement(
    "start the run",
    "UPDATE runs SET status = 'running', started_at_ms = %(now_ms)s "
    f"WHERE run_id = %(run_id)s RETURNING {columns(RUNS)}",
    _start_run,
    _writes_run,
)
"""Whatever its status is by now (R-60)."""


async def _start_pending_run(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "runs",
        lambda row: {**row, **_started(values)},
        lambda row: row["status"] == "pending",
        key=(values["run_id"],),
    )


START_RUN = Statement(
    "start the run if it is pending",
    "UPDATE runs SET status = 'running', started_at_ms = %(now_ms)s "
    f"WHERE run_id = %(run_id)s AND status = 'pending' RETURNING {columns(RUNS)}",
    _start_pending_run,
    _writes_run,
)


async def _end_run(session: TableSession, values: Row) -> Sequence[Row]:
    new = {each: values[each] for each in ("status", "output", "error", "error_code")}
    ended = await session.update(
        "runs",
        lambda row: {**row, **new, "completed_at_ms": values["now_ms"]},
        lambda row: row["status"] in _RUN_IS_OPEN or row["status"] == values["also"],
        key=(values["run_id"],),
    )
    for _ in ended:
        session.notify(values["channel"], "")
    return [{**row, "told": None} for row in ended]


END_RUN = Statement(
    "end the run",
    "WITH ended AS (UPDATE runs SET status = %(status)s, completed_at_ms = %(now_ms)s, "
    "output = %(output)s, error = %(error)s, error_code = %(error_code)s "
    "WHERE run_id = %(run_id)s AND (status IN ('pending', 'running') OR status = %(also)s) "
    f"RETURNING {columns(RUNS)}) "
    f"SELECT {columns(RUNS)}, pg_notify(%(channel)s, '') AS told FROM ended",
    _end_run,
    _writes_run,
)
"""``also``: a terminal status that may be entered again: a cancelled run may be cancelled.

Whoever waits for the end is told at the commit.
"""


async def _active_runs(session: TableSession, _: Row) -> Sequence[Row]:
    rows = await session.select("runs", lambda row: row["status"] in _RUN_IS_OPEN)
    return [{"run_id": row["run_id"]} for row in rows]


ACTIVE_RUNS = Statement(
    "list the active runs",
    "SELECT run_id FROM runs WHERE status IN ('pending', 'running') ORDER BY run_id",
    _active_runs,
    lambda _: {"runs": False},
)


# --- steps ----------------------------------------------------------------------------------------

READ_STEP = read("read the step", STEPS, _reads_step)
ADD_STEP = add("add the step", STEPS, _writes_step)


def _step_key(values: Row) -> tuple[object, object]:
    return (values["run_id"], values["correlation_id"])


async def _start_step(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "steps",
        lambda row: changed(
            row,
            status="running",
            attempt=row["attempt"] + 1,
            output=b"",
            retry_after_ms=0,
            started_at_ms=row["started_at_ms"] or values["now_ms"],
            completed_at_ms=0,
            owner=values["owner"],
            lease_until_ms=values["lease_until_ms"],
            starts=f"{row['starts']}{values['owner']}\n",
        ),
        lambda row: row["status"] not in _STEP_IS_OVER,
        key=_step_key(values),
    )


START_STEP = Statement(
    "start the step",
    "UPDATE steps SET status = 'running', attempt = attempt + 1, output = '', retry_after_ms = 0, "
    "started_at_ms = CASE started_at_ms WHEN 0 THEN %(now_ms)s ELSE started_at_ms END, "
    "completed_at_ms = 0, owner = %(owner)s, lease_until_ms = %(lease_until_ms)s, "
    "starts = starts || %(owner)s::text || chr(10) "
    "WHERE run_id = %(run_id)s AND correlation_id = %(correlation_id)s "
    f"AND status NOT IN ('completed', 'failed') RETURNING {columns(STEPS)}",
    _start_step,
    _writes_step,
)


def _may_say(row: Row, values: Row) -> bool:
    """The step is not over, and whoever says who they are still owns its latest start."""
    return row["status"] not in _STEP_IS_OVER and values["owner"] in ("", row["owner"])


async def _end_step(session: TableSession, values: Row) -> Sequence[Row]:
    failed = values["status"] == "failed"
    return await session.update(
        "steps",
        lambda row: changed(
            row,
            status=values["status"],
            output=values["output"],
            error=values["error"] if failed else row["error"],
            completed_at_ms=values["now_ms"],
        ),
        lambda row: _may_say(row, values),
        key=_step_key(values),
    )


_MAY_SAY = (
    "WHERE run_id = %(run_id)s AND correlation_id = %(correlation_id)s "
    "AND status NOT IN ('completed', 'failed') "
    f"AND (%(owner)s::text = '' OR owner = %(owner)s::text) RETURNING {columns(STEPS)}"
)

END_STEP = Statement(
    "end the step",
    "UPDATE steps SET status = %(status)s, output = %(output)s, error = CASE %(status)s::text "
    "WHEN 'failed' THEN %(error)s::bytea ELSE error END, completed_at_ms = %(now_ms)s " + _MAY_SAY,
    _end_step,
    _writes_step,
)


async def _retry_step(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "steps",
        lambda row: changed(
            row,
            status="pending",
            error=values["error"],
            output=b"",
            retry_after_ms=values["retry_after_ms"],
            completed_at_ms=0,
            owner="",
            lease_until_ms=0,
            retries=row["retries"] + 1,
        ),
        lambda row: _may_say(row, values),
        key=_step_key(values),
    )


RETRY_STEP = Statement(
    "put the step back",
    "UPDATE steps SET status = 'pending', error = %(error)s, output = '', "
    "retry_after_ms = %(retry_after_ms)s, completed_at_ms = 0, owner = '', lease_until_ms = 0, "
    "retries = retries + 1 " + _MAY_SAY,
    _retry_step,
    _writes_step,
)


# --- hooks ----------------------------------------------------------------------------------------

READ_HOOK = read("read the hook", HOOKS, _reads_hook)


def _adds_hook(values: Row) -> Mapping[str, bool]:
    return {**_writes_hook(values), f"token {values['token']}": True}


ADD_HOOK = add("add the hook", HOOKS, _adds_hook)
"""No row back: the run has such a hook, or somebody else's live hook owns the token."""


async def _find_hook(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.select(
        "hooks", lambda row: row["token"] == values["token"] and row["status"] == "live"
    )


FIND_HOOK = Statement(
    "find the owner of the token",
    f"SELECT {columns(HOOKS)} FROM hooks WHERE token = %(token)s AND status = 'live' "
    "ORDER BY run_id, correlation_id",
    _find_hook,
    label("token", "token", writes=False),
)


async def _dispose_hook(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "hooks",
        lambda row: changed(row, status="disposed"),
        lambda row: row["status"] == "live",
        key=_step_key(values),
    )


DISPOSE_HOOK = Statement(
    "dispose of the hook",
    "UPDATE hooks SET status = 'disposed' "
    "WHERE run_id = %(run_id)s AND correlation_id = %(correlation_id)s AND status = 'live' "
    f"RETURNING {columns(HOOKS)}",
    _dispose_hook,
    lambda values: {**_writes_hook(values), f"token {values['token']}": True},
)


async def _release_hooks(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "hooks",
        lambda row: changed(row, status="disposed"),
        lambda row: row["status"] == "live",
        key=(values["run_id"],),
    )


RELEASE_HOOKS = Statement(
    "release the run's tokens",
    "UPDATE hooks SET status = 'disposed' WHERE run_id = %(run_id)s AND status = 'live' "
    f"RETURNING {columns(HOOKS)}",
    _release_hooks,
    label("hooks", "run_id", writes=True),
)


# --- waits ----------------------------------------------------------------------------------------

READ_WAIT = read("read the wait", WAITS, _reads_wait)
ADD_WAIT = add("add the wait", WAITS, _writes_wait)


async def _complete_wait(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "waits",
        lambda row: changed(row, status="completed", completed_at_ms=values["now_ms"]),
        lambda row: row["status"] == "waiting",
        key=_step_key(values),
    )


COMPLETE_WAIT = Statement(
    "complete the wait",
    "UPDATE waits SET status = 'completed', completed_at_ms = %(now_ms)s "
    "WHERE run_id = %(run_id)s AND correlation_id = %(correlation_id)s AND status = 'waiting' "
    f"RETURNING {columns(WAITS)}",
    _complete_wait,
    _writes_wait,
)


async def _delete_waits(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.delete("waits", key=(values["run_id"],))


DELETE_WAITS = Statement(
    "delete the run's waits",
    f"DELETE FROM waits WHERE run_id = %(run_id)s RETURNING {columns(WAITS)}",
    _delete_waits,
    label("waits", "run_id", writes=True),
)


# --- the log --------------------------------------------------------------------------------------

_EVENT_FIELDS = ("run_id", "event_id", "created_at_ms", "type", "correlation_id", "fact")


async def _append_minted(session: TableSession, values: Row) -> Sequence[Row]:
    run = await session.select("runs", key=(values["run_id"],))
    event = {each: values[each] for each in _EVENT_FIELDS}
    await session.insert("events", {**event, "position": values["position"]})
    return run


APPEND_MINTED = Statement(
    "publish the event",
    "WITH written AS (INSERT INTO events "
    "(run_id, position, event_id, created_at_ms, type, correlation_id, fact) VALUES "
    "(%(run_id)s, %(position)s, %(event_id)s, %(created_at_ms)s, %(type)s, %(correlation_id)s, "
    f"%(fact)s)) SELECT {columns(RUNS)} FROM runs WHERE run_id = %(run_id)s",
    _append_minted,
    _writes_log,
)


def place(position: int) -> str:
    """A position as the column holds it."""
    return f"{position:0{POSITION_DIGITS}d}"


async def _reserve_slot(session: TableSession, values: Row) -> Sequence[Row]:
    return await session.update(
        "runs",
        lambda row: changed(row, last_position=row["last_position"] + 1),
        key=(values["run_id"],),
    )


RESERVE_SLOT = Statement(
    "reserve the next slot",
    "UPDATE runs SET last_position = last_position + 1 WHERE run_id = %(run_id)s "
    f"RETURNING {columns(RUNS)}",
    _reserve_slot,
    _writes_log,
)
"""Whoever dies behind it leaves a hole, unless both are one transaction (R-58)."""


async def _append_slot(session: TableSession, values: Row) -> Sequence[Row]:
    runs = await _reserve_slot(session, values)
    event = {each: values[each] for each in _EVENT_FIELDS}
    for run in runs:
        await session.insert("events", {**event, "position": place(run["last_position"])})
    return runs


APPEND_SLOT = Statement(
    "publish the event in the next slot",
    "WITH slot AS (UPDATE runs SET last_position = last_position + 1 WHERE run_id = %(run_id)s "
    f"RETURNING {columns(RUNS)}), written AS (INSERT INTO events "
    "(run_id, position, event_id, created_at_ms, type, correlation_id, fact) "
    f"SELECT run_id, lpad(last_position::text, {POSITION_DIGITS}, '0'), %(event_id)s::text, "
    "%(created_at_ms)s::bigint, %(type)s::text, %(correlation_id)s::text, %(fact)s::bytea "
    f"FROM slot) SELECT {columns(RUNS)} FROM slot",
    _append_slot,
    _writes_log,
)
"""The slot is taken under the lock of the run's row, so slots are dense and in commit order."""


async def _read_log(session: TableSession, values: Row) -> Sequence[Row]:
    after = values["after"]
    rows = await session.select(
        "events", lambda row: row["position"] > after, key=(values["run_id"],)
    )
    return rows if values["limit"] is None else rows[: values["limit"]]


READ_LOG = Statement(
    "read the log",
    f"SELECT {columns(EVENTS)} FROM events WHERE run_id = %(run_id)s AND position > %(after)s "
    "ORDER BY position LIMIT %(limit)s::bigint",
    _read_log,
    label("log", "run_id", writes=False),
)
"""``limit`` None: all of it."""
