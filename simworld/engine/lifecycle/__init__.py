"""Lifecycles: which event may follow which state, and the exact error of each illegal move."""

from simworld.engine.lifecycle.moves import (
    RUN_MOVES,
    STEP_MOVES,
    Refusal,
    apply_run,
    apply_step,
    check_step,
)
from simworld.engine.lifecycle.rows import (
    RUN_TERMINAL,
    STEP_TERMINAL,
    HookRow,
    HookStatus,
    RunRow,
    RunStatus,
    StepRow,
    StepStatus,
    WaitRow,
    WaitStatus,
)

__all__ = [
    "RUN_MOVES",
    "RUN_TERMINAL",
    "STEP_MOVES",
    "STEP_TERMINAL",
    "HookRow",
    "HookStatus",
    "Refusal",
    "RunRow",
    "RunStatus",
    "StepRow",
    "StepStatus",
    "WaitRow",
    "WaitStatus",
    "apply_run",
    "apply_step",
    "check_step",
]
