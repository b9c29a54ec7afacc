"""Goal: a step's retries run out exactly when they should: not earlier, not later, not never.

Method: five parallel steps in a race loop with (R-05) one crash, (R-06) a step whose bodies are
killed every time, (R-07) failures beside deliveries that ran no body, (rough) everything at once
under leases that end while bodies live, and (healthy) a step that always fails.  Right outcome: a
killed body costs crash budget and is tried again (L-01); a step whose bodies always die fails as
"interrupted" after a bounded number of them (I-13a); a step that always fails runs max_retries + 1
bodies and then fails.
"""

from __future__ import annotations

from hypothesis import strategies as st

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.entropy import Stream
from simworld.records import FaultBudget, Workload


def always_failing(stream: Stream) -> Workload:
    """One step fails in every body."""
    return race_loop.drawn(stream, durations_ms=race_loop.LONG_MS, failing_bodies=20)


scenario = Scenario(
    name="retry_exhaustion",
    title="retries run out exactly when they should, also when bodies are killed",
    law="I-13a",
    laws=("I-12", "I-13", "I-14", "I-16", "I-18", "I-21", "L-02"),
    workflow=race_loop.race_loop,
    steps=(race_loop.work,),
    args=race_loop.args,
    oracle=race_loop.oracle,
    marks=("body.flaked", "guard.l469_fired", "handler.crashed_in_body", "retry.after_error"),
    cases=(
        Case(
            name="R-05",
            title="one handler dies anywhere",
            races=("R-05",),
            draw=lambda stream: race_loop.drawn(stream, durations_ms=race_loop.LONG_MS),
            budget=FaultBudget(crashes=1),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                "G0": "PASS",
                "G2": "PASS",
                "G3": "PASS",
                "G4": "FAIL L-01",
                "G6": "PASS",
                "G7": "PASS",
                "G8": "PASS",
            },
        ),
        Case(
            name="R-06",
            title="every body of a step is killed",
            races=("R-06",),
            draw=lambda stream: race_loop.drawn(stream, durations_ms=race_loop.LONG_MS),
            budget=FaultBudget(kill_bodies=12),
            expect={
                "v2_merge": "FAIL I-13a",
                "fixed": "PASS",
                "G0": "PASS",
                "G2": "FAIL I-13a",
                "G3": "FAIL I-13a",
                "G4": "FAIL L-01",
                "G6": "PASS",
                "G7": "PASS",
                "G8": "PASS",
            },
        ),
        Case(
            name="R-07",
            title="deliveries that ran no body are counted as attempts",
            races=("R-07",),
            draw=lambda stream: race_loop.drawn(
                stream, durations_ms=race_loop.SHORT_MS, failing_bodies=2
            ),
            budget=FaultBudget(duplicates=3),
            knobs=("timeout_counting=counted",),
            expect={"v2_merge": "FAIL I-12", "fixed": "PASS", "G6": "FAIL I-12", "G8": "PASS"},
        ),
        Case(
            name="rough",
            title="duplicates, a crash, a lost answer and leases shorter than bodies, together",
            races=("R-05", "R-07", "R-08"),
            draw=lambda stream: race_loop.drawn(
                stream, durations_ms=race_loop.LONG_MS, failing_bodies=1
            ),
            budget=FaultBudget(duplicates=2, crashes=1, lost_answers=1),
            knobs=("lease_ms=1000",),
            expect={"fixed": "PASS"},  # a lost answer alone fails runs of the merged engine
        ),
        Case(
            name="healthy",
            title="a step that always fails: max_retries + 1 bodies, then failed",
            draw=always_failing,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                **dict.fromkeys(("G0", "G2", "G3", "G4", "G6", "G7", "G8"), "PASS"),
            },
        ),
    ),
    workloads=lambda: race_loop.workloads(
        "R-06",
        budgets=st.builds(FaultBudget, crashes=st.integers(0, 2), kill_bodies=st.integers(0, 12)),
        failures_max=4,
    ),
)
