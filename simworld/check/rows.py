"""Laws of rows: what the tables say is what the log says (I-10), and attempts are starts (I-11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import TypeAlias

from simworld.check.folds import HookFold, RunFold, StepFold, WaitFold
from simworld.check.law import (
    HOOK_EVENTS,
    RUN_EVENTS,
    STEP_EVENTS,
    WAIT_EVENTS,
    Context,
    Law,
    at,
)
from simworld.engine import Event, RunRow
from simworld.records import Anomaly, BodyBegan, Committed, Final

Key: TypeAlias = tuple[str, str]
"""(run id, correlation id)."""

_RUN_EVENTS = frozenset(RUN_EVENTS)
_STEP_EVENTS = frozenset(STEP_EVENTS)
_HOOK_EVENTS = frozenset(HOOK_EVENTS)
_WAIT_EVENTS = frozenset(WAIT_EVENTS)
_position = attrgetter("position")

# --- I-10: rows are the fold of the log -----------------------------------------------------------


class _Tables:
    """All runs and what they own, as their logs tell them."""

    __slots__ = ("hooks", "last_run", "minted", "runs", "steps", "waits")

    def __init__(self, *, minted: bool) -> None:
        self.minted = minted
        self.runs: dict[str, RunFold] = {}
        self.steps: dict[Key, StepFold] = {}
        self.hooks: dict[Key, HookFold] = {}
        self.waits: dict[Key, WaitFold] = {}
        self.last_run: RunRow | None = None
        """The run row found right last; only a run event can make it wrong."""

    def run(self, run_id: str) -> RunFold:
        """The run's fold."""
        run = self.runs.get(run_id)
        if run is None:
            run = self.runs[run_id] = RunFold()
        return run

    def fold(self, event: Event) -> None:
        """Move on by any event of the run."""
        kind, key = event.type, (event.run_id, event.correlation_id)
        if kind in _RUN_EVENTS:
            self.run(event.run_id).fold(event)
        elif kind in _STEP_EVENTS:
            self.steps.setdefault(key, StepFold()).fold(event)
        elif kind in _HOOK_EVENTS:
            self.hooks.setdefault(key, HookFold()).fold(event)
        elif kind in _WAIT_EVENTS:
            self.waits.setdefault(key, WaitFold()).fold(event)

    def saw(self, run_id: str, log: Iterable[Event]) -> bool:
        """Whether it was these events that it was shown; in their order, or as minted."""
        run = self.runs.get(run_id)
        if run is None:
            return False
        seen = sorted(run.seen, key=_position) if self.minted else run.seen
        return seen == list(log)


def _i10(step: str, what: str, turn: int, *, kind: str = "row-differs-from-log") -> Anomaly:
    return Anomaly("I-10", kind, f"{step or 'the run'}: {what}", at(step), turn)


def _i10_start(context: Context) -> _Tables:
    return _Tables(minted=context.minted)


def _run_differs(state: _Tables, record: Committed) -> str:
    """Note an event that is not about the run itself: how does the row right after it differ?"""
    run, row = state.run(record.event.run_id), record.run_row
    run.seen.append(record.event)
    if row is state.last_run:
        return ""
    difference = run.differs(row)
    if not difference:
        state.last_run = row
    return difference


def _i10_run_event(state: _Tables, record: Committed) -> Anomaly | None:
    event = record.event
    run = state.run(event.run_id)
    run.seen.append(event)
    run.fold(event)
    difference = run.differs(record.run_row)
    state.last_run = None if difference else record.run_row
    return _i10("", difference, record.turn) if difference else None


def _i10_step_event(state: _Tables, record: Committed) -> Anomaly | None:
    event = record.event
    key = (event.run_id, event.correlation_id)
    fold = state.steps.get(key)
    if fold is None:
        fold = state.steps[key] = StepFold()
    fold.fold(event)
    difference = _run_differs(state, record)
    if difference:
        return _i10("", difference, record.turn)
    difference = fold.differs(record.step_row)
    return _i10(record.step, difference, record.turn) if difference else None


def _i10_event(state: _Tables, record: Committed) -> Anomaly | None:
    """Hooks, waits, and attributes, which have no row."""
    event = record.event
    state.fold(event)
    difference = _run_differs(state, record)
    if difference:
        return _i10("", difference, record.turn)
    kind, key, run = event.type, (event.run_id, event.correlation_id), state.run(event.run_id)
    if kind in _HOOK_EVENTS:
        difference = state.hooks[key].differs(record.hook_row, run)
    elif kind in _WAIT_EVENTS:
        difference = state.waits[key].differs(record.wait_row, run)
    return _i10(record.step, difference, record.turn) if difference else None


