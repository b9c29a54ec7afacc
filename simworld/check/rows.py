"""Laws of rows: what the tables say is what the log says (I-10), and attempts are starts (I-11).

The fold in here is the checker's own, written from spec §1.2 and not from the engine's lifecycle:
a mistake there must show as a difference here.
"""

from __future__ import annotations

from typing import TypeAlias

from simworld.check.law import Context, Law, at
from simworld.engine import (
    RUN_MOVES,
    STEP_MOVES,
    Event,
    RunCompleted,
    RunFailed,
    RunRow,
    RunStatus,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStatus,
)
from simworld.records import Anomaly, BodyBegan, Committed, Final

StepKey: TypeAlias = tuple[str, str]
"""(run id, correlation id); in I-11, which also listens to bodies, (run id, label)."""

# Bound once: looking a member up in its class costs more than a comparison.
_PENDING, _RUNNING, _COMPLETED, _FAILED = StepStatus
_RUN_PENDING, _RUN_RUNNING, _RUN_COMPLETED, _RUN_FAILED, _RUN_CANCELLED = RunStatus


class _RunFold:
    """A run as its log tells it."""

    __slots__ = ("code", "error", "output", "seen", "started_at_ms", "status")

    def __init__(self) -> None:
        self.status = _RUN_PENDING
        self.output = b""
        self.error = b""
        self.code = ""
        self.started_at_ms = 0
        self.seen: list[Event] = []
        """The run's events in the order of their commits."""


class _StepFold:
    """A step as the log of its run tells it."""

    __slots__ = ("attempt", "error", "output", "started_at_ms", "status")

    def __init__(self) -> None:
        self.status = _PENDING
        self.attempt = 0
        self.output = b""
        self.error = b""
        self.started_at_ms = 0


class _Tables:
    """All runs and steps as their logs tell them."""

    __slots__ = ("last_run", "runs", "steps")

    def __init__(self) -> None:
        self.runs: dict[str, _RunFold] = {}
        self.steps: dict[StepKey, _StepFold] = {}
        self.last_run: RunRow | None = None
        """The run row found right last; only a run event can make it wrong."""


def _fold_run(fold: _RunFold, event: Event) -> None:
    fact = event.fact
    if event.type == "run_started":
        fold.status = _RUN_RUNNING
        fold.started_at_ms = event.created_at_ms
    elif isinstance(fact, RunCompleted):
        fold.status = _RUN_COMPLETED
        fold.output = fact.output
    elif isinstance(fact, RunFailed):
        fold.status = _RUN_FAILED
        fold.error, fold.code = fact.error, fact.code
    elif event.type == "run_cancelled":
        fold.status = _RUN_CANCELLED


def _fold_step(fold: _StepFold, event: Event) -> None:
    kind = event.type
    if kind == "step_created":
        return
    if kind == "step_started":
        fold.status = _RUNNING
        fold.attempt += 1
        fold.started_at_ms = fold.started_at_ms or event.created_at_ms
        return
    fact = event.fact
    if isinstance(fact, StepCompleted):
        fold.status = _COMPLETED
        fold.output = fact.result
    elif isinstance(fact, StepFailed):
        fold.status = _FAILED
        fold.error = fact.error
    elif isinstance(fact, StepRetrying):
        fold.status = _PENDING
        fold.error = fact.error


def _run_differs(fold: _RunFold, row: RunRow) -> str:
    if row.status != fold.status:
        return f"the row's status is {row.status}, the log's {fold.status}"
    if row.output != fold.output:
        return "the row's output is not the log's"
    if row.error != fold.error or row.error_code != fold.code:
        return "the row's error is not the log's"
    if row.started_at_ms != fold.started_at_ms:
        return f"the row started at {row.started_at_ms} ms, the log says {fold.started_at_ms} ms"
    return ""


def _step_differs(fold: _StepFold, row: StepRow) -> str:
    if row.status != fold.status:
        return f"the row's status is {row.status}, the log's {fold.status}"
    if row.attempt != fold.attempt:
        return f"the row's attempt is {row.attempt}, the log has {fold.attempt} starts"
    if row.output != fold.output:
        return "the row's output is not the log's"
    if row.error != fold.error:
        return "the row's error is not the log's"
    if row.started_at_ms != fold.started_at_ms:
        return f"the row started at {row.started_at_ms} ms, the log says {fold.started_at_ms} ms"
    return ""


def _i10(step: str, what: str, turn: int, *, kind: str = "row-differs-from-log") -> Anomaly:
    return Anomaly("I-10", kind, f"{step or 'the run'}: {what}", at(step), turn)


def _i10_start(context: Context) -> _Tables:
    return _Tables()


def _i10_run_event(state: _Tables, record: Committed) -> Anomaly | None:
    event = record.event
    run = state.runs.get(event.run_id)
    if run is None:
        run = state.runs[event.run_id] = _RunFold()
    run.seen.append(event)
    _fold_run(run, event)
    difference = _run_differs(run, record.run_row)
    state.last_run = None if difference else record.run_row
    return _i10("", difference, record.turn) if difference else None


