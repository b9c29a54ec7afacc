"""The law of cost (I-27): what a run may take, and passes that are run in vain."""

from __future__ import annotations

from simworld.check.law import Context, Law, at
from simworld.records import (
    Anomaly,
    Delivered,
    Final,
    LogRead,
    Passed,
    Sent,
    WaitRefused,
)


class _Spent:
    """Messages, deliveries and rows read of each run, and who knows of which wait's end."""

    __slots__ = ("cost", "deliveries", "judged", "messages", "replayed", "rows", "seen", "told")

    def __init__(self, context: Context) -> None:
        self.cost = None if context.faults else context.cost
        """What faults cost is nobody's to bound."""
        self.judged = context.cost is not None
        self.messages: dict[str, int] = {}
        self.deliveries: dict[str, int] = {}
        self.rows: dict[str, int] = {}
        self.replayed: dict[str, int] = {}
        self.seen: dict[tuple[str, str], int] = {}
        """(task, run id): how many events the task's last pass had seen."""
        self.told: dict[tuple[str, str, str], None] = {}
        """(task, run id, wait): the task was told that the wait is completed."""


def _i27(what: str, count: int, most: int | None, turn: int) -> Anomaly | None:
    if most is None or count <= most:
        return None
    message = f"the run has {count} {what}; {most} would do"
    return Anomaly("I-27", f"too-many-{what}", message, at(""), turn)


def _i27_sent(state: _Spent, record: Sent) -> Anomaly | None:
    if state.cost is None or not record.message:
        return None
    count = state.messages[record.run_id] = state.messages.get(record.run_id, 0) + 1
    return _i27("messages", count, state.cost.messages_max, record.turn)


def _i27_delivered(state: _Spent, record: Delivered) -> Anomaly | None:
    if state.cost is None:
        return None
    count = state.deliveries[record.run_id] = state.deliveries.get(record.run_id, 0) + 1
    return _i27("deliveries", count, state.cost.deliveries_max, record.turn)


def _i27_read(state: _Spent, record: LogRead) -> Anomaly | None:
    if state.cost is None:
        return None
    count = state.rows[record.run_id] = state.rows.get(record.run_id, 0) + record.rows
    return _i27("rows read", count, state.cost.rows_max, record.turn)


def _i27_refused(state: _Spent, record: WaitRefused) -> None:
    state.told[record.task, record.run_id, record.wait] = None


def _i27_pass(state: _Spent, record: Passed) -> Anomaly | None:
    return _wasted(state, record) or _i27_replayed(state, record)


def _i27_replayed(state: _Spent, record: Passed) -> Anomaly | None:
    if state.cost is None or state.cost.replayed_max is None:
        return None
    run_id, key = record.run_id, (record.task, record.run_id)
    before = state.seen.get(key, 0) if record.retained else 0
    state.seen[key] = record.length
    count = state.replayed[run_id] = state.replayed.get(run_id, 0) + record.length - before
    return _i27("events replayed", count, state.cost.replayed_max, record.turn)


def _wasted(state: _Spent, record: Passed) -> Anomaly | None:
    """With faults and without: it waits for what its handler knows to be over (R-38)."""
    for wait in record.waits if state.judged else ():
        if (record.task, record.run_id, wait) in state.told:
            message = (
                f"a pass was run and suspended on {wait} by a handler that had been told that "
                f"{wait} is completed"
            )
            return Anomaly("I-27", "wasted-pass", message, at(wait), record.turn)
    return None


def _i27_end(state: _Spent, final: Final) -> list[Anomaly]:
    if state.cost is None:
        return []
    most = state.cost.events_max
    found = [_i27("events", len(log), most, final.turn) for log in final.logs.values()]
    return [each for each in found if each is not None]


I_27 = Law(
    id="I-27",
    title="Without faults a run costs no more than it needs, and no pass is run in vain.",
    on={
        Sent: _i27_sent,
        Delivered: _i27_delivered,
        LogRead: _i27_read,
        WaitRefused: _i27_refused,
        Passed: _i27_pass,
    },
    start=_Spent,
    end=_i27_end,
)
