"""Goal: one body fails while duplicates inflate the attempt number: the step must be tried again.

Method: five parallel steps in a race loop; the first body of a step to begin fails; up to four
extra deliveries of a message.  Right outcome: the run completes (R-02, R-03, R-04; I-12).
The merged guard G1 takes the inflated number for used-up retries.  The mirror guard G2 that the
review suggested only moves the failure to the next start (R-04).  The last case needs no fault at
all: with deduplication that ends at delivery and a continuation per step, handlers overlap by
themselves.
"""

from __future__ import annotations

from hypothesis import strategies as st

from scenarios import race_loop
from simworld.campaign import Case, Scenario
from simworld.records import FaultBudget

scenario = Scenario(
    name="inflated_attempts",
    title="one body fails beside duplicates: the step must be tried again",
    law="I-12",
    laws=("I-13", "I-14", "I-16", "I-18", "I-21", "L-02"),
    workflow=race_loop.race_loop,
    steps=(race_loop.work,),
    args=race_loop.args,
    oracle=race_loop.oracle,
    marks=("body.flaked", "delivery.duplicate", "retry.after_error"),
    cases=(
        Case(
            name="R-02",
            title="the first real failure is taken for the last (scenario D)",
            races=("R-02",),
            # not the step that runs inline: its retry is a message of its own, and duplicates of
            # that one are R-03
            draw=lambda stream: race_loop.drawn(
                stream, durations_ms=race_loop.SHORT_MS, failing_bodies=1, failing_from=1
            ),
            budget=FaultBudget(duplicates=3),
            expect={
                "v2_merge": "FAIL I-12",
                "fixed": "PASS",
                "G0": "FAIL I-12",
                "G2": "PASS",
                "G3": "PASS",
                "G4": "FAIL L-01",
                "G6": "FAIL I-12",
                "G7": "FAIL I-12",
                "G8": "PASS",
            },
        ),
        Case(
            name="R-03",
            title="a retry joins starts that are still running (scenario B)",
            races=("R-03",),
            draw=lambda stream: race_loop.drawn(
                stream, durations_ms=race_loop.LONG_MS, failing_bodies=1
            ),
            budget=FaultBudget(duplicates=3),
            expect={
                "v2_merge": "FAIL I-12",
                "fixed": "PASS",
                "G0": "FAIL I-12",
                "G2": "FAIL I-12",
                "G3": "PASS",
                "G4": "FAIL L-01",
                "G6": "FAIL I-12",
                "G7": "FAIL I-12",
                "G8": "PASS",
            },
        ),
        Case(
            name="R-04",
            title="the mirror guard only moves the failure to the next start",
            races=("R-04",),
            draw=lambda stream: race_loop.drawn(
                stream, durations_ms=race_loop.SHORT_MS, failing_bodies=1
            ),
            budget=FaultBudget(duplicates=4),
            expect={
                "fixed": "PASS",
                "G2": "FAIL I-12",
                "G3": "PASS",
                "G6": "FAIL I-12",
                "G7": "FAIL I-12",
                "G8": "PASS",
            },
        ),
        Case(
            name="no-fault",
            title="deduplication that ends at delivery lets handlers overlap by themselves",
            races=("R-02", "R-03"),
            draw=lambda stream: race_loop.drawn(
                stream, durations_ms=race_loop.LONG_MS, failing_bodies=1
            ),
            budget=FaultBudget(),
            knobs=("dedup=queued_only", "bg_after=always_continue"),
            expect={"v2_merge": "FAIL I-12", "fixed": "PASS"},
        ),
    ),
    workloads=lambda: race_loop.workloads(
        "R-02",
        budgets=st.builds(
            FaultBudget,
            duplicates=st.integers(0, 5),
            crashes=st.integers(0, 1),
            lost_answers=st.integers(0, 1),
        ),
        failures_max=2,
    ),
)