def _i10_step_event(state: _Tables, record: Committed) -> Anomaly | None:
    event, row, run_row = record.event, record.step_row, record.run_row
    run_id = event.run_id
    key = (run_id, event.correlation_id)
    fold = state.steps.get(key)
    if fold is None:
        fold = state.steps[key] = _StepFold()
    _fold_step(fold, event)
    run = state.runs.get(run_id)
    if run is None:
        run = state.runs[run_id] = _RunFold()
    run.seen.append(event)
    if run_row is not state.last_run:
        difference = _run_differs(run, run_row)
        if difference:
            return _i10("", difference, record.turn)
        state.last_run = run_row
    if row is None:
        difference = "there is no row right after its event"
    else:
        difference = _step_differs(fold, row)
    return _i10(record.step, difference, record.turn) if difference else None


def _refold(state: _Tables, final: Final) -> _Tables:
    """The tables the final logs tell; the state's own where it has seen just these logs."""
    if len(state.runs) == len(final.logs) and all(
        run_id in state.runs and state.runs[run_id].seen == list(log)
        for run_id, log in final.logs.items()
    ):
        return state
    fresh = _Tables()
    for run_id, log in final.logs.items():
        run = fresh.runs[run_id] = _RunFold()
        for event in log:
            step_id = event.correlation_id
            if step_id:
                key = (run_id, step_id)
                if key not in fresh.steps:
                    fresh.steps[key] = _StepFold()
                _fold_step(fresh.steps[key], event)
            else:
                _fold_run(run, event)
    return fresh


def _i10_end(state: _Tables, final: Final) -> list[Anomaly]:
    """All rows once more; only at quiescence, since a call under way may be half done."""
    if not final.drained:
        return []
    told = _refold(state, final)
    found: list[Anomaly] = []
    for run_id, run in told.runs.items():
        row = final.runs.get(run_id)
        if row is None:
            found.append(_i10("", "it has a log and no row", final.turn, kind="event-without-row"))
        elif difference := _run_differs(run, row):
            found.append(_i10("", difference, final.turn))
    for key, fold in told.steps.items():
        step_row = final.steps.get(key)
        if step_row is None:
            label = final.labels.get(key[1], key[1])
            what = "it has events and no row"
            found.append(_i10(label, what, final.turn, kind="event-without-row"))
        elif difference := _step_differs(fold, step_row):
            label = final.labels.get(key[1], key[1])
            found.append(_i10(label, difference, final.turn))
    for key in final.steps:
        if key not in told.steps:
            label = final.labels.get(key[1], key[1])
            what = "it has a row and no event"
            found.append(_i10(label, what, final.turn, kind="row-without-event"))
    found += [
        _i10("", "it has a row and no log", final.turn, kind="row-without-event")
        for run_id in final.runs
        if run_id not in told.runs
    ]
    return found


I_10 = Law(
    id="I-10",
    title="Rows are the fold of the log: nothing is materialised without an event, or lost.",
    on={
        **dict.fromkeys(RUN_MOVES, _i10_run_event),
        **dict.fromkeys(STEP_MOVES, _i10_step_event),
    },
    start=_i10_start,
    end=_i10_end,
)

# --- I-11: attempts are starts --------------------------------------------------------------------


class _Starts:
    """The accepted starts of one step, and which of them a body has used."""

    __slots__ = ("count", "step_id", "used")

    def __init__(self, step_id: str) -> None:
        self.step_id = step_id
        self.count = 0
        self.used = 0
        """Bit n is set when a body has begun on start n."""


def _i11(step: str, kind: str, what: str, turn: int) -> Anomaly:
    return Anomaly("I-11", kind, f"{step}: {what}", at(step), turn)


class _Attempts(dict[StepKey, _Starts]):
    """The starts of every step, and whether bodies are told their own start's number."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.told = context.attempt_is_start


def _i11_started(steps: _Attempts, record: Committed) -> Anomaly | None:
    event, step, row = record.event, record.step, record.step_row
    key = (event.run_id, step)
    starts = steps.get(key)
    if starts is None:
        starts = steps[key] = _Starts(event.correlation_id)
    starts.count += 1
    if row is None or row.attempt == starts.count:
        return None
    what = f"its row is at attempt {row.attempt} after {starts.count} accepted starts"
    return _i11(step, "attempt-is-not-starts", what, record.turn)


def _i11_body(steps: _Attempts, record: BodyBegan) -> Anomaly | None:
    step, number = record.step, record.start
    starts = steps.get((record.run_id, step))
    if starts is None or not 1 <= number <= starts.count:
        accepted = starts.count if starts is not None else 0
        what = f"a body says it is of start {number}; {accepted} starts have been accepted"
        return _i11(step, "body-without-own-start", what, record.turn)
    bit = 1 << number
    if starts.used & bit:
        what = f"two bodies say they are of start {number}"
        return _i11(step, "start-used-twice", what, record.turn)
    starts.used |= bit
    if steps.told and record.attempt != number:
        what = f"the body of start {number} is told that it is attempt {record.attempt}"
        return _i11(step, "wrong-attempt-told", what, record.turn)
    return None


def _i11_end(steps: _Attempts, final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for (run_id, step), starts in steps.items() if final.drained else ():
        row = final.steps.get((run_id, starts.step_id))
        if row is not None and row.attempt != starts.count:
            what = f"its row ends at attempt {row.attempt} after {starts.count} accepted starts"
            found.append(_i11(step, "attempt-is-not-starts", what, final.turn))
    return found


I_11 = Law(
    id="I-11",
    title="A step's attempt is the number of its accepted starts, and each body has its own start.",
    on={"step_started": _i11_started, BodyBegan: _i11_body},
    start=_Attempts,
    end=_i11_end,
)
