"""The law of attribution (I-22): whatever has failed is charged to whoever has failed.

USER_ERROR is for what the workflow or its bodies have raised, the other codes are for what the
engine and its worlds have come to.  That faults do not surface at all is I-21.
"""

from __future__ import annotations

from simworld.check.law import CODES, USER, Context, Law, at, read_error, run_label
from simworld.check.outcomes import INFRASTRUCTURE
from simworld.check.walk import before_end, replayable
from simworld.engine import (
    Failed,
    RunFailed,
    StepFailed,
    StepRetrying,
    encode_error,
)
from simworld.records import Anomaly, BodyEnded, Committed, Final

_OF_DIVERGENCE = ("CORRUPTED_EVENT_LOG", "REPLAY_DIVERGENCE")
_DIVERGENCE = "ReplayDivergence"
_STEP_ERROR = "StepFailedError"


class _Raised:
    """The errors that bodies have ended with: (run id, label, name of the error)."""

    __slots__ = ("context", "names")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.names: dict[tuple[str, str, str], None] = {}


def _i22(kind: str, place: str, what: str, turn: int) -> Anomaly:
    return Anomaly("I-22", kind, what, place, turn)


def _i22_body(state: _Raised, record: BodyEnded) -> None:
    if record.error:
        name = record.error.partition(":")[0]
        state.names[record.run_id, record.step, name] = None


def _i22_step(state: _Raised, record: Committed) -> Anomaly | None:
    """A step is charged with what its body has raised, never with what its world has refused."""
    fact, step = record.event.fact, record.step
    assert isinstance(fact, StepFailed | StepRetrying)
    error = read_error(fact.error)
    name = error["name"]
    if name not in INFRASTRUCTURE or (record.event.run_id, step, name) in state.names:
        return None
    what = (
        f"{fact.type} of {step} records {name}: {error['message']}, which no body of it has raised"
    )
    return _i22("fault-charged-to-body", at(step), what, record.turn)


def _i22_run(state: _Raised, record: Committed) -> Anomaly | None:
    fact = record.event.fact
    assert isinstance(fact, RunFailed)
    error = read_error(fact.error)
    name, told = error["name"], f"{error['name']}: {error['message']}"
    if fact.code not in CODES:
        if state.context.foreign:
            return None  # an engine of the first years: it tells the error's class in its place
        what = f"the run failed with {fact.code!r} ({told}); there is no such code"
        return _i22("unknown-code", at(""), what, record.turn)
    if fact.code == USER and name in INFRASTRUCTURE:
        what = f"the run failed with {USER} for what its workflow has not raised ({told})"
        return _i22("fault-charged-to-user", at(""), what, record.turn)
    if fact.code != USER and name == _STEP_ERROR:
        what = f"the run failed with {fact.code} for what its workflow has raised ({told})"
        return _i22("user-error-charged-to-engine", at(""), what, record.turn)
    if fact.code in _OF_DIVERGENCE and name in INFRASTRUCTURE and name != _DIVERGENCE:
        what = f"the run failed with {fact.code} although nothing has diverged ({told})"
        return _i22("wrong-code", at(""), what, record.turn)
    return None


def _i22_end(state: _Raised, final: Final) -> list[Anomaly]:
    """What a cold replay raises, too, is the workflow's."""
    replay = state.context.cold_replay
    found: list[Anomaly] = []
    for run_id, log in replayable(final):
        before = before_end(log)
        fact = log[len(before)].fact if len(before) < len(log) else None
        if replay is None or not isinstance(fact, RunFailed) or fact.code == USER:
            continue
        outcome = replay(run_id, before).outcome
        if not isinstance(outcome, Failed):
            continue
        raised = read_error(encode_error(outcome.error, kind="run"))
        recorded = read_error(fact.error)
        if raised["name"] in INFRASTRUCTURE or raised != recorded:
            continue
        what = (
            f"the run failed with {fact.code} for what its workflow has raised "
            f"({raised['name']}: {raised['message']})"
        )
        place = run_label(final, run_id)
        found.append(_i22("user-error-charged-to-engine", place, what, final.turn))
    return found


I_22 = Law(
    id="I-22",
    title="An error is charged to who has raised it: the workflow, the engine or its world.",
    on={
        BodyEnded: _i22_body,
        "step_retrying": _i22_step,
        "step_failed": _i22_step,
        "run_failed": _i22_run,
    },
    start=_Raised,
    end=_i22_end,
)
