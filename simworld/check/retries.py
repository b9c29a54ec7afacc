"""The law of retries: a step that failed is tried again in time, and never before (L-06).

A recorded retryAfter forbids an earlier start.  A plain error is due in a second: who has a message
of the step by then may lawfully be quicker, but not the message that was sent to wait for that
second (R-77).
"""

from __future__ import annotations

from simworld.check.law import (
    EPSILON_MS,
    SLACK_MS,
    Context,
    Law,
    at,
    calm_ms,
    run_label,
    timeless,
)
from simworld.engine import TERMINAL_RUN_EVENTS, StepRetrying
from simworld.records import Anomaly, Committed, Delivered, Final, Sent

RETRY_MS = EPSILON_MS + SLACK_MS
"""How late a retry may start."""

Key = tuple[str, str]
"""(run id, step's label)."""


class _Retries:
    """The retries of a trial."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.timed = not (timeless(context) or context.minted)
        self.open: dict[Key, Committed] = {}
        """The step_retrying that no start has followed."""
        self.ended: set[str] = set()
        """Runs that have ended: a straggler's retry is none; membership only."""
        self.over: list[tuple[Committed, int]] = []
        """(step_retrying, when its retry has started or become pointless)."""
        self.due_ms: dict[str, int] = {}
        """Message that is to retry a plain error → when it may be delivered."""


def _key(record: Committed) -> Key:
    return record.event.run_id, record.step


def _due_ms(retrying: Committed) -> int:
    fact = retrying.event.fact
    assert isinstance(fact, StepRetrying)
    return fact.retry_after_ms or retrying.now_ms + EPSILON_MS


def _l06_retrying(state: _Retries, record: Committed) -> None:
    if record.event.run_id not in state.ended:
        state.open[_key(record)] = record


def _l06_started(state: _Retries, record: Committed) -> Anomaly | None:
    retrying = state.open.pop(_key(record), None)
    if retrying is None:
        return None
    state.over.append((retrying, record.now_ms))
    fact = retrying.event.fact
    assert isinstance(fact, StepRetrying)
    early_ms = fact.retry_after_ms - record.now_ms
    if early_ms <= 0 or not state.timed:
        return None
    message = f"{record.step} is started {early_ms} ms before the time that its retry has recorded"
    return Anomaly("L-06", "early-retry", message, at(record.step), record.turn)


def _l06_sent(state: _Retries, record: Sent) -> None:
    if not (record.step and record.message and record.delay_ms and state.timed):
        return
    retrying = state.open.get((record.run_id, record.step))
    fact = None if retrying is None else retrying.event.fact
    if isinstance(fact, StepRetrying) and not fact.retry_after_ms:
        state.due_ms[record.message] = record.now_ms + record.delay_ms


def _l06_delivered(state: _Retries, record: Delivered) -> Anomaly | None:
    early_ms = state.due_ms.pop(record.task, record.now_ms) - record.now_ms
    if early_ms <= 0:
        return None
    message = (
        f"the message that is to retry {record.step} is delivered {early_ms} ms before the time "
        "that it was to wait for"
    )
    return Anomaly("L-06", "early-retry", message, at(record.step), record.turn)


def _l06_step_ended(state: _Retries, record: Committed) -> None:
    """A body of an earlier start has made the retry pointless."""
    retrying = state.open.pop(_key(record), None)
    if retrying is not None:
        state.over.append((retrying, record.now_ms))


def _l06_run_ended(state: _Retries, record: Committed) -> None:
    run_id = record.event.run_id
    state.ended.add(run_id)
    for key in [each for each in state.open if each[0] == run_id]:
        state.over.append((state.open.pop(key), record.now_ms))


def _l06_end(state: _Retries, final: Final) -> list[Anomaly]:
    if timeless(state.context):
        return []
    calm = calm_ms(state.context, final)
    found: list[Anomaly] = []
    left = [(each, final.now_ms) for each in state.open.values()]
    for retrying, until_ms in [*state.over, *left]:
        late_ms = until_ms - max(_due_ms(retrying), calm)
        if late_ms > RETRY_MS:
            message = (
                f"the retry of {retrying.step} starts {late_ms} ms after it is due, or after the "
                f"last fault; {RETRY_MS} ms would do"
            )
            place = at(retrying.step, run_label(final, retrying.event.run_id))
            found.append(Anomaly("L-06", "late-retry", message, place, final.turn))
    return found


L_06 = Law(
    id="L-06",
    title="A retry starts soon after the time that was recorded for it, and never before.",
    on={
        Sent: _l06_sent,
        Delivered: _l06_delivered,
        "step_retrying": _l06_retrying,
        "step_started": _l06_started,
        **dict.fromkeys(("step_completed", "step_failed"), _l06_step_ended),
        **dict.fromkeys(sorted(TERMINAL_RUN_EVENTS), _l06_run_ended),
    },
    start=_Retries,
    end=_l06_end,
)
