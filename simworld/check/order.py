"""Laws of order: what may follow what (I-01, I-05), and what never changes again (I-03).

An order is a table of tables: the moves allowed now, each leading to the moves allowed next.  An
event without an entry breaks the law and moves nothing.  I-01 and I-05 watch the order of commits
and, at the end, walk each log once more, because a world may have sorted it differently; the laws
that need no table do the same by ``walk``.
"""

from __future__ import annotations

from typing import TypeAlias

from simworld.check.law import RUN_EVENTS, STEP_EVENTS, Context, Law, at
from simworld.engine import (
    RUN_TERMINAL,
    Event,
    RunRow,
    RunStatus,
    StepStarted,
    StepStatus,
    WaitStatus,
)
from simworld.records import Anomaly, Committed, Final

Moves: TypeAlias = "dict[str, Moves]"

# --- I-01: the order of a run's events ------------------------------------------------------------

_RUN_EVENTS = frozenset(RUN_EVENTS)
_OTHER = ""
"""Stands for every event that is not about the run itself."""

_ENDED: Moves = {}
_CANCELLED: Moves = {}
_GOING: Moves = {}
_ENDED[_OTHER] = _ENDED
_CANCELLED.update({_OTHER: _CANCELLED, "run_cancelled": _CANCELLED})
_ENDINGS: Moves = {
    "run_completed": _ENDED,
    "run_failed": _ENDED,
    "run_cancelled": _CANCELLED,
}
_GOING.update({_OTHER: _GOING, **_ENDINGS})
_CREATED: Moves = {_OTHER: _GOING, "run_started": _GOING, **_ENDINGS}
_FRESH: Moves = {"run_created": _CREATED}

_RUN_KINDS = {
    "run_created": ("run-created-twice", "the run exists already"),
    "run_started": ("run-started-late", "it must follow run_created, once and at once"),
}


def _i01_anomaly(moves: Moves, event: Event, turn: int) -> Anomaly:
    if moves is _FRESH:
        kind, why = "run-not-created-first", "run_created must be first"
    else:
        kind, why = _RUN_KINDS.get(
            event.type, ("second-terminal-event", "the run had ended already")
        )
    return Anomaly("I-01", kind, f"{event.type} at position {event.position}: {why}", at(""), turn)


def _i01_start(context: Context) -> dict[str, Moves]:
    return {}


def _i01_step(runs: dict[str, Moves], record: Committed) -> Anomaly | None:
    event = record.event
    run_id = event.run_id
    moves = runs.get(run_id, _FRESH)
    kind = event.type
    after = moves.get(kind if kind in _RUN_EVENTS else _OTHER)
    if after is None:
        return _i01_anomaly(moves, event, record.turn)
    if after is not moves:
        runs[run_id] = after
    return None