def _told(state: _Tables, final: Final) -> _Tables:
    """The tables the final logs tell; the state's own where it has seen just these logs."""
    if len(state.runs) == len(final.logs) and all(
        state.saw(run_id, log) for run_id, log in final.logs.items()
    ):
        return state
    fresh = _Tables(minted=state.minted)
    for run_id, log in final.logs.items():
        fresh.run(run_id)
        for event in log:
            fresh.fold(event)
    return fresh


def _i10_end(state: _Tables, final: Final) -> list[Anomaly]:
    """All rows once more; only at quiescence, since a call under way may be half done."""
    if not final.drained:
        return []
    told = _told(state, final)
    found: list[Anomaly] = []
    for run_id, run in told.runs.items():
        row = final.runs.get(run_id)
        if row is None:
            found.append(_i10("", "it has a log and no row", final.turn, kind="event-without-row"))
        elif difference := run.differs(row):
            found.append(_i10("", difference, final.turn))
    for key, difference, row_kind in _owned(told, final):
        if difference:
            found.append(_i10(_label(key, final), difference, final.turn, kind=row_kind))
    for key in (*final.steps, *final.hooks, *final.waits):
        if key not in told.steps and key not in told.hooks and key not in told.waits:
            what = "it has a row and no event"
            found.append(_i10(_label(key, final), what, final.turn, kind="row-without-event"))
    found += [
        _i10("", "it has a row and no log", final.turn, kind="row-without-event")
        for run_id in final.runs
        if run_id not in told.runs
    ]
    return found


def _owned(told: _Tables, final: Final) -> Iterator[tuple[Key, str, str]]:
    """Steps, hooks and waits: how the row differs, and what kind of anomaly that would be."""
    for key, step in told.steps.items():
        step_row = final.steps.get(key)
        yield key, step.differs(step_row), _kind(step_row)
    for key, hook in told.hooks.items():
        hook_row = final.hooks.get(key)
        yield key, hook.differs(hook_row, told.run(key[0])), _kind(hook_row)
    for key, wait in told.waits.items():
        wait_row = final.waits.get(key)
        yield key, wait.differs(wait_row, told.run(key[0])), _kind(wait_row)


def _kind(row: object | None) -> str:
    return "event-without-row" if row is None else "row-differs-from-log"


def _label(key: Key, final: Final) -> str:
    return final.labels.get(key[1], key[1])


I_10 = Law(
    id="I-10",
    title="Rows are the fold of the log: nothing is materialised without an event, or lost.",
    on={
        Committed: _i10_event,
        **dict.fromkeys(RUN_EVENTS, _i10_run_event),
        **dict.fromkeys(STEP_EVENTS, _i10_step_event),
    },
    start=_i10_start,
    end=_i10_end,
)

# --- I-11: attempts are starts --------------------------------------------------------------------


class _Starts:
    """The accepted starts of one step, and which of them a body has used."""

    __slots__ = ("count", "step", "used")

    def __init__(self, step: str) -> None:
        self.step = step
        """Its label: where passes have disagreed, two steps may have the same one."""
        self.count = 0
        self.used = 0
        """Bit n is set when a body has begun on start n."""


def _i11(step: str, kind: str, what: str, turn: int) -> Anomaly:
    return Anomaly("I-11", kind, f"{step}: {what}", at(step), turn)


class _Attempts(dict[Key, _Starts]):
    """The starts of every step, and whether bodies are told their own start's number."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.told = context.attempt_is_start


def _i11_started(steps: _Attempts, record: Committed) -> Anomaly | None:
    event, step, row = record.event, record.step, record.step_row
    key = (event.run_id, event.correlation_id)
    starts = steps.get(key)
    if starts is None:
        starts = steps[key] = _Starts(step)
    starts.count += 1
    if row is None or row.attempt == starts.count:
        return None
    what = f"its row is at attempt {row.attempt} after {starts.count} accepted starts"
    return _i11(step, "attempt-is-not-starts", what, record.turn)


def _i11_body(steps: _Attempts, record: BodyBegan) -> Anomaly | None:
    step, number = record.step, record.start
    starts = steps.get((record.run_id, record.step_id))
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
    for key, starts in steps.items() if final.drained else ():
        row = final.steps.get(key)
        if row is not None and row.attempt != starts.count:
            what = f"its row ends at attempt {row.attempt} after {starts.count} accepted starts"
            found.append(_i11(starts.step, "attempt-is-not-starts", what, final.turn))
    return found


I_11 = Law(
    id="I-11",
    title="A step's attempt is the number of its accepted starts, and each body has its own start.",
    on={"step_started": _i11_started, BodyBegan: _i11_body},
    start=_Attempts,
    end=_i11_end,
)
