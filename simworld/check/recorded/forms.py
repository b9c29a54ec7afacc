"""The laws as a log alone can break them, each folded over the events of one run.

Most are the laws of a trial, just as they are: they listen to events.  Some need more than a log
tells, and are given what it does tell; where that leaves a doubt, nothing is reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from simworld.check.budget import I_12
from simworld.check.entities import I_04, I_06, I_07, I_08
from simworld.check.law import EPSILON_MS, EVENTS, Context, Law, at, read_error
from simworld.check.laws import LAWS
from simworld.check.liveness import L_03
from simworld.check.logs import I_02
from simworld.check.order import I_01, I_03, I_05
from simworld.check.outcomes import I_26
from simworld.check.replays import I_17
from simworld.check.stuck import L_01
from simworld.engine import (
    EXHAUSTED,
    TERMINAL_RUN_EVENTS,
    TERMINAL_STEP_EVENTS,
    Event,
    HookConflict,
    HookCreated,
    HookRow,
    HookStatus,
    RunRow,
    RunStatus,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    StepStatus,
    WaitCreated,
    WaitRow,
    WaitStatus,
)
from simworld.records import Anomaly, BodyBegan, BodyEnded, Committed, Final

IDS_MAX = 10_000
"""So many ids of a run's latest events are compared one by one; older ones by their order."""

RUN_STATUS = {
    "run_created": RunStatus.PENDING,
    "run_started": RunStatus.RUNNING,
    "run_completed": RunStatus.COMPLETED,
    "run_failed": RunStatus.FAILED,
    "run_cancelled": RunStatus.CANCELLED,
}
_STEP_STATUS = {
    "step_started": StepStatus.RUNNING,
    "step_retrying": StepStatus.PENDING,
    "step_completed": StepStatus.COMPLETED,
    "step_failed": StepStatus.FAILED,
}


def _evolved(law: Law, on: Mapping[type | str, Any], **changes: Any) -> Law:
    return attrs.evolve(law, on=on, **changes)


def final_of(run: RunRow, now_ms: int, turn: int, **changes: Any) -> Final:
    """The end of a log, of which nothing is known but what the changes say."""
    final = Final(turn, now_ms, True, {run.run_id: run}, {}, {}, {}, (), -1)
    return final._replace(**changes)


# --- I-02: nothing follows the end ----------------------------------------------------------------


def _i02_event(state: Any, record: Committed) -> Anomaly | None:
    """Whether a step that was running at the end may be started again, its world decides."""
    event = record.event
    again = event.type == "step_started" and event.run_id in state.ended
    if again and (event.run_id, event.correlation_id) in state.begun:
        return None
    return I_02.step(state, record)


_I_02 = _evolved(I_02, {Committed: _i02_event})

# --- I-03: what has ended stays as it ended -------------------------------------------------------


def _i03_step(state: Any, record: Committed) -> Anomaly | None:
    """The step's row as this event leaves it, wherever it may matter."""
    event = record.event
    kind, key = event.type, (event.run_id, event.correlation_id)
    if kind not in TERMINAL_STEP_EVENTS and key not in state.steps:
        return None
    row = StepRow(*key, "", _STEP_STATUS[kind], b"", 0)
    return I_03.step(state, record._replace(step_row=row))


_I_03 = _evolved(
    I_03,
    {**dict.fromkeys(RUN_STATUS, I_03.on[Committed]), **dict.fromkeys(_STEP_STATUS, _i03_step)},
)

# --- I-04, I-05: a start with an input may create its step ----------------------------------------

_I_04 = _evolved(I_04, {event: step for event, step in I_04.on.items() if event != "step_started"})


def _i05_started(state: Any, record: Committed) -> Anomaly | None:
    """Whether an engine sends the input again with later starts is its own affair."""
    event, fact = record.event, record.event.fact
    known = (event.run_id, event.correlation_id) in state
    if known and isinstance(fact, StepStarted) and fact.input:
        plain = attrs.evolve(event, fact=attrs.evolve(fact, input=b""))
        record = record._replace(event=plain)
    return I_05.step(state, record)


_I_05 = _evolved(I_05, {**I_05.on, "step_started": _i05_started})

# --- I-08: tokens of one run ----------------------------------------------------------------------


def _i08_conflict(state: Any, record: Committed) -> Anomaly | None:
    """Only a run's own hooks are known for certain at the place of the event."""
    fact = record.event.fact
    assert isinstance(fact, HookConflict)
    if fact.conflicting_run_id != record.event.run_id:
        return None
    return I_08.step(state, record)


_I_08 = _evolved(I_08, {**I_08.on, "hook_conflict": _i08_conflict})

