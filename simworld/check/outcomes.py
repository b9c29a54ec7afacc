"""Laws of outcomes: runs return what they must (I-18), faults stay inside (I-21), a cancelled run
starts nothing (I-26), and a run costs what it may (I-27)."""

from __future__ import annotations

from simworld import errors
from simworld.check.law import (
    CODES,
    USER,
    Context,
    Law,
    at,
    read_error,
    read_output,
    run_label,
)
from simworld.engine import INTERRUPTED, RunFailed, RunStatus, StepFailed, encode
from simworld.records import Anomaly, BodyBegan, BodyEnded, Committed, Final

# --- I-18: the output is the right one ------------------------------------------------------------

_LOST = (
    "CommunicationError",
    "DefiniteFailure",
    "EntityNotFoundError",
    "IndefiniteFailure",
    "InternalServerError",
    "OSError",
    "ReadTimeout",
    "ThrottleError",
    "ThrottledError",
    "WorkflowWorldError",
    "WorldError",
)
"""Errors that a fault of the world may bring about in a body: of a stream that it writes, of a
child run whose start is late."""
_TOO_LATE = ("EntityConflictError", "RunExpiredError")
"""What a foreign engine's body is told that asks for something when its run has ended."""
_CANCELLED = ("CancelledError", "StepCancelledError")
"""How a foreign engine ends a body that its workflow has cancelled."""


class _Failures:
    """The steps that have had a body which failed, and what has ended: (run id, label)."""

    __slots__ = ("context", "ended", "steps")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.steps: dict[tuple[str, str], None] = {}
        self.ended: dict[tuple[str, str], None] = {}
        """Steps, and with an empty label runs."""


def _i18_body(state: _Failures, record: BodyEnded) -> Anomaly | None:
    """A body that fails although nobody planned it: a mistake, here or in the scenario."""
    if record.outcome == "ok":
        return None
    state.steps[record.run_id, record.step] = None
    context = state.context
    if context.may_fail or (record.step, record.number) in context.failures:
        return None
    name = record.error.partition(":")[0]
    if context.foreign and name in _CANCELLED:
        return None
    ended = (record.run_id, "") in state.ended or (record.run_id, record.step) in state.ended
    if context.foreign and ended and name in _TOO_LATE:
        return None  # it was begun once more, lawfully, and its sibling was faster
    if context.faults and name in _LOST:
        return None  # what its body asked of the world met a fault; I-21 judges what follows
    why = f" with {record.error}" if record.error else ""
    message = f"body {record.number} of {record.step} failed{why}; the scenario did not plan that"
    return Anomaly("I-18", "unplanned-body-failure", message, at(record.step), record.turn)


def _i18_ended(state: _Failures, record: Committed) -> None:
    state.ended[record.event.run_id, record.step] = None


def _i18_step_failed(state: _Failures, record: Committed) -> Anomaly | None:
    """A step that is fatal though no body of it has failed: it could not even be begun."""
    event, fact, step = record.event, record.event.fact, record.step
    _i18_ended(state, record)
    if state.context.may_fail or (event.run_id, step) in state.steps:
        return None
    error = read_error(fact.error if isinstance(fact, StepFailed) else b"")
    if error["kind"] != "fatal":
        return None
    message = f"{step} failed for good without a body: {error['name']}: {error['message']}"
    return Anomaly("I-18", "step-failed-without-body", message, at(step), record.turn)


def _i18_end(state: _Failures, final: Final) -> list[Anomaly]:
    context = state.context
    oracle = context.oracle
    found: list[Anomaly] = []
    for run_id, row in final.runs.items():
        log = final.logs.get(run_id)
        if log is None:
            continue
        place = run_label(final, run_id)
        if (
            row.status == RunStatus.FAILED
            and not context.may_fail
            and not any(event.type == "step_failed" for event in log)
        ):
            error = read_error(row.error)
            message = f"the run failed though no step had: {error['name']}: {error['message']}"
            found.append(Anomaly("I-18", "run-failed-by-itself", message, place, final.turn))
        if row.status != RunStatus.COMPLETED or oracle is None:
            continue
        if context.workflow not in ("", row.workflow_name):
            continue
        wanted = encode(oracle(log))
        if wanted == row.output:
            continue
        readable, output = read_output(row.output)
        expected = read_output(wanted)[1]
        if readable and output == expected:
            continue  # equal values, written differently (1 and 1.0)
        seen = repr(output) if readable else f"unreadable bytes {row.output!r}"
        message = f"the run returned {seen}, its recorded results call for {expected!r}"
        found.append(Anomaly("I-18", "wrong-output", message, place, final.turn))
    return found


