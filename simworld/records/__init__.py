"""The waist of the house: plain frozen data that all parts pass on, and nothing that acts."""

from simworld.records.choices import (
    Advance,
    ChoicePoint,
    Explorer,
    Fault,
    Op,
    Profile,
    Schedule,
    TaskView,
    conflict,
)
from simworld.records.profiles import (
    Dedup,
    DuplicateAttempt,
    QueueProfile,
    TimeoutCounting,
    WorldProfile,
)
from simworld.records.repro import REPRO_VERSION, Repro
from simworld.records.results import Finding, Progress, RacingPair, Result, Story
from simworld.records.trace import (
    BodyBegan,
    BodyEnded,
    Committed,
    Crash,
    Delivered,
    Final,
    LostAnswer,
    Record,
    Sent,
    Turn,
)
from simworld.records.verdicts import FAIL, PASS, UNKNOWN, Anomaly, Verdict
from simworld.records.workload import FaultBudget, Workload

__all__ = [
    "FAIL",
    "PASS",
    "REPRO_VERSION",
    "UNKNOWN",
    "Advance",
    "Anomaly",
    "BodyBegan",
    "BodyEnded",
    "ChoicePoint",
    "Committed",
    "Crash",
    "Dedup",
    "Delivered",
    "DuplicateAttempt",
    "Explorer",
    "Fault",
    "FaultBudget",
    "Final",
    "Finding",
    "LostAnswer",
    "Op",
    "Profile",
    "Progress",
    "QueueProfile",
    "RacingPair",
    "Record",
    "Repro",
    "Result",
    "Schedule",
    "Sent",
    "Story",
    "TaskView",
    "TimeoutCounting",
    "Turn",
    "Verdict",
    "Workload",
    "WorldProfile",
    "conflict",
]
