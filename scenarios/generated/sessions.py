"""Goal: whatever a workflow is made of and whatever its client does, its run comes to a right end.

Method: the workflow is drawn, and what the client does, too: it resumes hooks, also twice, it ends
sleeps early, starts a second run with the same tokens, cancels, has a run looked at again; with no
fault (undisturbed), and with duplicates, a crash and a lost answer (struck).
Right outcome: every run ends, by itself or cancelled; what the client was told has happened is in
the log once; a cold replay of the log ends in the same way (I-16).
"""

from __future__ import annotations

from simworld.campaign import (
    GENERATED,
    Case,
    Scenario,
    drawn_session,
    play,
    session_text,
    simpler_session,
)
from simworld.check import LAWS
from simworld.entropy import Stream
from simworld.records import FaultBudget, Workload

BROKEN = "FAIL I-16 I-06 I-09 I-17 I-18 I-19 I-20 I-21 I-23 L-02 L-03 L-04 L-05 L-07"
"""One order that is not the log's breaks nearly every law about what workflows see."""
VICTIMS = 6
"""A nemesis aims at the steps with the first so many ordinals."""


def drawn(stream: Stream) -> Workload:
    """The picks of a session."""
    return Workload(steps=1, picks=drawn_session(stream))


scenario = Scenario(
    name="generated_sessions",
    title="drawn workflows end rightly, whatever a drawn client does meanwhile",
    law="I-16",
    laws=tuple(LAWS),
    workflow=GENERATED.workflow,
    steps=tuple(GENERATED.steps.values()),
    args=lambda workload: (),  # its client starts the runs
    client=play,
    targets=lambda workload: [f"work#{number}" for number in range(1, VICTIMS + 1)],
    simpler=simpler_session,
    told=session_text,
    generated=True,
    may_fail=True,  # bodies of ``risky`` do
    turns_max=40_000,
    marks=("delivery.duplicate", "handler.crashed"),
    cases=(
        Case(
            name="undisturbed",
            title="no fault; the order of turns alone",
            draw=drawn,
            budget=FaultBudget(),
            expect={"v2_merge": BROKEN, "fixed": "PASS"},
        ),
        Case(
            name="struck",
            title="duplicates, a crash and a lost answer",
            draw=drawn,
            budget=FaultBudget(duplicates=2, crashes=1, lost_answers=1),
            expect={"v2_merge": f"{BROKEN} I-22 L-01", "fixed": "PASS"},
        ),
    ),
)