I_18 = Law(
    id="I-18",
    title="A run returns what its recorded results call for, and fails only if a step has.",
    on={
        BodyEnded: _i18_body,
        "run_cancelled": _i18_ended,
        "run_completed": _i18_ended,
        "run_failed": _i18_ended,
        "step_completed": _i18_ended,
        "step_failed": _i18_step_failed,
    },
    start=_Failures,
    end=_i18_end,
)

# --- I-21: infrastructure faults never surface ----------------------------------------------------

INFRASTRUCTURE = frozenset(
    name
    for name, value in vars(errors).items()
    if isinstance(value, type)
    and issubclass(value, errors.SimworldError)
    and not issubclass(value, errors.UsageError)
) | {"WorkflowWorldError"}
"""Names of the errors that are never the workflow author's, in our words and in the field's."""

_STEP_ERROR = "StepFailedError"


class _Interrupted(dict[str, str]):
    """Run id → a step of it that failed as interrupted: I-12 judges that, and what follows."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.foreign = context.foreign


def _i21_step_failed(interrupted: _Interrupted, record: Committed) -> Anomaly | None:
    event, fact, step = record.event, record.event.fact, record.step
    error = read_error(fact.error if isinstance(fact, StepFailed) else b"")
    if error["kind"] == INTERRUPTED:
        interrupted[event.run_id] = step
    elif error["name"] in INFRASTRUCTURE:
        message = f"{step} failed for good with {error['name']}: {error['message']}"
        return Anomaly("I-21", "step-failed-by-fault", message, at(step), record.turn)
    return None


def _i21_run_failed(interrupted: _Interrupted, record: Committed) -> Anomaly | None:
    event, fact = record.event, record.event.fact
    assert isinstance(fact, RunFailed)
    error = read_error(fact.error)
    name = error["name"]
    if name == _STEP_ERROR and event.run_id in interrupted:
        return None
    theirs = fact.code == USER or (interrupted.foreign and fact.code not in CODES)
    if theirs and name not in INFRASTRUCTURE:
        return None
    message = f"the run failed with {fact.code} ({name}: {error['message']})"
    return Anomaly("I-21", "run-failed-by-fault", message, at(""), record.turn)


I_21 = Law(
    id="I-21",
    title="Infrastructure faults never surface as a failed step or a failed run.",
    on={"step_failed": _i21_step_failed, "run_failed": _i21_run_failed},
    start=_Interrupted,
)

# --- I-26: a cancelled run starts nothing ---------------------------------------------------------


class _Cancelled:
    """The starts accepted so far, and those that came after their run had been cancelled."""

    __slots__ = ("late", "runs", "starts")

    def __init__(self) -> None:
        self.runs: dict[str, None] = {}
        self.starts: dict[tuple[str, str], int] = {}
        self.late: dict[tuple[str, str, int], None] = {}
        """(run id, label, number of the start)."""


def _i26_cancelled(state: _Cancelled, record: Committed) -> None:
    state.runs[record.event.run_id] = None


def _i26_started(state: _Cancelled, record: Committed) -> None:
    key = (record.event.run_id, record.step)
    number = state.starts[key] = state.starts.get(key, 0) + 1
    if key[0] in state.runs:
        state.late[(*key, number)] = None


def _i26_body(state: _Cancelled, record: BodyBegan) -> Anomaly | None:
    """It is the start that counts: between it and its body nobody can stop a handler."""
    step = record.step
    accepted = state.starts.get((record.run_id, step), 0)
    early = record.run_id in state.runs and record.start > accepted  # nobody has yet let it start
    if not early and (record.run_id, step, record.start) not in state.late:
        return None
    message = f"body {record.number} of {step} was started after its run had been cancelled"
    return Anomaly("I-26", "body-after-cancel", message, at(step), record.turn)


I_26 = Law(
    id="I-26",
    title="Once a run is cancelled no new body is started; those that run may finish.",
    on={"run_cancelled": _i26_cancelled, "step_started": _i26_started, BodyBegan: _i26_body},
    start=lambda context: _Cancelled(),
)