# --- I-09: one order ------------------------------------------------------------------------------

_SORTABLE = re.compile(r"_[0-9A-HJKMNP-TV-Z]{26}\Z")
"""Ends of ids that say their place: ULIDs and slots."""


class _Ids:
    """The latest ids of a run, in two generations, and the event before."""

    __slots__ = ("elder", "last", "last_ms", "young")

    def __init__(self) -> None:
        self.young: dict[str, None] = {}
        self.elder: dict[str, None] = {}
        self.last = ""
        self.last_ms = 0


def _i09_event(state: _Ids, record: Committed) -> Anomaly | None:
    event = record.event
    event_id, now_ms = event.event_id, event.created_at_ms
    if event_id in state.young or event_id in state.elder:
        message = f"{event.type} at position {event.position} has the id of another event"
        return Anomaly("I-09", "event-id-twice", message, at(""), record.turn)
    if len(state.young) >= IDS_MAX:
        state.elder, state.young = state.young, {}
    state.young[event_id] = None
    last, last_ms = state.last, state.last_ms
    state.last, state.last_ms = event_id, now_ms
    if event_id > last or now_ms > last_ms or len(event_id) != len(last):
        return None
    prefix = event_id[:-26]
    if not last.startswith(prefix) or not (_SORTABLE.search(event_id) and _SORTABLE.search(last)):
        return None
    message = (
        f"{event.type} at position {event.position} is no younger than the event before it and has "
        "a lower id: this is not the order of the log (oldest first)"
    )
    return Anomaly("I-09", "position-does-not-rise", message, at(""), record.turn)


_I_09 = Law(
    id="I-09",
    title="The ids of a run's events are unique, and the log is in the order of ids or of times.",
    on={Committed: _i09_event},
    start=lambda context: _Ids(),
)

# --- I-12: exhausted retries have been started ----------------------------------------------------


def _i12_started(state: Any, record: Committed) -> None:
    """A log does not tell whether a body failed, so every start may have been one that did."""
    event = record.event
    I_12.step(state, record)
    number = state.of(event.run_id, record.step).starts
    ended = BodyEnded(record.turn, 0, "", event.run_id, record.step, number, "error")
    I_12.step(state, ended)


def _i12_failed(state: Any, record: Committed) -> Anomaly | None:
    fact = record.event.fact
    if not isinstance(fact, StepFailed) or read_error(fact.error)["kind"] != EXHAUSTED:
        return None
    return I_12.step(state, record)


_I_12 = _evolved(I_12, {"step_started": _i12_started, "step_failed": _i12_failed})

# --- I-26: a cancelled run starts nothing ---------------------------------------------------------


def _i26_started(state: Any, record: Committed) -> Anomaly | None:
    """Once the run is cancelled, a start stands for its body."""
    event = record.event
    if event.run_id not in state.runs:
        return None
    I_26.step(state, record)
    number = state.starts[event.run_id, record.step]
    body = BodyBegan(record.turn, 0, "", "", event.run_id, record.step, number, number, number, 0)
    return I_26.step(state, body)


_I_26 = _evolved(I_26, {"run_cancelled": I_26.on["run_cancelled"], "step_started": _i26_started})

# --- L-01: a complete log has an end --------------------------------------------------------------


class _Open:
    """What a run has begun and not ended."""

    __slots__ = ("context", "hooks", "run", "steps", "waits")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.run: RunRow | None = None
        self.steps: dict[tuple[str, str], StepRow] = {}
        self.waits: dict[tuple[str, str], WaitRow] = {}
        self.hooks: dict[tuple[str, str], HookRow] = {}


def _l01_event(state: _Open, record: Committed) -> None:
    event, fact = record.event, record.event.fact
    kind, key = event.type, (event.run_id, event.correlation_id)
    state.run = record.run_row
    if kind in TERMINAL_STEP_EVENTS:
        state.steps.pop(key, None)
    elif kind in _STEP_STATUS or kind == "step_created":
        status = _STEP_STATUS.get(kind, StepStatus.PENDING)
        state.steps[key] = StepRow(*key, "", status, b"", 0)
    elif isinstance(fact, WaitCreated):
        state.waits[key] = WaitRow(*key, WaitStatus.WAITING, fact.resume_at_ms, 0)
    elif kind == "wait_completed":
        state.waits.pop(key, None)
    elif isinstance(fact, HookCreated):
        state.hooks[key] = HookRow(*key, fact.token, HookStatus.LIVE, 0, is_system=fact.is_system)
    elif kind == "hook_disposed":
        state.hooks.pop(key, None)