def _i01_end(runs: dict[str, Moves], final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for log in final.logs.values():
        moves = _FRESH
        for event in log:
            kind = event.type
            after = moves.get(kind if kind in _RUN_EVENTS else _OTHER)
            if after is None:
                found.append(_i01_anomaly(moves, event, final.turn))
                break
            moves = after
    return found


I_01 = Law(
    id="I-01",
    title="A run is created first and once, started at once or never, and ends at most once.",
    on={Committed: _i01_step},
    start=_i01_start,
    end=_i01_end,
)

# --- I-05: the order of a step's events -----------------------------------------------------------

_CLOSED: Moves = {}
_OPEN: Moves = {}
_OPEN.update(step_started=_OPEN, step_retrying=_OPEN, step_completed=_CLOSED, step_failed=_CLOSED)
_STEP_EVENTS = frozenset(STEP_EVENTS)
_LAZY = "step_started with an input"
_ABSENT: Moves = {"step_created": _OPEN, _LAZY: _OPEN}

StepKey: TypeAlias = tuple[str, str]
"""(run id, correlation id)."""


def _move(event: Event) -> str:
    """What the tables call the event: a start that creates its step is no other start."""
    kind = event.type
    if kind == "step_started":
        fact = event.fact
        if isinstance(fact, StepStarted) and fact.input:
            return _LAZY
    return kind


def _i05_anomaly(moves: Moves, event: Event, step: str, turn: int) -> Anomaly:
    if moves is _ABSENT:
        kind, why = "step-not-created", "there is no step_created before it"
    elif moves is _CLOSED:
        kind, why = "event-after-step-end", "the step had ended already"
    else:
        kind, why = "step-created-twice", "the step exists already"
    message = f"{event.type} of {step} at position {event.position}: {why}"
    return Anomaly("I-05", kind, message, at(step), turn)


def _i05_start(context: Context) -> dict[StepKey, Moves]:
    return {}


def _i05_step(steps: dict[StepKey, Moves], record: Committed) -> Anomaly | None:
    event = record.event
    key = (event.run_id, event.correlation_id)
    moves = steps.get(key, _ABSENT)
    after = moves.get(_move(event))
    if after is None:
        return _i05_anomaly(moves, event, record.step, record.turn)
    if after is not moves:
        steps[key] = after
    return None


def _i05_end(steps: dict[StepKey, Moves], final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for log in final.logs.values():
        now: dict[str, Moves] = {}
        for event in log:
            if event.type not in _STEP_EVENTS:
                continue
            step_id = event.correlation_id
            moves = now.get(step_id, _ABSENT)
            after = moves.get(_move(event))
            if after is None:
                label = final.labels.get(step_id, step_id)
                found.append(_i05_anomaly(moves, event, label, final.turn))
            elif after is not moves:
                now[step_id] = after
    return found


I_05 = Law(
    id="I-05",
    title="A step is created, started any number of times, and ends at most once.",
    on=dict.fromkeys(STEP_EVENTS, _i05_step),
    start=_i05_start,
    end=_i05_end,
)

# --- I-03: what has ended stays as it ended -------------------------------------------------------


# A tuple: looking a member up in a set hashes it, and that is a call into Python.
_COMPLETED, _FAILED = StepStatus.COMPLETED, StepStatus.FAILED


class _Ended:
    """The terminal statuses seen so far."""

    __slots__ = ("last_run", "runs", "steps", "waits")

    def __init__(self) -> None:
        self.runs: dict[str, RunStatus] = {}
        self.steps: dict[StepKey, StepStatus] = {}
        self.waits: list[StepKey] = []
        self.last_run: RunRow | None = None
        """The row looked at last: rows are frozen, so the same one need not be judged twice."""


def _changed(what: str, place: str, before: str, after: str, turn: int) -> Anomaly:
    message = f"{what} had ended as {before} and is now {after}"
    return Anomaly("I-03", "terminal-status-changed", message, place, turn)


def _i03_start(context: Context) -> _Ended:
    return _Ended()


def _i03_step(state: _Ended, record: Committed) -> Anomaly | None:
    run = record.run_row
    if run is not state.last_run:
        state.last_run = run
        before = state.runs.get(run.run_id)
        if before is not None:
            if run.status != before:
                return _changed("the run", at(""), before, run.status, record.turn)
        elif run.status in RUN_TERMINAL:
            state.runs[run.run_id] = run.status
    step = record.step_row
    if step is None:
        return None
    key = (step.run_id, step.correlation_id)
    ended = state.steps.get(key)
    if ended is not None:
        if step.status != ended:
            return _changed(record.step, at(record.step), ended, step.status, record.turn)
    elif step.status in (_COMPLETED, _FAILED):
        state.steps[key] = step.status
    return None


def _i03_wait(state: _Ended, record: Committed) -> Anomaly | None:
    state.waits.append((record.event.run_id, record.event.correlation_id))
    return _i03_step(state, record)


def _i03_end(state: _Ended, final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for run_id, before in state.runs.items():
        run = final.runs.get(run_id)
        if run is not None and run.status != before:
            found.append(_changed("the run", at(""), before, run.status, final.turn))
    for key, ended in state.steps.items():
        step = final.steps.get(key)
        if step is not None and step.status != ended:
            label = final.labels.get(key[1], key[1])
            found.append(_changed(label, at(label), ended, step.status, final.turn))
    for key in state.waits:
        wait = final.waits.get(key)
        if wait is not None and wait.status != WaitStatus.COMPLETED:
            label = final.labels.get(key[1], key[1])
            found.append(_changed(label, at(label), WaitStatus.COMPLETED, wait.status, final.turn))
    return found


I_03 = Law(
    id="I-03",
    title="A run, step or wait that has ended never changes its status again.",
    on={Committed: _i03_step, "wait_completed": _i03_wait},
    start=_i03_start,
    end=_i03_end,
)
