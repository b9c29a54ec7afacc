"""The tables of all lifecycles: event → state → next state, or why not (spec §1.3).

A move is illegal because its cell holds a refusal; nothing else decides.  ``RUN_ENDED`` says what
a terminal run changes in the other tables (decisions §5.13).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from simworld.engine.lifecycle.rows import HookStatus, RunStatus, StepStatus, WaitStatus
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    RunExpiredError,
    WorldError,
)


class Refusal(enum.Enum):
    """Why a cell of a table refuses: (status, reason)."""

    EXISTS = (409, "exists")
    TERMINAL = (409, "terminal")
    EXPIRED = (410, "run ended")
    MISSING = (404, "missing")
    NO_HOOK = (404, "hook")

    def error(self, event_type: str, entity: str, state: str) -> WorldError:
        """The exception to raise; ``entity`` is what stands in the way, in ``state``."""
        status, reason = self.value
        text = f"{event_type} refused: {entity} is {state}"
        if status == 409:
            return EntityConflictError(text, reason=reason)
        if self is Refusal.EXPIRED:
            return RunExpiredError(text)
        return HookNotFoundError(text) if self is Refusal.NO_HOOK else EntityNotFoundError(text)


MISSING = "missing"

RUN_MOVES: dict[str, dict[str, RunStatus | Refusal | None]] = {
    # None: accepted without event (idempotent)
    "run_created": {
        MISSING: RunStatus.PENDING,
        RunStatus.PENDING: Refusal.EXISTS,
        RunStatus.RUNNING: Refusal.EXISTS,
        RunStatus.COMPLETED: Refusal.EXISTS,
        RunStatus.FAILED: Refusal.EXISTS,
        RunStatus.CANCELLED: Refusal.EXISTS,
    },
    "run_started": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.RUNNING,
        RunStatus.RUNNING: None,
        RunStatus.COMPLETED: Refusal.EXPIRED,
        RunStatus.FAILED: Refusal.EXPIRED,
        RunStatus.CANCELLED: Refusal.EXPIRED,
    },
    "run_completed": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.COMPLETED,
        RunStatus.RUNNING: RunStatus.COMPLETED,
        RunStatus.COMPLETED: Refusal.TERMINAL,
        RunStatus.FAILED: Refusal.TERMINAL,
        RunStatus.CANCELLED: Refusal.TERMINAL,
    },
    "run_failed": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.FAILED,
        RunStatus.RUNNING: RunStatus.FAILED,
        RunStatus.COMPLETED: Refusal.TERMINAL,
        RunStatus.FAILED: Refusal.TERMINAL,
        RunStatus.CANCELLED: Refusal.TERMINAL,
    },
    "run_cancelled": {
        MISSING: Refusal.MISSING,
        RunStatus.PENDING: RunStatus.CANCELLED,
        RunStatus.RUNNING: RunStatus.CANCELLED,
        RunStatus.COMPLETED: Refusal.TERMINAL,
        RunStatus.FAILED: Refusal.TERMINAL,
        RunStatus.CANCELLED: RunStatus.CANCELLED,
    },
}

RESILIENT_START = {**RUN_MOVES["run_started"], MISSING: RunStatus.RUNNING}
"""A run_started that carries the run's data creates a missing run and starts it (§2.5)."""

STEP_MOVES: dict[str, dict[str, StepStatus | Refusal]] = {
    "step_created": {
        MISSING: StepStatus.PENDING,
        StepStatus.PENDING: Refusal.EXISTS,
        StepStatus.RUNNING: Refusal.EXISTS,
        StepStatus.COMPLETED: Refusal.EXISTS,
        StepStatus.FAILED: Refusal.EXISTS,
    },
    "step_started": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.RUNNING,
        StepStatus.RUNNING: StepStatus.RUNNING,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
    "step_completed": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.COMPLETED,
        StepStatus.RUNNING: StepStatus.COMPLETED,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
    "step_failed": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.FAILED,
        StepStatus.RUNNING: StepStatus.FAILED,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
    "step_retrying": {
        MISSING: Refusal.MISSING,
        StepStatus.PENDING: StepStatus.PENDING,
        StepStatus.RUNNING: StepStatus.PENDING,
        StepStatus.COMPLETED: Refusal.TERMINAL,
        StepStatus.FAILED: Refusal.TERMINAL,
    },
}

