"""Memory of a process that hunts a subject: after 5 000 trials what it was after 1 000.

``make prove`` runs it (a minute or two); tests/subjects/test_memory.py counts objects in the gate.
"""

from __future__ import annotations

import gc

import pytest

pytest.importorskip("vercel.workflow", reason="pip install 'simworld[vercel]'")

from bench.subject_speed import hunter_on, resident_mb
from tests.subjects.test_memory import objects

WARM, TRIALS = 1_000, 5_000
COLLECT_EVERY = 100
GROWTH_MAX_MB = 3.0
"""A kilobyte that each trial leaves behind would be 4 MB."""
OBJECTS_MAX = 1_000
"""One object of every fourth trial."""

pytestmark = pytest.mark.prove


@pytest.mark.parametrize("place", ["atomic", "sdk-local"])
def test_five_thousand_trials_leave_nothing_behind(place: str) -> None:
    hunter = hunter_on(place)
    for number in range(TRIALS):
        if number == WARM:
            (_, objects_before), resident_before = objects(), resident_mb()
        hunter.trial(number)
        if number % COLLECT_EVERY == 0:
            gc.collect()
    (_, objects_after), resident_after = objects(), resident_mb()
    assert objects_after - objects_before < OBJECTS_MAX
    assert resident_after - resident_before < GROWTH_MAX_MB
