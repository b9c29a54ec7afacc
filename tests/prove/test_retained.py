"""Retained passes against passes from scratch over 10 000 drawn pairs; reports/retained.md.

``make prove`` runs it (a minute or two on two cores), the gate its first tenth.
"""

from __future__ import annotations

import collections
import multiprocessing
import pathlib
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.engine.comparing_passes import complaints
from tests.engine.generated_logs import POLICIES, drawn_pair

PAIRS = 10_000
CHUNK = 500
REPORT = pathlib.Path("reports/retained.md")

pytestmark = pytest.mark.prove


def compared(first: int) -> tuple[list[str], collections.Counter[str]]:
    """The complaints about one chunk of pairs, and what its logs hold."""
    found: list[str] = []
    held: collections.Counter[str] = collections.Counter()
    for number in range(first, first + CHUNK):
        found += complaints(number)
        held.update(event.type for event in drawn_pair(number).log)
    return found, held


def test_retained_passes_agree_with_passes_from_scratch() -> None:
    found: list[str] = []
    held: collections.Counter[str] = collections.Counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for complaints_, counts in pool.map(compared, range(0, PAIRS, CHUNK)):
            found += complaints_
            held.update(counts)
    assert found == []
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(report(held)) + "\n")


def report(held: collections.Counter[str]) -> list[str]:
    """What was compared."""
    return [
        "# Retained passes against passes from scratch",
        "",
        f"Made by `make prove`: {PAIRS} drawn (program, log) pairs under {len(POLICIES)} policies "
        "(D4 and C1 with every id scheme, seed and sleep clock, U2 and U3, with and without "
        f"validation), {held.total()} events, {held['run_completed']} runs completed.  No pass "
        "that was fed its log in chunks differed from one from scratch, at any cut; no longer log "
        "changed what a shorter one had asked for (I-16); every completed run replayed to its "
        "output.",
        "",
        "| event | count |",
        "|---|---|",
        *[f"| {kind} | {count} |" for kind, count in sorted(held.items())],
    ]