def _l01_end(state: _Open, final: Final) -> list[Anomaly]:
    if state.run is None:
        return []
    whole = final._replace(steps=state.steps, waits=state.waits, hooks=state.hooks)
    return L_01.end(L_01.start(state.context), whole)


_L_01 = _evolved(L_01, {Committed: _l01_event}, start=_Open, end=_l01_end)

# --- L-03: waits end in time ----------------------------------------------------------------------


class _Waits:
    """The events of a run that its waits end by."""

    __slots__ = ("context", "events")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.events: list[Event] = []


def _l03_event(state: _Waits, record: Committed) -> None:
    state.events.append(record.event)


def _l03_end(state: _Waits, final: Final) -> list[Anomaly]:
    if not state.events:
        return []
    logs = {state.events[0].run_id: state.events}
    return L_03.end(L_03.start(state.context), final._replace(logs=logs))


_L_03 = _evolved(
    L_03,
    dict.fromkeys(("wait_created", "wait_completed", *sorted(TERMINAL_RUN_EVENTS)), _l03_event),
    start=_Waits,
    end=_l03_end,
)

# --- L-06: no retry before its time ---------------------------------------------------------------


def _l06_retrying(state: dict[str, int], record: Committed) -> None:
    fact = record.event.fact
    assert isinstance(fact, StepRetrying)
    if fact.retry_after_ms:
        state[record.step] = fact.retry_after_ms
    else:
        state.pop(record.step, None)


def _l06_started(state: dict[str, int], record: Committed) -> Anomaly | None:
    early_ms = state.pop(record.step, 0) - record.event.created_at_ms
    if early_ms <= EPSILON_MS:
        return None
    message = (
        f"{record.step} was started {early_ms} ms before the time that its step_retrying recorded"
    )
    return Anomaly("L-06", "early-retry", message, at(record.step), record.turn)


_L_06 = Law(
    id="L-06",
    title="A step is not tried again before the time its last failure recorded.",
    on={"step_retrying": _l06_retrying, "step_started": _l06_started},
    start=lambda context: {},
)

# --- all of them ----------------------------------------------------------------------------------

LOG_LAWS: dict[str, Law] = {
    law.id: law
    for law in (
        I_01,
        _I_02,
        _I_03,
        _I_04,
        _I_05,
        I_06,
        I_07,
        _I_08,
        _I_09,
        _I_12,
        I_17,
        _I_26,
        _L_01,
        _L_03,
        _L_06,
    )
}
"""Every law that a log can break."""

NEEDS_RETRIES, NEEDS_END, BY_NAME = "I-12", "L-01", ("I-17", "L-03")
ALONE = tuple(law for law in LOG_LAWS if law not in (NEEDS_RETRIES, NEEDS_END, *BY_NAME))
"""Those that need nothing but the log."""

_PROMISES = {
    "I-12": "a log does not say how many retries a step has (--max-retries tells it)",
    "I-17": "a log does not say whether its workflow is deterministic (--law I-17 promises it)",
    "L-01": "a log does not say whether it is complete (--ended promises it)",
    "L-03": "a log does not say whether something had failed (--law L-03 promises it had not)",
}


def not_judged(judged: tuple[str, ...]) -> dict[str, str]:
    """Id of every other law → why it is not judged."""
    reasons: dict[str, str] = {}
    for law in dict.fromkeys((*LAWS, *LOG_LAWS)):
        if law in judged:
            continue
        if law in LOG_LAWS:
            reasons[law] = _PROMISES.get(law, "other laws were asked for")
        else:
            reasons[law] = "it needs more than a log: rows, bodies, deliveries, passes or streams"
    return reasons


# --- what a gap may explain -----------------------------------------------------------------------

_ABSENCES = frozenset(
    {
        *("run-not-created-first", "step-not-created", "wait-not-created"),
        *("payload-without-live-hook", "disposed-without-live-hook", "token-owned-twice"),
        *("conflict-without-owner", "event-after-run-end", "retries-not-exhausted"),
        *("early-retry", "stuck-run", "late-wait"),
    }
)


def may_be_a_gap(anomaly: Anomaly) -> bool:
    """Whether an event that could not be read may be all that is wrong."""
    return anomaly.kind in _ABSENCES


def listeners(laws: tuple[Law, ...]) -> dict[str, tuple[tuple[int, Any], ...]]:
    """Type of an event → (index of the law, its step) of those that listen to it."""
    table: dict[str, tuple[tuple[int, Any], ...]] = {}
    for event in EVENTS:
        found = [(index, law.listener(Committed, event)) for index, law in enumerate(laws)]
        table[event] = tuple((index, step) for index, step in found if step is not None)
    return table
