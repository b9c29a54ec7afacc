"""Lifecycles: which event may follow which state, and the exact error of each illegal move."""

from simworld.engine.lifecycle.entities import (
    apply_hook,
    apply_wait,
    check_attr,
    check_hook,
    check_wait,
    release_hook,
)
from simworld.engine.lifecycle.matrix import Legality, legality_matrix
from simworld.engine.lifecycle.moves import apply_run, apply_step, check_step
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
from simworld.engine.lifecycle.tables import (
    HOOK_MOVES,
    RUN_ENDED,
    RUN_ENDED_410,
    RUN_MOVES,
    STEP_MOVES,
    WAIT_MOVES,
    Refusal,
    RunEnded,
)

__all__ = [
    "HOOK_MOVES",
    "RUN_ENDED",
    "RUN_ENDED_410",
    "RUN_MOVES",
    "RUN_TERMINAL",
    "STEP_MOVES",
    "STEP_TERMINAL",
    "WAIT_MOVES",
    "HookRow",
    "HookStatus",
    "Legality",
    "Refusal",
    "RunEnded",
    "RunRow",
    "RunStatus",
    "StepRow",
    "StepStatus",
    "WaitRow",
    "WaitStatus",
    "apply_hook",
    "apply_run",
    "apply_step",
    "apply_wait",
    "check_attr",
    "check_hook",
    "check_step",
    "check_wait",
    "legality_matrix",
    "release_hook",
]
