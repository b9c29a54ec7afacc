"""The law of budgets (I-12): a step fails for good only when one of its budgets is used up.

``exhausted`` needs max_retries + 1 bodies that ended with an error, or crashes_max bodies that were
killed (a guard that has only one budget calls both by that name); ``fatal`` needs one that said so,
``interrupted`` crashes_max starts that ended without a result.  The other way round, a step whose
retries are used up is not tried again; faults may excuse that, so it is judged without them.  A
body that began beside others is no further try, so it is recorded retries that are counted there.

A foreign engine has one budget, of starts: one that ended with an error, or was cut off by the
death of its host or by a lost answer, has used up a try.  One that still runs has not, nor has one
whose body has returned.

Only bodies that ended speak for errors: attempt numbers are what the engine counts, and what it
counts is what is being judged.
"""

from __future__ import annotations

from typing import TypeAlias

from simworld.check.law import Context, Law, at, read_error
from simworld.engine import EXHAUSTED, INTERRUPTED, StepFailed
from simworld.records import Anomaly, BodyBegan, BodyEnded, Committed, Crash, LostAnswer

StepKey: TypeAlias = tuple[str, str]
"""(run id, label of the step)."""


class _Budget:
    """What has been spent on one step."""

    __slots__ = (
        "alive",
        "begun",
        "bodies",
        "crashes",
        "errors",
        "fatals",
        "killed",
        "retries",
        "starters",
        "starts",
        "used",
    )

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
        self.begun: dict[int, int] = {}
        """Number of a body → the start that it is of."""
        self.used: dict[int, None] = {}
        """Starts whose bodies have ended with an error."""
        self.starters: list[str] = []
        """Who has asked for each start: the task of a delivery."""

    def running(self, now_ms: int) -> int:
        """Bodies that are still their owners' to end."""
        return sum(
            1
            for body in self.alive.values()
            if body.lease_until_ms == 0 or body.lease_until_ms > now_ms
        )


class _Budgets:
    """All steps with their budgets."""

    __slots__ = ("calm", "context", "cut_off", "steps")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.calm = not context.faults
        self.cut_off: dict[str, str] = {}
        """Task → how it was cut off: ``dead``, or ``lost`` where it saw no answer."""
        self.steps: dict[StepKey, _Budget] = {}

    def of(self, run_id: str, step: str) -> _Budget:
        """The step's budget."""
        key = (run_id, step)
        budget = self.steps.get(key)
        if budget is None:
            budget = self.steps[key] = _Budget(*self.context.budget_of(step))
        return budget


def _i12_started(state: _Budgets, record: Committed) -> None:
    budget = state.of(record.event.run_id, record.step)
    budget.starts += 1
    task, _, last = record.task.rpartition("/")
    # On a wire the request of a delivery starts it, and is named below it.
    budget.starters.append(task if last.startswith("step_started") else record.task)


def _i12_retrying(state: _Budgets, record: Committed) -> None:
    state.of(record.event.run_id, record.step).retries += 1


def _i12_began(state: _Budgets, record: BodyBegan) -> Anomaly | None:
    budget = state.of(record.run_id, record.step)
    budget.alive[record.number] = record
    budget.begun[record.number] = record.start
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
    if record.outcome != "ok" and record.number in budget.begun:
        budget.used[budget.begun[record.number]] = None
    if record.outcome == "error":
        budget.errors += 1
    elif record.outcome == "fatal":
        budget.fatals += 1


def _i12_crash(state: _Budgets, record: Crash) -> None:
    state.calm = False  # a host may also have ended itself, which is no fault
    state.cut_off.update(dict.fromkeys(record.tasks, "dead"))
    for budget in state.steps.values():
        for number, body in list(budget.alive.items()):
            if body.host == record.host:
                del budget.alive[number]
                budget.killed += 1


def _i12_lost(state: _Budgets, record: LostAnswer) -> None:
    state.cut_off.setdefault(record.task, "lost")


def _tries(state: _Budgets, budget: _Budget) -> int:
    """How many starts are over for good, by the count of an engine that has one budget."""
    begun = frozenset(budget.begun.values())
    over = 0
    for start, task in enumerate(budget.starters, 1):
        how = state.cut_off.get(task)
        over += start in budget.used or how == "dead" or (how == "lost" and start not in begun)
    return over


def _i12_foreign(state: _Budgets, record: Committed, error: dict[str, str]) -> Anomaly | None:
    budget = state.of(record.event.run_id, record.step)
    tries = _tries(state, budget)
    if budget.fatals or tries >= budget.bodies:
        return None
    message = (
        f"{record.step} failed for good ({error['message']}), but only {tries} of the "
        f"{budget.bodies} tries allowed had ended with an error or been cut off; it was started "
        f"{budget.starts} times, and {len(budget.alive)} bodies are running"
    )
    return Anomaly("I-12", "retries-not-exhausted", message, at(record.step), record.turn)


def _i12_failed(state: _Budgets, record: Committed) -> Anomaly | None:
    budget = state.of(record.event.run_id, record.step)
    fact = record.event.fact
    if state.context.foreign and isinstance(fact, StepFailed):
        return _i12_foreign(state, record, read_error(fact.error))
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
        LostAnswer: _i12_lost,
    },
    start=_Budgets,
)
