"""Check: the laws of spec §7 as folds over what happened in a trial, and the verdict they give."""

from simworld.check.judge import judge, verdict
from simworld.check.law import (
    DEADLOCK_MS,
    EPSILON_MS,
    MAIN_RUN,
    SLACK_MS,
    ColdReplay,
    Context,
    Cost,
    Law,
    Oracle,
)
from simworld.check.laws import ALWAYS, FOREIGN, LAWS, laws_named
from simworld.check.recorded import LOG_LAWS, LogJudge, check_log
from simworld.check.stuck import waits_of

__all__ = [
    "ALWAYS",
    "DEADLOCK_MS",
    "EPSILON_MS",
    "FOREIGN",
    "LAWS",
    "LOG_LAWS",
    "MAIN_RUN",
    "SLACK_MS",
    "ColdReplay",
    "Context",
    "Cost",
    "Law",
    "LogJudge",
    "Oracle",
    "check_log",
    "judge",
    "laws_named",
    "verdict",
    "waits_of",
]