LAZY_START: dict[str, StepStatus | Refusal] = {
    # a step_started that carries the step's input creates the step
    MISSING: StepStatus.RUNNING,
    StepStatus.PENDING: Refusal.EXISTS,
    StepStatus.RUNNING: Refusal.EXISTS,
    StepStatus.COMPLETED: Refusal.EXISTS,
    StepStatus.FAILED: Refusal.EXISTS,
}

HOOK_MOVES: dict[str, dict[str, HookStatus | Refusal]] = {
    "hook_created": {
        MISSING: HookStatus.LIVE,
        HookStatus.LIVE: Refusal.EXISTS,
        HookStatus.CONFLICT: Refusal.EXISTS,
        HookStatus.DISPOSED: Refusal.EXISTS,
    },
    "hook_conflict": {  # what a world makes of a hook_created whose token is taken
        MISSING: HookStatus.CONFLICT,
        HookStatus.LIVE: Refusal.EXISTS,
        HookStatus.CONFLICT: Refusal.EXISTS,
        HookStatus.DISPOSED: Refusal.EXISTS,
    },
    "hook_received": {
        MISSING: Refusal.NO_HOOK,
        HookStatus.LIVE: HookStatus.LIVE,
        HookStatus.CONFLICT: Refusal.NO_HOOK,
        HookStatus.DISPOSED: Refusal.NO_HOOK,
    },
    "hook_disposed": {
        MISSING: Refusal.NO_HOOK,
        HookStatus.LIVE: HookStatus.DISPOSED,
        HookStatus.CONFLICT: Refusal.NO_HOOK,
        HookStatus.DISPOSED: Refusal.NO_HOOK,
    },
}

WAIT_MOVES: dict[str, dict[str, WaitStatus | Refusal]] = {
    "wait_created": {
        MISSING: WaitStatus.WAITING,
        WaitStatus.WAITING: Refusal.EXISTS,
        WaitStatus.COMPLETED: Refusal.EXISTS,
    },
    "wait_completed": {
        MISSING: Refusal.MISSING,
        WaitStatus.WAITING: WaitStatus.COMPLETED,
        WaitStatus.COMPLETED: Refusal.TERMINAL,
    },
}

ATTR_MOVES: dict[str, Refusal | None] = {
    # state of the run; None: accepted, there is no row
    MISSING: Refusal.MISSING,
    RunStatus.PENDING: None,
    RunStatus.RUNNING: None,
    RunStatus.COMPLETED: Refusal.TERMINAL,
    RunStatus.FAILED: Refusal.TERMINAL,
    RunStatus.CANCELLED: Refusal.TERMINAL,
}

RunEnded = Mapping[str, Mapping[str, Refusal]]
"""What a terminal run refuses that the tables allow: event → state → refusal."""


def _run_ended(create: Refusal) -> RunEnded:
    return {
        "step_created": {MISSING: create},
        "step_started": {MISSING: Refusal.EXPIRED, StepStatus.PENDING: Refusal.EXPIRED},
        "hook_created": {MISSING: create},
        "hook_conflict": {MISSING: create},
        "wait_created": {MISSING: create},
    }


RUN_ENDED = _run_ended(Refusal.TERMINAL)
RUN_ENDED_LEASED: dict[str, Refusal] = {StepStatus.RUNNING: Refusal.EXPIRED}
"""Step state → what it changes for starts under a condition: to take over is to start anew."""
RUN_ENDED_410 = _run_ended(Refusal.EXPIRED)
"""For worlds that answer a creation on a terminal run with 410."""
