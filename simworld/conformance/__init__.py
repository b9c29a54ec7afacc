"""Conformance: one suite for every World, simulated or real, and for a user's own.

``check_world`` draws sequences of operations and compares a world with the atomic one, step by
step; ``compare`` does that for one sequence.
"""

from simworld.conformance.concurrent import Concurrency, Violation, check_concurrent
from simworld.conformance.driver import CountedIds, HeldClock, MakeWorld, WorldUnderTest
from simworld.conformance.operations import (
    Advance,
    Append,
    CloseStream,
    Create,
    FollowStream,
    Operation,
    ReadActive,
    ReadFrom,
    ReadHook,
    ReadLog,
    ReadPage,
    ReadRun,
    ReadState,
    ReadStream,
    Reopen,
    StreamLength,
    StreamNames,
    WriteStream,
)
from simworld.conformance.running import Difference, NewPlace, compare
from simworld.conformance.suite import (
    Conformance,
    check_reopen,
    check_same,
    check_world,
    deviations,
)
from simworld.conformance.turns import Turns

__all__ = [
    "Advance",
    "Append",
    "CloseStream",
    "Concurrency",
    "Conformance",
    "CountedIds",
    "Create",
    "Difference",
    "FollowStream",
    "HeldClock",
    "MakeWorld",
    "NewPlace",
    "Operation",
    "ReadActive",
    "ReadFrom",
    "ReadHook",
    "ReadLog",
    "ReadPage",
    "ReadRun",
    "ReadState",
    "ReadStream",
    "Reopen",
    "StreamLength",
    "StreamNames",
    "Turns",
    "Violation",
    "WorldUnderTest",
    "WriteStream",
    "check_concurrent",
    "check_reopen",
    "check_same",
    "check_world",
    "compare",
    "deviations",
]
