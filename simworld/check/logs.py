"""Laws of logs: nothing after the end of a run (I-02), and one order for all readers (I-09)."""

from __future__ import annotations

from simworld.check.law import Context, Law, at
from simworld.check.walk import walked
from simworld.engine import TERMINAL_RUN_EVENTS, TERMINAL_STEP_EVENTS, Event
from simworld.marks import reached
from simworld.records import Anomaly, Committed, Final, Passed

# --- I-02: nothing follows the end ----------------------------------------------------------------

_STRAGGLERS = frozenset({*TERMINAL_STEP_EVENTS, "step_retrying"})
"""What a body that had begun before the run's end may still record; a new start it may not."""


class _Ends:
    """How each run has ended, and the steps that bodies may be running of."""

    __slots__ = ("begun", "ended")

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}
        self.begun: dict[tuple[str, str], None] = {}


def _i02_fold(state: _Ends, event: Event, label: str, turn: int) -> Anomaly | None:
    kind, run_id = event.type, event.run_id
    key = (run_id, event.correlation_id)
    end = state.ended.get(run_id)
    if end is None:
        if kind == "step_started":
            state.begun[key] = None
        elif kind in TERMINAL_STEP_EVENTS:
            state.begun.pop(key, None)
        elif kind in TERMINAL_RUN_EVENTS:
            state.ended[run_id] = kind
        return None
    if kind in _STRAGGLERS and key in state.begun:
        reached("run.ended_before_body")
        if kind in TERMINAL_STEP_EVENTS:
            del state.begun[key]
        return None
    if kind == end == "run_cancelled":
        return None
    about = f"{kind} of {label}" if label else kind
    message = (
        f"{about} at position {event.position} follows {end}; after it only a body that had begun "
        "before may end"
    )
    return Anomaly("I-02", "event-after-run-end", message, at(label), turn)


I_02 = walked(
    law="I-02",
    title="Nothing follows the end of a run but the ends of bodies that had begun before it.",
    fresh=_Ends,
    fold=_i02_fold,
)

# --- I-09: one order for all readers --------------------------------------------------------------


class _Order:
    """The ids seen so far, and the last position of each run."""

    __slots__ = ("ids", "last", "minted")

    def __init__(self, *, minted: bool) -> None:
        self.minted = minted
        self.ids: dict[str, str] = {}
        """Event id → run id."""
        self.last: dict[str, int] = {}


def _i09(kind: str, message: str, turn: int) -> Anomaly:
    return Anomaly("I-09", kind, message, at(""), turn)


def _i09_event(state: _Order, event: Event, turn: int, *, sorted_log: bool) -> Anomaly | None:
    run_id, position = event.run_id, event.position
    if event.event_id in state.ids:
        message = f"{event.type} at position {position} has the id of another event"
        return _i09("event-id-twice", message, turn)
    state.ids[event.event_id] = run_id
    last = state.last.get(run_id, 0)
    if position > last:
        state.last[run_id] = position
    elif sorted_log or not state.minted:
        message = f"{event.type} at position {position} follows position {last}"
        return _i09("position-does-not-rise", message, turn)
    return None


def _i09_start(context: Context) -> _Order:
    return _Order(minted=context.minted)


def _i09_step(state: _Order, record: Committed) -> Anomaly | None:
    return _i09_event(state, record.event, record.turn, sorted_log=False)


def _i09_passed(state: _Order, record: Passed) -> Anomaly | None:
    """A whole load has ended where the pass began, however its pages were torn."""
    if state.minted or record.length == record.position:
        return None
    message = (
        f"a pass has seen {record.length} events of the log, the last of them at position "
        f"{record.position}: these are no beginning of it"
    )
    return _i09("no-prefix-read", message, record.turn)


def _i09_end(state: _Order, final: Final) -> list[Anomaly]:
    """The logs as readers see them now: rising, without repetition, and nothing is lost."""
    told = _Order(minted=state.minted)
    found = [
        anomaly
        for log in final.logs.values()
        for event in log
        if (anomaly := _i09_event(told, event, final.turn, sorted_log=True)) is not None
    ]
    if any(event_id not in told.ids for event_id in state.ids):
        message = "an event that was committed is not in the log any more"
        found.append(_i09("event-lost", message, final.turn))
    return found


I_09 = Law(
    id="I-09",
    title="Ids are unique, positions rise, what was committed stays, and readers see a beginning.",
    on={Committed: _i09_step, Passed: _i09_passed},
    start=_i09_start,
    end=_i09_end,
)
