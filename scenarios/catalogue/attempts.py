"""Entries R-01 to R-08: who counts a step's attempts, and what they are taken for."""

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
)
