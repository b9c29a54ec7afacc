"""Goal: several handlers start one step at once and no body ever fails: the step must not fail.

Method: five parallel steps in a race loop, up to four extra deliveries of a message.
Right outcome: the run completes, whatever the order (R-01, I-12).  Guard G0 (V1), which looks at
the attempt number alone, fails the step without a single failed body; G6 and G7 count the same
starts.
"""

from __future__ import annotations

from hypothesis import strategies as st

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.records import FaultBudget

scenario = Scenario(
    name="concurrent_first_attempts",
    title="many handlers start one step at once, no body fails: it must not fail",
    law="I-12",
    laws=("I-13", "I-14", "I-16", "I-18", "I-21", "L-02"),
    workflow=race_loop.race_loop,
    steps=(race_loop.work,),
    args=race_loop.args,
    oracle=race_loop.oracle,
    marks=("delivery.duplicate",),
    cases=(
        Case(
            name="R-01",
            title="concurrent first starts inflate the attempt number",
            races=("R-01",),
            draw=lambda stream: race_loop.drawn(stream, durations_ms=race_loop.LONG_MS),
            budget=FaultBudget(duplicates=4),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                "G0": "FAIL I-12",
                "G2": "PASS",
                "G3": "PASS",
                "G4": "PASS",
                "G6": "FAIL I-12",
                "G7": "FAIL I-12",
                "G8": "PASS",
            },
        ),
    ),
    workloads=lambda: race_loop.workloads(
        "R-01",
        budgets=st.builds(FaultBudget, duplicates=st.integers(0, 5)),
        failures_max=0,
    ),
)
