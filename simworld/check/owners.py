"""The law of owners (I-15): who runs a step inline, between two passes, is alone in doing so.

An epoch of a step begins with a handler that considers itself its owner, and ends when a body of it
has failed or has a result, when the owner's host dies, or when the lease of its start is over.
"""

from __future__ import annotations

from simworld.check.law import SLACK_MS, Context, Law, at
from simworld.engine import StepStarted
from simworld.records import Anomaly, Committed, Crash, InlineOwned

StepKey = tuple[str, str]
"""(run id, label of the step)."""


class _Owners:
    """The owner of each step, and how long its start is leased."""

    __slots__ = ("leases", "owners", "promised")

    def __init__(self, context: Context) -> None:
        self.promised = context.exclusive_bodies
        self.owners: dict[StepKey, InlineOwned] = {}
        self.leases: dict[StepKey, int] = {}


def _i15_owned(state: _Owners, record: InlineOwned) -> Anomaly | None:
    if not state.promised:
        return None
    step = record.step
    key = (record.run_id, step)
    before = state.owners.get(key)
    state.owners[key] = record
    if before is None or before.task == record.task:
        return None
    if 0 < state.leases.get(key, 0) <= record.now_ms + SLACK_MS:
        return None  # by its own clock it may be over
    message = (
        f"{record.task} is about to run {step} inline as its owner, and so is {before.task}: its "
        "host lives, no body of the step has failed since, and no lease is over"
    )
    return Anomaly("I-15", "two-inline-owners", message, at(step), record.turn)


def _i15_started(state: _Owners, record: Committed) -> None:
    fact = record.event.fact
    assert isinstance(fact, StepStarted)
    if fact.lease_until_ms:
        state.leases[record.event.run_id, record.step] = fact.lease_until_ms


def _i15_over(state: _Owners, record: Committed) -> None:
    key = (record.event.run_id, record.step)
    state.owners.pop(key, None)
    state.leases.pop(key, None)


def _i15_crash(state: _Owners, record: Crash) -> None:
    dead = frozenset(record.tasks)
    for key in [key for key, owner in state.owners.items() if owner.task in dead]:
        del state.owners[key]


I_15 = Law(
    id="I-15",
    title="At most one handler at a time considers itself the inline owner of a step.",
    on={
        InlineOwned: _i15_owned,
        "step_started": _i15_started,
        "step_retrying": _i15_over,
        "step_completed": _i15_over,
        "step_failed": _i15_over,
        Crash: _i15_crash,
    },
    start=_Owners,
)
