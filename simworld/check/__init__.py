"""Check: the laws of spec §7 as folds over what happened in a trial, and the verdict they give."""

from simworld.check.judge import judge, verdict
from simworld.check.law import (
    DEADLOCK_MS,
    EPSILON_MS,
    SLACK_MS,
    ColdReplay,
    Context,
    Cost,
    Law,
    Oracle,
)
from simworld.check.laws import ALWAYS, LAWS, laws_named

__all__ = [
    "ALWAYS",
    "DEADLOCK_MS",
    "EPSILON_MS",
    "LAWS",
    "SLACK_MS",
    "ColdReplay",
    "Context",
    "Cost",
    "Law",
    "Oracle",
    "judge",
    "laws_named",
    "verdict",
]
