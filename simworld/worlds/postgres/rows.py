"""From a table's row to a record of the engine, and back."""

from __future__ import annotations

import functools
from typing import NamedTuple, Protocol

import attrs

from simworld.engine import (
    Event,
    HookRow,
    HookStatus,
    RunRow,
    RunStatus,
    StepRow,
    StepStatus,
    WaitRow,
    WaitStatus,
)
from simworld.ports import Key, Row
from simworld.worlds.codec import decode_fact

# The columns of a table are named like the fields of its record.
_RUN = tuple(each.name for each in attrs.fields(RunRow))
_STEP = tuple(each.name for each in attrs.fields(StepRow))
_HOOK = tuple(each.name for each in attrs.fields(HookRow))
_WAIT = tuple(each.name for each in attrs.fields(WaitRow))


def run_of(row: Row) -> RunRow:
    """A row of ``runs``."""
    fields = {each: row[each] for each in _RUN}
    return RunRow(**{**fields, "status": RunStatus(row["status"])})


def run_values(run: RunRow) -> dict[str, object]:
    """What is inserted into ``runs``."""
    fields = {each: getattr(run, each) for each in _RUN}
    return {**fields, "status": run.status.value, "last_position": 0}


def step_of(row: Row) -> StepRow:
    """A row of ``steps``; the owners of its starts are lines of a text."""
    starts = tuple(row["starts"].split("\n")[:-1])
    return StepRow(**{**row, "status": StepStatus(row["status"]), "starts": starts})


def step_values(step: StepRow) -> dict[str, object]:
    """What is inserted into ``steps``."""
    fields = {each: getattr(step, each) for each in _STEP}
    starts = "".join(f"{each}\n" for each in step.starts)
    return {**fields, "status": step.status.value, "starts": starts}


def hook_of(row: Row) -> HookRow:
    """A row of ``hooks``."""
    return HookRow(**{**row, "status": HookStatus(row["status"])})


def hook_values(hook: HookRow) -> dict[str, object]:
    """What is inserted into ``hooks``."""
    return {**{each: getattr(hook, each) for each in _HOOK}, "status": hook.status.value}


def wait_of(row: Row) -> WaitRow:
    """A row of ``waits``."""
    return WaitRow(**{**row, "status": WaitStatus(row["status"])})


def wait_values(wait: WaitRow) -> dict[str, object]:
    """What is inserted into ``waits``."""
    return {**{each: getattr(wait, each) for each in _WAIT}, "status": wait.status.value}


def event_of(row: Row) -> Event:
    """A row of ``events``."""
    return _event(
        row["run_id"],
        row["position"],
        row["event_id"],
        row["created_at_ms"],
        row["type"],
        row["correlation_id"],
        row["fact"],
    )


@functools.lru_cache(maxsize=4_096)
def _event(
    run_id: str,
    position: str,
    event_id: str,
    created_at_ms: int,
    event_type: str,
    correlation_id: str,
    fact: bytes,
) -> Event:
    """Remembered: events last, and are read again and again."""
    told = decode_fact(event_type, fact)
    return Event(run_id, event_id, int(position), created_at_ms, event_type, correlation_id, told)


class RowsAfter(NamedTuple):
    """The rows that an event is about, as they were when it had been recorded."""

    run: RunRow | None
    step: StepRow | None
    hook: HookRow | None
    wait: WaitRow | None


class Peeks(Protocol):
    """Tables that can be looked at without waiting: those in memory."""

    def peek(self, table: str, key: Key) -> Row | None:
        """The committed row with this primary key."""


def rows_after(tables: Peeks, event: Event) -> RowsAfter:
    """The run's row as it is by now, and that of the step, hook or wait of the event."""
    run = tables.peek("runs", (event.run_id,))
    key = (event.run_id, event.correlation_id)
    kind = event.type.partition("_")[0]
    step = tables.peek("steps", key) if kind == "step" else None
    hook = tables.peek("hooks", key) if kind == "hook" else None
    wait = tables.peek("waits", key) if kind == "wait" else None
    return RowsAfter(
        None if run is None else run_of(run),
        None if step is None else step_of(step),
        None if hook is None else hook_of(hook),
        None if wait is None else wait_of(wait),
    )
