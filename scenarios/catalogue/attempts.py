"""Entries R-01 to R-07: who counts a step's attempts, and what they are taken for.

The scenarios are those of the front page: ``concurrent_first_attempts``, ``inflated_attempts`` and
``retry_exhaustion``; R-08, which is about rows, has one of its own (``retry_overwrites``).
"""

from __future__ import annotations

from simworld.records import Fix, Race

races = (
    Race(
        id="R-01",
        title="concurrent first starts inflate the attempt number",
        trigger="More handlers than the step has tries start it before any body fails; the last "
        "one reads an attempt number beyond the limit.",
        laws=("I-12", "I-18"),
        scenario="concurrent_first_attempts",
        case="R-01",
        faulty="v2_merge attempt_guard=G0",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="v2_merge attempt_guard=G3"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-01, guard L198 of the split engine",
    ),
    Race(
        id="R-02",
        title="the first real failure is taken for the last (scenario D)",
        trigger="Duplicates start a step side by side until its attempt number is max_retries + 1; "
        "then the first body to fail is taken for the last one that may.",
        laws=("I-12", "I-18"),
        scenario="inflated_attempts",
        case="R-02",
        faulty="v2_merge",
        fixes=(
            Fix(system="v2_merge attempt_guard=G3"),
            Fix(
                system="v2_merge attempt_guard=G7",
                remains="starts of step messages carry no stamp, and are counted as before",
            ),
            Fix(system="fixed"),
        ),
        source="spec §6 R-02; guard L469; decisions §2",
    ),
    Race(
        id="R-03",
        title="a retry joins starts that are still running (scenario B)",
        trigger="One body of a step has failed; its retry and duplicates of it start together, and "
        "the last of them finds an attempt number beyond the limit and a recorded error.",
        laws=("I-12", "I-18"),
        scenario="inflated_attempts",
        case="R-03",
        faulty="v2_merge",
        fixes=(
            Fix(system="v2_merge attempt_guard=G3"),
            Fix(
                system="v2_merge attempt_guard=G7",
                remains="starts of step messages carry no stamp, and are counted as before",
            ),
            Fix(system="fixed"),
        ),
        source="spec §6 R-03; guard L198; decisions §2",
    ),
    Race(
        id="R-04",
        title="the mirror guard only moves the failure to the next start",
        trigger="Starts side by side have inflated the attempt number when the first body fails; "
        "with both guards asking for a recorded error the next start fails the step instead.",
        laws=("I-12", "I-18"),
        scenario="inflated_attempts",
        case="R-04",
        faulty="v2_merge attempt_guard=G2",
        fixes=(Fix(system="v2_merge attempt_guard=G3"), Fix(system="fixed")),
        answer="",
        source="spec §6 R-04, derived; decisions §2",
    ),
    Race(
        id="R-05",
        title="an exclusive start without a proof of life",
        trigger="A handler starts a step and dies; the world refuses every other start while the "
        "step is running, so the redelivered message is acknowledged without running it.",
        laws=("L-01", "L-02"),
        scenario="retry_exhaustion",
        case="R-05",
        faulty="v2_merge attempt_guard=G4",
        fixes=(
            Fix(system="v2_merge attempt_guard=G5"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-05; #316, #322",
    ),
    Race(
        id="R-06",
        title="bodies that are killed never exhaust the budget",
        trigger="Every body of a step is killed, so that no error is ever recorded, and the step "
        "is started again and again.",
        laws=("I-13a", "L-07"),
        scenario="retry_exhaustion",
        case="R-06",
        faulty="v2_merge",
        fixes=(
            Fix(system="v2_merge attempt_guard=G6"),
            Fix(system="v2_merge attempt_guard=G7"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-06; #3035",
    ),
    Race(
        id="R-07",
        title="deliveries that ran no body are counted as attempts",
        trigger="Two bodies of a step fail, and duplicates of its message have raised the number "
        "of starts or of deliveries; the failure is taken for the last one.",
        laws=("I-12", "I-18"),
        scenario="retry_exhaustion",
        case="R-07",
        faulty="v2_merge attempt_guard=G6",
        fixes=(
            Fix(
                system="v2_merge attempt_guard=G7",
                remains="starts of step messages carry no stamp, and are counted as before",
            ),
            Fix(system="fixed"),
        ),
        source="spec §6 R-07; #3069",
    ),
)
