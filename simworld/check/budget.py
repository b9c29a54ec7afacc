"""The law of budgets (I-12): a step fails for good only when one of its budgets is used up.

``exhausted`` needs max_retries + 1 bodies that ended with an error, or crashes_max bodies that were
killed (a guard that has only one budget calls both by that name); ``fatal`` needs one that said so,
``interrupted`` crashes_max starts that ended without a result.  The other way round, a step whose
retries are used up is not tried again; faults may excuse that, so it is judged without them.  A
body that began beside others is no further try, so it is recorded retries that are counted there.

Only bodies that ended speak for errors: attempt numbers are what the engine counts, and what it
counts is what is being judged.
"""

from __future__ import annotations

from typing import TypeAlias

from simworld.check.law import Context, Law, at, read_error
from simworld.engine import EXHAUSTED, INTERRUPTED, StepFailed
from simworld.records import Anomaly, BodyBegan, BodyEnded, Committed, Crash

StepKey: TypeAlias = tuple[str, str]
"""(run id, label of the step)."""


class _Budget:
    """What has been spent on one step."""

    __slots__ = ("alive", "bodies", "crashes", "errors", "fatals", "killed", "retries", "starts")

    def __init__(self, max_retries: int, crashes_max: int) -> None:
        self.bodies = max_retries + 1
        self.crashes = crashes_max
        self.starts = 0
        self.retries = 0
        self.errors = 0
        self.fatals = 0
        self.killed = 0
        self.alive: dict[int, BodyBegan] = {}
        """Bodies that have begun, have not ended, and whose host lives, by number."""

    def running(self, now_ms: int) -> int:
        """Bodies that are still their owners' to end."""
        return sum(
            1
            for body in self.alive.values()
            if body.lease_until_ms == 0 or body.lease_until_ms > now_ms
        )


class _Budgets:
    """All steps with their budgets."""

    __slots__ = ("calm", "context", "steps")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.calm = not context.faults
        self.steps: dict[StepKey, _Budget] = {}

    def of(self, run_id: str, step: str) -> _Budget:
        """The step's budget."""
        key = (run_id, step)
        budget = self.steps.get(key)
        if budget is None:
            budget = self.steps[key] = _Budget(*self.context.budget_of(step))
        return budget


def _i12_started(state: _Budgets, record: Committed) -> None:
    state.of(record.event.run_id, record.step).starts += 1


def _i12_retrying(state: _Budgets, record: Committed) -> None:
    state.of(record.event.run_id, record.step).retries += 1


def _i12_began(state: _Budgets, record: BodyBegan) -> Anomaly | None:
    budget = state.of(record.run_id, record.step)
    budget.alive[record.number] = record
    if not state.calm or budget.retries < budget.bodies:
        return None
    message = (
        f"body {record.number} of {record.step} began after {budget.retries} recorded retries, in "
        f"a trial without faults; max_retries allows {budget.bodies - 1} of them"
    )
    return Anomaly("I-12", "retries-beyond-budget", message, at(record.step), record.turn)


def _i12_ended(state: _Budgets, record: BodyEnded) -> None:
    budget = state.of(record.run_id, record.step)
    budget.alive.pop(record.number, None)
    if record.outcome == "error":
        budget.errors += 1
    elif record.outcome == "fatal":
        budget.fatals += 1


def _i12_crash(state: _Budgets, record: Crash) -> None:
    state.calm = False  # a host may also have ended itself, which is no fault
    for budget in state.steps.values():
        for number, body in list(budget.alive.items()):
            if body.host == record.host:
                del budget.alive[number]
                budget.killed += 1


def _i12_failed(state: _Budgets, record: Committed) -> Anomaly | None:
    budget = state.of(record.event.run_id, record.step)
    fact = record.event.fact
    why = read_error(fact.error)["kind"] if isinstance(fact, StepFailed) else ""
    if why == EXHAUSTED:
        if budget.errors >= budget.bodies or budget.killed >= budget.crashes:
            return None
        kind = "retries-not-exhausted"
        what = (
            f"failed for good as exhausted, but only {budget.errors} of the {budget.bodies} bodies "
            "allowed had ended with an error"
        )
    elif why == INTERRUPTED:
        # The start that failed the step is none of those that were interrupted.
        # By a clock that is ahead a lease is over so much earlier.
        running = budget.running(record.now_ms + state.context.clocks_off_ms)
        killed = budget.starts - budget.retries - 1 - running
        if killed >= budget.crashes:
            return None
        kind = "interrupted-too-early"
        what = (
            f"failed for good as interrupted, but only {max(killed, 0)} of the {budget.crashes} "
            f"starts allowed had ended without a result ({running} bodies are running)"
        )
    elif why == "fatal":
        if budget.fatals:
            return None
        kind, what = "fatal-without-fatal-body", "failed as fatal, but no body of it said so"
    else:
        kind = "unexplained-step-failure"
        what = f"failed for good with kind {why!r}: neither fatal, exhausted nor interrupted"
    message = f"{record.step} {what}"
    return Anomaly("I-12", kind, message, at(record.step), record.turn)


I_12 = Law(
    id="I-12",
    title="A step fails for good only when its retries or its crash budget are used up.",
    on={
        "step_started": _i12_started,
        "step_retrying": _i12_retrying,
        "step_failed": _i12_failed,
        BodyBegan: _i12_began,
        BodyEnded: _i12_ended,
        Crash: _i12_crash,
    },
    start=_Budgets,
)
